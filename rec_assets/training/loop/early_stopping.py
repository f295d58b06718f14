"""Trains epoch by epoch, keeps the weights with the best validation, and stops without improvement."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.common.errors import ActionableError
from rec_assets.common.files import write_atomically
from rec_assets.training.loop.averaging import WeightAverage


@dataclass
class TrainingHistory:
    """Loss and validation per epoch; `validation[0]` is the untrained model if it was evaluated."""

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best_epoch: int = 0

    @property
    def best(self) -> float:
        """Returns the best validation: the one of the kept weights."""
        return max(self.validation, default=float("-inf"))


Report = Callable[[str], None]
Weights = list[npt.NDArray[Any]]


def fit_until_best(
    model: tf.keras.Model,
    epoch_batches: Callable[[int], tf.data.Dataset],
    validate: Callable[[], float],
    max_epochs: int,
    patience: int,
    report: Report,
    *,
    evaluate_untrained: bool = False,
    average: WeightAverage | None = None,
    warm_up: int = 0,
    unfinished: Path | None = None,
) -> TrainingHistory:
    """Trains until validation has not improved for `patience` epochs, and restores the best weights.

    Args:
        model: compiled, with the optimizer's weights made (`compile_with_adam`).
        epoch_batches: returns the batches of epoch 0, 1, …; depends only on the number, so a resumed training is equal.
        validate: returns the metric of the current model; higher is better.
        max_epochs: maximum number of epochs.
        patience: number of epochs without improvement that ends training.
        report: called with one line per epoch, after its state is stored.
        evaluate_untrained: whether to evaluate the initial weights too, as epoch 0 of the validation.
        average: if given, the average of the weights is evaluated and kept in place of the last weights.
        warm_up: number of first epochs that do not count as epochs without improvement, because an average lags behind.
        unfinished: file that stores the state after every epoch. A training resumes from an existing file. The caller
            deletes the file after storing the model.
    """
    history, best_weights = TrainingHistory(), model.get_weights()
    if unfinished and unfinished.exists():
        history, best_weights = _restore(model, average, unfinished)
        report(f"Resuming an unfinished training after epoch {len(history.loss)}.")
    elif evaluate_untrained:
        history.validation.append(validate())
    for epoch, batches in drawn_ahead(epoch_batches, len(history.loss), max_epochs):
        if epoch - max(history.best_epoch, warm_up) >= patience:
            break
        losses = _Losses()
        model.fit(batches, epochs=1, verbose=0, callbacks=[losses, *([average] if average else [])])
        with average.applied(model) if average else nullcontext():
            value, best = validate(), history.best
            if value > best:
                best_weights, history.best_epoch = model.get_weights(), epoch + 1
        history.loss.append(losses.mean)
        history.validation.append(value)
        if unfinished:
            _store(model, average, history, best_weights, unfinished)
        report(f"epoch {epoch + 1}: loss {history.loss[-1]:.4f}, validation {value:.4f}")
    model.set_weights(best_weights)
    return history


def drawn_ahead(
    epoch_batches: Callable[[int], tf.data.Dataset], first: int, end: int
) -> Iterator[tuple[int, tf.data.Dataset]]:
    """Yields epoch numbers `first` … `end - 1` with their batches; a thread draws each during the epoch before."""
    with ThreadPoolExecutor(1) as ahead:
        following = ahead.submit(epoch_batches, first) if first < end else None
        for epoch in range(first, end):
            assert following is not None
            batches = following.result()
            following = ahead.submit(epoch_batches, epoch + 1) if epoch + 1 < end else None
            yield epoch, batches


class _Losses(tf.keras.callbacks.Callback):
    """Collects the loss of every step on its device: waiting for each loss would stop the steps of a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self._values: list[Any] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        self._values.append(logs["loss"])

    @property
    def mean(self) -> float:
        return float(np.mean([float(value) for value in self._values]))


def _store(
    model: tf.keras.Model, average: WeightAverage | None, history: TrainingHistory, best: Weights, file: Path
) -> None:
    arrays = {"weight": model.get_weights(), "optimizer": model.optimizer.get_weights(), "best": best}
    if average:
        arrays["average"] = average.values
    named = {f"{kind}/{number:04d}": a for kind, group in arrays.items() for number, a in enumerate(group)}
    state = asdict(history) | {"averaged_steps": average.count if average else 0}
    with write_atomically(file) as draft:  # after a crash while writing, the file of the previous epoch remains
        np.savez(draft, history=np.array(json.dumps(state)), **named)


def _restore(model: tf.keras.Model, average: WeightAverage | None, file: Path) -> tuple[TrainingHistory, Weights]:
    with np.load(file) as arrays:
        groups = {
            kind: [arrays[name] for name in sorted(arrays.files) if name.startswith(f"{kind}/")]
            for kind in ("weight", "optimizer", "best", "average")
        }
        state = json.loads(str(arrays["history"]))
    averaged_steps = state.pop("averaged_steps", 0)
    shapes = [[tuple(a.shape) for a in group] for group in (groups["weight"], model.get_weights())]
    if shapes[0] != shapes[1]:
        raise ActionableError(f"{file} is the state of another model.", "Delete the file and train again.")
    model.set_weights(groups["weight"])
    model.optimizer.set_weights(groups["optimizer"])
    if average:
        average.restore(averaged_steps, groups["average"])
    return TrainingHistory(**state), groups["best"]
