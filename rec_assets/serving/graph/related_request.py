"""Validates requests for lists around a basket or a history. Error messages contain no paths: they reach the client."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.datasets.related.again import AGAIN
from rec_assets.datasets.related.tables import KINDS, MAX_LENGTH
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import NOW, Ids, column

LISTS = (*KINDS, AGAIN)  # a request has the position of its kind
MAX_BASKET = 100
DEFAULT_LENGTH = 10


@dataclass(frozen=True)
class RelatedRequest:
    """A valid request.

    Attributes:
        kind: one of `LISTS`.
        item_ids: raw ids of the basket, ascending, int32 [n]; empty for `AGAIN`.
        length: maximum length of the list.
        user_id: raw id, -1 for an anonymous user; the list `AGAIN` reads the user's history.
        timestamp: time of the request in unix seconds, `NOW` for the time of the answer.
    """

    kind: str
    item_ids: Ids
    length: int
    user_id: int
    timestamp: int


def validate_related(request: Mapping[str, Any]) -> RelatedRequest:
    """Returns a valid request.

    Args:
        request: `kind` (position in `LISTS`), and optionally `length` and `timestamp`, integers [1]. Also `user_id` [1]
            for `AGAIN`, and `item_ids` (raw ids) [n] for the other lists.

    Raises:
        RequestError: an input is missing or invalid.
    """
    number = _one(request, "kind", None)
    length = _one(request, "length", DEFAULT_LENGTH)
    if not 0 <= number < len(LISTS):
        raise RequestError(f"kind must be 0 to {len(LISTS) - 1}")
    kind, items, user = LISTS[number], np.empty(0, np.int32), -1
    if kind == AGAIN:
        user = _one(request, "user_id", None)
    else:
        items = column("item_ids", _given(request, "item_ids"))
        if not 1 <= len(items) <= MAX_BASKET:
            raise RequestError(f"item_ids must have 1 to {MAX_BASKET} items")
    if not 1 <= length <= MAX_LENGTH:
        raise RequestError(f"length must be 1 to {MAX_LENGTH}")
    return RelatedRequest(kind, np.unique(items), length, user, _one(request, "timestamp", NOW))


def _one(request: Mapping[str, npt.ArrayLike | None], name: str, default: int | None) -> int:
    if default is not None and request.get(name) is None:
        return default
    values = column(name, _given(request, name))
    if len(values) != 1:
        raise RequestError(f"{name} must have one value, not {len(values)}")
    return int(values[0])


def _given(request: Mapping[str, npt.ArrayLike | None], name: str) -> npt.ArrayLike:
    given = request.get(name)
    if given is None:
        raise RequestError(f"{name} is required")
    return given
