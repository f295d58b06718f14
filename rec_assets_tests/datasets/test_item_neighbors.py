import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_assets.datasets.neighbors import item_neighbors as module
from rec_assets.datasets.neighbors.item_neighbors import RIDGE, SHRINKAGE, chosen_items, item_cosines, item_neighbors
from rec_assets.features.history import LENGTH, InteractionLog
from rec_assets.features.signals.neighbors import Neighbors

SIZE = 8
Pairs = list[tuple[int, int]]  # of user and item
pairs_of_a_shop = st.lists(st.tuples(st.integers(0, 5), st.integers(3, SIZE - 1)), min_size=1, max_size=40)


def log_of(pairs: Pairs) -> InteractionLog:
    users, items = (np.array([pair[n] for pair in pairs]) for n in range(2))
    return InteractionLog.of(users, np.arange(len(pairs)), items)


def as_table(near: Neighbors) -> npt.NDArray[np.float64]:
    table = np.zeros((SIZE, SIZE))
    np.put_along_axis(table, near.item_ids.astype(np.int64), near.weights, axis=1)
    return table


@settings(max_examples=30, deadline=None)
@given(pairs_of_a_shop)
def test_cosines_are_those_of_the_items_users(pairs: Pairs) -> None:
    near = item_cosines(log_of(pairs), SIZE)
    of_item = {item: {user for user, other in pairs if other == item} for item in range(SIZE)}
    for item in range(SIZE):
        found = {
            int(other): float(weight)
            for other, weight in zip(near.item_ids[item], near.weights[item], strict=True)
            if weight
        }
        expected = {
            other: len(of_item[item] & of_item[other])
            / np.sqrt((len(of_item[item]) + SHRINKAGE) * (len(of_item[other]) + SHRINKAGE))
            for other in range(SIZE)
            if other != item and of_item[item] & of_item[other]
        }
        assert found.keys() == expected.keys()
        np.testing.assert_allclose([found[other] for other in expected], list(expected.values()), rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(pairs_of_a_shop)
def test_weights_of_popular_items_are_ridge_regressions_of_each_item_on_all_others(pairs: Pairs) -> None:
    chosen = chosen_items(log_of(pairs), SIZE).toarray()
    expected = np.zeros((SIZE, SIZE))
    for item in range(SIZE):
        others = np.delete(np.arange(SIZE), item)
        read = chosen[:, others]
        expected[others, item] = np.linalg.solve(read.T @ read + RIDGE * np.eye(SIZE - 1), read.T @ chosen[:, item])
    table = as_table(item_neighbors(log_of(pairs), SIZE))
    np.testing.assert_allclose(table, np.maximum(expected, 0), atol=1e-7)


def test_rare_items_have_cosines_in_the_unit_of_the_linear_model(monkeypatch: pytest.MonkeyPatch) -> None:
    popular = [(user, item) for user in range(20) for item in (3, 4) if user % 7 != item]
    pairs = [*popular, (0, 5), (1, 5), (2, 6), (3, 6)]
    monkeypatch.setattr(module, "LINEAR_ITEMS", 2)
    table, cosines = as_table(item_neighbors(log_of(pairs), SIZE)), as_table(item_cosines(log_of(pairs), SIZE))
    unit = (table[3, 4] + table[4, 3]) / (cosines[3, 4] + cosines[4, 3])
    assert 0 < unit < 1
    rare = np.ones((SIZE, SIZE), np.bool_)
    rare[3:5, 3:5] = False
    np.testing.assert_allclose(table[rare], unit * cosines[rare], rtol=1e-5)


@pytest.mark.parametrize("pairs", [[], [(0, 3)], [(0, 3), (1, 4)]])
def test_items_without_a_common_user_have_no_neighbors(pairs: Pairs) -> None:
    users, items = np.array(pairs, np.int64).reshape(-1, 2).T
    near = item_neighbors(InteractionLog.of(users, np.arange(len(pairs)), items), SIZE)
    assert not near.weights.any()


def test_only_the_newest_interactions_of_a_user_count() -> None:
    items = np.concatenate([[3], np.full(LENGTH - 1, 4), [5]])
    near = item_neighbors(InteractionLog.of(np.zeros(len(items)), np.arange(len(items)), items), SIZE)
    assert not near.weights[3].any()
    assert near.item_ids[5, 0] == 4
