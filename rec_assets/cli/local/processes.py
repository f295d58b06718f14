"""Starts background processes that outlive their starter, finds them by pid file, and ends them with their children."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from rec_assets.common.files import write_atomically
from rec_assets.common.processes import find_process

CLOCK_STEP_S = 1.0  # the start time of a process is read from the clock, which may be adjusted


@dataclass(frozen=True)
class BackgroundProcess:
    """The process `name` below `home`, with the pid file `run/<name>.json` and the output `logs/<name>.log`."""

    name: str
    home: Path

    @property
    def pid_file(self) -> Path:
        """File with pid, start time, ports and command of the last start."""
        return self.home / "run" / f"{self.name}.json"

    @property
    def log_file(self) -> Path:
        """File of stdout and stderr; the log of the previous start is kept as `<name>.previous.log`."""
        return self.home / "logs" / f"{self.name}.log"

    def find(self) -> psutil.Process | None:
        """Returns the running process, or None if it ended or another program has its pid now."""
        record = self._record()
        return find_process(record["pid"], record["started"] + CLOCK_STEP_S) if record else None

    def ports(self) -> dict[str, int]:
        """Returns the ports of the last start, by the environment variable that sets each."""
        record = self._record()
        return record["ports"] if record else {}

    def spawn(self, command: Sequence[str], environment: Mapping[str, str], ports: Mapping[str, int]) -> psutil.Process:
        """Starts `command` in a new session, so that neither Ctrl-C nor the end of the starter ends it."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log_file.exists():
            self.log_file.replace(self.log_file.with_suffix(".previous.log"))
        # Not Popen, which warns about child processes without a `wait`.
        pid = os.posix_spawn(
            command[0],
            list(command),
            dict(environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log_file), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        process = psutil.Process(pid)
        record = {"pid": pid, "started": process.create_time(), "ports": dict(ports), "command": list(command)}
        with write_atomically(self.pid_file) as draft:
            draft.write_text(json.dumps(record, indent=1))
        return process

    def end(self, patience_s: float = 10.0) -> bool:
        """Sends SIGTERM to the process, waits `patience_s` seconds, then kills the process and its children.

        Returns True if the process ran.
        """
        process = self.find()
        if process is not None:
            family = [process, *process.children(recursive=True)]
            process.send_signal(signal.SIGTERM)
            psutil.wait_procs([process], timeout=patience_s)
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            psutil.wait_procs(family, timeout=patience_s)
        self.pid_file.unlink(missing_ok=True)
        return process is not None

    def log_tail(self, lines: int = 15) -> str:
        """Returns the last lines of the log, indented."""
        if not self.log_file.exists():
            return "    (no log)"
        tail = self.log_file.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(f"    {line}" for line in tail)

    def _record(self) -> dict[str, Any] | None:
        try:
            return json.loads(self.pid_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
