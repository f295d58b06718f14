"""What a request may contain, checked in one place; messages are short and name no file, for they reach the client."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

DEVICE_TYPES = {"mobile": 0, "desktop": 1, "tablet": 2}
UNKNOWN = -1
NOW = 0
_INT32 = np.iinfo(np.int32)

Ids = npt.NDArray[np.int32]


class RequestError(ValueError):
    """The request cannot be answered as it is."""


def validate(request: Mapping[str, npt.ArrayLike | None], *, one_user: bool = False) -> dict[str, Ids]:
    """Checks a request of one or more users and fills in what is optional.

    Args:
        request: `user_id`, and perhaps `device_type` and `timestamp` (unix seconds): integers [B] or [B, 1].
        one_user: refuse more than one user.

    Returns:
        The three inputs, int32 [B]; -1 for a missing device, 0 for a missing time.

    Raises:
        RequestError: user_id is missing or empty, a type or shape is wrong, or a time is negative.
    """
    given = request.get("user_id")
    if given is None:
        raise RequestError("user_id is required")
    users = column("user_id", given)
    if not len(users):
        raise RequestError("user_id is empty")
    if one_user and len(users) > 1:
        raise RequestError(f"user_id has {len(users)} users, expected one")
    filled = {"user_id": users}
    for name, missing in (("device_type", UNKNOWN), ("timestamp", NOW)):
        given = request.get(name)
        filled[name] = np.full(len(users), missing, np.int32) if given is None else column(name, given)
        if len(filled[name]) != len(users):
            raise RequestError(f"{name} has {len(filled[name])} values, expected {len(users)}, one for each user_id")
    return filled


def column(name: str, values: npt.ArrayLike) -> Ids:
    """Checks one input and returns it as int32 [B].

    Raises:
        RequestError: not integers, not [B] or [B, 1], beyond 32 bits, or a negative time.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise RequestError(f"{name} must be integers, not {array.dtype}")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise RequestError(f"{name} must have one value a user, not shape {list(array.shape)}")
    if array.size and (array.min() < _INT32.min or array.max() > _INT32.max):
        raise RequestError(f"{name} must fit 32 bits")
    if name == "timestamp" and array.size and array.min() < 0:
        raise RequestError("timestamp must not be negative")
    return array.astype(np.int32)
