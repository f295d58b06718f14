"""Keys, probes, metrics and loads of the HTTP API."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from inspect import iscoroutinefunction, unwrap
from urllib.request import urlopen

import pytest
from fastapi.routing import APIRoute

from rec_assets.common.errors import ActionableError
from rec_assets.serving.api import app
from rec_assets.serving.api.app import api_server, create_app
from rec_assets.serving.api.load import send
from rec_assets.serving.api.metrics import NAME, serve_metrics
from rec_assets.serving.client import Client
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port, in_thread
from rec_assets_tests.serving.api.conftest import NOON, Ask, asking


def test_a_key_is_required_before_the_body_is_read(alone: Settings, serve: Callable[[Settings], Ask]) -> None:
    ask = serve(alone.model_copy(update={"api_keys": "first, second"}))
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "second"}):
        status, problem = ask("/recommend", "no JSON", **headers)
        assert (status, "REC_API_KEYS" in problem["next_step"]) == (401, True)
    assert ask("/recommend", {"k": 0}, authorization="Bearer second")[0] == 422
    assert ask("/health")[0] == 503
    assert ask("/openapi.json")[0] == 200


def test_alive_needs_neither_a_key_nor_another_server(alone: Settings, serve: Callable[[Settings], Ask]) -> None:
    lonely = alone.model_copy(update={"api_keys": "k", "valkey_port": free_port()})
    assert serve(lonely)("/alive") == (200, {"state": "alive"})


def test_alive_waits_for_no_thread_that_waits_for_triton(alone: Settings) -> None:
    (route,) = (one for one in create_app(alone).routes if isinstance(one, APIRoute) and one.path == "/alive")
    assert iscoroutinefunction(unwrap(route.endpoint))


def test_an_overload_is_refused_but_idle_connections_and_probes_are_not(
    alone: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_IN_PROGRESS", 2)
    own = alone.model_copy(update={"api_port": free_port()})
    with ExitStack() as stack:
        ask = asking(stack.enter_context(in_thread(api_server(own))))

        def connect(sent: bytes) -> socket.socket:
            connection = stack.enter_context(socket.create_connection((own.api_address, own.api_port), timeout=10))
            connection.sendall(sent)
            return connection

        for _ in range(250):
            connect(b"")
        assert ask("/trending") == (200, {"items": []})
        # Their bodies have not arrived, so both are in progress.
        waiting = [connect(b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n") for _ in range(2)]
        assert ask("/alive")[0] == 200
        while (found := ask("/trending"))[0] == 200:  # until the server has read both
            time.sleep(0.01)
        status, problem = found
        assert (status, problem["detail"]) == (503, "The API already has 2 requests in progress.")
        assert problem["next_step"]
        assert ask("/alive")[0] == 200
        for connection in waiting:
            connection.sendall(b"{}")
            assert connection.recv(100).startswith(b"HTTP/1.1 422")
        assert ask("/trending")[0] == 200


def test_requests_are_counted_by_route_and_status(alone: Settings, serve: Callable[[Settings], Ask]) -> None:
    ask = serve(alone)
    metrics = asking_text(alone.model_copy(update={"api_metrics_port": free_port()}))
    before = metrics()
    ask("/people/3/forget", method="POST")
    ask("/people/4/forget", method="POST")
    ask("/recommend", {})
    ask("/no/such/path")
    after = metrics()
    counted = {name: int(after[name] - before.get(name, 0)) for name in after if after[name] != before.get(name, 0)}
    assert counted == {
        '{path="/people/{user_id}/forget",status="200"}': 2,
        '{path="/recommend",status="503"}': 1,
        '{path="other",status="404"}': 1,
    }


def asking_text(settings: Settings) -> Callable[[], dict[str, float]]:
    """Serves the metrics and returns a function that reads the number of requests by labels."""
    serve_metrics(settings)

    def read() -> dict[str, float]:
        with urlopen(f"http://{settings.api_address}:{settings.api_metrics_port}/metrics") as page:
            lines = page.read().decode().splitlines()
        counts = (
            line.removeprefix(f"{NAME}_count").rpartition(" ") for line in lines if line.startswith(f"{NAME}_count")
        )
        return {labels: float(number) for labels, _, number in counts}

    return read


def test_a_load_tells_answers_from_failures_with_their_reasons(alone: Settings) -> None:
    own = alone.model_copy(update={"api_port": free_port(), "api_keys": "k"})
    address = f"http://{own.api_address}:{own.api_port}"
    event = {"user_id": "3", "item_id": "10", "at": NOON}
    bodies = [{"events": [event | {"at": NOON + n}]} for n in range(20)]
    with in_thread(api_server(own)):
        answered = send(address, "/events", bodies, "k", callers=4)
        down = send(address, "/recommend", [{}] * 3, "k", callers=2)
        refused = send(address, "/events", bodies[:3], "wrong", callers=1)
    away = send(address, "/events", bodies[:1], "k", callers=1)
    assert (len(answered.milliseconds), answered.failures) == (20, [])
    assert len(list(Client(alone).events.after("0"))) == 20
    assert str(answered).startswith("20 answers in ") and str(answered).endswith(" 0 failed")
    assert [one.partition(":")[0] for one in down.failures] == ["status 503"] * 3
    assert [one.partition(":")[0] for one in refused.failures] == ["status 401"] * 3
    assert away.failures[0].startswith("ConnectionRefusedError") and "0 answers" in str(away)


@pytest.mark.parametrize(
    ("given", "url", "key"),
    [
        ({}, "http://127.0.0.1:8090", ""),
        ({"api_address": "0.0.0.0", "api_port": 9000, "api_keys": "new,old"}, "http://127.0.0.1:9000", "new"),
        ({"api_address": "::1"}, "http://[::1]:8090", ""),
        ({"api_client_url": "https://api.example", "api_client_key": "k", "api_keys": "a"}, "https://api.example", "k"),
    ],
)
def test_clients_of_the_settings_call_the_api_of_this_machine_or_the_given_one(
    given: dict[str, str], url: str, key: str
) -> None:
    settings = Settings.model_validate(given)
    assert (settings.api_url, settings.api_key) == (url, key)
    assert "k" not in settings.model_dump().values()


def test_without_a_key_other_machines_cannot_call(alone: Settings) -> None:
    with pytest.raises(ActionableError, match=r"0\.0\.0\.0 without a key"):
        api_server(alone.model_copy(update={"api_address": "0.0.0.0"}))
    assert api_server(alone.model_copy(update={"api_address": "0.0.0.0", "api_keys": "k"}))
