"""Answers of the serving graph as rows: their schema, and their ids."""

import os
from datetime import UTC, datetime

import polars as pl

# One row per user of a request. `LISTS` are the columns for joins with events; `INPUTS` is what a replay needs.
LISTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "answer_id": pl.String,
    "at": pl.Int64,
    "user_id": pl.Int32,
    "bundle_id": pl.String,
    "rules_version": pl.String,
    "device_type": pl.Int32,
    "timestamp": pl.Int64,
    "sampled": pl.Boolean,
    "filters": pl.String,
    "item_ids": pl.List(pl.Int32),
    "scores": pl.List(pl.Float32),
}
INPUTS = "inputs"
SCHEMA = LISTS | {INPUTS: pl.Binary}

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
