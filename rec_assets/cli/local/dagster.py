"""Dagster's webserver and daemon as local servers. Both load the code location in a process of their own."""

import sys

import psutil

from rec_assets.cli.local.server import LOOPBACK, Server
from rec_assets.cli.local.web import answers_http

CODE = ("-m", "rec_assets.definitions")


class Webserver(Server):
    """Dagster's UI behind the guard of `rec_assets.orchestration.runs.webserver`."""

    name = "webserver"
    patience_s = 120.0

    @property
    def address(self) -> str:
        """URL of the UI."""
        return f"http://{LOOPBACK}:{self.settings.dagster_port}"

    def ports(self) -> dict[str, int]:
        """Returns the one port."""
        return {"REC_DAGSTER_PORT": self.settings.dagster_port}

    def command(self) -> list[str]:
        """Returns the command line."""
        address = ("-h", LOOPBACK, "-p", str(self.settings.dagster_port))
        return [sys.executable, "-m", "rec_assets.orchestration.runs.webserver", *CODE, *address]

    def environment(self) -> dict[str, str]:
        """Returns the environment with these settings; DAGSTER_HOME is in the environment of the starter."""
        return super().environment() | self.settings_as_variables()

    def is_ready(self) -> bool:
        """Returns whether the webserver answers."""
        return answers_http(self.settings.dagster_port, "/server_info")

    def detail(self) -> str:
        """Returns the URL of the UI."""
        return self.address


class Daemon(Server):
    """Dagster's daemon, which runs schedules, sensors and the queue of runs. Listens on no port."""

    name = "daemon"
    patience_s = 60.0

    def ports(self) -> dict[str, int]:
        """Returns no ports."""
        return {}

    def command(self) -> list[str]:
        """Returns the command line."""
        return [f"{sys.prefix}/bin/dagster-daemon", "run", *CODE]

    def environment(self) -> dict[str, str]:
        """Returns the environment with these settings; DAGSTER_HOME is in the environment of the starter."""
        return super().environment() | self.settings_as_variables()

    def is_ready(self) -> bool:
        """Returns whether the process runs."""
        process = self.process.find()
        return process is not None and process.status() != psutil.STATUS_STOPPED

    def detail(self) -> str:
        """Returns the path of the log."""
        return f"log: {self.process.log_file}"
