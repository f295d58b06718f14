import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.history import PADDING_ID
from rec_assets.features.signals.item_signals import Scratch
from rec_assets.inference.merge import OWN_POINTS, PADDING, RANK_OFFSET, merge

SIZE, NEAR = 12, 3
SCRATCH = Scratch(SIZE)  # one for all examples, because it must be zero after each of them
RANDOM = np.random.default_rng(0)
NEIGHBORS = RANDOM.integers(0, SIZE, (SIZE - 2, NEAR)).astype(np.int32)
WEIGHTS = RANDOM.random((SIZE - 2, NEAR), np.float32).round(1)
items = st.integers(PADDING_ID + 1, SIZE - 1)
lists = st.lists(items, unique=True, max_size=SIZE)
pasts = st.lists(st.tuples(items, st.sampled_from([0.25, 0.5, 1.0])), max_size=6)
Flags = npt.NDArray[np.bool_]


def in_order(values: dict[int, float], depth: int) -> list[int]:
    return sorted(values, key=lambda item: (-values[item], item))[:depth]


def expected(
    sources: list[list[int]], past: list[tuple[int, float]], indexed: Flags, depth: int, *, repeats: bool
) -> list[int]:
    """Returns the candidates of a request with dictionaries; `sources` has the nearest and the popular items."""
    rows = [item for item, _ in past]
    scores: dict[int, float] = {}
    for own in dict.fromkeys(rows):
        if own < len(NEIGHBORS):
            for other, weight in zip(NEIGHBORS[own].tolist(), WEIGHTS[own], strict=True):
                if weight > 0 and indexed[other] and other not in rows:
                    scores[other] = scores.get(other, 0.0) + np.log1p(rows.count(own)) * weight
    points: dict[int, float] = {}
    for source in (sources[0], in_order(scores, depth), sources[1]):
        for rank, item in enumerate(item for item in source if item not in rows):
            points[item] = points.get(item, 0.0) + 1 / (RANK_OFFSET + 1 + rank)
    for own in set(rows) if repeats else ():
        if indexed[own]:
            points[own] = OWN_POINTS + sum(weight for item, weight in past if item == own)
    return in_order({item: value for item, value in points.items() if item != PADDING_ID}, depth)


def padded(rows: list[list[int]]) -> npt.NDArray[np.int32]:
    made = np.full((len(rows), SIZE), PADDING_ID, np.int32)
    for row, values in enumerate(rows):
        made[row, : len(values)] = values
    return made


@given(
    st.lists(st.tuples(lists, lists, pasts), min_size=1, max_size=3),
    st.lists(st.booleans(), min_size=SIZE, max_size=SIZE),
    st.integers(1, SIZE),
    st.booleans(),
)
def test_the_compiled_loop_equals_a_merge_with_dictionaries(
    requests: list[tuple[list[int], list[int], list[tuple[int, float]]]],
    with_vector: list[bool],
    depth: int,
    repeats: bool,
) -> None:
    indexed = np.array(with_vector)
    indexed[PADDING_ID] = False
    nearest, popular, histories = zip(*requests, strict=True)
    made = np.full((len(requests), depth), PADDING, np.int32)
    weight, score, points = SCRATCH.sums
    merge(
        padded(list(nearest)),
        padded(list(popular)),
        np.cumsum([0, *map(len, histories)]),
        np.array([item for past in histories for item, _ in past], np.int32),
        np.array([weight for past in histories for _, weight in past], np.float64),
        NEIGHBORS,
        WEIGHTS,
        indexed,
        repeats,
        SCRATCH.count,
        weight,
        score,
        points,
        made,
    )
    for row, (near, favorite, past) in enumerate(requests):
        wanted = expected([near, favorite], past, indexed, depth, repeats=repeats)
        assert made[row].tolist() == wanted + [PADDING] * (depth - len(wanted))
    assert not any(table.any() for table in (SCRATCH.count, SCRATCH.sums))


def test_reciprocal_ranks_never_outweigh_an_own_item() -> None:
    assert 3 / (RANK_OFFSET + 1) < OWN_POINTS


def test_padding_is_the_code_of_padding() -> None:
    assert PADDING == PADDING_ID
