"""The way of an answer from the stream to the log."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.realtime.answers.drain import AnswerDrain
from rec_assets.realtime.answers.find import find_answer
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.answers.stream import AnswerStream
from rec_assets.settings import Settings
from rec_assets_tests.realtime.answers.made import answer_for
from rec_assets_tests.servers import free_port


def logged(settings: Settings) -> list[str]:
    log = AnswerLog.of(settings)
    return sorted(answer_id for day in log.days() for answer_id in log.read(day)["answer_id"])


@pytest.fixture
def settings(valkey: Settings, tmp_path: Path) -> Settings:
    return valkey.model_copy(update={"home": tmp_path})


def test_an_answer_is_found_in_the_stream_and_then_equal_in_the_log(settings: Settings) -> None:
    answer, stream = answer_for(7), AnswerStream.connect(settings)
    stream.send([answer_for(8), answer])
    in_stream = find_answer(settings, answer.answer_id)
    assert AnswerDrain(settings, "one").round() == 2
    assert stream.state().waiting == stream.state().taken == 0 and stream.find(answer.answer_id) is None
    assert find_answer(settings, answer.answer_id) == in_stream
    assert find_answer(settings.model_copy(update={"valkey_port": free_port()}), answer.answer_id) == in_stream
    assert in_stream["user_id"] == 7 and in_stream["item_ids"] == [10, 13] and in_stream["scores"] == [0.5, 0.25]
    assert in_stream["filters"] == '{"category_l1":[2]}' and in_stream["inputs"] == b"inputs"
    assert in_stream["sampled"] is False and in_stream["timestamp"] == 1_742_040_000


@pytest.mark.parametrize(
    ("answer_id", "problem"), [("42", "is no id"), ("01a21fca7f057e709cad7f85f68cc659", "is stored")]
)
def test_an_answer_that_is_not_stored_is_explained(settings: Settings, answer_id: str, problem: str) -> None:
    with pytest.raises(ActionableError, match=problem):
        find_answer(settings, answer_id)


def test_answers_of_a_writer_that_died_are_written_once_by_another(settings: Settings) -> None:
    stream, answers = AnswerStream.connect(settings), [answer_for(user) for user in range(5)]
    dead = AnswerDrain(settings, "dead", interval_s=3_600)
    stream.send(answers[:2])
    dead.round()  # the first answers of a writer are written at once
    stream.send(answers[2:])
    dead.round()
    assert len(logged(settings)) == 2 and stream.state().taken == 3
    other = AnswerDrain(settings, "other", idle_ms=0, interval_s=0)
    assert other.round() == 3
    assert stream.state().taken == 0
    assert logged(settings) == sorted(answer.answer_id for answer in answers)


def test_answers_wait_while_the_log_cannot_be_written(settings: Settings, tmp_path: Path) -> None:
    stream, answer = AnswerStream.connect(settings), answer_for(7)
    stream.send([answer])
    (tmp_path / "answers").write_text("not a folder")
    drain = AnswerDrain(settings, "one")
    with pytest.raises(OSError, match="answers"):
        drain.round()
    assert stream.state().taken == 1
    (tmp_path / "answers").unlink()
    drain = AnswerDrain(settings, "one")
    drain.round()
    assert logged(settings) == [answer.answer_id] and stream.state().taken == 0


def test_the_stream_keeps_the_newest_answers_when_no_worker_reads(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AnswerStream, "MOST", 200)
    stream, answers = AnswerStream.connect(settings), [answer_for(user) for user in range(1_000)]
    stream.send(answers)
    assert stream.state().waiting < 400
    assert stream.find(answers[-1].answer_id) and stream.find(answers[0].answer_id) is None


def test_days_that_are_too_old_leave_the_log(settings: Settings) -> None:
    now = datetime.now(UTC)
    times = [int((now - timedelta(days=days)).timestamp() * 1000) for days in (0, 1, 2)]
    AnswerStream.connect(settings).send([answer_for(7, at) for at in times])
    AnswerDrain(settings.model_copy(update={"answer_days": 2}), "one").round()
    days = AnswerLog.of(settings).days()
    assert days == [str((now - timedelta(days=ago)).date()) for ago in (1, 0)]
