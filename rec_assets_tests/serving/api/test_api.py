"""Requests to the HTTP API, on running servers and without any."""

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rec_assets.common.errors import ActionableError
from rec_assets.realtime.stores.recent_items import RecentItems
from rec_assets.serving.api import applied
from rec_assets.serving.api.app import api_server
from rec_assets.serving.client import Client
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.http_client import HttpClient, ListClient, Listed, Recorded
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect, connect_for_requests
from rec_assets_tests.servers import free_port, in_thread
from rec_assets_tests.serving.api.conftest import NOON, Ask

PATHS = ("/recommend", "/similar", "/bought-together", "/buy-again", "/events")


def test_the_http_client_reports_events_and_says_what_is_wrong(alone: Settings) -> None:
    settings = alone.model_copy(update={"api_port": free_port(), "api_keys": "k"})
    with in_thread(api_server(settings)) as address:
        client = HttpClient(f"http://{address}", "k")
        assert client.record("3", ["10", 13], NOON, "bought", "tablet") == Recorded(2, None)
        assert client.forget(3, wait_s=0.01) == Recorded(1, applied=False)
        assert [entry.fields[b"kind"] for entry in Client(alone).events.after("0")] == [
            b"bought",
            b"bought",
            b"flushed",
        ]
        assert client.trending() == []
        RecentItems(connect(alone)).add(3, [10, 13], NOON)
        known = client.person(3)
        assert [one["item_id"] for one in known["history"]] == ["13", "10"]
        assert known["deletion"] == ""
        assert client.forget_person("3") == 1
        assert client.forget_person("3") == 0, "may be repeated"
        known = client.person("3")
        assert (known["history"], known["deletion"]) == ([], "waiting")
        for unknown in ("-1", str(2**31)):
            with pytest.raises(ActionableError, match=f"No user has the id '{unknown}'"):
                client.forget_person(unknown)
        with pytest.raises(RequestError, match=r"body\.k"):
            client.similar("10", 51)
        with pytest.raises(ActionableError, match="Triton"):
            client.recommend(-1)
        assert client.health() == Client(alone).health()
        with pytest.raises(ActionableError, match="key is missing or wrong"):
            HttpClient(f"http://{address}").recommend("3")
    for ask in (lambda: client.similar("10"), client.health):
        with pytest.raises(ActionableError, match="does not answer"):
            ask()
    with in_thread(api_server(settings)):
        assert client.trending() == []
    with pytest.raises(ActionableError, match="Invalid address"):
        HttpClient("localhost:8090")


@pytest.mark.slow
def test_both_clients_have_the_same_lists(shop: Settings) -> None:
    def lists(client: ListClient) -> list[Listed]:
        return [
            client.recommend("3", "mobile", NOON, 5),
            client.recommend(
                -1, None, NOON, 5, recent=[("10", NOON - 60)], filters=Filters(max_price=12.0, not_items=[13])
            ),
            client.similar(10, 3, user_id="3"),
            client.bought_together(["13", 16], 4),
            client.bought_together(["13", 16], 4, complement=True, user_id="3"),
            client.buy_again("977003", 4, NOON),
        ]

    RecentItems(connect_for_requests(shop)).add(977_003, [10, 13], NOON - 86_400)
    with in_thread(api_server(shop.model_copy(update={"api_port": free_port()}))) as address:
        for by_http, by_grpc in zip(lists(HttpClient(f"http://{address}/")), lists(Client(shop)), strict=True):
            assert len(by_http) == len(by_grpc) > 0
            assert list(by_http.ids) == [str(item) for item in by_grpc.ids]
            assert list(by_http) == [(str(item), score) for item, (_, score) in zip(by_grpc.ids, by_grpc, strict=True)]
            assert (by_http.bundle_id, by_http.reason) == (by_grpc.bundle_id, "")


