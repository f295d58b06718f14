"""Moving average of a model's weights: less noise from the last steps, like an ensemble of trainings, for no cost."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Weights = list[npt.NDArray[Any]]


class WeightAverage(tf.keras.callbacks.Callback):
    """Averages the trainable weights over about the last `steps` steps, or over all steps if these are fewer.

    A new step has the weight 1 / `steps` (Polyak and Juditsky 1992, as an exponential average). The average stays on
    the device of the model: on a GPU, copying every weight after a step would take as long as the step.
    """

    def __init__(self, steps: float) -> None:
        """Stores the horizon of the average, in steps; at least one."""
        super().__init__()
        self._supports_tf_logs = True  # reads no loss, so Keras need not copy it from the device
        self._horizon = max(1.0, steps)
        self._restored: Weights = []
        self._average: _FlatAverage | None = None
        self.count = 0

    @property
    def values(self) -> Weights:
        """Returns the average of each trainable weight; empty before the first step."""
        return self._restored if self._average is None else self._average.values

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the weights after a step."""
        if self._average is None:
            self._average = _FlatAverage(self.model.trainable_variables, self._restored)
        self.count += 1
        self._average.add(tf.constant(max(1 / self.count, 1 / self._horizon), tf.float32))

    def assign(self, model: tf.keras.Model) -> None:
        """Gives the model the average of its weights; without any step, the weights stay."""
        values = self.values
        for variable, value in zip(model.trainable_variables, values, strict=bool(values)):
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

    def restore(self, count: int, values: Weights) -> None:
        """Continues an average of `count` steps."""
        self.count, self._restored, self._average = count, values, None


class _FlatAverage:
    """All weights in one vector, because a GPU spends more time on starting an operation than on these numbers."""

    def __init__(self, weights: Sequence[Any], values: Weights) -> None:
        """Starts from values of the weights, or from zeros."""
        self._weights = list(weights)
        sizes = [weight.shape.num_elements() for weight in weights]
        self._ends = np.cumsum(sizes)[:-1]
        start = np.concatenate([np.ravel(value) for value in values]) if values else np.zeros(sum(sizes), np.float32)
        self._flat = tf.Variable(start, trainable=False)
        self.add = tf.function(self._add)

    def _add(self, share: Any) -> None:
        weights = tf.concat([tf.reshape(weight, [-1]) for weight in self._weights], axis=0)
        self._flat.assign(self._flat + share * (weights - self._flat))

    @property
    def values(self) -> Weights:
        parts = np.split(self._flat.numpy(), self._ends)
        return [part.reshape(weight.shape) for part, weight in zip(parts, self._weights, strict=True)]
