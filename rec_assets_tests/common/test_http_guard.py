"""Requests of foreign hosts and other sites are refused; bodies have limits."""

import asyncio
from typing import Any

import pytest

from rec_assets.common.http.guard import HttpGuard, Message, Receive, Send, is_cross_site, is_known_host

HERE = "127.0.0.1:3000"


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost:3000", True),
        ("127.0.0.1:3000", True),
        ("10.1.2.3:8081", True),
        ("[::1]:3000", True),
        ("shop.example", True),
        ("Shop.Example:80", True),
        ("evil.example", False),
        ("localhost.evil.example:3000", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example@localhost", False),
        ("localhost/evil.example", False),
        ("[", False),
        ("", False),
    ],
)
def test_only_known_names_and_addresses_are_hosts(host: str, known: bool) -> None:
    assert is_known_host(host, {"shop.example"}) == known


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),  # not a browser
        ({"origin": f"http://{HERE}"}, False),
        ({"origin": "http://127.0.0.1:8080"}, True),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, False),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False),  # a link to this page
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, True),  # an image
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, True),  # another port of this machine
    ],
)
def test_requests_that_another_site_caused_are_recognized(headers: dict[str, str], refused: bool) -> None:
    assert is_cross_site({"host": HERE, **headers}) == refused


async def echo(scope: Any, receive: Receive, send: Send) -> None:
    message = await receive()
    await send({"type": "answer", "body": message["body"]})


def ask(chunks: list[bytes], headers: dict[str, str], pause_s: float = 0.0, kind: str = "http") -> list[Message]:
    """Sends a request through a guard with a limit of 10 bytes and of 0.5 s; returns the messages of the answer."""
    waiting, sent = list(chunks), []

    async def receive() -> Message:
        await asyncio.sleep(pause_s)
        if kind == "websocket":
            return {"type": "websocket.connect"}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in {"host": HERE, **headers}.items()]
    asyncio.run(HttpGuard(echo, max_body=10, body_s=0.5)({"type": kind, "headers": raw}, receive, send))
    return sent


def test_a_body_in_pieces_arrives_whole() -> None:
    assert ask([b"1234", b"", b"567890"], {"transfer-encoding": "chunked"})[0]["body"] == b"1234567890"


@pytest.mark.parametrize(
    ("chunks", "headers", "pause_s", "status"),
    [
        ([b"1234567890", b"1"], {"transfer-encoding": "chunked"}, 0.0, 413),
        ([b"12345678901"], {"content-length": "11"}, 0.0, 413),
        ([b"1"] * 10, {"content-length": "10"}, 0.1, 408),
        ([b"1"], {"content-length": "1", "host": "evil.example"}, 0.0, 400),
        ([b"1"], {"content-length": "1", "origin": "https://evil.example"}, 0.0, 403),
    ],
)
def test_refused_requests_do_not_reach_the_application(
    chunks: list[bytes], headers: dict[str, str], pause_s: float, status: int
) -> None:
    start, _ = ask(chunks, headers, pause_s)
    assert start["status"] == status


def test_a_websocket_of_another_site_is_closed() -> None:
    (close,) = ask([], {"origin": "https://evil.example"}, kind="websocket")
    assert (close["type"], close["code"]) == ("websocket.close", 1008)