@pytest.mark.slow
def test_lists_are_those_of_the_client(shop: Settings, serve: Callable[[Settings], Ask]) -> None:
    ask, client = serve(shop), Client(shop)
    status, found = ask("/recommend", {"user_id": "3", "device": "mobile", "at": NOON, "k": 5})
    expected = client.recommend("3", "mobile", NOON, 5)
    assert status == 200
    assert found["bundle_id"] == expected.bundle_id
    assert [one["item_id"] for one in found["items"]] == [str(item) for item in expected.ids]
    session = {"at": NOON, "recent": [{"item_id": "10", "at": NOON - 60}]}
    with_session = client.recommend(-1, timestamp=NOON, recent=[("10", NOON - 60)])
    assert [one["item_id"] for one in ask("/recommend", session)[1]["items"]] == [
        str(item) for item in with_session.ids
    ]
    similar, together = client.similar("10", 3), client.bought_together(["13", "16"], 4)
    cheap = client.recommend("3", timestamp=NOON, filters=Filters(max_price=12.0, not_items=["10"]))
    assert 0 < len(cheap) < 10 and 10 not in cheap.item_ids
    filters = {"max_price": 12, "not_items": ["10"]}
    for path, body, answer in (
        ("/recommend", session, with_session),
        ("/recommend", {"user_id": "3", "at": NOON, "filters": filters}, cheap),
        ("/similar", {"item_id": "10", "k": 3}, similar),
        ("/bought-together", {"item_ids": ["13", "16"], "k": 4}, together),
    ):
        assert [one["item_id"] for one in ask(path, body)[1]["items"]] == [str(item) for item in answer.ids]
    nothing = client.buy_again("977002")
    expected_again = {"bundle_id": nothing.bundle_id, "items": [], "reason": nothing.reason}
    assert ask("/buy-again", {"user_id": "977002"}) == (200, expected_again)
    assert ask("/health")[1]["state"] == "serving"


def test_events_reach_the_stream_and_are_recorded_together_or_not_at_all(
    alone: Settings, serve: Callable[[Settings], Ask]
) -> None:
    ask, stream = serve(alone), Client(alone).events
    event = {"user_id": "3", "item_id": "10", "at": NOON, "kind": "bought", "device": "tablet"}
    sent = ask("/events", {"events": [event, {**event, "item_id": "11"}]})
    assert sent == (200, {"recorded": 2, "applied": None})
    assert [entry.fields[b"item_id"] for entry in stream.after("0")] == [b"10", b"11"]
    status, problem = ask("/events", {"events": [event, {**event, "user_id": "-1"}]})
    assert (status, len(list(stream.after("0")))) == (422, 2)
    assert problem["next_step"]
    assert ask("/people/3/forget", method="POST") == (200, {"recorded": 1, "applied": None})


def test_a_request_may_wait_until_workers_applied_its_events(alone: Settings, serve: Callable[[Settings], Ask]) -> None:
    ask, stream = serve(alone), Client(alone).events
    given = {"events": [{"user_id": "3", "item_id": "10", "at": NOON}]}
    stream.open()
    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(lambda: stream.done(stream.take("worker", 10, 5_000)))
        assert ask("/events", {**given, "wait_s": 5}) == (200, {"recorded": 1, "applied": True})
        working.result()
    assert ask("/events", {**given, "wait_s": 0.01}) == (200, {"recorded": 1, "applied": False})
    assert ask("/people/3/forget?wait_s=0.01", method="POST") == (200, {"recorded": 1, "applied": False})
    assert ask("/events", {**given, "wait_s": 6})[0] == ask("/people/3/forget?wait_s=-1", method="POST")[0] == 422


def test_more_waits_than_the_limit_are_answered_after_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applied, "MAX_WAITING", 1)
    looks: list[str] = []
    done: list[str] = []

    async def is_applied(entry_ids: Sequence[str]) -> bool:
        looks.extend(entry_ids)
        return entry_ids[0] in done

    async def requests() -> list[bool | None]:
        waits = applied.AppliedEvents(is_applied)
        first = asyncio.create_task(waits.within(["first"], 60))
        await asyncio.sleep(0)
        second = await waits.within(["second"], 60)
        done.extend(["first", "third"])
        return [second, await first, await waits.within(["third"], 60)]

    assert asyncio.run(requests()) == [False, True, True]
    assert looks.count("second") == 1


def test_without_triton_lists_are_unavailable_and_health_says_why(
    alone: Settings, serve: Callable[[Settings], Ask]
) -> None:
    ask = serve(alone)
    status, problem = ask("/recommend", {})
    assert (status, problem["title"]) == (503, "Service Unavailable")
    assert "rec up" in problem["next_step"]
    status, health = ask("/health")
    assert (status, health["state"]) == (503, "stopped")
    triton, worker = health["problems"]
    assert "Triton does not answer" in triton["detail"] and "rec up" in triton["next_step"]
    assert worker == {
        "detail": "No worker runs. Events wait in the stream, now 0.",
        "next_step": "Start one: rec worker, or rec up.",
    }
    Client(alone).record(3, [10], NOON)
    assert "now 1." in ask("/health")[1]["problems"][1]["detail"]


