"""Starts background processes that outlive their starter, finds them by pid file, and ends them with their children.

A variable in the environment marks a process and all its descendants. So children whose parent died are found too.
"""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from rec_assets.common.concurrency.processes import find_process
from rec_assets.common.files import write_atomically

MARK = "_REC_STARTED_AS"  # "<home>:<name>"; not a setting, so it does not begin with REC_
CLOCK_STEP_S = 1.0  # the start time of a process is read from the clock, which may be adjusted


@dataclass(frozen=True)
class BackgroundProcess:
    """The process `name` below `home`, with the pid file `run/<name>.json` and the output `logs/<name>.log`."""

    name: str
    home: Path

    @property
    def pid_file(self) -> Path:
        """File with pid, start time and ports of the last start, and whether the start is complete."""
        return self.home / "run" / f"{self.name}.json"

    @property
    def log_file(self) -> Path:
        """File of stdout and stderr; the log of the previous start is kept as `<name>.previous.log`."""
        return self.home / "logs" / f"{self.name}.log"

    def find(self) -> psutil.Process | None:
        """Returns the running process, or None if it ended or another program has its pid now."""
        record = self._record()
        return find_process(record["pid"], record["started"] + CLOCK_STEP_S) if record else None

    def is_starting(self) -> bool:
        """Returns True between `spawn` and `started`."""
        record = self._record()
        return record is not None and not record.get("complete", True)

    def started(self) -> None:
        """Records that the start is complete."""
        if record := self._record():
            self._write(record | {"complete": True})

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
            {**environment, MARK: self._mark},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log_file), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP],  # a starter may ignore them, as `nohup` does
        )
        process = psutil.Process(pid)
        record = {"pid": pid, "started": process.create_time(), "ports": dict(ports)}
        self._write(record | {"complete": False})
        return process

    def hide(self, secret: str) -> None:
        """Overwrites a secret in the command line of the process, which all users of the machine can read.

        Call after the process has parsed its arguments. Does nothing where the kernel forbids the access.
        """
        process = self.find()
        if process is None:
            return
        with suppress(OSError):
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            start, end = map(int, fields[45:47])  # fields 48 and 49 of proc(5)
            with open(f"/proc/{process.pid}/mem", "r+b", buffering=0) as memory:
                memory.seek(start)
                arguments = memory.read(end - start)
                memory.seek(start)
                memory.write(arguments.replace(secret.encode(), b"*" * len(secret.encode())))

    def family(self) -> list[psutil.Process]:
        """Returns all running processes with this mark: the process, its descendants, and orphans of a dead one."""
        marked = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):  # ended meanwhile, or of another user
                if process.environ().get(MARK) == self._mark and _runs(process):
                    marked.append(process)
        return marked

    def children(self) -> list[psutil.Process]:
        """Returns the running descendants of the process; faster than `family`, which also finds orphans."""
        process = self.find()
        if process is None:
            return []
        with suppress(psutil.NoSuchProcess):
            return [one for one in process.children(recursive=True) if _runs(one)]
        return []

    def end(self, patience_s: float = 10.0) -> bool:
        """Sends SIGTERM to the process, waits `patience_s` seconds, then kills what is left of its family.

        A dead process's children are killed too. Returns True if the process itself ran.
        """
        process = self.find()
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # a paused process receives no SIGTERM
            psutil.wait_procs([process], timeout=patience_s)
        family = self.family()
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

    @property
    def _mark(self) -> str:
        return f"{self.home}:{self.name}"

    def _write(self, record: Mapping[str, Any]) -> None:
        with write_atomically(self.pid_file) as draft:
            draft.write_text(json.dumps(record, indent=1))

    def _record(self) -> dict[str, Any] | None:
        try:
            return json.loads(self.pid_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
