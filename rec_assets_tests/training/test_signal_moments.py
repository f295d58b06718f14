import numpy as np
import pytest

from rec_assets.features.history import PADDING_ID
from rec_assets.features.signals.item_signals import ITEM_SIGNALS, ItemSignals
from rec_assets.training.loop.candidate_signals import STORED_SIGNALS, CandidateSignals
from rec_assets.training.ranking.candidate_lists import RankerLists
from rec_assets.training.ranking.train import signal_moments


def lists(seed: int, padded: int) -> RankerLists:
    """Returns random lists; the last `padded` places of each are padding with the signals 1,000."""
    random = np.random.default_rng(seed)
    item_ids = random.integers(1, 9, (6, 5)).astype(np.int32)
    signals = random.normal(3, 2, (6, 5, len(STORED_SIGNALS))).astype(np.float32)
    signals[..., 1] = 7
    item_ids[:, 5 - padded :], signals[:, 5 - padded :] = PADDING_ID, 1_000
    flags = np.zeros(item_ids.shape, np.bool_)
    tables = {name: random.normal(3, 2, (1, 9)).astype(np.float32) for name in ITEM_SIGNALS}
    of_items = ItemSignals(np.zeros(1, np.int64), tables)
    return RankerLists({}, CandidateSignals(item_ids, signals, np.zeros(6, np.int64), of_items), flags, flags)


def test_mean_and_deviation_of_every_signal_are_of_the_candidates_of_all_lists() -> None:
    parts = [lists(1, padded=2), lists(2, padded=1)]
    means, scales = signal_moments(parts)
    candidates = np.concatenate([part.signals.at(np.arange(6), np.arange(5)[None])[1][part.mask] for part in parts])
    assert means == pytest.approx(candidates.mean(axis=0, dtype=np.float64), rel=1e-6)
    assert np.delete(scales, 1) == pytest.approx(np.delete(candidates.std(axis=0, dtype=np.float64), 1), rel=1e-6)


def test_a_signal_without_variation_is_no_input() -> None:
    means, scales = signal_moments([lists(1, padded=0)])
    assert abs(1_000 - means[1]) / scales[1] < 1e-6


@pytest.mark.parametrize("parts", [[], [lists(1, padded=5)]])
def test_without_candidates_signals_stay_as_they_are(parts: list[RankerLists]) -> None:
    means, scales = signal_moments(parts)
    assert not means.any()
    assert (scales == 1).all()
