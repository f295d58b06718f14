"""The storefront as a local server."""

import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from rec_assets.cli.local.server import LOOPBACK, Server


class Storefront(Server):
    """`rec storefront` in the background."""

    name = "storefront"
    patience_s = 60.0

    @property
    def address(self) -> str:
        """URL of the page."""
        return f"http://{LOOPBACK}:{self.settings.storefront_port}"

    def ports(self) -> dict[str, int]:
        """Returns the one port."""
        return {"REC_STOREFRONT_PORT": self.settings.storefront_port}

    def command(self) -> list[str]:
        """Returns the command line."""
        return [str(Path(sys.prefix) / "bin" / "rec"), "storefront"]

    def environment(self) -> dict[str, str]:
        """Returns the environment with these settings."""
        return super().environment() | self.settings_as_variables()

    def is_ready(self) -> bool:
        """Returns whether the storefront answers; the page shows problems of the other servers."""
        return answers_http(self.settings.storefront_port, "/static/icon.svg")

    def detail(self) -> str:
        """Returns the URL of the page."""
        return self.address


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
