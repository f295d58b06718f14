"""The supervisor as a background process. Listens on no port."""

import sys
from pathlib import Path

from rec_assets.cli.local.server import Server, ServerStatus
from rec_assets.common.concurrency.loop import loop_state
from rec_assets.serving.triton.availability import SUPERVISOR


class Watch(Server):
    """`rec watch` in the background: it restarts the other servers."""

    name = SUPERVISOR
    patience_s = 60.0

    def ports(self) -> dict[str, int]:
        """Returns no ports."""
        return {}

    def command(self) -> list[str]:
        """Returns the command line."""
        return [str(Path(sys.prefix) / "bin" / "rec"), "watch"]

    def environment(self) -> dict[str, str]:
        """Returns the environment with these settings."""
        return super().environment() | self.settings_as_variables()

    def is_ready(self) -> bool:
        """Returns whether the supervisor's loop reports."""
        process, state = self.process.find(), loop_state(self.home, self.name)
        return process is not None and state is not None and state.is_alive and state.pid == process.pid

    def status(self) -> ServerStatus:
        """Returns the state of the supervisor, which also runs inside `rec demo` and `rec dev`."""
        state = loop_state(self.home, self.name)
        if self.process.find() is None and state is not None and state.is_alive:
            return ServerStatus(self.name, "running", state.pid, {}, state.summary)
        return super().status()

    def detail(self) -> str:
        """Returns the last report."""
        state = loop_state(self.home, self.name)
        return "no report yet" if state is None else state.summary
