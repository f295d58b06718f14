import numpy as np
import pytest

from rec_assets.datasets import ranking_features
from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.ranking_features import all_signals, signals_of
from rec_assets.features.columns import SIGNALS
from rec_assets.features.history import LENGTH, UserHistories
from rec_assets.features.signals.item_signals import ITEM_SIGNALS, ItemCategories, ItemFacts, ItemSignals
from rec_assets.features.signals.neighbors import Neighbors

DAY = 86_400
REQUESTS, DEPTH, ITEMS = 5, 4, 8


Inputs = tuple[Candidates, UserHistories, "np.ndarray[tuple[int], np.dtype[np.int64]]", ItemTable, Neighbors]


def inputs(seed: int) -> Inputs:
    random = np.random.default_rng(seed)
    categories = {name: random.integers(0, 3, ITEMS).astype(np.int32) for name in ("category_l1", "category_l2")}
    groups = ItemCategories(categories["category_l1"], categories["category_l2"])
    facts = ItemFacts.of(groups, np.ones(ITEMS), random.random(ITEMS, np.float32))
    of_items = ItemSignals(np.arange(3), {name: random.random((3, ITEMS), np.float32) for name in ITEM_SIGNALS})
    table = ItemTable(
        np.arange(ITEMS, dtype=np.int32),
        categories,
        np.ones(ITEMS, np.int64),
        facts,
        of_items,
        np.zeros(ITEMS, np.int64),
    )
    near = Neighbors(random.integers(0, ITEMS, (ITEMS, 3)).astype(np.int32), random.random((ITEMS, 3), np.float32))
    past = UserHistories.empty(REQUESTS)
    past.item_ids[:, :6] = random.integers(3, ITEMS, (REQUESTS, 6))
    past.timestamps[:, :6] = np.arange(6, 0, -1)
    assert past.item_ids.shape == (REQUESTS, LENGTH)
    ids = random.integers(3, ITEMS, (REQUESTS, DEPTH)).astype(np.int32)
    return (
        Candidates(ids, random.random((REQUESTS, DEPTH), np.float32)),
        past,
        np.arange(REQUESTS) * DAY // 2,
        table,
        near,
    )


@pytest.mark.parametrize("at_a_time", [1, 2, 100])
def test_signals_do_not_depend_on_how_many_requests_are_computed_at_a_time(
    at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking_features, "REQUESTS_AT_A_TIME", at_a_time)
    given = inputs(seed=1)
    whole, parts = signals_of(*given), all_signals(*given)
    assert set(whole) == {"item_id", *SIGNALS}
    for number, name in enumerate(SIGNALS):
        np.testing.assert_array_equal(parts[..., number], whole[name])


def test_times_chosen_are_those_of_the_requests_own_history() -> None:
    candidates, past, timestamps, table, near = inputs(seed=2)
    counts = np.expm1(signals_of(candidates, past, timestamps, table, near)["times_chosen"])
    expected = [
        [int((history == item).sum()) for item in row]
        for history, row in zip(past.item_ids, candidates.item_ids, strict=True)
    ]
    np.testing.assert_allclose(counts, expected, atol=1e-5)
