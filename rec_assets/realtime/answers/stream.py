"""The stream that carries answers from the serving processes to the workers that write the log."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from rec_assets.realtime.answers.answer import SCHEMA, milliseconds_of
from rec_assets.realtime.answers.packing import pack, unpack
from rec_assets.realtime.work_stream import Entry, WorkStream
from rec_assets.storage.keys import ANSWERS

_NUMBERS = struct.Struct("<iq?")  # device type, timestamp, sampled
_PARTS = 7


class Answer(NamedTuple):
    """A row of `answer.SCHEMA` as serving sends it: without `at`, which the id has, and with arrays as bytes."""

    answer_id: str
    user_id: int
    bundle_id: bytes
    rules_version: str
    device_type: int
    timestamp: int
    sampled: bool
    filters: str
    item_ids: bytes
    scores: bytes
    inputs: bytes

    def fields(self) -> dict[str, str | int | bytes]:
        """Returns the fields of a stream entry; few of them, because each costs as much time as a hundred bytes."""
        numbers = _NUMBERS.pack(self.device_type, self.timestamp, self.sampled)
        texts = self.rules_version.encode(), self.filters.encode()
        packed = pack([self.bundle_id, *texts, numbers, self.item_ids, self.scores, self.inputs])
        return {"answer_id": self.answer_id, "user_id": self.user_id, "answer": packed}


class AnswerStream(WorkStream):
    """Stream `answers`, an entry for each answer until the log has stored it. The oldest go if it gets too long."""

    KEY = ANSWERS
    MOST = 10_000  # entries, 50 MB or so

    def send(self, answers: Sequence[Answer]) -> None:
        """Adds answers, in one round trip; raises RedisError."""
        with self._client.pipeline(transaction=False) as pipeline:
            for answer in answers:
                pipeline.xadd(self.KEY, answer.fields(), maxlen=self.MOST, approximate=True)
            pipeline.execute()

    def find(self, answer_id: str) -> pl.DataFrame:
        """Returns the answer with this id if it is still in the stream: one row of `SCHEMA`, or none."""
        wanted = answer_id.encode()
        return answers_in(one for one in self._pages(self.KEY, "-") if one.fields.get(b"answer_id") == wanted).head(1)


def answers_in(entries: Iterable[Entry]) -> pl.DataFrame:
    """Returns the answers of entries, columns as `SCHEMA`; leaves out entries that were deleted meanwhile."""
    rows = [_row(one.fields) for one in entries if one.fields]
    columns = dict(zip(SCHEMA, zip(*rows, strict=True), strict=True)) if rows else {}
    return pl.DataFrame(columns, schema=SCHEMA)


def _row(fields: Mapping[bytes, bytes]) -> tuple[object, ...]:
    bundle_id, rules_version, filters, numbers, item_ids, scores, inputs = unpack(fields[b"answer"], _PARTS)
    answer_id = fields[b"answer_id"].decode()
    texts = bundle_id.decode(), rules_version.decode()
    lists = np.frombuffer(item_ids, "<i4"), np.frombuffer(scores, "<f4")
    before = answer_id, milliseconds_of(answer_id), int(fields[b"user_id"])
    return *before, *texts, *_NUMBERS.unpack(numbers), filters.decode(), *lists, inputs
