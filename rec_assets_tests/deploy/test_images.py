"""Images contain all packages that they need: builds their environments like the Dockerfiles, and starts commands."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from rec_assets_tests.deploy.manifests import DEPLOY

ROOT = DEPLOY.parent
UV = Path(sys.executable).with_name("uv")
TRAINS = {"tensorflow", "merlin", "nvtabular", "torch"}
# Imports the whole serving package and the modules of the agent's commands.
SERVING = """
import importlib, pkgutil
import rec_assets.serving as serving
for module in pkgutil.walk_packages(serving.__path__, "rec_assets.serving."):
    importlib.import_module(module.name)
import rec_assets.storage.artifacts.bucket_store, rec_assets.features.store.online, rec_assets.features.store.views
import rec_assets.common.traces.open_telemetry
from feast import FeatureStore
"""
ORCHESTRATION = """
import rec_assets.definitions, rec_assets.orchestration.runs.prometheus_exporter
import rec_assets.realtime.worker, rec_assets.serving.api.app, rec_assets.storefront.app
import rec_assets.common.traces.open_telemetry
from feast import FeatureStore
rec_assets.definitions.defs.get_repository_def()
"""
CPU = """
import rec_assets.training.ranking.train, rec_assets.evaluation.evaluate_models, rec_assets.training.export.saved_model
import rec_assets.datasets.finetune_set, rec_assets.training.finetune, rec_assets.features.embeddings
import rec_assets.preprocessing.parity, rec_assets.preprocessing.fit
import tensorflow as tf
assert tf.keras.layers.Dense(1)(tf.ones((1, 1))).shape == (1, 1)
"""
INSTALLED = """
import importlib.metadata, os, rec_assets, shutil, sys
assert rec_assets.__file__.startswith(sys.prefix), rec_assets.__file__
assert os.path.dirname(shutil.which("rec")) == os.path.join(sys.prefix, "bin")
print(importlib.metadata.version("rec_assets"))
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def stages(dockerfile: str) -> dict[str, list[str]]:
    """Returns the instructions of each stage, preceded by those of its base stage."""
    text = (DEPLOY / "docker" / dockerfile).read_text().replace("\\\n", " ")
    by_stage: dict[str, list[str]] = {}
    instructions: list[str] = []
    for line in (one.strip() for one in text.splitlines()):
        if stage := re.match(r"FROM (\S+)(?: AS (\S+))?", line):
            instructions = by_stage.setdefault(stage[2] or "last", [])
            instructions.extend(by_stage.get(stage[1], []))
        elif line and not line.startswith("#"):
            instructions.append(line)
    return by_stage


