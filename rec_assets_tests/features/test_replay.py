from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rec_assets.features.replay import replay_rows


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, start, paths = tmp_path_factory.mktemp("days"), 0, []
    for number, size in enumerate((5, 0, 12)):
        paths.append(folder / f"{number}.parquet")
        pl.DataFrame({"row": pl.Series(range(start, start + size), dtype=pl.Int32)}).write_parquet(paths[-1])
        start += size
    return paths


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 30), st.integers(0, 100))
def test_rows_are_drawn_once_in_order_and_the_same_for_a_seed(files: list[Path], count: int, seed: int) -> None:
    rows = replay_rows(files, count, seed)["row"].to_list()
    assert len(rows) == min(count, 17)
    assert rows == sorted(set(rows))
    assert rows == replay_rows(files, count, seed)["row"].to_list()
