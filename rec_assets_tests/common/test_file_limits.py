"""A small file that would take too much memory is refused from its metadata, by every reader."""

from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.common.file_limits import FileLimits
from rec_assets.realtime.log.behavior_log import BehaviorLog
from rec_assets.settings import Settings
from rec_assets.sources.files import FilesSource
from rec_assets.sources.shop.mapping import Rows
from rec_assets.sources.shop.tables import connect, open_table

DAY = date(2025, 3, 3)
ROWS_PER_GROUP, GROUPS = 1_000_000, 2
LIMITS = FileLimits(file=40, row_group=40)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a few kB whose rows take 48 MB: 2 million rows of three equal numbers."""
    file = tmp_path_factory.mktemp("bomb") / f"{DAY}.parquet"
    zeros = pa.array([0] * ROWS_PER_GROUP, pa.int64())
    group = pa.table({"user_id": zeros, "item_id": zeros, "timestamp": zeros})
    with pq.ParquetWriter(file, group.schema) as writer:
        for _ in range(GROUPS):
            writer.write_table(group, row_group_size=ROWS_PER_GROUP)
    assert file.stat().st_size < 10_000
    return file


REFUSED = r"(?s)2025-03-03.parquet \(2,000,000 rows\) takes 48 MB of memory.*40 MB.*REC_MAX_FILE_MB"


def test_a_day_of_files_is_refused_before_it_is_read(bomb: Path) -> None:
    with pytest.raises(ActionableError, match=REFUSED):
        FilesSource(str(bomb.parent), DAY, LIMITS).interactions(DAY)


def test_a_shops_table_is_refused_before_it_is_read(bomb: Path) -> None:
    with pytest.raises(ActionableError, match=REFUSED):
        open_table(connect(), Rows(files=bomb.name), bomb.parent, LIMITS)


def test_a_row_group_has_its_own_limit(bomb: Path) -> None:
    FileLimits(file=5_000, row_group=25).require_parquet("a", str(bomb))
    with pytest.raises(ActionableError, match=r"(?s)A row group of a .*24 MB.*limit of 23 MB.*REC_MAX_ROW_GROUP_MB"):
        FileLimits(file=5_000, row_group=23).require_parquet("a", str(bomb))


def test_the_settings_set_the_limits(tmp_path: Path) -> None:
    limits = Settings(home=tmp_path, max_file_mb=3, max_row_group_mb=2).file_limits
    assert (limits.file, limits.row_group) == (3, 2)
    assert Settings(home=tmp_path).file_limits == FileLimits()


def test_texts_count_with_their_stored_size(tmp_path: Path) -> None:
    pl.DataFrame({"text": [f"{n:0100d}" for n in range(10_000)]}).write_parquet(tmp_path / "a.parquet")
    FileLimits(2, 2).require_parquet("a", str(tmp_path / "a.parquet"))
    with pytest.raises(ActionableError, match=r"takes 1 MB of memory"):
        FileLimits(1, 1).require_parquet("a", str(tmp_path / "a.parquet"))


def test_a_large_file_of_the_offline_log_is_refused(tmp_path: Path) -> None:
    log = BehaviorLog(tmp_path, "worker", FileLimits(file=1))
    folder = tmp_path / "2025-03-03"
    folder.mkdir()
    with (folder / "worker.jsonl").open("wb") as file:
        file.truncate(1_000_001)
    with pytest.raises(ActionableError, match=r"worker\.jsonl takes 1 MB of memory, more than the limit of 1 MB"):
        log.read("2025-03-03")
