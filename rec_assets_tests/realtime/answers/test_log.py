"""The log of answers, in files and in a bucket."""

from pathlib import Path

import polars as pl
import pytest

from rec_assets.realtime.answers.ids import is_id, milliseconds_of, new_ids
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.answers.schema import INPUTS, LISTS, SCHEMA
from rec_assets.settings import Settings
from rec_assets_tests.s3 import BUCKET

NOON = 1_742_040_000_000  # 2025-03-15
DAY = 86_400_000


def answers(*rows: tuple[int, int]) -> pl.DataFrame:
    """Returns an answer for each user and time in milliseconds."""
    made = [
        (new_ids(1, at)[0], at, user, "bundle", "", 0, at // 1000, False, "", [10, 13], [0.5, 0.25], b"inputs")
        for user, at in rows
    ]
    return pl.DataFrame(made, schema=SCHEMA, orient="row")


@pytest.fixture(params=["files", "bucket"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "files":
        return Settings(home=tmp_path)
    request.getfixturevalue("s3")
    return Settings(home=tmp_path, artifacts=f"s3://{BUCKET}/{tmp_path.name}")


def days(log: AnswerLog) -> list[str]:
    """Returns the days with answers; the S3 server of the tests also lists folders that were emptied."""
    return [day for day in log.days() if log.read(day).height]


def written(settings: Settings, worker: str, rows: pl.DataFrame) -> None:
    log = AnswerLog.of(settings, worker)
    log.append(rows)
    assert log.write(now=True)


def test_ids_are_valid_differ_and_grow_with_time() -> None:
    ids = [*new_ids(500, NOON), *new_ids(500, NOON + 1)]
    assert len(set(ids)) == 1_000
    assert all(map(is_id, ids)) and not is_id(ids[0][:-1]) and not is_id(ids[0].replace("7", "g"))
    assert {milliseconds_of(one) for one in ids[:500]} == {NOON}
    assert max(ids[:500]) < min(ids[500:])
    assert {one[16] for one in ids} == set("89ab"), "the variant of a UUID"


def test_an_answer_is_read_once_on_its_day_with_or_without_its_inputs(settings: Settings) -> None:
    rows = answers((2, NOON), (1, NOON - DAY), (1, NOON + 5))
    written(settings, "one", rows)
    written(settings, "two", rows.tail(2))
    log = AnswerLog.of(settings)
    assert log.days() == ["2025-03-14", "2025-03-15"]
    today = log.read("2025-03-15")
    assert dict(today.schema) == LISTS
    assert today["answer_id"].to_list() == [rows["answer_id"][0], rows["answer_id"][2]]
    assert log.read("2025-03-15", inputs=True)[INPUTS].to_list() == [b"inputs", b"inputs"]
    sizes = log.read("2025-03-15", of_inputs=lambda rows: rows.select(size=pl.col(INPUTS).bin.size()))
    assert sizes.drop("size").equals(today) and sizes["size"].to_list() == [6, 6]
    assert dict(log.read("2025-03-16").schema) == LISTS and log.read("2025-03-16").is_empty()
    assert log.find(rows["answer_id"][1]).equals(rows[1])
    assert log.find(new_ids(1, NOON)[0]).is_empty()


def test_answers_wait_for_later_ones_and_share_a_file(tmp_path: Path) -> None:
    log = AnswerLog.of(Settings(home=tmp_path), "one", interval_s=3_600)
    log.append(answers((1, NOON)))
    assert log.write(), "the first ones do not wait"
    for user in range(3):
        log.append(answers((user, NOON)))
        assert not log.write()
    assert log.write(now=True) and log.write()
    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    assert len(AnswerLog.of(Settings(home=tmp_path)).read("2025-03-15")) == 4


def test_answers_of_a_person_leave_all_files(settings: Settings) -> None:
    written(settings, "one", answers((7, NOON - DAY)))
    written(settings, "one", answers((7, NOON), (8, NOON)))
    log = AnswerLog.of(settings)
    assert len(log.of_user(7)) == 2
    assert log.forget({7}) == 2
    assert log.forget({7}) == 0 and log.of_user(7).is_empty()
    assert days(log) == ["2025-03-15"]
    assert log.read("2025-03-15")["user_id"].to_list() == [8]


def test_old_days_expire(settings: Settings) -> None:
    written(settings, "one", answers((7, NOON - DAY), (7, NOON)))
    log = AnswerLog.of(settings)
    assert log.expire("2025-03-15") == ["2025-03-14"]
    assert days(log) == ["2025-03-15"]
