from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from rec_assets.training.ranking.dlrm import CROSS_ENTROPY, loss_of_lists


def expected(logits: npt.NDArray[Any], chosen: npt.NDArray[np.bool_]) -> float:
    """Returns the same loss by loops over lists and positives."""
    values = []
    for row, flags in zip(logits, chosen, strict=True):
        negatives = row[len(flags) :]
        positives = row[: len(flags)][flags]
        softmax = sum(np.log(1 + np.exp(negatives).sum() / np.exp(one)) for one in positives)
        entropy = np.log1p(np.exp(-positives)).sum() + np.log1p(np.exp(negatives)).sum()
        values.append((softmax + CROSS_ENTROPY * entropy) / len(positives))
    return float(np.mean(values))


@pytest.mark.parametrize("seed", range(3))
def test_loss_is_softmax_and_cross_entropy_of_each_list(seed: int) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(5, 9)).astype(np.float32)
    chosen = random.random((5, 3)) < 0.5
    chosen[:, 0] = True  # every list has a positive
    loss = loss_of_lists(tf.constant(logits), tf.constant(chosen))
    assert float(loss) == pytest.approx(expected(logits, chosen), rel=1e-5)


def test_places_without_a_positive_do_not_count() -> None:
    logits = np.array([[1.0, 5.0, 0.5, -1.0]], np.float32)
    chosen = np.array([[True, False]])
    other = logits.copy()
    other[0, 1] = -7
    assert float(loss_of_lists(tf.constant(logits), chosen)) == float(loss_of_lists(tf.constant(other), chosen))
