from typing import Any

import numpy as np
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.clock import clock_features
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.stages.context import ContextPreprocessor, ContextTransform

NOON = 1_741_608_000


@pytest.fixture
def preprocess(tiny_bundle: Bundle) -> ContextPreprocessor:
    return ContextPreprocessor(tiny_bundle.lookups, now=lambda: NOON + 0.7)


def ints(*values: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    return np.array(values, np.int32)


@pytest.mark.parametrize(
    ("given", "device", "timestamp"),
    [
        ({}, [-1], [NOON]),
        ({"device_type": ints(2)}, [2], [NOON]),
        ({"device_type": ints(0, 9, -7)}, [0, -1, -1], [NOON, NOON, NOON]),
        ({"timestamp": ints(5, 0)}, [-1, -1], [5, NOON]),
        ({"device_type": ints(1), "timestamp": ints(6)}, [1], [6]),
    ],
)
def test_missing_and_unknown_values_are_filled_in(
    preprocess: ContextPreprocessor, given: Any, device: list[int], timestamp: list[int]
) -> None:
    made = preprocess(given)
    assert made["device_type"].tolist() == device
    assert made["timestamp"].tolist() == timestamp
    assert made["device_type"].dtype == made["timestamp"].dtype == np.int32


def test_a_negative_time_is_refused_here_too(preprocess: ContextPreprocessor) -> None:
    with pytest.raises(RequestError, match="timestamp must not be negative"):
        preprocess({"timestamp": ints(-5)})


def test_context_is_encoded_like_in_training(tiny_bundle: Bundle) -> None:
    made: Any = ContextTransform(tiny_bundle.lookups)({"device_type": ints(-1, 0, 2), "timestamp": ints(1, NOON, 0)})
    assert made.pop("device_type").tolist() == [2, 3, 5]
    for name, values in clock_features([1, NOON, 0]).items():
        np.testing.assert_array_equal(made.pop(name), values)
    assert not made
