"""Guard of the project's HTTP servers: refuses foreign hosts, requests of other sites, and large or slow bodies.

A web page can make a browser send requests to servers on its own machine. The guard recognizes them by the headers
that a browser adds and a page cannot change.
"""

import asyncio
import ipaddress
import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MAX_BODY = 64 * 1024  # bytes
BODY_S = 10.0  # for the whole body
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d+)?")


def is_known_host(header: str, hosts: Collection[str] = ()) -> bool:
    """Returns True for the Host header of a request that was meant for this server.

    A page of another site reaches this server only under its own name, so addresses without a name are safe.

    Args:
        header: value of the header Host, with or without a port.
        hosts: names of this server, apart from localhost.
    """
    found = _HOST.fullmatch(header)
    name = found["name"].lower() if found else ""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name == "localhost" or name in hosts
    return True


def is_loopback(address: str) -> bool:
    """Returns True for an address, or localhost, that only this machine reaches."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """Returns True if a page of another site made a browser send this request. A link to this server is allowed.

    Args:
        headers: the request's headers with lower-case names.
    """
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2] != headers.get("host", "")
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate"


class HttpGuard:
    """ASGI middleware that answers refused requests itself; other requests arrive with their whole body."""

    def __init__(self, app: App, hosts: Collection[str] = (), max_body: int = MAX_BODY, body_s: float = BODY_S) -> None:
        """Wraps an application.

        Args:
            app: the application.
            hosts: names of this server, apart from localhost.
            max_body: largest body, in bytes.
            body_s: time limit for the body, in seconds.
        """
        self._app, self._hosts, self._max_body, self._body_s = app, frozenset(hosts), max_body, body_s

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serves one request or websocket."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not is_known_host(headers.get("host", ""), self._hosts):
            return await _refuse(scope, receive, send, 400, "unknown host: add it to REC_ALLOWED_HOSTS")
        if is_cross_site(headers):
            return await _refuse(scope, receive, send, 403, "request of another site")
        if scope["type"] == "http" and ("transfer-encoding" in headers or headers.get("content-length", "0") != "0"):
            try:
                async with asyncio.timeout(self._body_s):
                    body = await self._read(receive)
            except TimeoutError:
                return await _refuse(scope, receive, send, 408, "the body did not arrive in time")
            if body is None:
                return await _refuse(scope, receive, send, 413, f"the body is larger than {self._max_body} bytes")
            receive = _with_body(body, receive)
        await self._app(scope, receive, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Returns the body; None if it is too large."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._max_body:
                return None
            if not message.get("more_body"):
                return body


def _with_body(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def receive_body() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return receive_body


async def _refuse(scope: MutableMapping[str, Any], receive: Receive, send: Send, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    body = json.dumps({"detail": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    # An unread body would be taken for the next request.
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
