"""Requests to the storefront that no browser would send."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import quote

import pytest

from rec_assets.common.http import server as http_server
from rec_assets.realtime.stores.recent_items import RecentItems
from rec_assets.serving.client import Client
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect_for_requests
from rec_assets.storefront import app
from rec_assets.storefront.app import storefront_server
from rec_assets_tests.codes import publish_codes
from rec_assets_tests.servers import free_port, in_thread
from rec_assets_tests.storefront.conftest import Serve, storefront_and_api

TRAP = "<script>alert(1)</script>"
NOON = 1_742_040_000
EVENT = {"user_id": "3", "item_id": "10", "at": NOON}


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs in these tests, so waits for workers end without a result."""
    monkeypatch.setattr(app, "APPLIED_WITHIN_S", 0.01)


@pytest.fixture(scope="module")
def server(valkey_server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("storefront")
    with storefront_and_api(
        valkey_server.model_copy(update={"home": home, "triton_grpc_port": free_port()})
    ) as address:
        yield address


@pytest.fixture
def address(server: str, valkey: Settings) -> str:
    """A storefront with an empty Valkey, but without Triton and workers."""
    return server


def ask(address: str, path: str, body: object = None, kind: str = "application/json") -> tuple[HTTPResponse, str]:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
    if body is None:
        connection.request("GET", path)
    else:
        content = body if isinstance(body, str) else json.dumps(body)
        connection.request("POST", path, content, {"Content-Type": kind})
    answer = connection.getresponse()
    return answer, answer.read().decode()


def test_an_event_is_sent_to_the_stream_and_says_that_it_waits(address: str, valkey: Settings) -> None:
    answer, body = ask(address, "/events", EVENT)
    assert (answer.status, json.loads(body)["applied"]) == (200, False)
    (entry,) = Client(valkey).events.after("0")
    assert entry.fields == {
        b"user_id": b"3",
        b"item_id": b"10",
        b"at": b"1742040000",
        b"kind": b"clicked",
        b"device_type": b"-1",
    }


@pytest.mark.parametrize(
    "body",
    [
        {**EVENT, "user_id": TRAP},
        {**EVENT, "user_id": "-1"},
        {**EVENT, "item_id": None},
        {**EVENT, "item_id": str(2**40)},
        {**EVENT, "at": "now"},
        {**EVENT, "kind": TRAP},
        {**EVENT, "device": "watch"},
        {**EVENT, "user_id": True},
        {**EVENT, "item_id": 10.0},
        json.dumps(EVENT).replace("1742040000", "NaN"),
        json.dumps(EVENT).replace("1742040000", "1e400"),
        json.dumps(EVENT).replace("1742040000", "1" * 5000),
        "[" * 50_000,
        [TRAP],
        TRAP,
        "",
    ],
)
def test_what_is_no_event_is_refused_and_never_as_a_page(address: str, valkey: Settings, body: object) -> None:
    answer, _ = ask(address, "/events", body)
    assert answer.status in (400, 422)
    assert answer.getheader("content-type") == "application/json"
    assert not list(Client(valkey).events.after("0"))


def test_a_forget_request_is_sent_to_the_stream_or_refused(address: str, valkey: Settings) -> None:
    assert ask(address, "/forget", {"user_id": "3"})[0].status == 200
    assert ask(address, "/forget", {"user_id": "-1"})[0].status == ask(address, "/forget", {})[0].status == 422
    (entry,) = Client(valkey).events.after("0")
    assert (entry.fields[b"user_id"], entry.fields[b"kind"]) == (b"3", b"flushed")


def test_the_lists_around_an_item_say_what_is_wrong_without_triton(address: str) -> None:
    answer, body = ask(address, "/around?item=10&user=3")
    assert answer.status == 200 and 'role="alert"' in body and "Similar" not in body
    answer, body = ask(address, f"/around?item={quote(TRAP)}&user=3")
    assert answer.status == 200 and "Choose another item" in body and TRAP not in body
    assert ask(address, "/around?user=3")[0].status == 422


def test_a_request_to_another_host_or_of_another_site_is_refused(address: str, valkey: Settings) -> None:
    for name, value, status in (("Host", "evil.example", 400), ("Origin", "https://evil.example", 403)):
        connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
        headers = {"Content-Type": "application/json", name: value}
        connection.request("POST", "/events", json.dumps(EVENT), headers)
        assert connection.getresponse().status == status
    assert not list(Client(valkey).events.after("0"))


def test_a_large_body_is_refused(address: str) -> None:
    assert ask(address, "/events", "[" * 100_000)[0].status == 413


def test_a_connection_that_sends_no_request_is_closed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "HEADERS_S", 0.2)
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        assert connection.recv(100) == b""
    assert ask(address, "/static/icon.svg")[0].status == 200


def test_a_connection_that_is_used_stays_open(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "HEADERS_S", 0.1)
    with closing(HTTPConnection(address.removeprefix("http://"))) as connection:
        connection.connect()
        for _ in range(4):
            connection.request("GET", "/static/icon.svg")
            assert connection.getresponse().read()
            connection.sock.settimeout(0.05)
            with pytest.raises(TimeoutError):  # it is open, and has nothing to read
                connection.sock.recv(1)
            connection.sock.settimeout(10)


