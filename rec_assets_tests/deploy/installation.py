"""Runs deploy/charts for an environment: helm renders the project's own charts; aws and kubectl only answer."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rec_assets_tests.deploy.manifests import DEPLOY, Manifest
from rec_assets_tests.tools import require_tool

VERSION = "1.2.3"
OUTPUTS = {
    "Registry": "111122223333.dkr.ecr.example/rec",
    "VpcId": "vpc-1",
    "Cidr": "10.40.0.0/16",
    "Artifacts": "rec-artifacts",
    "Landing": "rec-landing",
    "InstanceProfile": "rec-node",
    "Host": "host.example",
    "IsCluster": "true",
    "TopicArn": "arn:aws:sns:eu-central-1:111122223333:rec",
    "HeartbeatArn": "arn:aws:sns:eu-central-1:111122223333:rec-heartbeat",
}
# Neither answers an unknown question.
AWS = """#!/bin/bash
case "$*" in
{outputs}
  *update-kubeconfig*) ;;
  */postgres\\ *) echo '{{"password":"p4ss","username":"dagster"}}' ;;
  *get-secret-value*) echo word ;;
  *) echo "aws $*" >&2; exit 1 ;;
esac
"""
KUBECTL = """#!/bin/bash
echo "$*" >>{folder}/kubectl
case "$*" in
  create*) echo '{{}}' ;;
  apply*) cat >/dev/null ;;
  config*) ;;
  *) exit 1 ;;
esac
"""
HELM = """#!/bin/bash
set -e
release=$3
echo "$*" >>{folder}/helm
for word in "$@"; do
  case "$word" in */values/*.yaml) cat "$word"; echo; echo ---;; esac
done >{folder}/$release.values
case "$4" in
  helm/*) exec {helm} template "${{@:3}}" >{folder}/$release.yaml ;;
esac
"""


@dataclass(frozen=True)
class Installation:
    """Everything that deploy/charts gave to helm.

    Attributes:
        environment: name of the environment.
        releases: names of the releases in their order.
        values: release → its values files, in their order.
        manifests: release of a chart of this repository → its manifests.
        commands: the commands of helm.
        kubectl: the commands of kubectl.
    """

    environment: str
    releases: list[str]
    values: dict[str, list[Manifest]]
    manifests: dict[str, list[Manifest]]
    commands: list[str]
    kubectl: list[str]

    def merged(self, release: str) -> Manifest:
        """Returns the values of a release as helm merges them: maps key by key, lists as a whole."""
        whole: Manifest = {}
        for part in self.values[release]:
            whole = _merge(whole, part)
        return whole

    @property
    def settings(self) -> dict[str, dict[str, str]]:
        """The REC_ and AWS_ variables of each chart of the project, and of Dagster's code location."""
        code = self.merged("dagster")["dagster-user-deployments"]["deployments"][0]["env"]
        return {"dagster": code} | {name: self.merged(name)["settings"] for name in ("rec-triton", "rec-services")}


def _merge(low: Any, high: Any) -> Any:
    if isinstance(low, dict) and isinstance(high, dict):
        return {key: _merge(low.get(key), high[key]) if key in high else low[key] for key in [*low, *high]}
    return high


def install(environment: str, folder: Path) -> Installation:
    """Runs `deploy/charts ENVIRONMENT` with programs of this module before the others on the path."""
    answers = "\n".join(f"  *\"OutputKey=='{name}'\"*) echo {value} ;;" for name, value in OUTPUTS.items())
    programs = {
        "aws": AWS.format(outputs=answers),
        "kubectl": KUBECTL.format(folder=folder),
        "helm": HELM.format(folder=folder, helm=require_tool("helm")),
    }
    (folder / "bin").mkdir()
    for name, text in programs.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    require_tool("envsubst")
    done = subprocess.run(
        [DEPLOY / "charts", environment, VERSION],
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "KARPENTER_CHART": "karpenter", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    commands = (folder / "helm").read_text().splitlines()
    releases = [command.split()[2] for command in commands]
    return Installation(
        environment,
        releases,
        {name: _documents(folder / f"{name}.values") for name in releases},
        {name: _documents(folder / f"{name}.yaml") for name in releases if (folder / f"{name}.yaml").exists()},
        commands,
        (folder / "kubectl").read_text().splitlines(),
    )


def _documents(file: Path) -> list[Manifest]:
    return [one for one in yaml.safe_load_all(file.read_text()) if one]
