from pathlib import Path

import polars as pl
import pytest

from benchmarks.quality import SHOWN, evaluation_of, following, markdown, rows_of
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets_tests.pipeline import Pipeline

METRICS = pl.DataFrame(
    [
        {"track": track, "method": method, "segment": "all", "users": 7, **dict.fromkeys(SHOWN, value)}
        for track, method, value in (("all", "ranked", 0.4), ("all", "popularity", 0.1), ("new", "ranked", 0.2))
    ]
)


def test_methods_of_one_track_come_from_worst_to_best() -> None:
    assert [row[:3] for row in rows_of(METRICS, "all", "all")] == [
        ["popularity", "7", "0.1000"],
        ["ranked", "7", "0.4000"],
    ]


def test_markdown_has_a_heading_and_a_line_a_method() -> None:
    lines = markdown(rows_of(METRICS, "new", "all")).splitlines()
    assert lines[0].startswith("| method | users | recall@10 |")
    assert lines[2] == f"| ranked | 7 | {' | '.join(['0.2000'] * len(SHOWN))} |"
    assert len({line.count("|") for line in lines}) == 1


def test_a_day_without_models_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match="dlrm_model has not been materialized"):
        evaluation_of("2025-03-14", Settings(home=tmp_path))


@pytest.mark.slow
def test_the_models_of_a_day_are_evaluated_on_the_next_days(pipeline: Pipeline) -> None:
    table = following(pipeline.day, 1, pipeline.settings)
    overall = {row["method"]: row for row in table.filter(track="all", segment="known").iter_rows(named=True)}
    assert overall["ranked"]["users"] > 100
    assert overall["popularity"]["ndcg@10"] < overall["ranked"]["ndcg@10"] < overall["best possible"]["ndcg@10"]
