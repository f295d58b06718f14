"""Random candidates, histories and items, small enough to compare whole tables."""

import numpy as np

from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.item_table import ItemTable
from rec_assets.features.history import LENGTH, UserHistories
from rec_assets.features.signals.item_signals import ITEM_SIGNALS, ItemCategories, ItemFacts, ItemSignals
from rec_assets.features.signals.neighbors import Neighbors

DAY = 86_400
REQUESTS, DEPTH, ITEMS = 5, 4, 8
Inputs = tuple[Candidates, UserHistories, "np.ndarray[tuple[int], np.dtype[np.int64]]", ItemTable, Neighbors]


def ranking_inputs(seed: int) -> Inputs:
    """Returns candidates, histories and times of requests, the item table and the neighbors of items."""
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
