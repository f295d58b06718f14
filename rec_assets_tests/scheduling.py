"""Distributes tests to the processes of pytest-xdist: a file stays whole, and the shared pipeline is built once."""

from functools import cache
from pathlib import Path

from xdist.scheduler.loadfile import LoadFileScheduling

ROOT = Path(__file__).parents[1]


class SharedPipelineScheduling(LoadFileScheduling):
    """Schedules all files that use the pipeline as one unit, and every other file as a unit."""

    def _split_scope(self, nodeid: str) -> str:
        return _unit(super()._split_scope(nodeid))


@cache
def _unit(file: str) -> str:
    return "pipeline" if "from rec_assets_tests.pipeline import" in (ROOT / file).read_text() else file
