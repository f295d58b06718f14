import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.datasets.queries import Queries
from rec_assets.evaluation.report import ALL, NEW, NEW_ITEMS, Lists, deep_enough, evaluate, segments, unseen_lists

# Users 1 and 2 have one and three training rows, user 3 has no rows; items 30 and 99 have no training rows.
HISTORY = pl.DataFrame({"user_id": [1, 2, 2, 2], "item_id": [10, 10, 20, 20]})
CATALOG = np.array([10, 20, 30, 99], np.int32)
RELEVANT = pl.DataFrame(
    {"user_id": [1, 1, 2, 3], "item_id": [10, 30, 99, 10]}, {"user_id": pl.Int32, "item_id": pl.Int32}
)


def queries() -> Queries:
    ids = np.array([1, 2, 3], np.int32)
    return Queries(ids, np.zeros(3, np.int64), np.zeros(3, np.int32), {}, RELEVANT, np.array([False, False, True]))


def lists(*rows: tuple[int, ...]) -> Lists:
    return np.array(rows, np.int32)


PERFECT = lists((10, 30), (99, -1), (10, -1))
USELESS = lists((20, -1), (20, -1), (20, -1))


def test_a_perfect_method_has_full_marks_in_every_segment() -> None:
    table = evaluate(queries(), HISTORY, CATALOG, {ALL: {"perfect": PERFECT, "useless": USELESS}}).table
    table = table.filter(pl.col("segment") != NEW_ITEMS)  # a perfect list can have other items before new items
    for metric in ("recall@10", "recall@300", "ndcg@10", "hit_rate@10"):
        assert set(table.filter(method="perfect")[metric]) == {1.0}
        assert set(table.filter(method="useless")[metric]) == {0.0}


def test_there_is_one_row_a_track_method_and_segment() -> None:
    table = evaluate(queries(), HISTORY, CATALOG, {ALL: {"a": PERFECT, "b": USELESS}, NEW: {"a": PERFECT}}).table
    assert table.select("track", "method", "segment").is_unique().all()
    assert set(table.filter(track=ALL)["segment"]) == {"all", "known", "cold", "light", "heavy", NEW_ITEMS}


def test_users_are_split_by_their_training_rows() -> None:
    split = {name: mask.tolist() for name, mask in segments(queries(), HISTORY).items()}
    assert split == {
        "all": [True, True, True],
        "known": [True, True, False],
        "cold": [False, False, True],
        "light": [True, False, False],
        "heavy": [False, True, False],
    }


def test_a_segment_without_users_has_no_row() -> None:
    everyone = HISTORY.vstack(pl.DataFrame({"user_id": [3], "item_id": [10]}))
    report = evaluate(queries(), everyone, CATALOG, {ALL: {"perfect": PERFECT}})
    with pytest.raises(KeyError, match="all / perfect / cold"):
        report.value("perfect", "ndcg@10", "cold")


def test_on_the_new_track_items_of_the_history_are_not_relevant() -> None:
    report = evaluate(queries(), HISTORY, CATALOG, {NEW: {"a": lists((30, -1), (99, -1), (20, -1))}})
    assert report.table.filter(segment="all").select("users", "pairs").row(0) == (3, 3)
    assert report.value("a", "recall@10", track=NEW) == pytest.approx(2 / 3)
    only_repeats = evaluate(queries(), HISTORY, CATALOG, {NEW: {"a": lists((10, -1), (20, -1), (20, -1))}})
    assert only_repeats.value("a", "hit_rate@10", track=NEW) == 0


def test_new_items_have_their_share_of_pairs_and_positions_and_a_hit_rate() -> None:
    report = evaluate(queries(), HISTORY, CATALOG, {ALL: {"found": lists((10, 30), (99, 20), (10, 20))}})
    # Items 30 and 99 have no training rows: two of the four pairs, and two of the six positions.
    assert report.value("found", "pairs", NEW_ITEMS) == 2
    assert report.value("found", "users", NEW_ITEMS) == 2
    assert report.value("found", "hit_rate@10", NEW_ITEMS) == 1
    assert report.value("found", "new_items@10") == pytest.approx(2 / 6)


def test_coverage_is_the_share_of_the_catalog_in_anyones_first_ten() -> None:
    deep = np.concatenate([np.full((3, 10), 10, np.int32), np.full((3, 1), 20, np.int32)], axis=1)
    report = evaluate(queries(), HISTORY, CATALOG, {ALL: {"narrow": deep, "wide": lists((10, 20), (30, 99), (10, -1))}})
    assert report.value("narrow", "coverage@10") == 0.25
    assert report.value("wide", "coverage@10") == 1.0
    assert report.value("wide", "coverage@10", "cold") == 0.25


def test_unseen_lists_close_up_and_keep_their_order() -> None:
    found = unseen_lists(queries().user_ids, lists((10, 20, 30), (20, 30, 10), (10, 20, -1)), HISTORY, 2)
    assert found.tolist() == [[20, 30], [30, -1], [10, 20]]


def test_deep_enough_makes_up_for_the_longest_history_of_the_users() -> None:
    assert deep_enough(np.array([1, 2], np.int32), HISTORY) == 302
    assert deep_enough(np.array([1, 3], np.int32), HISTORY) == 301
    assert deep_enough(np.array([3], np.int32), HISTORY) == 300


@given(
    ranked=st.permutations([10, 20, 30, 40, 50]),
    seen=st.sets(st.sampled_from([10, 20, 30, 40, 50])),
    depth=st.integers(1, 7),
)
def test_unseen_lists_are_what_filtering_by_hand_gives(ranked: list[int], seen: set[int], depth: int) -> None:
    history = pl.DataFrame(
        {"user_id": [1] * len(seen), "item_id": sorted(seen)}, {"user_id": pl.Int32, "item_id": pl.Int32}
    )
    expected = [item for item in ranked if item not in seen]
    result = unseen_lists(np.array([1], np.int32), lists(tuple(ranked)), history, depth)[0].tolist()
    assert result == (expected + [-1] * len(seen))[:depth]
