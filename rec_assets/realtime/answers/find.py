"""Finds an answer by its id: in the stream, or in the log."""

from contextlib import suppress
from typing import Any

from rec_assets.common.errors import ActionableError
from rec_assets.realtime.answers.entries import answers_in
from rec_assets.realtime.answers.ids import day_of, is_id, milliseconds_of
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.answers.stream import AnswerStream
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect, translate_redis_errors


def find_answer(settings: Settings, answer_id: str) -> dict[str, Any]:
    """Returns the columns of `schema.SCHEMA` of an answer.

    Raises:
        ActionableError: the id is invalid, or no such answer is stored.
    """
    if not is_id(answer_id):
        raise ActionableError(f"'{answer_id}' is no id of an answer.", "Give the 32 digits that `rec recommend` shows.")
    client = connect(settings)
    # The stream first: an answer leaves it after it was written to the log.
    with suppress(ActionableError), translate_redis_errors(client):
        if entry := AnswerStream(client).find(answer_id):
            return answers_in([entry]).row(0, named=True)
    found = AnswerLog.of(settings).find(answer_id)
    if found.height:
        return found.row(0, named=True)
    raise ActionableError(
        f"No answer {answer_id} of {day_of(milliseconds_of(answer_id))} is stored.",
        "REC_ANSWER_SHARE sets the share of answers that are recorded, REC_ANSWER_DAYS the days that they stay.",
    )
