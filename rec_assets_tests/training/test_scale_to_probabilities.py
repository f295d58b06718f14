from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rec_assets.training.ranking.train import scale_to_probabilities


def scaled(logits: list[float], hits: list[bool]) -> tuple[float, float]:
    """Returns slope and intercept after the fit of a model that had 1 and 0."""
    model: Any = SimpleNamespace(slope=tf.Variable(1.0), intercept=tf.Variable(0.0))
    scale_to_probabilities(model, np.array(logits), np.array(hits))
    return float(model.slope), float(model.intercept)


def test_the_scaled_logits_give_the_hit_rates() -> None:
    logits = [-1.0] * 100 + [1.0] * 100
    slope, intercept = scaled(logits, [n < 10 for n in range(100)] + [n < 40 for n in range(100)])
    rates = 1 / (1 + np.exp(-(slope * np.array([-1, 1]) + intercept)))
    assert rates == pytest.approx([0.1, 0.4], abs=1e-3)


@pytest.mark.parametrize(("first", "second"), [(True, True), (False, False)])
def test_without_two_outcomes_the_scale_stays(first: bool, second: bool) -> None:
    assert scaled([-1.0, 1.0], [first, second]) == (1, 0)


def test_a_slope_that_would_reverse_the_order_is_not_used() -> None:
    assert scaled([-1.0] * 4 + [1.0] * 4, [True] * 3 + [False] + [True] + [False] * 3) == (1, 0)