def build(dockerfile: str, stage: str, folder: Path, *, install: bool = True) -> Path:
    """Copies the files and installs the packages of a stage in a folder; returns the virtual environment."""
    environment = folder / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    for line in stages(dockerfile)[stage]:
        instruction, _, rest = line.partition(" ")
        if instruction == "COPY" and "--from" not in rest:
            *sources, _ = rest.split()
            for source in sources:
                target = folder / (Path(source).name)
                (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, target)
        elif instruction == "RUN" and rest.startswith(("uv pip install", "printf")):
            options = "" if install else " --dry-run"
            command = rest.replace("uv pip install --no-cache", f"{UV} pip install{options}")
            env = {**os.environ, "VIRTUAL_ENV": str(environment), "UV_PYTHON": str(environment / "bin" / "python")}
            done = subprocess.run(command, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{line}\n{done.stderr[-3000:]}"
    return environment


def loaded(environment: Path, code: str) -> set[str]:
    """Runs code with only this environment on the path, and returns the imported packages."""
    done = subprocess.run(
        [environment / "bin" / "python", "-W", "ignore", "-c", code + INSTALLED],
        cwd="/",
        env={"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "REC_HOME": str(environment.parent / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *_, answered, modules = done.stdout.splitlines()
    assert answered == version("rec_assets")
    return set(modules.split())


def starts(environment: Path, command: list[str]) -> None:
    """Runs a command with `--help`; only imports a module, because modules take no arguments."""
    command = ["python", "-c", f"import {command[2]}; print('usage')"] if command[1] == "-m" else [*command, "--help"]
    path = f"{environment / 'bin'}:/usr/bin:/bin"
    done = subprocess.run(command, cwd="/", env={"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "sage" in done.stdout, done.stderr[-3000:]


@pytest.mark.slow
def test_the_image_of_triton_serves_without_dagster_or_tensorflow(tmp_path: Path) -> None:
    environment = build("triton.Dockerfile", "packages", tmp_path)
    packages = loaded(environment, SERVING)
    assert not packages & {*TRAINS, "dagster"}
    assert {"numpy", "onnxruntime", "feast", "redis", "tritonclient", "boto3"} <= packages
    chart = (DEPLOY / "helm/triton/templates/deployment.yaml").read_text()
    (command,) = re.findall(r"command: \[(python3, [^\]]+)\]", chart)
    starts(environment, command.split(", "))


@pytest.mark.slow
def test_the_image_of_orchestration_loads_the_graph_and_starts_every_service(tmp_path: Path) -> None:
    environment = build("steps.Dockerfile", "packages", tmp_path)
    assert not loaded(environment, ORCHESTRATION) & TRAINS
    values = yaml.safe_load((DEPLOY / "helm/services/values.yaml").read_text())
    commands = [part["command"] for part in values.values() if isinstance(part, dict) and "command" in part]
    assert len(commands) == 5
    for command in commands:
        starts(environment, command)
    starts(environment, ["dagster", "code-server", "start"])


@pytest.mark.slow
def test_the_image_of_cpu_steps_has_merlin_and_no_gpu_library(tmp_path: Path) -> None:
    environment = build("steps.Dockerfile", "cpu-packages", tmp_path)
    packages = loaded(environment, CPU)
    assert {"tensorflow", "merlin", "nvtabular"} <= packages and "torch" not in packages
    site = next((environment / "lib").glob("python*/site-packages"))
    assert not list(site.glob("nvidia*")) and not list(site.glob("torch"))


@pytest.mark.slow
def test_the_image_of_gpu_steps_can_be_resolved(tmp_path: Path) -> None:
    build("gpu.Dockerfile", "packages", tmp_path, install=False)  # does not download 5 GB


def test_the_public_workflow_builds_every_image_that_has_a_registry() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/images.yml").read_text())
    matrix = workflow["jobs"]["build"]["strategy"]["matrix"]["include"]
    (line,) = re.findall(r"^IMAGES = \((.*)\)$", (DEPLOY / "cdk/stacks/images.py").read_text(), re.M)
    assert [one["image"] for one in matrix] == re.findall(r'"(\w+)"', line)
    for one in matrix:
        assert (one["target"] or "last") in stages(one["file"])


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("docker/*.Dockerfile")), ids=lambda file: file.stem)
def test_images_are_pinned_and_nobody_is_root(file: Path) -> None:
    text = file.read_text()
    assert re.findall(r"^USER (.+)$", text, re.M)[-1] == "10001:10001"
    for image in re.findall(r"^(?:FROM|COPY --from=)(?:\s*)([\w./:${}-]+)", text, re.M):
        named = re.findall(r" AS (\w[\w-]*)$", text, re.M)
        assert image in named or re.search(r":(\d|\$\{TRITON\})", image), image


def test_everything_that_is_copied_is_let_into_the_build() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    allowed = [line.removeprefix("!").removesuffix("/**") for line in ignore if line.startswith("!")]
    for file in DEPLOY.glob("docker/*.Dockerfile"):
        text = file.read_text().replace("\\\n", " ")
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.M):
            for path in line.split()[:-1]:
                let_in = any(Path(path).match(one) or path.startswith(f"{one}/") for one in allowed)
                assert (ROOT / path).exists() and let_in, path
