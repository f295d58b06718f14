"""Distributes tests to the processes of pytest-xdist: files stay whole, and shared servers are started once."""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler.loadfile import LoadFileScheduling

ROOT = Path(__file__).parents[1]
# Tests of these servers leave traces, so their files also run in the order of a single process.
SHARED = {
    "pipeline": re.compile(r"from rec_assets_tests\.pipeline import"),
    "shop": re.compile(r"\bshop: Settings|usefixtures\(\"first\"\)"),
}


class SharedServersScheduling(LoadFileScheduling):
    """Schedules the files of each shared server as one unit, and every other file as a unit."""

    def _split_scope(self, nodeid: str) -> str:
        return _unit(super()._split_scope(nodeid))


@cache
def _unit(file: str) -> str:
    text = (ROOT / file).read_text()
    return next((name for name, used in SHARED.items() if used.search(text)), file)
