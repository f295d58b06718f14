from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_assets.datasets.queries import Queries, build_queries
from rec_assets.datasets.rows import Arrays
from rec_assets.features.columns import REQUEST_USER_ID


@pytest.fixture
def days(tmp_path: Path) -> list[Path]:
    rows = pl.DataFrame(
        {
            "user_id": [1, 2, 1, 2, 3],
            "item_id": [10, 11, 12, 11, 10],
            "device_type": [0, 1, 2, 0, -1],
            "timestamp": [50, 40, 45, 90, 95],
        }
    )
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    rows[:3].write_parquet(files[0])
    rows[3:].write_parquet(files[1])
    return files


ENCODED: Arrays = {
    "user_id": np.array([3, 4, 3, 4, 2], np.int32),
    "hour_sine": np.arange(5, dtype=np.float32),
    "item_id": np.array([3, 4, 5, 4, 3], np.int32),
}


def test_a_query_is_a_users_first_interaction_and_all_their_items(days: list[Path]) -> None:
    queries = build_queries(days, ENCODED)
    assert queries.user_ids.tolist() == [1, 2, 3]
    assert queries.timestamps.tolist() == [45, 40, 95]
    assert queries.device_types.tolist() == [2, 1, -1]
    assert queries.columns["hour_sine"].tolist() == [2, 1, 4]
    assert sorted(queries.relevant.rows()) == [(1, 10), (1, 12), (2, 11), (3, 10)]
    assert queries.cold.tolist() == [False, False, True]
    assert queries.columns[REQUEST_USER_ID].tolist() == [1, 2, 3]
    assert queries.columns["timestamp"].tolist() == [45, 40, 95]


def test_a_sample_keeps_what_is_relevant_to_its_users(days: list[Path]) -> None:
    sample = build_queries(days, ENCODED).sample(2, seed=0)
    assert len(sample) == 2
    assert set(sample.relevant["user_id"]) == set(sample.user_ids.tolist())


def test_saved_queries_read_back(days: list[Path], tmp_path: Path) -> None:
    queries = build_queries(days, ENCODED)
    queries.save(tmp_path / "queries")
    again = Queries.load(tmp_path / "queries")
    assert again.user_ids.tolist() == queries.user_ids.tolist()
    assert again.relevant.equals(queries.relevant)
    assert again.columns["user_id"].dtype == np.int32


def test_rows_that_were_not_encoded_alike_are_refused(days: list[Path]) -> None:
    with pytest.raises(ValueError, match=r"differ in number \(5 and 3\)"):
        build_queries(days, {name: array[:3] for name, array in ENCODED.items()})
