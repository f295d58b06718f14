"""Measures CPU time and memory of the local Triton's processes, by model."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from rec_assets.cli.local.triton import Triton
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings

SERVER = "tritonserver"


@dataclass(frozen=True)
class Usage:
    """CPU seconds since the start of the process, and memory in bytes (PSS: shared pages count proportionally)."""

    cpu_s: float
    memory: int


def usage(settings: Settings) -> dict[str, Usage]:
    """Returns the usage of the server, and of each model summed over its processes.

    Raises:
        ActionableError: the local Triton does not run.
    """
    server = Triton(settings).process.find()
    if server is None:
        raise ActionableError("The local Triton does not run.", "Start it with `rec up`.")
    used: dict[str, Usage] = {SERVER: _of(server)}
    for child in server.children(recursive=True):
        try:
            model, now = _model(child), _of(child)
        except psutil.NoSuchProcess:  # raised also for zombie processes
            continue
        before = used.get(model, Usage(0, 0))
        used[model] = Usage(before.cpu_s + now.cpu_s, before.memory + now.memory)
    return used


def _of(process: psutil.Process) -> Usage:
    times = process.cpu_times()
    return Usage(times.user + times.system, process.memory_full_info().pss)


def _model(stub: psutil.Process) -> str:
    """Returns the model of a process, from the argument `<model>/<version>/model.py` of its command line."""
    return next((Path(word).parts[-3] for word in stub.cmdline() if word.endswith("model.py")), SERVER)
