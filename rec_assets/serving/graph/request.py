"""Validates requests. Error messages reach the client, so they are short and contain no paths."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.filters import FILTERS, filter_texts
from rec_assets.serving.graph.spec import RECENT, RECENT_LENGTH

DEVICE_TYPES = {"mobile": 0, "desktop": 1, "tablet": 2}
UNKNOWN = -1
NOW = 0
AS_CONFIGURED = -1  # the server's setting for list length or ordering
NO_ITEM = -1  # in places of `recent` without an item
PROBE = "probe"  # id of Triton requests that nobody sees the answer of, which is not recorded
# Values of missing inputs; a client may also send them.
MISSING = {"device_type": UNKNOWN, "timestamp": NOW, "top_k": AS_CONFIGURED, "diversity": AS_CONFIGURED}
_INT32 = np.iinfo(np.int32)

Ids = npt.NDArray[np.int32]


def validate(
    request: Mapping[str, npt.ArrayLike | None], *, one_user: bool = False, longest: int | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Validates a request of one or more users and fills in missing inputs.

    Args:
        request: `user_id`, and optionally `device_type`, `timestamp` (unix seconds), `top_k` (list length) and
            `diversity` (1 samples the list, 0 sorts it): integers [B] or [B, 1]. Optionally also `recent`, see
            `sessions`, and `filters`, see `filter_texts`.
        one_user: raises RequestError for more than one user.
        longest: largest valid `top_k`; no limit by default.

    Returns:
        All inputs. `recent` is int32 [B, RECENT_LENGTH, 2] and `filters` str [B]; the others are int32 [B] and have
        their value of `MISSING` if they are missing.

    Raises:
        RequestError: user_id is missing or empty, a type or shape is wrong, or a value is out of range.
    """
    users = user_ids(request)
    if one_user and len(users) > 1:
        raise RequestError(f"user_id has {len(users)} users, expected one")
    filled: dict[str, npt.NDArray[Any]] = {"user_id": users}
    for name, missing in MISSING.items():
        given = request.get(name)
        filled[name] = np.full(len(users), missing, np.int32) if given is None else column(name, given)
        if len(filled[name]) != len(users):
            raise RequestError(f"{name} has {len(filled[name])} values, expected {len(users)}, one for each user_id")
    filled[RECENT] = sessions(request.get(RECENT), len(users))
    filled[FILTERS] = filter_texts(request.get(FILTERS), len(users))
    if longest is not None:
        list_lengths(filled["top_k"], longest)
    return filled


def user_ids(request: Mapping[str, Any]) -> Ids:
    """Returns the user ids of a request, int32 [B]; raises RequestError if they are missing, empty or invalid."""
    given = request.get("user_id")
    if given is None:
        raise RequestError("user_id is required")
    users = column("user_id", given)
    if not len(users):
        raise RequestError("user_id is empty")
    return users


def list_lengths(top_k: Ids, longest: int) -> Ids:
    """Returns the list length of each user, int32 [B]; raises RequestError for more than `longest`."""
    if top_k.max(initial=0) > longest:
        raise RequestError(f"top_k must be 1 to {longest}")
    return np.where(top_k == AS_CONFIGURED, np.int32(longest), top_k)


def sessions(given: npt.ArrayLike | None, users: int) -> Ids:
    """Validates the sessions of some users.

    Args:
        given: pairs of raw item id and unix seconds in any order, integers [B, n, 2] or [B, 1, n, 2] with n up to
            `RECENT_LENGTH`. A pair with item -1 is no item. None for no sessions.
        users: number of users B.

    Returns:
        The pairs, int32 [B, RECENT_LENGTH, 2], padded with -1.

    Raises:
        RequestError: a type or shape is wrong, or a value is out of range.
    """
    padded = np.full((users, RECENT_LENGTH, 2), NO_ITEM, np.int32)
    if given is None:
        return padded
    pairs = _integers(RECENT, given)
    if pairs.ndim == 4 and pairs.shape[1] == 1:
        pairs = pairs[:, 0]
    if len(pairs) != users:
        raise RequestError(f"{RECENT} has {len(pairs)} sessions, expected {users}, one for each user_id")
    if not pairs.size:
        return padded
    if pairs.ndim != 3 or pairs.shape[2] != 2:
        raise RequestError(f"{RECENT} must have pairs of item and time per user, not shape {list(pairs.shape)}")
    if pairs.shape[1] > RECENT_LENGTH:
        raise RequestError(f"{RECENT} must have at most {RECENT_LENGTH} items, not {pairs.shape[1]}")
    items, times = pairs[..., 0], pairs[..., 1]
    if (items < NO_ITEM).any() or ((times < 0) & (items != NO_ITEM)).any():
        raise RequestError(f"{RECENT} must not have negative items or times")
    padded[:, : pairs.shape[1]] = pairs
    return padded


def column(name: str, values: npt.ArrayLike) -> Ids:
    """Validates one input and returns it as int32 [B].

    Raises:
        RequestError: the values are not integers, not [B] or [B, 1], beyond 32 bits, or out of this input's range.
    """
    array = _integers(name, values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise RequestError(f"{name} must have one value per user, not shape {list(array.shape)}")
    if name == "timestamp" and (array < 0).any():
        raise RequestError("timestamp must not be negative")
    if name == "top_k" and ((array < 1) & (array != AS_CONFIGURED)).any():
        raise RequestError("top_k must be positive")
    if name == "diversity" and ((array < AS_CONFIGURED) | (array > 1)).any():
        raise RequestError("diversity must be 0 or 1")
    return array.astype(np.int32, copy=False)


def _integers(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Returns values as an array; raises RequestError unless they are integers of 32 bits, or there are none."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:  # nested lists of several lengths, or objects that are no arrays
        raise RequestError(f"{name} must be integers") from error
    if array.dtype.kind not in "iu" and array.size:
        raise RequestError(f"{name} must be integers, not {array.dtype}")
    if array.dtype != np.int32 and array.size and (array.min() < _INT32.min or array.max() > _INT32.max):
        raise RequestError(f"{name} must fit 32 bits")
    return array
