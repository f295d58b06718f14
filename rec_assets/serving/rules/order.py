"""The order of one list under caps and pins: a pure function of sort keys, groups and positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Keys = npt.NDArray[Any]
Groups = npt.NDArray[np.int32]
NO_GROUP = -1
PREFIX = 4  # candidates per item of the list that caps read first


@dataclass(frozen=True)
class CandidateCap:
    """The group of each candidate, int32 [n], `NO_GROUP` without a limit, and the most items of one group."""

    groups: Groups
    at_most: int


def list_order(
    keys: Keys,
    length: int,
    caps: Sequence[CandidateCap] = (),
    pins: Sequence[tuple[int, int]] = (),
) -> Positions:
    """Returns the candidates of a list in order, at most `length` of n.

    1. Pinned candidates come first, by position, then the others by key; equal keys keep their input order.
    2. Each cap in turn keeps only the first `at_most` candidates of a group.
    3. The pinned candidates that are left move to their positions. In a list that is too short, they end the list.

    Example: the keys .9 .8 .7 .6, candidates 0 and 1 in a group with at most one item, candidate 3 pinned to position
    1. Step 1: 3 0 1 2. Step 2: 3 0 2. Step 3: 3 0 2.

    Args:
        keys: sort keys [n], the largest first; finite.
        length: maximum length of the list.
        caps: limits, which also hold for pinned candidates.
        pins: candidate and position of each pin; positions begin with 0, differ, and are below `length`.
    """
    order = np.argsort(-keys, kind="stable")
    if not caps and not pins:
        return order[:length]
    placed = sorted(pins, key=_position)
    if placed:
        pinned = np.array([candidate for candidate, _ in placed], np.int64)
        is_other = np.ones(len(keys), np.bool_)
        is_other[pinned] = False
        order = np.concatenate([pinned, order[is_other[order]]])
    positions = [position for _, position in placed]
    # A cap reads only what comes before a candidate, so most lists need only the first candidates.
    for depth in (PREFIX * length + len(placed), len(order)):
        left = order[:depth]
        kept_pins = positions
        for cap in caps:
            kept = _within(cap.groups[left], cap.at_most)
            kept_pins = [position for position, is_kept in zip(kept_pins, kept, strict=False) if is_kept]
            left = left[kept]
        if len(left) >= length or depth >= len(order):
            break
    return _placed(left, kept_pins, min(length, len(left)))


def _position(pin: tuple[int, int]) -> int:
    return pin[1]


def _placed(left: Positions, positions: Sequence[int], size: int) -> Positions:
    """Returns the first `size` candidates; those at the front, one per position, move to these ascending positions."""
    pins = len(positions)
    if not pins:
        return left[:size]
    made = left[pins:size].tolist()
    for number, (candidate, position) in enumerate(zip(left[:pins].tolist(), positions, strict=True)):
        made.insert(min(position, size - pins + number), candidate)
    return np.array(made, np.int64)


def _within(groups: Groups, at_most: int) -> npt.NDArray[np.bool_]:
    """Returns True for the first `at_most` candidates of each group and for all without one."""
    kept = np.ones(len(groups), np.bool_)
    members = np.flatnonzero(groups != NO_GROUP)
    if len(members) <= at_most:
        return kept
    by_group = np.argsort(groups[members], kind="stable")
    sorted_groups = groups[members][by_group]
    # Place in the group: equal groups are neighbors, so the candidate `at_most` places before has the same group.
    beyond = np.zeros(len(members), np.bool_)
    beyond[at_most:] = sorted_groups[at_most:] == sorted_groups[:-at_most]
    kept[members[by_group[beyond]]] = False
    return kept
