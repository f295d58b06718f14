"""The agent's HTTP interface under hostile requests, without a Triton."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rec_assets.bundles.live_record import LIVE_BUNDLE
from rec_assets.common.concurrency.loop import FAILURES
from rec_assets.common.http import server as http_server
from rec_assets.serving.promotion import agent_server
from rec_assets.serving.promotion.agent import Agent
from rec_assets.serving.promotion.protocol import KEY_HEADER
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port, in_thread

KEY = "only-who-promotes"


class Recording(Agent):
    """An agent that records the bundles that it was told to abort."""

    aborted: list[str]

    def abort(self, bundle_id: str, token: int = 0) -> None:
        self.aborted.append(bundle_id)


@pytest.fixture
def agent(tmp_path: Path) -> Recording:
    ports = {"agent_port": free_port(), "triton_grpc_port": free_port()}
    agent = Recording(Settings.model_validate({"home": tmp_path, "triton_control_key": KEY, **ports}))
    agent.aborted = []
    return agent


@pytest.fixture
def server(agent: Recording, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(agent_server, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(agent_server, "BODY_S", 0.5)
    monkeypatch.setattr(http_server, "HEADERS_S", 0.5)
    with in_thread(agent_server.agent_server(agent, agent.settings, "127.0.0.1")) as address:
        yield address


def ask(server: str, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
    connection = HTTPConnection(server, timeout=10)
    with closing(connection):
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ('{"bundle_id": "ab"}', {}, 403),
        ('{"bundle_id": "ab"}', {KEY_HEADER: "guessed"}, 403),
        ("[" * 20_000, {KEY_HEADER: "guessed"}, 403),
        ('{"bundle_id": "ab"}', {KEY_HEADER: KEY, "Host": "evil.example"}, 400),
        ("[" * 10_001, {KEY_HEADER: KEY}, 413),
        ("[" * 9_000, {KEY_HEADER: KEY}, 400),
        ("{", {KEY_HEADER: KEY}, 422),
        ("[1]", {KEY_HEADER: KEY}, 422),
        ('{"bundle_id": 5}', {KEY_HEADER: KEY}, 422),
        ("", {KEY_HEADER: KEY}, 422),
        ("", {KEY_HEADER: KEY, "Content-Length": "-1"}, 400),
    ],
)
def test_what_is_no_step_of_a_promotion_is_refused(
    server: str, agent: Recording, body: str, headers: dict[str, str], status: int
) -> None:
    assert ask(server, "POST", "/abort", body, **headers)[0] == status
    assert agent.aborted == []
    assert ask(server, "POST", "/abort", json.dumps({"bundle_id": "ab"}), **{KEY_HEADER: KEY}) == (200, "null")
    assert agent.aborted == ["ab"]


def host_and_port(server: str) -> tuple[str, int]:
    host, _, port = server.partition(":")
    return host, int(port)


def test_a_body_that_does_not_arrive_is_given_up(server: str) -> None:
    with socket.create_connection(host_and_port(server), timeout=10) as connection:
        head = f"POST /abort HTTP/1.1\r\nHost: localhost\r\n{KEY_HEADER}: {KEY}\r\nContent-Length: 50\r\n\r\n"
        connection.sendall(head.encode() + b"{")
        assert b" 408 " in connection.recv(1000)


CHUNKED = f"POST /abort HTTP/1.1\r\nHost: localhost\r\n{KEY_HEADER}: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "begin", ["GET /", "GET /alive HTTP/1.1\r\nHost: localhost\r\nX: ", f"{CHUNKED}1;x=", f"{CHUNKED}0\r\nX: "]
)
def test_what_a_request_has_beside_its_body_is_limited(server: str, begin: str) -> None:
    with socket.create_connection(host_and_port(server), timeout=10) as connection:
        connection.sendall(begin.encode() + b"x" * http_server.MAX_HEADERS)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_further_requests_are_refused_while_others_hang_and_served_afterwards(server: str) -> None:
    with ExitStack() as hanging:
        for _ in range(2):
            hanging.enter_context(socket.create_connection(host_and_port(server)))
        statuses = {ask(server, "GET", "/alive")[0] for _ in range(3)}
        assert 503 in statuses
        while ask(server, "GET", "/alive")[0] == 503:  # until the time limit closes them
            pass
    assert ask(server, "GET", "/alive")[0] == 200


def test_loops_that_fail_are_metrics_and_do_not_end(server: str, agent: Recording) -> None:
    pointer = agent.settings.artifacts_dir / LIVE_BUNDLE / "all" / "current.json"
    pointer.parent.mkdir(parents=True)
    pointer.write_text("damaged")
    for loop in agent._loops:
        loop.round()  # there is no Triton either
    text = ask(server, "GET", "/metrics")[1]
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    failures = {one.labels["loop"]: one.value for one in samples if one.name == FAILURES}
    assert failures == {"follow": 1, "repair": 0}
    assert {ask(server, "GET", path)[0] for path in ("/serves", "/answers", "/ready")} == {503}