def test_an_event_from_a_form_of_another_site_is_refused(address: str, valkey: Settings) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert ask(address, "/events", json.dumps(EVENT), kind)[0].status == 422
    assert not list(Client(valkey).events.after("0"))


@pytest.mark.parametrize(
    "query", ["user=abc&at=5", f"user={quote(TRAP)}&at=5", "user=1", "user=1&at=-5", f"user={2**40}&at=5"]
)
def test_a_question_that_cannot_be_is_refused_and_never_as_a_page(address: str, query: str) -> None:
    answer, body = ask(address, f"/list?{query}")
    assert answer.status == 422
    assert answer.getheader("content-type") == "application/json"
    assert json.loads(body)["detail"]


@pytest.mark.parametrize(
    "path", ["/images/../settings.py", "/images/%2e%2e%2f1.jpg", "/static/../app.py", f"/{quote(TRAP)}"]
)
def test_nothing_but_its_own_files_is_served(address: str, path: str) -> None:
    answer, body = ask(address, path)
    assert answer.status in (404, 422)
    assert "text/html" not in (answer.getheader("content-type") or "")
    assert "def create_app" not in body


def test_a_shop_with_texts_as_ids_shows_and_takes_its_own_ids(valkey: Settings, tmp_path: Path, serve: Serve) -> None:
    settings = valkey.model_copy(update={"home": tmp_path, "triton_grpc_port": free_port()})
    publish_codes(settings, {"user": ["ann", "bob's <b>"], "item": ["85123A"]})
    address = serve(settings)
    answer, page = ask(address, "/")
    assert answer.status == 200 and '<input id="user" name="user" type="text"' in page and "newcomer" not in page
    for text, shown in (("bob's <b>", "user bob&#39;s &lt;b&gt;"), ("nobody", "an anonymous user")):
        answer, page = ask(address, f"/list?user={quote(text)}&at=5")
        assert answer.status == 200 and f"Recommended for {shown}</h2>" in page
    assert ask(address, "/events", {**EVENT, "user_id": "bob's <b>", "item_id": "85123A"})[0].status == 200
    assert ask(address, "/events", {**EVENT, "user_id": "nobody", "item_id": "85123A"})[0].status == 422
    (entry,) = Client(valkey).events.after("0")
    assert (entry.fields[b"user_id"], entry.fields[b"item_id"]) == (b"1", b"0")


def test_an_item_without_an_image_gets_a_plain_one(address: str) -> None:
    answer, _ = ask(address, "/images/999999.jpg")
    assert (answer.status, answer.getheader("content-type")) == (200, "image/svg+xml")


@pytest.mark.parametrize("path", ["/", "/list?user=1&at=5", "/trending", "/events", "/static/shop.js"])
def test_every_answer_forbids_what_does_not_come_from_here(address: str, path: str) -> None:
    answer, _ = ask(address, path)
    assert (answer.getheader("content-security-policy") or "").startswith("default-src 'self'")
    assert answer.getheader("x-content-type-options") == "nosniff"


def test_the_page_loads_nothing_from_elsewhere(address: str) -> None:
    folder = Path(__file__).parents[2] / "rec_assets" / "storefront"
    for file in [*folder.glob("templates/*"), *folder.glob("static/*.css"), *folder.glob("static/*.js")]:
        assert "//" not in file.read_text().replace("// ", ""), file


def test_health_names_what_is_wrong(address: str) -> None:
    answer, body = ask(address, "/health")
    assert answer.status == 503
    assert "No worker" in body and "Triton does not answer" in body and "rec up" in body
    assert json.loads(body)["state"] == "stopped"


def test_without_the_api_the_page_says_what_to_do(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    settings = Settings(home=tmp_path, storefront_port=free_port(), api_client_url=url)
    with in_thread(storefront_server(settings)) as address:
        for path in ("/list?user=3&at=5", "/trending", "/around?item=10&user=3"):
            answer, body = ask(address, path)
            assert (answer.status, body.count('role="alert"')) == (200, 1)
            assert f"The API does not answer at {url}" in body and "rec api" in body
        for path, event in (("/events", EVENT), ("/forget", {"user_id": "3"})):
            answer, body = ask(address, path, event)
            assert answer.status == 503 and "rec api" in json.loads(body)["next_step"]
        answer, body = ask(address, "/health")
        assert (answer.status, json.loads(body)["state"]) == (503, "stopped")


def test_a_wrong_key_is_named_with_its_setting(valkey: Settings, tmp_path: Path, serve: Serve) -> None:
    address = serve(valkey.model_copy(update={"home": tmp_path, "api_client_key": "wrong"}))
    body = ask(address, "/trending")[1]
    assert "key is missing or wrong" in body and "REC_API_CLIENT_KEY" in body


@pytest.mark.slow
def test_a_user_with_a_history_sees_what_to_buy_again(shop: Settings, serve: Serve) -> None:
    RecentItems(connect_for_requests(shop)).add(977_005, [10, 13], NOON - 86_400)
    address = serve(shop)
    answer, body = ask(address, f"/list?user=977005&at={NOON}")
    assert (answer.status, body.count("Buy again")) == (200, 1)
    assert "Buy again" not in ask(address, f"/list?user=977006&at={NOON}")[1]
