"""Tests the runbook's table of variables, and loads the values of Dagster's chart with Dagster."""

import re
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance

from rec_assets.settings import RENAMED, Settings, table
from rec_assets_tests.deploy.manifests import DEPLOY, snake

CHARTS = [yaml.safe_load((DEPLOY / "helm" / chart / "values.yaml").read_text()) for chart in ("triton", "services")]
DAGSTER = yaml.safe_load((DEPLOY / "values/dagster.yaml").read_text())


def test_the_runbook_lists_every_variable_with_its_default_and_meaning() -> None:
    assert table() in (DEPLOY / "README.md").read_text(), "replace the table by `python -m rec_assets.settings`"
    assert all(field.description for field in Settings.model_fields.values())


def test_the_runbook_names_files_that_exist() -> None:
    runbook = (DEPLOY / "README.md").read_text()
    named = set(re.findall(r"(?<![\w/.])(?:deploy|requirements|\.github|benchmarks|rec_assets)/[\w./-]*\w", runbook))
    below = re.findall(r"`((?:cdk|helm|values|docker|monitoring|kind)/[\w./-]*\w)`", runbook)
    named |= {f"deploy/{one}" for one in below if one == one.lower()}
    named = {one for one in named if not one.startswith("deploy/rec-")}  # a deployment, in the words of kubectl
    assert len(named) > 15
    assert [one for one in sorted(named) if not (DEPLOY.parent / one).exists()] == []


@pytest.mark.parametrize(("old", "new"), sorted(RENAMED.items()))
def test_the_old_name_of_a_setting_works_and_warns(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = Settings.model_fields[new].default / 2 or 3
    monkeypatch.setenv(f"REC_{old.upper()}", str(value))
    with pytest.warns(FutureWarning, match=f"REC_{old.upper()} is now REC_{new.upper()}"):
        assert getattr(Settings(), new) == value
    monkeypatch.setenv(f"REC_{new.upper()}", str(value + value))
    with pytest.warns(FutureWarning):
        assert getattr(Settings(), new) == value + value


def given() -> list[tuple[str, str]]:
    variables = [values["settings"] for values in CHARTS]
    return [(name, value) for part in variables for name, value in part.items() if name.startswith("REC_")]


@pytest.mark.parametrize(("name", "value"), sorted(set(given())))
def test_every_variable_that_a_chart_sets_is_one_and_takes_its_value(name: str, value: str) -> None:
    field = name.removeprefix("REC_").lower()
    assert field in Settings.model_fields and not Settings.model_fields[field].exclude
    Settings.model_validate({field: value})


def test_dagster_accepts_what_the_chart_writes_into_dagster_yaml(tmp_path: Path) -> None:
    values = DAGSTER
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    (tmp_path / "kubeconfig").write_text(
        yaml.safe_dump(
            {"apiVersion": "v1", "kind": "Config", "current-context": "a", "users": [{"name": "a", "user": {}}]}
            | {"clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}]}
            | {"contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}]}
        )
    )
    # Like the chart's templates, except for the address of the cluster.
    config = {
        "image_pull_policy": launcher["imagePullPolicy"],
        "service_account_name": values["global"]["serviceAccountName"],
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "dagster_home": "/opt/dagster/dagster_home",
        "load_incluster_config": False,
        "kubeconfig_file": str(tmp_path / "kubeconfig"),
        "run_k8s_config": snake(launcher["runK8sConfig"]),
    }
    logs = snake(values["computeLogManager"]["config"]["s3ComputeLogManager"])
    monitoring = snake(values["dagsterDaemon"]["runMonitoring"])
    queue = values["dagsterDaemon"]["runCoordinator"].get("config", {}).get("queuedRunCoordinator", {})
    limits = values["concurrency"]
    assert limits["enabled"]  # otherwise the chart adds `max_concurrent_runs: -1` to the queue
    instance = {
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": config},
        "compute_logs": {"module": "dagster_aws.s3", "class": "S3ComputeLogManager", "config": logs},
        "run_monitoring": monitoring,
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": "QueuedRunCoordinator",
            "config": {"dequeue_use_threads": True, "dequeue_num_workers": 4, **snake(queue)},
        },
        "concurrency": {"pools": snake(limits["pools"]), "runs": snake(limits["runs"])},
        **values["additionalInstanceConfig"],
    }
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(instance))
    with DagsterInstance.from_config(str(tmp_path)) as loaded:
        assert type(loaded.run_launcher).__name__ == "K8sRunLauncher"
        assert loaded.run_monitoring_max_resume_run_attempts == 3
        concurrency = loaded.get_concurrency_config()
        assert concurrency.pool_config.default_pool_limit == 2
        assert concurrency.run_queue_config and concurrency.run_queue_config.max_concurrent_runs == 10
        assert loaded.run_monitoring_settings["free_slots_after_run_end_seconds"] == 300
        assert not loaded.get_settings("run_retries")["retry_on_asset_or_op_failure"]
