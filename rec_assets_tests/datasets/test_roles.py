"""Rows that are only history: input of histories, and neither training row, hit, count nor positive."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.joined_days import ROWS, history_files, log_of, read_events, write_joined
from rec_assets.datasets.queries import build_queries
from rec_assets.datasets.rows import Arrays
from rec_assets.features.history import InteractionLog
from rec_assets.sources.roles import HISTORY, ROLE, TARGET
from rec_assets.training.ranking.candidate_lists import interacted_later

# User 1 views item 7 at 10 and buys item 8 at 20; user 2 only views; user 3 only buys.
EVENTS = pl.DataFrame(
    {
        "user_id": [1, 1, 2, 3],
        "item_id": [7, 8, 7, 9],
        "device_type": [0, 1, 0, 2],
        "timestamp": [10, 20, 15, 30],
        ROLE: [HISTORY, TARGET, HISTORY, TARGET],
    }
)


@pytest.fixture
def joined(tmp_path: Path) -> list[Path]:
    days = [EVENTS, EVENTS.with_columns(pl.col("timestamp") + 100), EVENTS.filter(pl.col(ROLE) == TARGET)[:0]]
    for number, rows in enumerate(days):
        (tmp_path / str(number)).mkdir()
        write_joined(rows, tmp_path / str(number))
    return [tmp_path / str(number) / ROWS for number in range(len(days))]


def test_training_rows_are_the_rows_that_teach(joined: list[Path]) -> None:
    assert [pl.read_parquet(file)["item_id"].to_list() for file in joined] == [[8, 9], [8, 9], []]
    assert len(history_files(joined)) == 2
    assert read_events(joined, ["item_id"])["item_id"].to_list() == [8, 9, 8, 9, 7, 7, 7, 7]


def test_histories_contain_all_rows_and_counts_only_those_that_teach(joined: list[Path], tmp_path: Path) -> None:
    log = log_of(joined)
    assert log.gather(log.slices([1, 2], [115, 200])).item_ids[:, :3].tolist() == [[7, 8, 7], [7, 7, 0]]
    assert log.targets.item_ids.tolist() == [8, 8, 9, 9]
    log.save(tmp_path / "log.npz")
    assert InteractionLog.load(tmp_path / "log.npz").until(100).of_users([1]).only_history.tolist() == [True, False]


def test_a_query_is_made_at_the_first_row_and_its_hits_are_rows_that_teach(joined: list[Path]) -> None:
    encoded: Arrays = {"user_id": np.array([3, 4, 3, 2], np.int32), "hour_sine": np.arange(4, dtype=np.float32)}
    queries = build_queries(joined[:1], encoded)  # the rows that teach (users 1 and 3), then the others
    assert queries.user_ids.tolist() == [1, 3]
    assert queries.timestamps.tolist() == [10, 30]
    assert queries.columns["hour_sine"].tolist() == [2, 1]
    assert sorted(queries.relevant.rows()) == [(1, 8), (3, 9)]


def test_a_later_view_is_no_positive_of_the_ranker(joined: list[Path]) -> None:
    candidates = Candidates(np.array([[7, 8]], np.int32), np.zeros((1, 2), np.float32))
    assert interacted_later(np.array([1], np.int32), np.array([0]), candidates, log_of(joined), 7).tolist() == [
        [False, True]
    ]
