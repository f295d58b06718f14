"""What images hold is what runs in them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rec_assets_tests.deploy.manifests import DEPLOY

ROOT = DEPLOY.parent
# All of the serving package, and the agent's commands.
LOAD = """
import importlib, pkgutil, sys
import rec_assets.serving as serving
for module in pkgutil.walk_packages(serving.__path__, "rec_assets.serving."):
    importlib.import_module(module.name)
import rec_assets.bucket_store, rec_assets.features.online, rec_assets.features.views
from feast import FeatureStore
assert str(serving.__file__).startswith(sys.argv[1]), serving.__file__
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def copied(dockerfile: str) -> list[str]:
    """Returns the files and folders that a Dockerfile takes from the repository into its last stage."""
    text = (DEPLOY / "docker" / dockerfile).read_text().replace("\\\n", " ")
    lines = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY rec_assets")]
    return [path for line in lines for path in line]


def test_the_serving_package_runs_from_what_its_image_copies_without_dagster_or_tensorflow(tmp_path: Path) -> None:
    for name in copied("triton.Dockerfile"):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert not loaded & {"dagster", "tensorflow", "merlin", "nvtabular", "torch"}
    assert {"numpy", "onnxruntime", "feast", "redis", "tritonclient", "boto3"} <= loaded


def test_the_pins_of_serving_name_what_it_loads() -> None:
    pinned = {line.partition("==")[0] for line in (ROOT / "requirements/serving.txt").read_text().splitlines()}
    assert {"numpy", "onnxruntime", "faiss-cpu", "feast", "redis", "polars", "tritonclient", "boto3"} <= pinned
    assert not pinned & {"dagster", "tensorflow", "merlin-core", "torch"}
    numpy = next(line for line in (ROOT / "requirements/serving.txt").read_text().splitlines() if "numpy==" in line)
    assert numpy.startswith("numpy==1."), "with NumPy 2, Triton's stub empties every output"


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("docker/*.Dockerfile")), ids=lambda file: file.stem)
def test_images_are_pinned_and_nobody_is_root(file: Path) -> None:
    text = file.read_text()
    assert re.findall(r"^USER (.+)$", text, re.M)[-1] == "10001:10001"
    for image in re.findall(r"^(?:FROM|COPY --from=)(?:\s*)([\w./:${}-]+)", text, re.M):
        stages = re.findall(r" AS (\w[\w-]*)$", text, re.M)
        assert image in stages or re.search(r":(\d|\$\{TRITON\})", image), image


def test_everything_that_is_copied_is_let_into_the_build() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    allowed = [line.removeprefix("!").removesuffix("/**") for line in ignore if line.startswith("!")]
    for file in DEPLOY.glob("docker/*.Dockerfile"):
        text = file.read_text().replace("\\\n", " ")
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.M):
            for path in line.split()[:-1]:
                assert (ROOT / path).exists() and any(path == one or path.startswith(f"{one}/") for one in allowed), (
                    path
                )
