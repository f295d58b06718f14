"""Moving average of a model's weights: less noise from the last steps, like an ensemble of trainings, for no cost."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf


class WeightAverage(tf.keras.callbacks.Callback):
    """Averages the trainable weights over about the last `steps` steps, or over all steps if these are fewer.

    A new step has the weight 1 / `steps` (Polyak and Juditsky 1992, as an exponential average).
    """

    def __init__(self, steps: float) -> None:
        """Stores the horizon of the average, in steps; at least one."""
        super().__init__()
        self._horizon = max(1.0, steps)
        self.count = 0
        self.values: list[npt.NDArray[Any]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the weights after a step."""
        weights = [variable.numpy() for variable in self.model.trainable_variables]
        self.count += 1
        share = max(1 / self.count, 1 / self._horizon)
        self.values = [
            weight if self.count == 1 else (value + share * (weight - value)).astype(weight.dtype)
            for value, weight in zip(self.values or weights, weights, strict=True)
        ]

    def assign(self, model: tf.keras.Model) -> None:
        """Gives the model the average of its weights; without any step, the weights stay."""
        for variable, value in zip(model.trainable_variables, self.values, strict=bool(self.values)):
            variable.assign(value)

    @contextmanager
    def applied(self, model: tf.keras.Model) -> Iterator[None]:
        """Gives the model the average for a while, and then its own weights again."""
        own = model.get_weights()
        self.assign(model)
        try:
            yield
        finally:
            model.set_weights(own)

    def restore(self, count: int, values: list[npt.NDArray[Any]]) -> None:
        """Continues an average of `count` steps."""
        self.count, self.values = count, [np.asarray(value) for value in values]