def test_without_valkey_health_names_the_consequence(alone: Settings, serve: Callable[[Settings], Ask]) -> None:
    problem = serve(alone.model_copy(update={"valkey_port": free_port()}))("/health")[1]["problems"][1]
    assert "Valkey does not answer" in problem["detail"] and "Events are not accepted" in problem["detail"]
    assert "rec up" in problem["next_step"]


def test_without_valkey_people_are_unavailable(alone: Settings, serve: Callable[[Settings], Ask]) -> None:
    ask = serve(alone.model_copy(update={"valkey_port": free_port()}))
    for method in ("GET", "DELETE"):
        status, problem = ask("/people/3", method=method)
        assert (status, problem["title"]) == (503, "Service Unavailable")
        assert "rec up" in problem["next_step"]


@pytest.mark.parametrize(
    ("path", "body", "step"),
    [
        ("/recommend", '{"k": true}', "`k`: it must be a valid integer"),
        ("/recommend", '{"at": NaN}', "`at`: it must be a valid integer"),
        ("/recommend", '{"user_id": 3}', "`user_id`: it must be a valid string"),
        ("/recommend", '{"user": "3"}', "Leave out `user`"),
        ("/recommend", '{"k": 1e400}', "`k`: it must be a valid integer"),
        ("/recommend", '{"device": "watch"}', "`device`: it must be 'mobile', 'desktop' or 'tablet'."),
        ("/recommend", '{"user_id": "three"}', "/openapi.json"),
        ("/recommend", "[", "valid JSON"),
        ("/recommend", "[]", "Send a JSON object"),
        ("/recommend", '{"filters": {"min_price": 20, "max_price": 10}}', "both prices of `filters`"),
        ("/recommend", '{"filters": {"brand": []}}', "`filters.brand`: it must have at least 1 item."),
        ("/recommend", '{"filters": {"items": ["1"], "not_items": ["2", "1"]}}', "one of both parts of `filters`"),
        ("/similar", "{}", "Add `item_id`"),
        ("/similar", '{"item_id": "99999999999999999999"}', "/openapi.json"),
        ("/bought-together", '{"item_ids": []}', "`item_ids`: it must have at least 1 item."),
        ("/bought-together", '{"item_ids": ["1"], "k": 51}', "`k`: it must be less than or equal to 50."),
        ("/events", '{"events": [{"user_id": "1", "item_id": "2"}]}', "Add `events.0.at`"),
    ],
)
def test_a_wrong_request_gets_a_problem_with_a_next_step(path: str, body: str, step: str, fuzzed: Ask) -> None:
    status, problem = fuzzed(path, body)
    assert status == 422 and step in problem["next_step"]
    assert set(problem) == {"title", "status", "detail", "next_step"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/json", 200), ("application/json; charset=utf-8", 200), ("text/plain", 422), ("", 422)],
)
def test_a_body_must_be_json(kind: str, status: int, alone: Settings, serve: Callable[[Settings], Ask]) -> None:
    """A page of another site can send other types without a question to this server."""
    body = json.dumps({"events": [{"user_id": "3", "item_id": "10", "at": NOON}]})
    assert serve(alone)("/events", body, **{"content-type": kind})[0] == status


def test_foreign_hosts_and_unknown_paths_are_refused(alone: Settings, serve: Callable[[Settings], Ask]) -> None:
    ask = serve(alone)
    assert ask("/health", host="shop.example")[0] == 400
    assert ask("/nothing")[0] == 404
    assert ask("/trending?k=0")[0] == ask("/trending?limit=3")[0] == 422


FIELDS = ("user_id", "item_id", "item_ids", "device", "at", "k", "diversity", "recent", "events", "kind", "x")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), part, max_size=4),
    max_leaves=8,
)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(path=st.sampled_from(PATHS), body=JSON)
def test_no_body_breaks_the_api(path: str, body: object, alone: Settings, fuzzed: Ask) -> None:
    status, answer = fuzzed(path, json.dumps(body))
    assert status in (200, 422, 503)
    assert isinstance(answer, dict)


@pytest.fixture
def fuzzed(alone: Settings, serve: Callable[[Settings], Ask]) -> Ask:
    """An API without a Triton."""
    return serve(alone)
