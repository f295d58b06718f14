"""Programs that only some tests need: a test skips where one is missing, unless all must be there."""

import os
import shutil
import sys
from pathlib import Path

import pytest

PROMISE = "REC_REQUIRE_TOOLS"
# Where .ci/tools puts what no package of the environment has.
FOLDER = Path(__file__).parents[1] / ".tools"


def require_tool(name: str) -> str:
    """Returns the path of a program; skips the test where it is missing, or fails it with REC_REQUIRE_TOOLS=1."""
    places = os.pathsep.join([str(FOLDER / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=places)
    if found is None:
        missing = f"{name} is not installed; .ci/tools installs it"
        if os.environ.get(PROMISE):
            pytest.fail(missing)
        pytest.skip(missing)
    return found
