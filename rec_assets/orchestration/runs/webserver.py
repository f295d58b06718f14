"""Dagster's webserver behind a guard: no page of another site can read it or start runs.

`python -m rec_assets.orchestration.runs.webserver` takes the options of `dagster-webserver`.
"""

from typing import Any

from dagster_webserver import app
from dagster_webserver.cli import cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rec_assets.common.http.guard import HttpGuard
from rec_assets.settings import get_settings

MAX_BODY = 16 * 1024 * 1024  # bytes; the configuration of a run may be long


class GuardedWebserver(DagsterWebserver[Any, Any]):
    """Dagster's webserver with `HttpGuard`, and without queries in the address of a request."""

    def build_middleware(self) -> list[Middleware]:
        """Returns Dagster's middleware inside the guard."""
        hosts = get_settings().host_names
        return [Middleware(HttpGuard, hosts=hosts, max_body=MAX_BODY), *super().build_middleware()]

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """Answers queries in a body; refuses those in an address, which an image of any page could send."""
        if request.method == "GET" and "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse("Send the query with POST.", 405)
        return await super().graphql_http_endpoint(request)


def main() -> None:
    """Serves the UI until the process ends."""
    app.DagsterWebserver = GuardedWebserver  # type: ignore[attr-defined]
    cli(auto_envvar_prefix="DAGSTER_WEBSERVER")


if __name__ == "__main__":
    main()
