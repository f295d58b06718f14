"""Validates requests for lists around a basket. Error messages reach the client, so they contain no paths."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rec_assets.datasets.related.tables import KINDS, MAX_LENGTH
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import Ids, column

MAX_BASKET = 100
DEFAULT_LENGTH = 10


def validate_related(request: Mapping[str, npt.ArrayLike | None]) -> tuple[str, Ids, int]:
    """Returns the kind of list, the raw ids of the basket int32 [n], and the length of the list.

    Args:
        request: `kind` (position in `KINDS`), `item_ids` (raw ids), and optionally `length`: integers [1], [n], [1].

    Raises:
        RequestError: an input is missing or invalid.
    """
    kind, items = _one(request, "kind", None), column("item_ids", _given(request, "item_ids"))
    length = _one(request, "length", DEFAULT_LENGTH)
    if not 0 <= kind < len(KINDS):
        raise RequestError(f"kind must be 0 to {len(KINDS) - 1}")
    if not 1 <= len(items) <= MAX_BASKET:
        raise RequestError(f"item_ids must have 1 to {MAX_BASKET} items")
    if not 1 <= length <= MAX_LENGTH:
        raise RequestError(f"length must be 1 to {MAX_LENGTH}")
    return KINDS[kind], np.unique(items), length


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
