"""The sensor deletes retired people, makes deleted days again, and then starts a full training."""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRequest, build_sensor_context

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.build import build_defs
from rec_assets.orchestration.forgotten import person
from rec_assets.orchestration.forgotten.person import Person, find_person, waiting_people
from rec_assets.orchestration.forgotten.sensor import missing_days, rebuild_requests
from rec_assets.realtime.person import forget_at_once
from rec_assets.realtime.stores.retired_users import RetiredUsers
from rec_assets.settings import Settings
from rec_assets.sources import Codes
from rec_assets.sources.shop.codes import USER
from rec_assets.storage.artifacts.stores import open_store
from rec_assets.storage.valkey.client import connect
from rec_assets.storage.valkey.keys import FORGETTING_LOCK

DAYS = [f"2025-03-{day:02d}" for day in range(3, 8)]
PERSON = 7


@pytest.mark.parametrize(
    ("landed", "made", "length", "missing"),
    [
        (DAYS, DAYS, 3, []),
        (DAYS, DAYS[3:], 3, DAYS[2:3]),
        (DAYS, [], 2, DAYS[3:]),
        ([], [], 2, []),
    ],
)
def test_days_before_the_window_stay_as_they_are(
    landed: list[str], made: list[str], length: int, missing: list[str]
) -> None:
    assert missing_days(landed, made, length) == missing


def publish(settings: Settings, asset: str, *partitions: str) -> None:
    for partition in partitions:
        with open_store(settings).publish(asset, partition) as draft:
            pl.DataFrame({"user_id": [PERSON, 8]}).write_parquet(draft.path / "rows.parquet")


def wanted(requests: Sequence[RunRequest]) -> list[tuple[str | None, str | None]]:
    return [(one.job_name, one.partition_key) for one in requests]


def test_nothing_is_trained_where_nobody_was_deleted(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    store = open_store(settings)
    publish(settings, "joined_interactions", *DAYS)
    publish(settings, "dlrm_model", DAYS[3])
    with store.publish("id_codes") as draft:
        Codes.empty().save(draft.path)
    assert list(rebuild_requests(store, settings)) == []


def test_a_retired_person_is_deleted_and_then_everything_is_made_again(tmp_path: Path, valkey: Settings) -> None:
    settings = valkey.model_copy(update={"home": tmp_path, "train_days": 2, "valid_days": 1})
    store, defs = open_store(settings), build_defs(settings)
    sensor, repository = defs.get_sensor_def("forgotten_sensor"), defs.get_repository_def()
    resources = {name: (defs.resources or {})[name] for name in ("artifacts", "settings")}
    publish(settings, "joined_interactions", *DAYS)
    publish(settings, "masked_train_set", *DAYS)
    publish(settings, "nvt_workflows", DAYS[3])
    publish(settings, "dlrm_model", DAYS[3])
    with store.publish("raw_users") as draft:
        pl.DataFrame({"user_id": [PERSON, 8]}).write_parquet(draft.path / "users.parquet")

    with DagsterInstance.local_temp(str(tmp_path)) as instance:

        def tick() -> list[tuple[str | None, str | None]]:
            with build_sensor_context(instance=instance, resources=resources, repository_def=repository) as context:
                return wanted(sensor.evaluate_tick(context).run_requests or [])

        assert tick() == []
        assert find_person(settings, str(PERSON)).code == PERSON
        forget_at_once(settings, PERSON)
        running = instance.add_run(DagsterRun(job_name="daily_update", status=DagsterRunStatus.STARTED))
        assert tick() == [], "a run in progress may publish rows that it read before"
        instance.delete_run(running.run_id)
        assert tick() == [("forget_people", None)]
        failed = instance.add_run(DagsterRun(job_name="forget_people", status=DagsterRunStatus.FAILURE))
        assert tick() == [], "tries again an hour later"
        instance.delete_run(failed.run_id)

        result = defs.resolve_job_def("forget_people").execute_in_process(instance=instance)
        assert result.success
        assert RetiredUsers(connect(settings)).waiting() == []
        assert pl.read_parquet(store.get("raw_users") / "users.parquet")["user_id"].to_list() == [8]
        assert store.partitions("nvt_workflows") == store.partitions("masked_train_set") == []
        assert json.loads((store.get("id_codes") / "forgotten.json").read_bytes())["people"][0]["code"] == PERSON

        assert tick() == [("daily_data", day) for day in DAYS[1:]], "the window of a full training and a day more"
        publish(settings, "masked_train_set", *DAYS[1:])
        assert tick() == [("full_training", DAYS[-1])]
        publish(settings, "nvt_workflows", DAYS[-1])
        publish(settings, "dlrm_model", DAYS[-1])
        assert tick() == []


def test_a_waiting_person_has_the_id_of_the_shop_until_it_is_forgotten(tmp_path: Path, valkey: Settings) -> None:
    settings = valkey.model_copy(update={"home": tmp_path})
    codes = Codes.empty().extended({USER: pl.Series(["ann", "bob"])})
    bob = int(codes.encode(USER, pl.Series(["bob"])).item())
    RetiredUsers(connect(settings)).add(bob)
    for known, text in ((codes, "bob"), (codes.without_person(bob, 1_800_000_000), None)):
        with open_store(settings).publish("id_codes") as draft:
            known.save(draft.path)
        assert waiting_people(settings) == [Person(bob, text)]


def test_two_deletions_at_once_do_not_rewrite_the_same_files(
    tmp_path: Path, valkey: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = valkey.model_copy(update={"home": tmp_path})
    monkeypatch.setattr(person, "PATIENCE_S", 0.01)
    other = connect(settings).lock(FORGETTING_LOCK, timeout=60)
    with DagsterInstance.ephemeral() as instance:
        with other, pytest.raises(ActionableError, match="Another deletion"):
            person.forget(settings, Person(PERSON, None), 1_800_000_000, instance)
        assert RetiredUsers(connect(settings)).waiting() == []
        person.forget(settings, Person(PERSON, None), 1_800_000_000, instance)
    assert connect(settings).get(FORGETTING_LOCK) is None
