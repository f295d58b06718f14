"""Tests of similar items and of items bought together."""

from pathlib import Path

import numpy as np
import pytest

from rec_assets.datasets.related.baskets import basket_matrix, basket_numbers, popularity
from rec_assets.datasets.related.similar import same_category, similar_items
from rec_assets.datasets.related.tables import COMPLEMENT, KINDS, SIMILAR, TOGETHER, RelatedItems
from rec_assets.datasets.related.together import PRIOR_BASKETS, bought_together, complements, together_with
from rec_assets.features.baskets import SAME_SECOND, VISIT_S, basket_starts
from rec_assets.features.history import InteractionLog
from rec_assets.features.signals.neighbors import Neighbors

NOBODY = Neighbors(np.zeros((8, 1), np.int32), np.zeros((8, 1), np.float32))


@pytest.fixture
def log() -> InteractionLog:
    """Baskets {3, 4}, {3, 4, 5} and {3, 6} of two users, and item 3 twice in the first one."""
    rows = [
        (1, 1000, 3),
        (1, 1010, 4),
        (1, 1020, 3),
        (1, 9000, 3),
        (1, 9000, 4),
        (1, 9000, 5),
        (2, 1000, 3),
        (2, 1000, 6),
    ]
    return InteractionLog.of(*map(np.array, zip(*rows, strict=True)))


def listed(table: Neighbors, item: int) -> list[int]:
    return table.item_ids[item][table.weights[item] > 0].tolist()


def test_a_long_break_and_another_user_start_a_basket() -> None:
    log = InteractionLog.of([1, 1, 1, 2], [0, VISIT_S, 2 * VISIT_S + 1, 2 * VISIT_S + 1], [3, 3, 3, 3])
    assert basket_numbers(log).tolist() == [0, 0, 1, 2]
    assert basket_numbers(InteractionLog.of([], [], [])).tolist() == []
    newest_first = basket_starts(np.array([1, 1, 1, 2]), np.array([9, 9, 8, 8]), SAME_SECOND)
    assert newest_first.tolist() == [True, False, True, True]


def test_an_item_counts_once_in_a_basket(log: InteractionLog) -> None:
    assert basket_matrix(log, 8).toarray().tolist() == [
        [0, 0, 0, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 1, 1, 0, 0],
        [0, 0, 0, 1, 0, 0, 1, 0],
    ]


def test_items_of_more_baskets_come_first_and_probabilities_are_shrunk_to_the_share(log: InteractionLog) -> None:
    table = bought_together(basket_matrix(log, 8))
    assert listed(table, 3) == [4, 5, 6]
    expected = (2 + PRIOR_BASKETS * 2 / 3) / (3 + PRIOR_BASKETS)
    assert table.weights[3, 0] == pytest.approx(expected)
    assert listed(table, 7) == []


def test_a_complement_is_of_another_category_or_often_in_the_same_basket(log: InteractionLog) -> None:
    categories = np.array([0, 0, 0, 1, 1, 2, 3, 2])
    others = InteractionLog.of(np.arange(10, 210), np.full(200, 5_000), np.tile([4, 7], 100))
    rows = InteractionLog.of(
        np.concatenate([log.user_ids, others.user_ids]),
        np.concatenate([log.timestamps, others.timestamps]),
        np.concatenate([log.item_ids, others.item_ids]),
    )
    table = complements(basket_matrix(rows, 8), categories)
    assert set(listed(table, 3)) >= {4, 5, 6}  # half of the baskets of item 3 have item 4
    assert 3 not in listed(table, 4)  # few of the baskets of item 4 have item 3
    related = RelatedItems({COMPLEMENT: table})
    assert 4 in related.complement_of(np.array([3, 6]), categories)[0]
    assert 3 not in related.complement_of(np.array([4, 6]), categories)[0]


def test_an_item_of_few_baskets_is_filled_up_with_popular_items(log: InteractionLog) -> None:
    assert listed(bought_together(basket_matrix(log, 8)), 6) == [3, 4, 5]


def test_the_baselines_are_the_raw_counts(log: InteractionLog) -> None:
    assert together_with(basket_matrix(log, 8), 3, 2).tolist() == [4, 5]
    assert together_with(basket_matrix(log, 8), 7, 2).tolist() == []
    categories = np.array([0, 0, 0, 1, 1, 2, 1, 2])
    assert same_category(categories, popularity(log, 8), 6, 5).tolist() == [3, 4]


def test_a_new_item_has_similar_items_and_is_one() -> None:
    vectors = np.zeros((8, 2), np.float32)
    vectors[3:7] = [[2, 0], [1, 0.1], [0, 1], [0.9, 0]]
    table = similar_items(vectors, NOBODY)
    assert listed(table, 3) == [6, 4]  # item 6 points to the same direction, item 5 to another one
    assert listed(table, 6)[0] == 3
    assert listed(table, 7) == []


def test_users_who_choose_both_items_add_to_the_similarity() -> None:
    vectors = np.zeros((8, 2), np.float32)
    vectors[3:6] = [[1, 0], [1, 0.1], [1, 1]]
    chosen = Neighbors(NOBODY.item_ids.copy(), NOBODY.weights.copy())
    chosen.item_ids[3], chosen.weights[3] = 5, 0.5
    table = similar_items(vectors, chosen)
    assert listed(table, 3) == [5, 4]
    assert table.weights[3, :2] == pytest.approx([0.5 + 1 / np.sqrt(2), 1 / np.sqrt(1.01)])


def test_a_basket_gets_the_sums_of_its_items_without_these_items(log: InteractionLog, tmp_path: Path) -> None:
    table = bought_together(basket_matrix(log, 8))
    RelatedItems(dict.fromkeys(KINDS, table)).save(tmp_path)
    related = RelatedItems.load(tmp_path)
    ids, scores = related.of_basket(TOGETHER, np.array([3, 4, 4]))
    assert ids.tolist() == [5, 6]
    weights = {
        (row, item): w for row in (3, 4) for item, w in zip(table.item_ids[row], table.weights[row], strict=True)
    }
    assert scores == pytest.approx([weights[3, item] + weights[4, item] for item in (5, 6)])
    assert related.of_basket(SIMILAR, np.array([7]))[0].tolist() == []
