"""Ids of answers of the serving graph."""

import os
from datetime import UTC, datetime

_RANDOM_BYTES = 10
_VERSION, _VARIANT = 7 << 76, 2 << 62
_FREE = ~(15 << 76 | 3 << 62)


def new_ids(count: int, at: int) -> list[str]:
    """Returns new answer ids: UUIDs of version 7 as 32 hexadecimal digits, with 74 random bits each.

    Args:
        count: number of ids.
        at: unix time in milliseconds; ids of a later time are larger.
    """
    drawn = os.urandom(_RANDOM_BYTES * count)
    starts = range(0, len(drawn), _RANDOM_BYTES)
    numbers = (int.from_bytes(drawn[start : start + _RANDOM_BYTES]) | at << 80 for start in starts)
    return [f"{number & _FREE | _VERSION | _VARIANT:032x}" for number in numbers]


def is_id(text: str) -> bool:
    """Returns True for a text that `new_ids` may have made."""
    return len(text) == 32 and text[12] == "7" and all(digit in "0123456789abcdef" for digit in text)


def milliseconds_of(answer_id: str) -> int:
    """Returns the unix time of an answer in milliseconds."""
    return int(answer_id[:12], 16)


def day_of(milliseconds: int) -> str:
    """Returns the UTC day of a unix time in milliseconds as a partition key."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()
