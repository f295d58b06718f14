import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tools" / "find-python"


def find(folder: Path, *names: str) -> "subprocess.CompletedProcess[str]":
    path = f"{folder}:/usr/bin:/bin"
    return subprocess.run([SCRIPT, *names], env={"PATH": path}, capture_output=True, text=True, check=False)


def interpreter(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_the_first_that_runs_and_fits_is_taken(tmp_path: Path) -> None:
    interpreter(tmp_path, "python-shim", "echo 'not in this version' >&2; exit 127")
    interpreter(tmp_path, "python-old", "echo 3.10.13; exit 1")
    interpreter(tmp_path, "python-good", f'exec {sys.executable} "$@"')
    found = find(tmp_path, "python-none", "python-shim", "python-old", "python-good")
    assert (found.returncode, found.stdout.strip()) == (0, str(tmp_path / "python-good"))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 3.13.0; exit 1", "3.13.0"),
        ("echo '3.11.2, without ensurepip'; exit 1", "3.11.2, without ensurepip"),
        ("exit 127", "does not run"),
    ],
)
def test_what_was_found_and_what_is_needed_is_said(tmp_path: Path, script: str, reason: str) -> None:
    interpreter(tmp_path, "python-other", script)
    found = find(tmp_path, "python-other")
    assert found.returncode == 1 and not found.stdout
    assert f"{tmp_path}/python-other: {reason}" in found.stderr
    assert "3.11 or 3.12" in found.stderr and "make PYTHON=" in found.stderr


def test_nothing_found_is_said_too(tmp_path: Path) -> None:
    assert "Found none of: python-none" in find(tmp_path, "python-none").stderr
