"""A catalog that changes while its lists are served: real servers, catalog updates, and two promoted days by parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dagster import DagsterInstance

from benchmarks.zoo import FIRST, Frames, shop, write
from rec_assets.cli.local.supervision import services
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import ITEM_VIEW
from rec_assets.orchestration.runs.run_local import PARTITION_RANGE, materialize_stale, promote_newest
from rec_assets.serving.client import Client
from rec_assets.settings import Settings
from rec_assets_tests.pipeline import definitions, settings_from
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow

USERS, ITEMS, HISTORY, LATER = 60, 40, 5, 2
WITHDRAWN, OUT_OF_STOCK, CHANGED, NEW = 0, 1, 2, 99


@dataclass
class Shop:
    """A running shop whose files the tests change."""

    settings: Settings
    folder: Path
    frames: Frames

    def export(self, catalog: pl.DataFrame) -> None:
        """Writes another catalog; the days stay."""
        write(Frames(self.frames.rows, catalog, self.frames.users, self.frames.days), self.folder)

    def run(self, job: str, day: int | None = None) -> None:
        tags = {}
        if day is not None:
            key = (FIRST + timedelta(days=day)).isoformat()
            tags = dict(zip(PARTITION_RANGE, (key, key), strict=True))
        with DagsterInstance.get() as instance:
            result = (
                definitions()
                .resolve_job_def(job)
                .execute_in_process(instance=instance, raise_on_error=False, tags=tags)
            )
        failed = [event.step_key for event in result.all_events if event.is_step_failure]
        assert not [step for step in failed if step and "check" not in step], failed

    def shown(self) -> set[int]:
        """Returns every item of the lists of all users, of an anonymous user, and of the trending items."""
        client = Client(self.settings)
        lists = [client.recommend(user, k=ITEMS).item_ids.tolist() for user in (-1, *range(USERS))]
        return {item for one in lists for item in one} | {item for item, _ in client.trending(ITEMS)}


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop of 60 users and 40 items with a live bundle; its lists can hold the whole catalog."""
    folder = tmp_path_factory.mktemp("living")
    (folder / "data").mkdir()
    frames = shop(USERS, ITEMS, days=HISTORY + LATER)
    new = pl.DataFrame({"user_id": np.arange(50), "item_id": NEW, "device_type": 1, "day": HISTORY + 1, "second": 9})
    frames.rows = pl.concat([frames.rows, new.select(frames.rows.columns).cast(frames.rows.schema)])
    write(frames, folder / "data")
    ports = ("VALKEY", "TRITON_HTTP", "TRITON_GRPC", "TRITON_METRICS")
    variables = {f"REC_{name}_PORT": str(free_port()) for name in ports} | {
        "REC_HOME": str(folder / "home"),
        "REC_SOURCE": "files",
        "REC_FILES_LOCATION": str(folder / "data"),
        "REC_START_DATE": FIRST.isoformat(),
        "REC_DAYS": str(HISTORY + LATER),
        "REC_TRAIN_DAYS": str(HISTORY - 1),
        "REC_VALID_DAYS": "1",
        "REC_MAX_EPOCHS": "2",
        "REC_SEEN_FILTER": "nothing",
    }
    with settings_from(variables) as settings, services(settings):
        materialize_stale(settings)
        promote_newest(settings)
        yield Shop(settings, folder / "data", frames)


def test_the_catalog_counts_within_seconds_and_stays_so_over_two_promoted_days(living: Shop) -> None:
    settings, catalog = living.settings, living.frames.items
    assert living.shown() == set(range(ITEMS))

    # A catalog update alone: no training, no promotion.
    changed = catalog.filter(pl.col("item_id") != WITHDRAWN).with_columns(
        available=pl.col("item_id") != OUT_OF_STOCK,
        price=pl.when(item_id=CHANGED).then(500.0).otherwise("price"),
        category_l1=pl.when(item_id=CHANGED).then(3).otherwise("category_l1"),
    )
    before = dict(Client(settings).recommend(7, k=ITEMS))
    living.export(changed)
    living.run("catalog_update")
    wait_until(lambda: living.shown() == set(range(2, ITEMS)))
    stored = OnlineReader(settings, ITEM_VIEW)(np.array([CHANGED, 3], np.int32)).columns
    assert (stored["price"].tolist(), stored["category_l1"].tolist()) == ([500.0, 4.0], [3, 3])
    wait_until(lambda: abs(dict(Client(settings).recommend(7, k=ITEMS))[CHANGED] - before[CHANGED]) > 1e-6)

    # The first day by parts: both items stay away from the new bundle's lists.
    first = Client(settings).recommend(7).bundle_id
    for job in ("daily_data", "online_store", "fine_tuning"):
        living.run(job, HISTORY)
    assert promote_newest(settings)
    second = Client(settings).recommend(7).bundle_id
    assert second != first
    assert living.shown() == set(range(2, ITEMS))

    # The second day: an item is back in stock, a new one joins, another one leaves.
    arrival = catalog.head(1).with_columns(item_id=pl.lit(NEW, pl.Int64), title=pl.lit("New"))
    later = catalog.filter(~pl.col("item_id").is_in([WITHDRAWN, CHANGED]))
    living.export(pl.concat([later, arrival]))
    living.run("catalog_update")
    wait_until(lambda: living.shown() == {OUT_OF_STOCK, *range(3, ITEMS)})
    living.run("daily_update", HISTORY + 1)
    assert promote_newest(settings)
    assert Client(settings).recommend(7).bundle_id not in (first, second)
    assert living.shown() == {OUT_OF_STOCK, NEW, *range(3, ITEMS)}
