"""Translates the arguments of a client to the numbers of a request."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.filters import FILTERS, Filters, with_numbers
from rec_assets.serving.graph.request import DEVICE_TYPES
from rec_assets.serving.ids import BRAND, CATEGORY_1, CATEGORY_2, ITEM, UNKNOWN, Id, Ids

Device = Literal["mobile", "desktop", "tablet"]


def device_number(device: int | str | None) -> list[int] | None:
    """Returns the number of a device by its name or number; raises RequestError for an unknown name."""
    if device is None:
        return None
    if isinstance(device, str):
        if device not in DEVICE_TYPES:
            raise RequestError(f"device_type must be {', '.join(DEVICE_TYPES)} or a number, not '{device}'")
        return [DEVICE_TYPES[device]]
    return [device]


def unix_seconds(timestamp: int | datetime | None) -> list[int] | None:
    """Returns a time as unix seconds; raises RequestError without a time zone, or out of range."""
    if timestamp is None:
        return None
    if isinstance(timestamp, datetime):
        if timestamp.tzinfo is None:
            raise RequestError("timestamp must have a time zone")
        try:
            return [int(timestamp.timestamp())]
        except (OverflowError, ValueError, OSError) as error:
            raise RequestError(f"timestamp is out of range ({timestamp})") from error
    return [timestamp]


def session_numbers(ids: Ids, recent: Iterable[tuple[Id, int | datetime]]) -> list[list[int]]:
    """Returns the pairs of a session as item numbers and unix seconds; raises RequestError for anything else."""
    try:
        return [[ids.number(ITEM, item), *(unix_seconds(at) or [])] for item, at in recent]
    except (TypeError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError("recent must be pairs of item and time") from error


def filter_numbers(ids: Ids, given: Filters[Id]) -> Filters[int]:
    """Returns a filter with the numbers of the models; raises RequestError for an unknown category or brand."""

    def numbers(kind: str, values: list[Id] | None) -> list[int] | None:
        found = None if values is None else [ids.number(kind, one) for one in values]
        if values and found and kind != ITEM and UNKNOWN in found:
            raise RequestError(f"{FILTERS}: the {kind} '{values[found.index(UNKNOWN)]}' is unknown")
        return found

    kinds = {"items": ITEM, "not_items": ITEM} | {
        f"{prefix}{kind}": kind for kind in (CATEGORY_1, CATEGORY_2, BRAND) for prefix in ("", "not_")
    }
    translated = {name: numbers(kind, getattr(given, name)) for name, kind in kinds.items()}
    # Unknown items have one number, which must not look like an item in both lists.
    translated["not_items"] = [item for item in translated["not_items"] or [] if item != UNKNOWN]
    return with_numbers(**{**given.model_dump(), **translated})
