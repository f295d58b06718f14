"""Alerts, dashboard and scaling: promtool accepts them, and every metric in them exists."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import dagster as dg
import pytest
import redis
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.live_record import record_live
from rec_assets.common.concurrency.loop import FAILURES, LAST_SUCCESS, Loop
from rec_assets.orchestration.partitions import daily
from rec_assets.orchestration.runs.prometheus_exporter import (
    DEAD,
    FAILED,
    FEATURES,
    LIVE_AS_OF,
    STOPPED,
    WAITING,
    WORKERS,
    GraphCollector,
    LoopCollector,
    StreamCollector,
)
from rec_assets.realtime.worker import Worker
from rec_assets.serving.api.app import create_app
from rec_assets.serving.api.metrics import BUCKETS, OTHER
from rec_assets.serving.api.metrics import NAME as API_SECONDS
from rec_assets.serving.client import Client
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.stores import open_store
from rec_assets_tests.deploy.manifests import DEPLOY, rendered
from rec_assets_tests.servers import free_port
from rec_assets_tests.tools import require_tool

MONITORING = DEPLOY / "monitoring"
RULES = yaml.safe_load((MONITORING / "rules.yaml").read_text())
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())


def expressions() -> Iterator[str]:
    for group in RULES["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    keda = rendered("triton", {"autoscaling": {"kind": "keda"}})
    yield from (
        t["metadata"]["query"] for one in keda if one["kind"] == "ScaledObject" for t in one["spec"]["triggers"]
    )


def named_in(text: str) -> set[str]:
    return set(re.findall(r"\b(?:nv_|rec_|triton:|objective:|api:)[a-z0-9_:]+", text))


@pytest.mark.parametrize("command", [["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]])
def test_promtool_agrees(command: list[str]) -> None:
    done = subprocess.run(
        [require_tool("promtool"), *command], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_silent_and_firing() -> None:
    alerts = {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
    tests = yaml.safe_load((MONITORING / "rules_test.yaml").read_text())["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", [])]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts


def test_every_alert_leads_to_a_section_of_the_runbook() -> None:
    runbook = (DEPLOY / "README.md").read_text().lower()
    for group in RULES["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert f"### {rule['annotations']['runbook'].partition(': ')[2]}" in runbook


def test_the_panels_of_the_dashboard_have_ids_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24


@pytest.mark.slow
def test_every_metric_that_is_asked_for_is_made_by_someone(shop: Settings, tmp_path: Path) -> None:
    Client(shop).recommend(1)
    with urlopen(f"http://{shop.host}:{shop.triton_metrics_port}/metrics") as page:
        made = named_in(page.read().decode())
    made |= {
        LIVE_AS_OF,
        FEATURES,
        STOPPED,
        FAILED,
        WAITING,
        DEAD,
        WORKERS,
        FAILURES,
        f"{API_SECONDS}_count",
        f"{API_SECONDS}_bucket",
    }
    made |= {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
    named = {name for text in expressions() for name in named_in(text)}
    assert len(named) > 8
    assert named - made == set()


def test_the_objectives_count_the_paths_and_the_bucket_of_the_api() -> None:
    paths = {getattr(route, "path", "") for route in create_app(Settings()).routes}
    named = [found.split("|") for text in expressions() for found in re.findall(r'path(?:!~|=~|=)"([^"]+)"', text)]
    assert {path for one in named for path in one} - {OTHER} <= paths
    limits = {float(found) for text in expressions() for found in re.findall(r'le="([\d.]+)"', text)}
    assert limits and limits <= set(BUCKETS)


def test_the_scaler_reads_a_record_of_the_rules_and_not_arithmetic_of_its_own() -> None:
    (scaler,) = (one for one in rendered("triton", {}) if one["kind"] == "ScaledObject")
    (trigger,) = scaler["spec"]["triggers"]
    records = {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
    assert trigger["metadata"]["query"].partition("{")[0] in records
    assert trigger["metricType"] == "Value" and "ignoreNullValues" not in trigger["metadata"]


@dg.asset(partitions_def=dg.DailyPartitionsDefinition(start_date="2025-03-03", end_date="2025-03-06"))
def sometimes(context: dg.AssetExecutionContext) -> None:
    if context.partition_key == "2025-03-04":
        raise ValueError


def test_the_exporter_tells_ages_and_failed_partitions(tiny_bundle: Bundle, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    store = open_store(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        collector = GraphCollector(settings, dg.Definitions([sometimes]), instance)
        registry = CollectorRegistry()
        registry.register(collector)
        assert samples(registry) == {'rec_failed_partitions{asset="sometimes"}': 0, "rec_canary_share": 0}
        for day in ("2025-03-03", "2025-03-04"):
            dg.materialize([sometimes], partition_key=day, instance=instance, raise_on_error=False)
        record_live(store, tiny_bundle, None, None)
        with store.publish("online_features", "2025-03-05") as draft:
            (draft.path / "materialized.txt").touch()
        values = samples(registry)
    assert values['rec_failed_partitions{asset="sometimes"}'] == 1
    assert values[FEATURES] == 1741219200  # 2025-03-06, midnight
    assert values[LIVE_AS_OF] == 1741996800  # 2025-03-15, midnight


def test_the_exporter_watches_days_that_come_after_its_start(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    settings = Settings(home=tmp_path, source="files", start_date=today - timedelta(days=400))

    @dg.asset(partitions_def=daily(settings))
    def fails() -> None:
        raise ValueError

    with dg.DagsterInstance.ephemeral() as instance:
        registry = CollectorRegistry()
        registry.register(GraphCollector(settings, dg.Definitions([fails]), instance))
        assert samples(registry)['rec_failed_partitions{asset="fails"}'] == 0
        yesterday = (today - timedelta(days=1)).isoformat()
        dg.materialize([fails], partition_key=yesterday, instance=instance, raise_on_error=False)
        assert samples(registry)['rec_failed_partitions{asset="fails"}'] == 1


def test_the_exporter_tells_what_waits_and_what_was_given_up(valkey: Settings, tmp_path: Path) -> None:
    settings = valkey.model_copy(update={"home": tmp_path})
    registry = CollectorRegistry()
    registry.register(StreamCollector(settings))
    assert samples(registry) == {WAITING: 0, DEAD: 0, WORKERS: 0}
    Client(settings).record(1, [2, 3])
    redis.Redis(settings.valkey_host or settings.host, settings.valkey_port).xadd("events", {"user_id": "nobody"})
    assert samples(registry) == {WAITING: 3, DEAD: 0, WORKERS: 0}
    Worker(settings).round()
    assert samples(registry) == {WAITING: 0, DEAD: 1, WORKERS: 1}


def test_the_exporter_tells_loops_that_fail(tmp_path: Path) -> None:
    loop = Loop("worker", lambda: 1 // 0, 1.0, tmp_path)
    loop.round()
    registry = CollectorRegistry()
    registry.register(LoopCollector(Settings(home=tmp_path)))
    assert samples(registry) == {f'{FAILURES}{{loop="worker"}}': 1, f'{LAST_SUCCESS}{{loop="worker"}}': 0}


def test_of_a_stream_that_is_away_the_exporter_tells_nothing() -> None:
    registry = CollectorRegistry()
    registry.register(StreamCollector(Settings(valkey_port=free_port())))
    assert samples(registry) == {}


def samples(registry: CollectorRegistry) -> dict[str, float]:
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
