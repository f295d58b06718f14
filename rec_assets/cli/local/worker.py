"""The worker that applies events, supervised like a server. Listens on no port."""

import sys
import time
from pathlib import Path

from rec_assets.cli.local.server import Health, Server
from rec_assets.common.errors import ActionableError
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.worker import alive_file

HANGS_AFTER_S = 60.0  # without a sign of life, which a worker gives about once a second


class Worker(Server):
    """`rec worker` in the background; it is ready when it reads the stream."""

    name = "worker"
    patience_s = 60.0

    def ports(self) -> dict[str, int]:
        """Returns no ports."""
        return {}

    def command(self) -> list[str]:
        """Returns the command line."""
        return [str(Path(sys.prefix) / "bin" / "rec"), "worker"]

    def environment(self) -> dict[str, str]:
        """Returns the environment with these settings."""
        return super().environment() | self.settings_as_variables()

    def is_ready(self) -> bool:
        """Returns whether a worker read the stream in the last seconds."""
        try:
            return EventStream.connect(self.settings).state().workers > 0
        except ActionableError:
            return False

    def answers(self) -> Health:
        """Returns "broken" without a recent sign of life, which the worker also gives without Valkey."""
        try:
            is_recent = time.time() - alive_file(self.settings).stat().st_mtime < HANGS_AFTER_S
        except FileNotFoundError:
            is_recent = False
        return "well" if is_recent else "broken"

    def detail(self) -> str:
        """Returns the numbers of waiting events and of dead letters."""
        try:
            state = EventStream.connect(self.settings).state()
        except ActionableError as error:
            return error.problem
        return f"{state.waiting + state.taken:,} events waiting, {state.dead:,} dead letters"
