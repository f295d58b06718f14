"""Launches jobs in pods: Dagster's Kubernetes launcher, configured as in deploy/values, on the small API server."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rec_assets_tests.deploy.manifests import DEPLOY, snake
from rec_assets_tests.kubernetes_api import Cluster

CPU_IMAGE = "registry.example/rec-assets-cpu:1"


def launch(job: str, run: str, home: Path, settings: Mapping[str, str], cluster: Cluster, kubeconfig: Path) -> None:
    """Runs a job in pods of its own, and waits for them.

    Args:
        job: name of the job.
        run: id of the run.
        home: Dagster's folder.
        settings: environment variables of the pods.
        cluster: the API server.
        kubeconfig: file with its address.
    """
    launcher = {
        "service_account_name": "rec-assets",
        "instance_config_map": "dagster-instance",
        "dagster_home": str(home),
        "job_image": CPU_IMAGE,
        "job_namespace": "rec-assets",
        "load_incluster_config": False,
        "kubeconfig_file": str(kubeconfig),
        "env_vars": [f"{name}={value}" for name, value in settings.items()],
        "run_k8s_config": _run_pod_of_the_values(),
    }
    instance = {
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": launcher},
        # Launches runs at once, because no daemon reads a queue.
        "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
        "telemetry": {"enabled": False},
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance))
    command = [str(Path(sys.executable).parent / "dagster"), "job", "launch", "-w", "workspace.yaml"]
    environment = {**os.environ, **settings, "DAGSTER_HOME": str(home)}
    done = subprocess.run(
        [*command, "-j", job, "--run-id", run], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cluster.join()


def _run_pod_of_the_values() -> dict[str, Any]:
    """Returns the configuration of run pods in deploy/values, in the form that the chart writes to dagster.yaml."""
    values = yaml.safe_load((DEPLOY / "values/dagster.yaml").read_text())
    return snake(values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"])
