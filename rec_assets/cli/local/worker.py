"""The worker that applies what users do, looked after like the servers; it listens on no port."""

import sys
from pathlib import Path

from rec_assets.cli.local.server import Server
from rec_assets.common.errors import ActionableError
from rec_assets.realtime.stream import EventStream


class Worker(Server):
    """`rec worker` in the background; it is ready once it asks the stream for events."""

    name = "worker"
    patience_s = 60.0

    def ports(self) -> dict[str, int]:
        """Returns none."""
        return {}

    def command(self) -> list[str]:
        """Returns the command line."""
        return [str(Path(sys.prefix) / "bin" / "rec"), "worker"]

    def environment(self) -> dict[str, str]:
        """Returns the environment with these settings."""
        return super().environment() | self.settings_as_variables()

    def is_ready(self) -> bool:
        """Returns whether a worker has asked for events in the last seconds."""
        try:
            return EventStream.connect(self.settings).state().workers > 0
        except ActionableError:
            return False

    def detail(self) -> str:
        """Returns how many events wait, and how many were given up."""
        try:
            state = EventStream.connect(self.settings).state()
        except ActionableError as error:
            return error.problem
        return f"{state.waiting + state.taken:,} events waiting, {state.dead:,} given up"
