"""A Valkey with features of 60 items in 5 categories and of 50 users, as of a midnight."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_assets.features.store import online
from rec_assets.settings import Settings

MIDNIGHT = datetime(2025, 3, 15, tzinfo=UTC)
MORNING = int(MIDNIGHT.timestamp()) + 9 * 3600
ITEMS, USERS, CATEGORIES = 60, 50, 5


@pytest.fixture(scope="session")
def feature_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("features")
    item, user = np.arange(ITEMS, dtype=np.int32), np.arange(1, USERS + 1, dtype=np.int32)
    pl.DataFrame(
        {
            "item_id": item,
            "price": (item + 1).astype(np.float32),
            "category_l1": item % CATEGORIES,
            "category_l2": item % (2 * CATEGORIES),
            "item_gender": item % 3 - 1,
        }
    ).with_columns(event_timestamp=pl.lit(MIDNIGHT)).write_parquet(folder / "items.parquet")
    pl.DataFrame(
        {"user_id": user, "age": 20 + user, "gender": user % 2, "top_category": np.full(USERS, -1, np.int32)}
    ).with_columns(age=pl.when(pl.col("user_id") % 7 > 0).then("age"), event_timestamp=pl.lit(MIDNIGHT)).write_parquet(
        folder / "users.parquet"
    )
    return folder / "users.parquet", folder / "items.parquet"


@pytest.fixture
def store(valkey: Settings, feature_files: tuple[Path, Path], tmp_path: Path) -> Settings:
    """Settings of a Valkey that holds only the features, and of an empty log."""
    settings = valkey.model_copy(update={"home": tmp_path})
    online.apply(settings, *feature_files)
    online.materialize(settings, MIDNIGHT - timedelta(seconds=1), MIDNIGHT)
    return settings
