from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.history import PADDING_ID, UserHistories
from rec_assets.features.signals.item_signals import ItemCategories, ItemFacts
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import PRIOR_ROWS, Past
from rec_assets.inference.candidate_sources import CandidateSources, PopularItems, best
from rec_assets.inference.merge import weigh_by_category
from rec_assets_tests.features.numpy_signals import affinity

NOW, DAY = 1_000_000, 86_400
ITEMS = 12  # encoded ids 3 to 11; 11 has no vector
GROUPS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], np.int32)
VECTORS = np.zeros((ITEMS, 64), np.float32)
VECTORS[3:11, 0] = [8, 7, 6, 5, 4, 3, 2, 1]
INDEXED = VECTORS.any(axis=1)
QUERY = np.zeros((1, 64), np.float32)
QUERY[0, 0] = 1


def search(queries: npt.NDArray[np.float32], depth: int) -> npt.NDArray[np.int32]:
    """Returns the items 3, 4, 5, … for every query."""
    nearest = np.arange(3, 11, dtype=np.int32)[:depth]
    return np.broadcast_to(nearest, (len(queries), len(nearest)))


def sources(*, repeats: bool = True, neighbors: dict[int, int] | None = None) -> CandidateSources:
    near = Neighbors(np.zeros((ITEMS, 1), np.int32), np.zeros((ITEMS, 1), np.float32))
    for item, other in (neighbors or {}).items():
        near.item_ids[item], near.weights[item] = other, 0.5
    facts = ItemFacts.of(ItemCategories(GROUPS, GROUPS), np.ones(ITEMS), np.zeros(ITEMS, np.float32))
    return CandidateSources(search, VECTORS, INDEXED, near, facts, repeats)


def past_of(*items: int) -> Past:
    histories = UserHistories.empty(1)
    histories.item_ids[0, : len(items)] = items
    histories.timestamps[0, : len(items)] = NOW - DAY * (1 + np.arange(len(items)))
    return Past(histories, np.array([NOW]))


def popular(*items: int) -> PopularItems:
    """Returns popular items, the first one most popular."""
    return PopularItems(np.array(items, np.int32), 1 + np.arange(len(items), 0, -1, dtype=np.float32) / 100)


def candidates(made: CandidateSources, past: Past, items: PopularItems, depth: int) -> list[int]:
    ids, scores = made(QUERY, past, items, depth)
    assert scores[0].tolist() == VECTORS[ids[0], 0].tolist()
    return [item for item in ids[0].tolist() if item != PADDING_ID]


def test_an_anonymous_user_gets_nearest_and_popular_items_by_their_ranks() -> None:
    # Items 10 and 9 are ranks 0 and 1 of the popular items, and ranks 7 and 6 of the search.
    listed = candidates(sources(), past_of(), popular(10, 9), 8)
    assert listed[:4] == [10, 9, 3, 4]


def test_own_items_come_first_by_recency_and_count() -> None:
    assert candidates(sources(), past_of(9, 10, 10, 10), popular(3), 4)[:2] == [10, 9]


def test_without_repeats_own_items_are_left_out() -> None:
    listed = candidates(sources(repeats=False), past_of(3, 9), popular(3, 9), 8)
    assert not {3, 9} & set(listed)
    assert set(listed) == {4, 5, 6, 7, 8, 10}


def test_neighbors_of_own_items_are_candidates() -> None:
    listed = candidates(sources(neighbors={9: 10, 3: 11}), past_of(9, 3), popular(4), 4)
    assert listed[:2] == [9, 3]
    assert listed.index(10) < 4
    assert 11 not in listed  # it has no vector


def test_popular_items_of_a_preferred_category_come_before_others() -> None:
    # The user chooses items of group 3 (items 9 and 10); item 10 is less popular than item 6 of group 2.
    made = sources()
    anonymous, known = (made._of_categories(past, popular(6, 10), 2)[0].tolist() for past in (past_of(), past_of(9, 9)))
    assert (anonymous, known) == ([6, 10], [10, 6])


@given(st.lists(st.lists(st.integers(3, 11), max_size=9), min_size=1, max_size=3))
def test_rates_grow_with_the_root_of_the_users_affinity_to_the_category(histories: list[list[int]]) -> None:
    past_items = UserHistories.empty(len(histories))
    for row, history in enumerate(histories):
        past_items.item_ids[row, : len(history)] = history
        past_items.timestamps[row, : len(history)] = NOW - DAY * (1 + np.arange(len(history)))
    past, share = Past(past_items, np.full(len(histories), NOW)), np.array([0.1, 0.2, 0.3, 0.4])
    items = np.arange(3, 12, dtype=np.int32)
    rates = np.full((len(histories), len(items)), 2, np.float32)
    weigh_by_category(past.splits, past.item_ids, past.weight, GROUPS, share, PRIOR_ROWS, items, rates)
    np.testing.assert_allclose(rates, 2 * np.sqrt(affinity(past, GROUPS, share))[:, GROUPS[items]], rtol=1e-6)


def test_an_own_item_without_a_vector_is_no_candidate() -> None:
    assert 11 not in candidates(sources(), past_of(11), popular(3), 8)


def test_short_lists_are_padded() -> None:
    ids, scores = sources()(QUERY, past_of(), popular(3), 20)
    assert ids[0, 8:].tolist() == [PADDING_ID] * 12
    assert not scores[0, 8:].any()


def test_popular_items_are_indexed_items_with_interactions() -> None:
    signal = np.log1p(np.array([9, 9, 9, 0, 5, 7, 0, 0, 0, 0, 0, 8], np.float32))
    found = PopularItems.of(signal, INDEXED)
    assert found.item_ids.tolist() == [5, 4]
    np.testing.assert_allclose(found.rates, [7, 5], rtol=1e-5)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 14))
def test_the_best_positions_are_in_order_and_ties_by_position(values: list[int], depth: int) -> None:
    found = best(np.array([values], np.float64), depth)[0].tolist()
    kept = sorted(values, reverse=True)[:depth]
    assert [values[position] for position in found] == kept
    for first, second in pairwise(found):
        assert values[first] > values[second] or first < second


@pytest.mark.parametrize("requests", [1, 5])
def test_requests_do_not_depend_on_each_other(requests: int) -> None:
    random = np.random.default_rng(0)
    histories = UserHistories.empty(requests)
    histories.item_ids[:, :4] = random.integers(3, ITEMS, (requests, 4))
    histories.timestamps[:, :4] = NOW - DAY * np.arange(1, 5)
    queries = random.normal(size=(requests, 64)).astype(np.float32)
    made, now = sources(neighbors={3: 9, 4: 10}), np.full(requests, NOW)
    together = made(queries, Past(histories, now), popular(3, 8, 9), 6)[0]
    for row in range(requests):
        alone = made(queries[row : row + 1], Past(histories.at(np.array([row])), now[:1]), popular(3, 8, 9), 6)[0]
        assert together[row].tolist() == alone[0].tolist()
