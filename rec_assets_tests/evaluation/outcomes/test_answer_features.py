from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_assets.evaluation.outcomes.answer_features import history_features, input_features, score_features
from rec_assets.evaluation.outcomes.drift import UNIT
from rec_assets.evaluation.outcomes.shown import HISTORY, SHOWN, histories_in, read_shown, shown_rows
from rec_assets.realtime.answers.schema import SCHEMA
from rec_assets.serving.answers.inputs import FIELDS, pack_inputs


def at(day: int, hour: int) -> int:
    return int(datetime(2025, 3, day, hour, 59, tzinfo=UTC).timestamp())


def test_inputs_are_those_of_the_first_row_of_a_known_user_and_day() -> None:
    rows = pl.DataFrame(
        [
            (7, 1, at(3, 20), 41.0, 0),
            (7, 0, at(3, 9), 41.0, 0),
            (7, -1, at(4, 0), 41.0, 0),
            (8, 2, at(3, 10), None, -1),
            (-1, 0, at(3, 8), None, -1),
        ],
        ["user_id", "device_type", "timestamp", "age", "gender"],
        orient="row",
    )
    found = input_features(rows.lazy()).sort(UNIT, "hour", descending=[False, True])
    assert found.rows() == [
        ("7", "mobile", 9.0, 41.0, "female"),
        ("7", None, 0.0, 41.0, "female"),
        ("8", "tablet", 10.0, None, None),
    ]
    assert [found[name].dtype for name in ("hour", "age")] == [pl.Float64, pl.Float64]


def test_scores_are_those_of_each_list_by_user_or_by_answer() -> None:
    rows = [
        ("a", 7, 2, 0.2),
        ("a", 7, 1, 0.4),
        ("b", 7, 1, 0.1),
        ("c", -1, 1, 0.3),
    ]
    shown = pl.DataFrame(
        [(answer, 0, user, "bundle", "", 0, 0, position, 5, score, 0, None) for answer, user, position, score in rows],
        SHOWN,
        orient="row",
    )
    found = score_features(shown.lazy()).sort("first_score", descending=True)
    assert found[UNIT].to_list() == ["7", "c", "7"]
    assert found["first_score"].to_list() == pytest.approx([0.4, 0.3, 0.1])
    assert found["mean_score"].to_list() == pytest.approx([0.3, 0.3, 0.1])


def inputs_of(stored: list[tuple[int, int]], session: list[tuple[int, int]]) -> bytes:
    """Returns inputs with stored events and a session, given as (item, unix second)."""
    given = {
        "recent": np.array(session).ravel(),
        "raw_user/recent_item_id": np.array([item for item, _ in stored]),
        "raw_user/recent_timestamp": np.array([time for _, time in stored]),
    }
    return pack_inputs([given.get(name, np.empty(0)).astype(kind) for name, kind in FIELDS.items()])


def test_histories_are_those_of_the_recorded_inputs(tmp_path: Path) -> None:
    now = at(3, 12)
    inputs = [
        inputs_of([(5, now - 86_400), (6, now - 172_800), (7, now)], [(5, now - 86_400), (8, now - 43_200)]),
        inputs_of([], []),
        b"of no release",
    ]
    rows = [(f"a{n}", 0, n - 1, "bundle", "", 0, now, False, "", [5], [0.5], one) for n, one in enumerate(inputs)]
    answers = pl.DataFrame(rows, SCHEMA, orient="row")
    shown = shown_rows(answers.hstack(histories_in(answers)))
    assert shown.select(*HISTORY).rows() == [(3, now - 43_200), (0, None), (None, None)]
    found = history_features(shown.lazy()).sort(UNIT)
    assert found.rows() == [("0", False, 0.0, None), ("a0", True, 3.0, 0.5)]

    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    shown.drop(*HISTORY).write_parquet(before)
    shown.write_parquet(after)
    assert history_features(read_shown([before, after])).sort(UNIT).equals(found), (
        "days of an earlier release are left out"
    )
