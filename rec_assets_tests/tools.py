"""Finds programs that only some tests need. A missing program skips the test, unless all programs are required."""

import os
import shutil
import sys
from pathlib import Path

import pytest

PROMISE = "REC_REQUIRE_TOOLS"
# .ci/tools installs programs here that no package of the environment contains.
FOLDER = Path(__file__).parents[1] / ".tools"


def require_tool(name: str) -> str:
    """Returns the path of a program; if it is missing, skips the test, or fails it with REC_REQUIRE_TOOLS=1."""
    folders = os.pathsep.join([str(FOLDER / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which(name, path=folders)
    if program is None:
        missing = f"{name} is not installed; .ci/tools installs it"
        if os.environ.get(PROMISE):
            pytest.fail(missing)
        pytest.skip(missing)
    return program
