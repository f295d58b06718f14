"""After a person is deleted, the artifacts equal those of a shop that never knew the person."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.forgotten.person import (
    MIXED,
    ROWS_OF_USERS,
    Person,
    export_offline,
    find_person,
    forget_offline,
    user_ids_in,
)
from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.orchestration.runs.run_local import PARTITION_RANGE
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.answers.schema import SCHEMA
from rec_assets.settings import Settings
from rec_assets.sources.files import USERS, export
from rec_assets.sources.retail import RetailParameters, RetailSource
from rec_assets.storage.artifacts.stores import open_store
from rec_assets_tests.pipeline import materialize, settings_from

pytestmark = pytest.mark.slow
START, DAYS = date(2025, 3, 3), 3
KEYS = [(START + timedelta(days=n)).isoformat() for n in range(DAYS)]
DAILY = [
    "raw_interactions",
    "behavioral_updates",
    "user_features",
    "joined_interactions",
    "masked_train_set",
    "shown_lists",
    "outcomes",
]
TRAINING = ["nvt_workflows", "training_set"]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, int]:
    """The folder of a shop, that of a shop which never knew one of its users, and this user."""
    root = tmp_path_factory.mktemp("exports")
    source = RetailSource(RetailParameters(60, 40, 400, START, DAYS, 0))
    whole, never = root / "whole", root / "never"
    for folder in (whole, never):
        export(source, folder, [date.fromisoformat(day) for day in KEYS])
    user = pl.read_parquet([whole / f"{day}.parquet" for day in KEYS])["user_id"].mode().min()
    for name in (*(f"{day}.parquet" for day in KEYS), USERS):
        pl.read_parquet(whole / name).filter(pl.col("user_id") != user).write_parquet(never / name)
    return whole, never, int(user)  # type: ignore[arg-type]


def build() -> None:
    tags = dict(zip(PARTITION_RANGE, (KEYS[0], KEYS[-1]), strict=True))
    assert materialize(["id_codes", "raw_items", "raw_users", "image_embeddings", "text_embeddings"]).success
    assert materialize(DAILY, tags=tags).success
    assert materialize(TRAINING, partition_key=KEYS[-1]).success


def home(folder: Path, files: Path) -> Iterator[Settings]:
    days = {"REC_START_DATE": str(START), "REC_DAYS": str(DAYS), "REC_TRAIN_DAYS": "2", "REC_VALID_DAYS": "1"}
    where = {"REC_HOME": str(folder), "REC_SOURCE": "files", "REC_FILES_LOCATION": str(files)}
    with settings_from({**days, **where}) as settings:
        prepare_dagster_home(settings)
        yield settings


def show(settings: Settings, users: Sequence[int]) -> None:
    """Logs an answer for each user at the first second of the second day, with all items."""
    at = 1_741_046_400_000
    rows = [
        (f"{user:032x}", at, user, "bundle", "", 0, at // 1000, False, "", list(range(40)), [0.1] * 40, b"")
        for user in users
    ]
    log = AnswerLog.of(settings, "test")
    log.append(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    assert log.write(now=True)


def digests(settings: Settings, assets: Sequence[str]) -> dict[tuple[str, str], str]:
    store = open_store(settings)
    return {(asset, key): store.get(asset, key).digest for asset in assets for key in store.partitions(asset)}


def test_a_deleted_person_was_never_there(tmp_path: Path, exports: tuple[Path, Path, int]) -> None:
    whole, without, user = exports
    everything = ["raw_users", *DAILY, *TRAINING]
    others = pl.read_parquet(without / USERS)["user_id"].to_list()
    for settings in home(tmp_path / "never", without):
        show(settings, others)
        build()
        never = digests(settings, everything)
    for settings in home(tmp_path / "home", whole):
        show(settings, [*others, user])
        build()
        store = open_store(settings)
        personal = {
            asset
            for asset in store.assets()
            for key in store.partitions(asset)
            if any(True for _ in user_ids_in(store.get(asset, key).path))
        }
        assert personal == {"raw_users", *DAILY, *TRAINING} <= {*ROWS_OF_USERS, *MIXED}
        with pytest.raises(ActionableError, match="No user has the id '999999'"):
            find_person(settings, "999999")
        person = find_person(settings, str(user))
        assert person == Person(user, None)
        known = export_offline(settings, person)
        assert len(known["raw_users [all]"]) == 1
        assert {f"{asset} [{KEYS[-1]}]" for asset in TRAINING} <= set(known["also in"])

        with DagsterInstance.get() as instance:
            forget_offline(settings, person, 1_800_000_000, instance)
        # Rows are rewritten to the bytes of a new materialization; rates of `outcomes` are counts that stay until then.
        kept = digests(settings, [asset for asset in ROWS_OF_USERS if asset not in ("behavioral_updates", "outcomes")])
        assert kept == {key: digest for key, digest in never.items() if key in kept}
        assert export_offline(settings, person) == {"also in": []}
        for asset in everything:
            for key in store.partitions(asset):
                versions = [path for path in store.folder(asset, key).iterdir() if path.is_dir()]
                assert [path.name for path in versions] == [store.get(asset, key).digest]
                assert not any((ids == user).any() for ids in user_ids_in(versions[0]))
        with DagsterInstance.get() as instance:
            assert forget_offline(settings, find_person(settings, str(user)), 1_900_000_000, instance) == {}

        build()  # from the shop's files, which still have the person
        assert digests(settings, everything) == never
