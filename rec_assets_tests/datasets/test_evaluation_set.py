from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from rec_assets.datasets.evaluation_set import EvaluationSet
from rec_assets.datasets.queries import Queries
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP
from rec_assets.features.history import InteractionLog

NOW = 1_000_000
FIRST_CODE = 3


def evaluation_set(own_items: int, again: int, others: int) -> EvaluationSet:
    """Returns a set of one user, who bought each own item twice, and later `again` of them and `others`."""
    raw_ids = np.arange(1_000, dtype=np.int32)
    bought = np.tile(np.arange(own_items) + FIRST_CODE, 2)
    log = InteractionLog.of(np.full(len(bought), 7), np.full(len(bought), NOW - 60), bought)
    items = [*range(FIRST_CODE, FIRST_CODE + again), *range(500, 500 + others)]
    relevant = pl.DataFrame({"user_id": [7] * len(items), "item_id": items}, {"user_id": pl.Int32, "item_id": pl.Int32})
    user, now = np.array([7], np.int32), np.array([NOW])
    columns = {REQUEST_USER_ID: user, TIMESTAMP: now}
    queries = Queries(user, now, np.array([-1], np.int32), columns, relevant, np.array([False]))
    table: Any = SimpleNamespace(raw_ids=raw_ids)
    return EvaluationSet(table, log, queries, repeats=True, schema_file=Path("schema.json"))


@pytest.mark.parametrize(
    ("own_items", "again", "others", "pay"),
    [
        (100, 10, 90, True),  # a tenth of the interactions repeat
        (10, 1, 49, True),  # few do, but one of ten own items is chosen again
        (170, 1, 99, False),  # one of 170 is
        (10, 0, 50, False),
        (0, 0, 50, False),
    ],
)
def test_lists_repeat_items_if_own_items_bring_more_hits_than_they_take_places(
    own_items: int, again: int, others: int, pay: bool
) -> None:
    made = evaluation_set(own_items, again, others)
    assert made.share_of_repeats == pytest.approx(again / (again + others))
    assert made.share_chosen_again == pytest.approx(again / own_items if own_items else 0)
    assert made.repeats_pay is pay


def test_pairs_of_histories_do_not_depend_on_the_blocks_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    users, items, now = np.array([7, 8, 9], np.int32), np.array([3, 4, 5]), np.full(3, NOW)
    log = InteractionLog.of(users, now - 60, items)
    relevant = pl.DataFrame({"user_id": users, "item_id": np.array([3, 4, 6], np.int32)})
    columns = {REQUEST_USER_ID: users, TIMESTAMP: now}
    queries = Queries(users, now, np.full(3, -1, np.int32), columns, relevant, np.zeros(3, np.bool_))
    table: Any = SimpleNamespace(raw_ids=np.arange(10, dtype=np.int32))
    monkeypatch.setattr("rec_assets.datasets.evaluation_set.QUERIES_AT_ONCE", 2)
    made = EvaluationSet(table, log, queries, repeats=True, schema_file=Path("schema.json"))
    assert made.unseen_pairs(queries).rows() == [(9, 6)]
    assert made.share_of_repeats == made.share_chosen_again == pytest.approx(2 / 3)
