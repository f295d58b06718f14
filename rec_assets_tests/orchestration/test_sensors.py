"""Decisions of the promotion sensor on a new bundle."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetMaterialization, DagsterInstance, DagsterRun, DagsterRunStatus, build_sensor_context

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.gate_results import GATES, Gate, GateReport
from rec_assets.bundles.live_record import record_live
from rec_assets.orchestration import sensors
from rec_assets.orchestration.build import build_defs
from rec_assets.orchestration.sensors import BundleFacts, decide
from rec_assets.serving.rule_versions import ShopRules
from rec_assets.serving.rules.rules import Rules
from rec_assets.serving.rules.store import CurrentRules
from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import ArtifactStore
from rec_assets.storage.valkey import connect
from rec_assets_tests.servers import free_port
from rec_assets_tests.serving.stored_bundles import add
from rec_assets_tests.serving.synthetic import AS_OF


def gate_report(failed: str = "") -> GateReport:
    gates = [Gate(name=name, passed=name != failed, message="0.1, the live bundle's is 0.2") for name in GATES]
    return GateReport(bundle_id="4f2a", gates=gates)


@pytest.mark.parametrize(
    ("change", "promote", "wait", "reason"),
    [
        ({}, True, False, "passed its gates"),
        ({"gate_report": gate_report("not_worse_than_live")}, False, False, "not_worse_than_live: 0.1, the live"),
        ({"gate_report": None}, False, False, "has no gate report"),
        ({"gate_report": None, "still_running": True}, False, True, "waits for its gates"),
        ({"live_id": "4f2a"}, False, False, "is already live"),
        ({"live_as_of": date(2025, 3, 16)}, False, False, "older than the live bundle (2025-03-16)"),
        ({"withdrawn": True}, False, False, "was rolled back"),
        ({"live_as_of": date(2025, 3, 15)}, True, False, "passed"),
        ({"live_id": None, "live_as_of": None}, True, False, "passed"),
        ({"bundle_id": None, "problem": "was replaced"}, False, False, "was replaced"),
        ({"gate_report": GateReport(bundle_id="4f2a", gates=[])}, False, False, "answers_requests: was not run"),
        ({"failed": 2, "failed_for": timedelta(minutes=6)}, True, False, "passed"),
        ({"failed": 2, "failed_for": timedelta(minutes=4)}, False, False, "tries again 5 minutes after"),
        ({"failed": 6, "failed_for": timedelta(days=1)}, False, False, "failed 6 times"),
        ({"failed": 1, "live_id": "4f2a"}, False, False, "is already live"),
        ({"canceled": True}, False, False, "was canceled"),
    ],
)
def test_a_new_bundle_is_promoted_waited_for_or_skipped_with_a_reason(
    change: dict[str, Any], promote: bool, wait: bool, reason: str
) -> None:
    day = date(2025, 3, 15)
    live_day = date(2025, 3, 14)
    facts = BundleFacts("finetuned_bundle [2025-03-15]", "4f2a", "", day, gate_report(), False, "ab12", live_day)
    decision = decide(replace(facts, **change))
    assert (decision.promote, decision.wait) == (promote, wait)
    assert decision.reason.startswith("finetuned_bundle [2025-03-15]: ")
    assert reason in decision.reason


def test_a_bundle_whose_promotion_failed_is_requested_again_and_a_later_one_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path, triton_grpc_port=free_port())
    defs, store = build_defs(settings), ArtifactStore(settings.artifacts_dir)
    sensor, cursor = defs.get_sensor_def("promotion_sensor"), None
    resources = {name: (defs.resources or {})[name] for name in ("artifacts", "settings")}

    with DagsterInstance.local_temp(str(tmp_path)) as instance:

        def materialize(number: int) -> Bundle:
            bundle, day = add(store, number), (AS_OF + timedelta(days=number)).isoformat()
            metadata = {"digest": store.get("finetuned_bundle", day).digest}
            instance.report_runless_asset_event(
                AssetMaterialization("finetuned_bundle", partition=day, metadata=metadata)
            )
            return bundle

        def tick() -> str:
            """Returns the bundle that the sensor requests, or an empty string."""
            nonlocal cursor
            with build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
                result = sensor.evaluate_tick(context)
            cursor = result.cursor
            requests = result.run_requests or []
            for request in requests:
                run = DagsterRun(job_name="promote", status=DagsterRunStatus.FAILURE, tags=dict(request.tags))
                instance.add_run(run)
            return "".join(one.run_config["ops"]["promotion"]["config"]["bundle"] for one in requests)

        first = materialize(1)
        assert tick() == first.bundle_id
        assert tick() == "", "waits a minute after the failure"
        monkeypatch.setattr(sensors, "RETRY_AFTER_MIN", (0, 0))
        assert [tick(), tick(), tick()] == [first.bundle_id, first.bundle_id, ""], "gives up after the last pause"
        monkeypatch.setattr(sensors, "RETRY_AFTER_MIN", (600,))
        second, third = materialize(2), materialize(3)
        assert tick() == second.bundle_id
        assert tick() == third.bundle_id
        record_live(store, third, None, None)
        assert tick() == ""


def test_new_rules_of_the_shop_are_recorded_once(tmp_path: Path, valkey: Settings) -> None:
    settings = valkey.model_copy(update={"home": tmp_path})
    defs, rules, cursor = build_defs(settings), ShopRules(settings), None
    sensor = defs.get_sensor_def("rules_sensor")
    resources = {name: (defs.resources or {})[name] for name in ("artifacts", "settings")}
    requested = []
    for published in (False, True, False, True):
        if published:
            rules.publish('[[block]]\nname = "a"\nitems = [10]', "owner")
        with build_sensor_context(cursor=cursor, resources=resources) as context:
            result = sensor.evaluate_tick(context)
        cursor = result.cursor
        requested.append(len(result.run_requests or []))
    assert requested == [0, 1, 0, 1]
    CurrentRules(connect(valkey)).replace(Rules())
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        made = defs.resolve_job_def("rules_update").execute_in_process(instance=instance)
    (event,) = [one for one in made.all_events if one.is_step_materialization]
    assert event.step_materialization_data.materialization.metadata["version"].value == 2
    assert CurrentRules(connect(valkey)).rules().block[0].items == [10]
