"""Common parts of the local servers: start once, wait until ready, explain failures."""

import errno
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import psutil

from rec_assets.cli.local.processes import BackgroundProcess
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings

LOOPBACK = "127.0.0.1"
POLL_S = 0.05
SLOW_S = 20.0  # a server that answers nothing in time for so long hangs; before that, it may only be busy

State = Literal["running", "starting", "unhealthy", "stopped"]
Health = Literal["well", "slow", "broken"]


@dataclass(frozen=True)
class ServerStatus:
    """State of a server.

    Attributes:
        name: name of the server.
        state: `running` if it answers, `starting` until it answers first, `unhealthy` if it runs without answering,
            `stopped` if it does not run.
        pid: its process id; None if stopped.
        ports: its ports, by the environment variable that sets each.
        detail: a line about its content or its problem.
    """

    name: str
    state: State
    pid: int | None
    ports: Mapping[str, int]
    detail: str


class Server(ABC):
    """A server below `settings.home` that listens on the loopback address only."""

    name: ClassVar[str]
    patience_s: ClassVar[float]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home: Path = settings.home.absolute()
        self.process = BackgroundProcess(self.name, self.home)

    @abstractmethod
    def ports(self) -> dict[str, int]:
        """Returns the ports to listen on, by the environment variable that sets each."""

    @abstractmethod
    def command(self) -> list[str]:
        """Returns the command line, and creates its folders."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Returns whether the server answers its protocol."""

    @abstractmethod
    def detail(self) -> str:
        """Returns a line about the running server: its content, or the reason why it is unhealthy."""

    def answers(self) -> Health:
        """Returns how the running server answers: "slow" is no answer in time, "broken" is a refusal or a failure."""
        if self.is_ready():
            return "well"
        return "broken" if any(map(_refuses, self.ports().values())) else "slow"

    @property
    def is_wanted(self) -> bool:
        """True if the server was started and not stopped since, whether its process still runs or not."""
        return self.process.pid_file.exists()

    def health(self) -> Health:
        """Returns how the server answers; without a process, or with a paused one, it is "broken"."""
        process = self.process.find()
        return "broken" if process is None or process.status() == psutil.STATUS_STOPPED else self.answers()

    def is_well(self) -> bool:
        """Returns whether the process runs, is not paused, and answers."""
        return self.health() == "well"

    def environment(self) -> dict[str, str]:
        """Returns the environment of the process."""
        return dict(os.environ)

    def settings_as_variables(self) -> dict[str, str]:
        """Returns the environment variables that give these settings to another process."""
        settings = self.settings.model_copy(update={"home": self.home}).model_dump(mode="json")
        return {f"REC_{name.upper()}": str(value) for name, value in settings.items() if value is not None}

    def secret(self) -> str:
        """Returns the secret on the command line, which is hidden once the process has read it; empty without one."""
        return ""

    def prepare(self) -> None:  # noqa: B027 - most servers need no preparation
        """Prepares a newly started server that is ready."""

    def mend(self) -> str:
        """Repairs a running server without a restart; returns a line about it, or raises ActionableError."""
        raise ActionableError(f"{self.name} does not answer.", "Restart it: rec up.")

    def clean_up(self) -> None:  # noqa: B027 - most servers leave nothing behind
        """Removes shared memory and files that the ended server left behind."""

    def start(self) -> bool:
        """Starts the server and waits until it answers; returns False if it already answered.

        Restarts a running server that is broken, or that stays slow for `SLOW_S` seconds.

        Raises:
            ActionableError: a port is taken, the binary is missing, or the server ended or did not answer.
        """
        if self.process.find() is not None:
            if self.process.ports() != self.ports():
                raise ActionableError(
                    f"{self.name} already runs from {self.home} with {_listing(self.process.ports())}, "
                    f"but the settings contain {_listing(self.ports())}.",
                    "Stop it first: rec down.",
                )
            if self._becomes_well():
                self.process.started()  # a killed command may not have got to this
                return False
        self.stop()
        for variable, port in self.ports().items():
            _require_free(self.name, variable, port)
        self.process.spawn(self.command(), self.environment(), self.ports())
        self._wait()
        self.prepare()
        self.process.started()
        return True

    def stop(self) -> bool:
        """Ends the server and its orphans if it was started from this home; returns whether it ran."""
        ran = self.process.end()
        self.clean_up()
        return ran

    def status(self) -> ServerStatus:
        """Returns the server's current state."""
        process = self.process.find()
        if process is None:
            return ServerStatus(self.name, "stopped", None, self.ports(), "start it with: rec up")
        state: State = "running" if self.is_well() else "starting" if self.process.is_starting() else "unhealthy"
        return ServerStatus(self.name, state, process.pid, self.process.ports(), self.detail())

    def _becomes_well(self) -> bool:
        """Returns whether the server is well, or becomes well while it is only slow."""
        deadline = time.monotonic() + SLOW_S
        while (health := self.health()) == "slow" and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return health == "well"

    def _wait(self) -> None:
        deadline, secret = time.monotonic() + self.patience_s, self.secret()
        while not self.is_ready():
            if secret and self.process.log_tail(1):  # the process has parsed its arguments
                self.process.hide(secret)
                secret = ""
            ended = self.process.find() is None
            if ended or time.monotonic() > deadline:
                problem = "ended while starting" if ended else f"did not answer within {self.patience_s:.0f} s"
                tail = self.process.log_tail()
                self.stop()
                raise ActionableError(
                    f"{self.name} {problem}. The last lines of {self.process.log_file}:\n{tail}",
                    "Fix the error in the log, then run: rec up.",
                )
            time.sleep(POLL_S)
        if secret:
            self.process.hide(secret)


def is_open(port: int) -> bool:
    """Returns whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _refuses(port: int) -> bool:
    """Returns whether nothing listens on a loopback port. A busy server whose queue is full does not refuse."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == errno.ECONNREFUSED


def _require_free(name: str, variable: str, port: int) -> None:
    with socket.socket() as probe:
        # Like the servers, ignores connections that are still being closed.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ActionableError(
                f"Port {port} of {name} is taken by another program.",
                f"End that program, or choose another port: {variable}={port + 1000} rec up.",
            ) from error


def _listing(ports: Mapping[str, int]) -> str:
    return ", ".join(f"{variable}={port}" for variable, port in ports.items())
