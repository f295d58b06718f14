from datetime import UTC, datetime

import polars as pl
import pytest

from rec_assets.evaluation.outcomes.answer_features import input_features, score_features
from rec_assets.evaluation.outcomes.drift import UNIT
from rec_assets.evaluation.outcomes.shown import SHOWN


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
        [(answer, 0, user, "bundle", "", 0, 0, position, 5, score) for answer, user, position, score in rows],
        SHOWN,
        orient="row",
    )
    found = score_features(shown.lazy()).sort("first_score", descending=True)
    assert found[UNIT].to_list() == ["7", "c", "7"]
    assert found["first_score"].to_list() == pytest.approx([0.4, 0.3, 0.1])
    assert found["mean_score"].to_list() == pytest.approx([0.3, 0.3, 0.1])
