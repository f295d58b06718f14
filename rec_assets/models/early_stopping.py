"""Trains epoch by epoch, keeps the weights that validate best, and stops when they no longer improve."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf


@dataclass
class History:
    """What happened in training, one entry an epoch; `validation[0]` is the untrained model where that was judged."""

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best_epoch: int = 0


Report = Callable[[str], None]


def fit_until_best(
    model: tf.keras.Model,
    epoch_batches: Callable[[int], tf.data.Dataset],
    validate: Callable[[], float],
    max_epochs: int,
    patience: int,
    report: Report,
    *,
    judge_untrained: bool = False,
) -> History:
    """Fits until validation has not improved for `patience` epochs, and restores the best weights.

    Args:
        model: compiled.
        epoch_batches: the batches of epoch 0, 1, ….
        validate: the metric to maximise, of the model as it is.
        max_epochs: upper bound.
        patience: epochs without improvement that end training.
        report: called with a line an epoch.
        judge_untrained: whether the starting weights compete too, as epoch 0 of the validation.
    """
    history = History()
    best, best_weights = float("-inf"), model.get_weights()
    if judge_untrained:
        best = validate()
        history.validation.append(best)
    for epoch in range(max_epochs):
        losses: list[float] = []
        collect = tf.keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: losses.append(logs["loss"]))  # noqa: B023
        model.fit(epoch_batches(epoch), epochs=1, verbose=0, callbacks=[collect])
        history.loss.append(float(np.mean(losses)))
        value = validate()
        history.validation.append(value)
        report(f"epoch {epoch + 1}: loss {history.loss[-1]:.4f}, validation {value:.4f}")
        if value > best:
            best, best_weights, history.best_epoch = value, model.get_weights(), epoch + 1
        elif epoch + 1 - history.best_epoch >= patience:
            break
    model.set_weights(best_weights)
    return history
