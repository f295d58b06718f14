import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.models.candidates import Candidates, training_lists


def candidates(events: int, depth: int, seed: int) -> Candidates:
    rng = np.random.default_rng(seed)
    item_ids = np.stack([rng.permutation(2 * depth)[:depth] for _ in range(events)]).astype(np.int32)
    return Candidates(item_ids, -np.sort(-rng.random((events, depth)).astype(np.float32), axis=1))


@given(st.integers(1, 30), st.integers(2, 20), st.integers(1, 15), st.integers(0, 1000))
def test_a_list_is_the_positive_then_other_candidates_of_its_event(
    events: int, depth: int, negatives: int, seed: int
) -> None:
    found = candidates(events, depth, seed)
    positives = np.random.default_rng(seed + 1).integers(0, 2 * depth, events).astype(np.int32)
    kept, lists = training_lists(found, positives, negatives, seed)
    retrieved = [positive in row for positive, row in zip(positives, found.item_ids, strict=True)]
    assert kept.tolist() == np.flatnonzero(retrieved).tolist()
    assert lists["item_id"].shape == lists["retrieval_score"].shape == (len(kept), 1 + negatives)
    for event, items, scores in zip(kept, lists["item_id"], lists["retrieval_score"], strict=True):
        own = dict(zip(found.item_ids[event].tolist(), found.scores[event].tolist(), strict=True))
        assert items[0] == positives[event]
        assert positives[event] not in items[1:]
        assert [own[item] for item in items.tolist()] == scores.tolist()


def test_equal_seeds_draw_equal_negatives() -> None:
    found = candidates(50, 20, 1)
    positives = found.item_ids[:, 3]
    first, again, other = (training_lists(found, positives, 5, seed)[1]["item_id"] for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
