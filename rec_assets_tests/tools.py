"""System tools that some tests need: without one they are skipped, unless the environment promises that it is there."""

import os
import shutil

import pytest

PROMISE = "REC_REQUIRE_TOOLS"


def require_tool(name: str) -> str:
    """Returns the path of a tool; skips the test where it is missing, or fails it where REC_REQUIRE_TOOLS is set."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed"
        if os.environ.get(PROMISE):
            pytest.fail(f"{reason}, though {PROMISE} is set")
        pytest.skip(reason)
    return path
