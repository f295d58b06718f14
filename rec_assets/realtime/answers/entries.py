"""Reads entries of the stream of answers as rows. Serving only writes them, and does without polars."""

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from rec_assets.realtime.answers.ids import milliseconds_of
from rec_assets.realtime.answers.packing import unpack
from rec_assets.realtime.answers.schema import SCHEMA
from rec_assets.realtime.answers.stream import NUMBERS, PARTS
from rec_assets.realtime.work_stream import Entry


def answers_in(entries: Iterable[Entry]) -> pl.DataFrame:
    """Returns the answers of entries, columns as `SCHEMA`; leaves out entries that were deleted meanwhile."""
    rows = [_row(one.fields) for one in entries if one.fields]
    columns = dict(zip(SCHEMA, zip(*rows, strict=True), strict=True)) if rows else {}
    return pl.DataFrame(columns, schema=SCHEMA)


def _row(fields: Mapping[bytes, bytes]) -> tuple[object, ...]:
    bundle_id, rules_version, filters, numbers, item_ids, scores, inputs = unpack(fields[b"answer"], PARTS)
    answer_id = fields[b"answer_id"].decode()
    texts = bundle_id.decode(), rules_version.decode()
    lists = np.frombuffer(item_ids, "<i4"), np.frombuffer(scores, "<f4")
    before = answer_id, milliseconds_of(answer_id), int(fields[b"user_id"])
    return *before, *texts, *NUMBERS.unpack(numbers), filters.decode(), *lists, inputs
