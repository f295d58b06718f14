from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.serving.rules.order import NO_GROUP, CandidateCap, list_order


@dataclass(frozen=True)
class Case:
    """Candidates of one list, and its rules."""

    keys: list[float]
    length: int
    caps: list[tuple[list[int], int]]
    pins: list[tuple[int, int]]

    def order(self) -> list[int]:
        caps = [CandidateCap(np.array(groups, np.int32), most) for groups, most in self.caps]
        return list_order(np.array(self.keys, np.float32), self.length, caps, self.pins).tolist()


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n, length = draw(st.integers(0, 14)), draw(st.integers(1, 8))
    keys = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75]), min_size=n, max_size=n))
    groups = st.lists(st.integers(NO_GROUP, 2), min_size=n, max_size=n)
    caps = draw(st.lists(st.tuples(groups, st.integers(1, 3)), max_size=3))
    pinned = draw(st.lists(st.integers(0, n - 1), unique=True, max_size=4)) if n else []
    places = (
        draw(st.lists(st.integers(0, length - 1), unique=True, min_size=len(pinned), max_size=len(pinned) + 1))
        if (len(pinned) <= length)
        else []
    )
    return Case(keys, length, caps, list(zip(pinned, places, strict=False)))


def plain(case: Case) -> list[int]:
    """The definition without arrays."""
    order = sorted(range(len(case.keys)), key=lambda one: -case.keys[one])
    positions = dict(sorted(case.pins, key=lambda pin: pin[1]))
    order = [*positions, *(one for one in order if one not in positions)]
    for groups, most in case.caps:
        kept: list[int] = []
        for one in order:
            if groups[one] == NO_GROUP or sum(groups[other] == groups[one] for other in kept) < most:
                kept.append(one)
        order = kept
    pinned = [one for one in order if one in positions]
    others = [one for one in order if one not in positions]
    size = min(case.length, len(order))
    made: list[int] = []
    while len(made) < size:
        is_due = bool(pinned) and positions[pinned[0]] <= len(made)
        must_end = len(pinned) == size - len(made)
        made.append(pinned.pop(0) if is_due or must_end else others.pop(0))
    return made


@given(cases())
def test_the_arrays_give_the_order_of_the_plain_definition(case: Case) -> None:
    assert case.order() == plain(case)


@given(cases())
def test_caps_hold_and_no_candidate_comes_twice(case: Case) -> None:
    order = case.order()
    assert len(order) == len(set(order)) <= case.length
    for groups, most in case.caps:
        shown = [groups[one] for one in order if groups[one] != NO_GROUP]
        assert all(shown.count(group) <= most for group in shown)


@given(cases())
def test_a_pinned_candidate_that_caps_leave_is_at_its_position_or_ends_a_short_list(case: Case) -> None:
    order = Case(case.keys, case.length, [], case.pins).order()
    positions = dict(case.pins)
    for number, one in enumerate(order):
        if one in positions and number != positions[one]:
            assert all(later in positions for later in order[number:]) and number < positions[one]
    assert set(positions) <= set(order)


@given(cases())
def test_other_candidates_keep_their_order_and_no_rules_change_nothing(case: Case) -> None:
    by_key = sorted(range(len(case.keys)), key=lambda one: -case.keys[one])
    others = [one for one in case.order() if one not in dict(case.pins)]
    assert others == [one for one in by_key if one in others]
    assert Case(case.keys, case.length, [], []).order() == by_key[: case.length]
