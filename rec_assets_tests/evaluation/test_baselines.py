from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_assets.evaluation.baselines.interaction_matrix import InteractionMatrix, Scores, best_columns
from rec_assets.evaluation.baselines.scorers import (
    AlsSetting,
    als,
    ease,
    first_then,
    item_knn,
    item_knn_bm25,
    popularity,
    repeat,
)
from rec_assets.evaluation.baselines.tifu_knn import BASKET_DECAY, GROUP_DECAY, tifu_knn, user_vectors
from rec_assets.evaluation.baselines.tuning import POPULARITY_DAYS, BaselineTuner

Train = Callable[[InteractionMatrix], Scores]
DAY = 86_400


def rows(*triples: tuple[int, int, float]) -> pl.DataFrame:
    """Builds rows from (user, item, day) of each interaction."""
    return pl.DataFrame(
        [(user, item, int(day * DAY)) for user, item, day in triples],
        {"user_id": pl.Int32, "item_id": pl.Int32, "timestamp": pl.Int64},
        orient="row",
    )


def users(*ids: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    return np.array(ids, np.int32)


# Two tastes: users 1 to 4 share items 10 to 13, users 5 to 8 share items 20 to 23; each user lacks one of four items.
TASTES = rows(
    *(
        (user, first + item, day)
        for first, members in ((10, (1, 2, 3, 4)), (20, (5, 6, 7, 8)))
        for position, user in enumerate(members)
        for item in range(4)
        if item != position
        for day in (item + 0.5,)
    )
)
OLD_FAVORITE = rows(*((user, 7, 0.5) for user in range(9)), *((user, 8, 9.5) for user in range(4)), (1, 9, 9.5))


@pytest.mark.parametrize(("days", "order"), [(30, [7, 8, 9]), (1, [8, 9, 7])])
def test_popularity_counts_the_last_days_only(days: int, order: list[int]) -> None:
    matrix = InteractionMatrix.of(OLD_FAVORITE, days)
    assert matrix.item_ids.tolist() == order
    assert matrix.lists(popularity(matrix), users(1, 999), 3).tolist() == [order, order]


def test_a_log_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        InteractionMatrix.of(OLD_FAVORITE.clear(), 7)


def test_what_was_bought_often_and_lately_is_repeated_first_then_the_popular() -> None:
    matrix = InteractionMatrix.of(rows((1, 5, 0), (1, 6, 0), (1, 6, 1), (1, 4, 9), (2, 3, 1), (3, 3, 1), (2, 2, 1)), 30)
    assert matrix.lists(repeat(matrix, 1_000.0), users(1), 9).tolist() == [[6, 4, 5, 3, 2]]
    assert matrix.lists(repeat(matrix, 0.5), users(1), 9).tolist() == [[4, 6, 5, 3, 2]]


@pytest.mark.parametrize(
    "train",
    [
        lambda one: item_knn(one, 0.0),
        lambda one: item_knn_bm25(one, 1.2),
        lambda one: als(one, AlsSetting(3, 0.1), 0),
        lambda one: ease(one, 1.0),
        lambda one: tifu_knn(one, 0.5),
    ],
)
def test_collaborative_baselines_find_the_one_that_is_missing_from_a_taste(
    train: Callable[[InteractionMatrix], Scores], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rec_assets.evaluation.baselines.tifu_knn.NEIGHBORS", 4)
    matrix = InteractionMatrix.of(TASTES, 30)
    found = matrix.lists(train(matrix), users(1, 2, 7, 8), 1, new_only=True)
    assert found.ravel().tolist() == [10, 11, 22, 23]


@pytest.mark.parametrize("train", [lambda one: item_knn(one, 5.0), lambda one: als(one, AlsSetting(3, 0.1), 0)])
def test_a_user_without_rows_gets_popular_items(train: Train) -> None:
    matrix = InteractionMatrix.of(TASTES.vstack(rows(*((user, 99, 1) for user in range(1, 9)))), 30)
    assert matrix.lists(train(matrix), users(999), 8).tolist() == [matrix.item_ids[:8].tolist()]
    assert matrix.item_ids[0] == 99


def test_shrinkage_holds_back_what_rests_on_one_user() -> None:
    often = rows(*((user, item, 1) for user in range(2, 8) for item in (1, 2)), (8, 2, 1))
    matrix = InteractionMatrix.of(often.vstack(rows((1, 1, 1), (1, 3, 1), (9, 1, 1))), 30)
    eager, careful = (
        matrix.lists(item_knn(matrix, shrinkage), users(9), 3, new_only=True) for shrinkage in (0.0, 50.0)
    )
    assert eager[0, 0] == careful[0, 0] == 2
    lone = InteractionMatrix.of(
        rows((1, 1, 1), (1, 3, 1), (2, 1, 1), (2, 2, 1), (3, 1, 1), (3, 2, 1), (4, 2, 1), (5, 3, 1)), 30
    )
    scores = [item_knn(lone, shrinkage)(lone.rows_of(users(5)))[0] for shrinkage in (0.0, 50.0)]
    own = lone.item_ids.tolist().index(3)
    assert scores[1][own] < 0.1 * scores[0][own]


def test_repeats_come_before_the_factors_order() -> None:
    matrix = InteractionMatrix.of(TASTES, 30)
    repeats, factors = repeat(matrix, 30.0), als(matrix, AlsSetting(3, 0.1), 0)
    found = matrix.lists(first_then(repeats, factors), users(1), 4)[0].tolist()
    assert found == [13, 12, 11, 10]


def test_the_newest_baskets_and_groups_of_baskets_count_most() -> None:
    # Eight baskets in seven groups: the two newest form a group, and the oldest two the last of four.
    matrix = InteractionMatrix.of(rows(*((1, item, item) for item in range(8)), (2, 5, 1)), 30)
    weights = dict(zip(matrix.item_ids.tolist(), user_vectors(matrix).toarray()[0], strict=True))
    expected = {7 - age: BASKET_DECAY ** (age % 2) / 2 * GROUP_DECAY ** (age // 2) / 4 for age in range(8)}
    assert weights == pytest.approx(expected)
    assert user_vectors(matrix).toarray()[1].max() == 1


def test_ease_learns_no_item_from_itself_and_keeps_rare_items_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rec_assets.evaluation.baselines.scorers.EASE_ITEMS", 2)
    often = rows(*((user, item, 1) for user in range(1, 8) for item in (1, 2)), (8, 1, 1), (9, 3, 1), (9, 4, 1))
    matrix = InteractionMatrix.of(often, 30)
    first, second, *rare = ease(matrix, 1.0)(matrix.rows_of(users(8)))[0]
    assert first == 0 < second
    assert max(rare) < first


def test_als_gives_the_same_lists_again() -> None:
    matrix = InteractionMatrix.of(TASTES, 30)
    first, again = (als(matrix, AlsSetting(3, 30), seed=1)(np.arange(8)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("new_only", [False, True])
def test_every_baseline_answers_for_everyone(new_only: bool, slow: bool) -> None:
    lists = BaselineTuner(TASTES, 1, seed=0).lists(users(1, 5, 999), 5, new_only=new_only, slow=slow)
    others = set() if new_only else {"repeat", "repeat, then ALS"}
    others |= {"item-kNN, BM25", "EASE", "TIFU-kNN"} if slow else set()
    assert set(lists) == {"popularity", "item-kNN", "ALS"} | others
    assert {found.shape for found in lists.values()} == {(3, 5)}


def test_lists_of_new_items_hold_none_that_the_user_chose_and_end_where_there_are_no_more() -> None:
    lists = BaselineTuner(TASTES, 1, seed=0).lists(users(1), 300, new_only=True)
    for found in lists.values():
        assert not {11, 12, 13} & set(found[0].tolist())
        assert sorted(found[0].tolist()) == [-1, -1, -1, 10, 20, 21, 22, 23]


def test_the_popularity_window_is_chosen_on_the_last_days_of_training() -> None:
    long_loved = [(user, 100 + user % 3, day) for user in range(20) for day in range(20)]
    new_fashion = [(user, 200, 20.5) for user in range(10)]
    last_day = [(user, 200, 21.5) for user in range(20)]
    assert BaselineTuner(rows(*long_loved, *new_fashion, *last_day), 1, seed=0).best_popularity_days() == 1


def test_a_history_of_one_day_is_too_short_to_choose_and_takes_the_first_setting() -> None:
    one_day = rows((1, 1, 0.1), (1, 2, 0.2), (2, 2, 0.3))
    assert BaselineTuner(one_day, 3, seed=0).best_popularity_days() == POPULARITY_DAYS[0]
    assert set(BaselineTuner(one_day, 3, seed=0).lists(users(1), 5, new_only=False)) >= {"repeat", "ALS"}


@settings(max_examples=100)
@given(
    values=st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.5, -3.0, -np.inf]), min_size=width, max_size=width), min_size=1
        )
    ),
    depth=st.integers(1, 6),
)
def test_the_best_columns_are_those_of_a_stable_sort(values: list[list[float]], depth: int) -> None:
    scores = np.array(values, np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    np.testing.assert_array_equal(best_columns(scores, depth), expected)
