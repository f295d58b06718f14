"""Loops over histories for the sources of candidates and their merge. Numba compiles them: import inside functions."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.compiled import compiled, part_of_loop

RANK_OFFSET = 60.0  # of reciprocal ranks (Cormack et al. 2009): the first ranks of a source do not dominate
OWN_POINTS = 1.0  # more than all reciprocal ranks of an item, so the user's own items come first
PADDING = 0  # as `PADDING_ID`
SOURCES = 3

Array = npt.NDArray[Any]


@part_of_loop
def is_worse(values: Array, item: int, other: int) -> bool:
    """Returns True if an item has a smaller value than another, or the same value and a larger id."""
    return values[item] < values[other] or (values[item] == values[other] and item > other)


@part_of_loop
def sift(heap: Array, place: int, size: int, values: Array) -> None:
    """Moves an item of a heap down until no child is worse: the first item of a heap is the worst one."""
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and is_worse(values, heap[child + 1], heap[child]):
            child += 1
        if not is_worse(values, heap[child], heap[place]):
            return
        heap[place], heap[child] = heap[child], heap[place]
        place = child


@part_of_loop
def best(items: Array, values: Array, most: int) -> Array:
    """Returns the items with the largest values, best first, ties by id. Only changes the order of `items`.

    Args:
        items: distinct encoded ids [n].
        values: by encoded id [v].
        most: maximum length of the result, 1 or more.
    """
    size = min(len(items), most)
    heap = items[:size]
    for start in range(size // 2 - 1, -1, -1):
        sift(heap, start, size, values)
    for place in range(size, len(items)):
        if is_worse(values, items[0], items[place]):
            items[0], items[place] = items[place], items[0]
            sift(heap, 0, size, values)
    for end in range(size - 1, 0, -1):
        heap[0], heap[end] = heap[end], heap[0]
        sift(heap, 0, end, values)
    return heap


@compiled(
    *("int64[:]", "int32[:]", "float64[:]", "int32[:]", "float64[:]", "float64"),
    *("int32[:]", "float32[:,:]!"),
)
def weigh_by_category(
    past_splits: Array,
    past_items: Array,
    past_weight: Array,
    category: Array,
    share: Array,
    prior_rows: float,
    items: Array,
    rates: Array,
) -> None:
    """Multiplies rates of items by the root of the affinity of each request's user to the item's category.

    The affinity is how much more often the user chooses the category than all users do: the share of the category in
    the user's weighted rows, shrunk by `prior_rows` rows toward the share in all interactions, and divided by it. It is
    1 for a user without history.

    Args:
        past_splits: begin and end of the history of each request [q + 1].
        past_items, past_weight: as in `Past` [m].
        category: category by encoded item id [v].
        share: share of each category in all interactions [c].
        prior_rows: `PRIOR_ROWS`.
        items: encoded ids [p].
        rates: rate of each item for each request, changed in place [q, p].
    """
    roots = np.empty(len(share), np.float32)
    for request in range(len(rates)):
        own, total = np.zeros(len(share)), 0.0
        for row in range(past_splits[request], past_splits[request + 1]):
            own[category[past_items[row]]] += past_weight[row]
            total += past_weight[row]
        for one in range(len(share)):
            roots[one] = np.sqrt((own[one] / share[one] + prior_rows) / (total + prior_rows))
        for place in range(len(items)):
            rates[request, place] *= roots[category[items[place]]]


@compiled(
    *("int32[:,:]", "int32[:,:]", "int64[:]", "int32[:]", "float64[:]"),
    *("int32[:,:]", "float32[:,:]", "boolean[:]", "boolean"),
    *("int32[:]!", "float64[:]!", "float64[:]!", "float64[:]!", "int32[:,:]!"),
)
def merge(
    nearest: Array,
    popular: Array,
    past_splits: Array,
    past_items: Array,
    past_weight: Array,
    neighbor_ids: Array,
    neighbor_weights: Array,
    indexed: Array,
    repeats: bool,
    count: Array,
    weight: Array,
    score: Array,
    points: Array,
    merged: Array,
) -> None:
    """Writes the candidates of each request, best first, ties by id.

    The user's own items get `OWN_POINTS` and the weights of their interactions. The others get the sum of their
    reciprocal ranks in three lists: the nearest items, the neighbors of own items by score, and the popular items.
    Own items do not count in these lists.

    Example with depth 3 and the own item 5: in the lists (5, 6) and (6, 7), item 6 has rank 0 twice, and item 7 has
    rank 1. The result is 5, 6, 7.

    Args:
        nearest, popular: encoded ids, best first, without repeats [q, k]; `PADDING` is no item.
        past_splits: begin and end of the history of each request [q + 1].
        past_items, past_weight: as in `Past` [m].
        neighbor_ids, neighbor_weights: as in `Neighbors` [w, n].
        indexed: True for items with a vector [v]; other own items and neighbors are left out.
        repeats: whether own items are candidates.
        count, weight, score, points: zeros by encoded id [v]; the loop restores them.
        merged: the result [q, depth]; all `PADDING` before.
    """
    depth, near = merged.shape[1], neighbor_ids.shape[1]
    for request in range(len(past_splits) - 1):
        # 1. Sums up the user's own items.
        own = np.empty(past_splits[request + 1] - past_splits[request], np.int32)
        owned = 0
        for row in range(past_splits[request], past_splits[request + 1]):
            item = past_items[row]
            if count[item] == 0:
                own[owned] = item
                owned += 1
            count[item] += 1
            weight[item] += past_weight[row]

        # 2. Sums up the scores of their neighbors.
        neighbors = np.empty(owned * near, np.int32)
        found = 0
        for item in own[:owned]:
            if item < len(neighbor_ids):
                share = np.log1p(count[item])
                for place in range(near):
                    other, added = neighbor_ids[item, place], share * neighbor_weights[item, place]
                    if added > 0 and other < len(indexed) and indexed[other] and count[other] == 0:
                        if score[other] == 0:
                            neighbors[found] = other
                            found += 1
                        score[other] += added
        lists = np.full((SOURCES, max(nearest.shape[1], popular.shape[1], depth)), PADDING, np.int32)
        lists[0, : nearest.shape[1]] = nearest[request]
        lists[1, : min(found, depth)] = best(neighbors[:found], score, depth)
        lists[2, : popular.shape[1]] = popular[request]
        for item in neighbors[:found]:
            score[item] = 0.0

        # 3. Adds the points of the three lists and of own items.
        listed = np.empty(lists.size + owned, np.int32)
        size = 0
        for source in range(SOURCES):
            rank = 0
            for item in lists[source]:
                if item != PADDING and count[item] == 0:
                    if points[item] == 0:
                        listed[size] = item
                        size += 1
                    points[item] += 1.0 / (RANK_OFFSET + 1.0 + rank)
                    rank += 1
        for item in own[:owned]:
            if repeats and indexed[item]:
                points[item] = OWN_POINTS + weight[item]
                listed[size] = item
                size += 1

        # 4. Takes the items with most points, and restores the tables.
        merged[request, : min(size, depth)] = best(listed[:size], points, depth)
        for item in listed[:size]:
            points[item] = 0.0
        for item in own[:owned]:
            count[item] = 0
            weight[item] = 0.0
