"""The storefront and the HTTP API as local servers."""

import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import ClassVar

from rec_assets.cli.local.server import LOOPBACK, Server


class WebServer(Server):
    """A command `rec NAME` in the background that answers HTTP on one port; `port_setting` and `probe` say where."""

    patience_s = 60.0
    port_setting: ClassVar[str]
    probe: ClassVar[str]

    @property
    def port(self) -> int:
        """The port of the settings."""
        return int(getattr(self.settings, self.port_setting))

    @property
    def address(self) -> str:
        """URL of the server."""
        return f"http://{LOOPBACK}:{self.port}"

    def ports(self) -> dict[str, int]:
        """Returns the one port."""
        return {f"REC_{self.port_setting.upper()}": self.port}

    def command(self) -> list[str]:
        """Returns the command line."""
        return [str(Path(sys.prefix) / "bin" / "rec"), self.name]

    def environment(self) -> dict[str, str]:
        """Returns the environment with these settings."""
        return super().environment() | self.settings_as_variables()

    def is_ready(self) -> bool:
        """Returns whether the server answers, whatever the state of the other servers is."""
        return answers_http(self.port, self.probe)

    def detail(self) -> str:
        """Returns the URL."""
        return self.address


class Storefront(WebServer):
    """`rec storefront` in the background."""

    name = "storefront"
    port_setting, probe = "storefront_port", "/static/icon.svg"


class Api(WebServer):
    """`rec api` in the background."""

    name = "api"
    port_setting, probe = "api_port", "/alive"


def answers_http(port: int, path: str) -> bool:
    """Returns whether a server on a loopback port answers a GET request within 5 seconds, whatever the answer is."""
    connection = HTTPConnection(LOOPBACK, port, timeout=5.0)
    try:
        connection.request("GET", path)
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True
