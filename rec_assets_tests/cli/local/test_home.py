"""Home folders that servers cannot use are refused before work begins."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rec_assets.cli.local.home import require_usable, unwritable
from rec_assets.cli.local.supervision import up
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings


@pytest.mark.parametrize(
    "name", ["a space", "semi;colon", "dollar$home", "quote'd", "(brackets)", "star*", "new\nline"]
)
def test_a_path_that_a_shell_would_read_otherwise_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ActionableError, match="Triton cannot handle"):
        up(Settings(home=tmp_path / name))
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["plain", "ünïcode", "a-b_c.d+e@f,g=h%i:j"])
def test_other_paths_are_created(tmp_path: Path, name: str) -> None:
    require_usable(tmp_path / name / "deeper")
    assert (tmp_path / name / "deeper").is_dir() and not any((tmp_path / name / "deeper").iterdir())


def test_a_home_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/home")):
        with pytest.raises(ActionableError, match="cannot be written"):
            require_usable(home)


def test_an_error_elsewhere_is_not_explained_as_one_of_the_home(tmp_path: Path) -> None:
    assert unwritable(tmp_path, PermissionError(13, "Permission denied", "/etc/shadow")) is None
    assert unwritable(tmp_path, PermissionError(13, "Permission denied", str(tmp_path / "artifacts"))) is not None


def test_a_command_prints_no_traceback_for_a_file_in_place_of_its_home(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command, variables = [f"{sys.prefix}/bin/rec", "demo"], os.environ | {"REC_HOME": str(tmp_path / "file")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "cannot be written" in done.stderr and "Traceback" not in done.stderr
