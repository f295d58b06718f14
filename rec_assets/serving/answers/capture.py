"""Reads from the tensors of a batch what is recorded of each answer."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.columns import RETRIEVAL_SCORE
from rec_assets.realtime.answers.stream import Answer
from rec_assets.serving.answers.inputs import pack_inputs
from rec_assets.serving.graph.filters import FILTERS
from rec_assets.serving.graph.request import NO_ITEM
from rec_assets.serving.graph.row_splits import ROW_SPLITS
from rec_assets.serving.graph.spec import (
    ANSWER_ID,
    BUNDLE_ID,
    DIFFERS,
    IS_SAMPLED,
    LENGTH,
    RECENT,
    RULED,
    RULES_AT,
    RULES_VERSION,
)
from rec_assets.serving.stages.base import Arrays

Array = npt.NDArray[Any]
_USER = ("age", "gender", "top_category")
_ITEM = ("item_id", "category_l1", "category_l2", "item_gender", "price")
_UNSEEN = ("item_id", RETRIEVAL_SCORE)
_ALWAYS = (
    *("user_id", RECENT, FILTERS, BUNDLE_ID.name, ANSWER_ID.name, "ordered_ids", "ordered_scores", ROW_SPLITS),
    *("request/device_type", "request/timestamp", "retrieved/item_id", "raw_user/recent_item_id"),
    *(f"raw_user/{name}" for name in (*_USER, "recent_timestamp")),
    *(f"unseen/{name}" for name in _UNSEEN),
    *(f"raw_item/{name}" for name in _ITEM),
    *(f"{level}/{ROW_SPLITS}" for level in ("retrieved", "unseen")),
    *(LENGTH, IS_SAMPLED),
)
_SOMETIMES = (DIFFERS, RULES_VERSION, RULES_AT, *RULED)
_NONE = np.empty(0, np.intp)


def picked(tensors: Arrays) -> Arrays:
    """Returns the tensors of a batch that `answers_of` reads, so that the others can go."""
    return {name: tensors[name] for name in _ALWAYS} | {name: tensors[name] for name in _SOMETIMES if name in tensors}


def answers_of(tensors: Arrays, wanted: npt.NDArray[np.bool_], share: float) -> Iterator[Answer]:
    """Yields the recorded answers of a batch.

    Args:
        tensors: tensors of `picked`.
        wanted: True for the answers to record [B].
        share: share of these to record, 0 to 1. Equal ids are chosen equally.
    """
    ids = [answer_id.decode() for answer_id in tensors[ANSWER_ID.name].tolist()]
    for row in np.flatnonzero(wanted).tolist():
        if is_chosen(ids[row], share):
            yield _answer(tensors, row, ids[row])


def is_chosen(answer_id: str, share: float) -> bool:
    """Returns True if an answer is among the recorded share. A larger share also has all answers of a smaller one."""
    return int(answer_id[-8:], 16) < share * 2**32


def _answer(tensors: Arrays, row: int, answer_id: str) -> Answer:
    of_list = _part(tensors[ROW_SPLITS], row)
    return Answer(
        answer_id,
        user_id=int(tensors["user_id"][row]),
        bundle_id=tensors[BUNDLE_ID.name][row],
        rules_version=str(tensors[RULES_VERSION][row]) if RULES_VERSION in tensors else "",
        device_type=int(tensors["request/device_type"][row]),
        timestamp=int(tensors["request/timestamp"][row]),
        sampled=bool(tensors[IS_SAMPLED][row]),
        filters=tensors[FILTERS][row],
        item_ids=tensors["ordered_ids"][of_list].tobytes(),
        scores=tensors["ordered_scores"][of_list].tobytes(),
        inputs=pack_inputs(_inputs(tensors, row)),
    )


def _inputs(tensors: Arrays, row: int) -> list[Array]:
    """Returns the arrays of `inputs.FIELDS` for one answer."""
    one = slice(row, row + 1)
    history = slice(int((tensors["raw_user/recent_item_id"][row] != NO_ITEM).sum()))  # padded at the end
    session = tensors[RECENT][row]
    retrieved = _part(tensors[f"retrieved/{ROW_SPLITS}"], row)
    unseen = _part(tensors[f"unseen/{ROW_SPLITS}"], row)
    changed = np.flatnonzero(tensors[DIFFERS][unseen]) + unseen.start if DIFFERS in tensors else _NONE
    return [
        tensors[LENGTH][one],
        tensors[RULES_AT][one] if RULES_AT in tensors else np.zeros(1, np.int64),
        session[session[:, 0] != NO_ITEM].ravel(),
        *[tensors[f"raw_user/{name}"][one] for name in _USER],
        tensors["raw_user/recent_item_id"][row, history],
        tensors["raw_user/recent_timestamp"][row, history],
        tensors["retrieved/item_id"][retrieved],
        *[tensors[f"unseen/{name}"][unseen] for name in _UNSEEN],
        *[tensors[f"raw_item/{name}"][changed] for name in _ITEM],
        *[tensors[name][unseen] if name in tensors else _NONE for name in RULED],
    ]


def _part(splits: Array, row: int) -> slice:
    return slice(int(splits[row]), int(splits[row + 1]))
