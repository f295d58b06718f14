"""The stream that carries answers from the serving processes to the workers that write the log."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from rec_assets.realtime.answers.packing import pack
from rec_assets.realtime.work_stream import Entry, WorkStream
from rec_assets.storage.valkey.keys import ANSWERS

NUMBERS = struct.Struct("<iq?")  # device type, timestamp, sampled
PARTS = 7  # of a packed answer


class Answer(NamedTuple):
    """A row of `schema.SCHEMA` as serving sends it: without `at`, which the id has, and with arrays as bytes."""

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
        numbers = NUMBERS.pack(self.device_type, self.timestamp, self.sampled)
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

    def find(self, answer_id: str) -> Entry | None:
        """Returns the entry of the answer with this id, None if it is not in the stream any more."""
        wanted = answer_id.encode()
        return next((one for one in self._pages(self.KEY, "-") if one.fields.get(b"answer_id") == wanted), None)
