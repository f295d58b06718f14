"""Renders charts of deploy/ as manifests, and validates manifests against their schemas."""

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import kubernetes_validate
import yaml

from rec_assets_tests.tools import FOLDER, require_tool

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = "1.35"
Manifest = dict[str, Any]

# API groups of custom resources → the npm package that is generated from their CRDs.
CUSTOM = {
    "karpenter.sh/v1": "@kubernetes-models/karpenter/karpenter.sh/v1",
    "karpenter.k8s.aws/v1": "@kubernetes-models/karpenter/karpenter.k8s.aws/v1",
    "keda.sh/v1alpha1": "@kubernetes-models/keda/keda.sh/v1alpha1",
    "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
}


def helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs helm; the caller checks the exit status."""
    return subprocess.run([require_tool("helm"), *arguments], capture_output=True, text=True, check=False)


def rendered(chart: str, values: Manifest, namespace: str = "serving") -> list[Manifest]:
    """Returns the manifests of a chart of deploy/helm."""
    done = subprocess.run(
        [require_tool("helm"), "template", f"rec-{chart}", str(DEPLOY / "helm" / chart), "-n", namespace, "-f", "-"],
        input=yaml.safe_dump(values),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def snake(given: Manifest) -> Manifest:
    """Returns a part of a chart's values with the keys of dagster.yaml: `podSpecConfig` → `pod_spec_config`."""
    return {re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name): value for name, value in given.items()}


def problems_of(manifests: Iterable[Manifest]) -> list[str]:
    """Returns the violations of the strict schemas of Kubernetes and of the CRDs, including unknown fields."""
    known: list[Manifest] = []
    custom: list[Manifest] = []
    for one in manifests:
        (custom if one["apiVersion"] in CUSTOM else known).append(one)
    problems = []
    for one in known:
        try:
            kubernetes_validate.validate(one, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            problems.append(f"{one['kind']} {one['metadata']['name']}: {error.message} at {list(error.path)}")
    return problems + (_problems_of_custom(custom) if custom else [])


def _problems_of_custom(manifests: list[Manifest]) -> list[str]:
    """Validates values by the validators of the CRDs, and finds unknown fields by the TypeScript types of the CRDs."""
    node, tsc = require_tool("node"), require_tool("tsc")
    types, checks = [], []
    for number, one in enumerate(manifests):
        module, kind, text = CUSTOM[one["apiVersion"]], one["kind"], json.dumps(one)
        types += [
            f'import type {{ I{kind} as T{number} }} from "{module}";',
            f"export const m{number}: T{number} = {text};",
        ]
        checks += [
            f'import {{ {kind} as K{number} }} from "{module}";',
            f"try {{ new K{number}({text}).validate() }} catch (e) {{ console.log('{kind}', String(e)) }}",
        ]
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"]
    found = []
    with TemporaryDirectory(dir=FOLDER) as scratch:  # below the tools, where both find the CRDs' packages
        (Path(scratch) / "manifests.ts").write_text("\n".join(types))
        (Path(scratch) / "manifests.mjs").write_text("\n".join(checks))
        for command in ([tsc, *options, "manifests.ts"], [node, "manifests.mjs"]):
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
            found += (done.stdout + done.stderr).splitlines()
    return found


def of_kind(manifests: list[Manifest], kind: str) -> Manifest:
    """Returns the first manifest of a kind."""
    return next(one for one in manifests if one["kind"] == kind)
