"""The client raises only the errors that its docstrings promise, and so do the checks behind it, for any input."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rec_assets.common.errors import ActionableError
from rec_assets.features.history import MAX_ID
from rec_assets.realtime.events import Event, EventError
from rec_assets.serving.client import Client
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import validate
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-3, 3), st.floats(), st.text(max_size=8), st.binary(max_size=8)
)
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    SCALARS,
    st.datetimes(timezones=st.sampled_from([None, UTC])),
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6),
    st.dictionaries(st.text(max_size=4), SCALARS, max_size=2),
)


@pytest.fixture(scope="module")
def client() -> Client:
    """A client without servers: what it sends fails as promised."""
    return Client(Settings(triton_grpc_port=free_port(), valkey_port=free_port()))


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_recommend_keeps_its_promise(
    client: Client, user: Any, device: Any, timestamp: Any, k: Any, diversity: Any
) -> None:
    with pytest.raises((RequestError, ActionableError)):
        client.recommend(user, device, timestamp, k, diversity)


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
@settings(max_examples=150, deadline=None)
def test_record_keeps_its_promise(client: Client, user: Any, items: Any, at: Any, kind: Any, device: Any) -> None:
    try:
        assert client.record(user, items, at, kind, device) == []
        assert len(items) == 0  # nothing to send
    except (EventError, RequestError, ActionableError):
        pass


@given(st.dictionaries(st.sampled_from(["user_id", "device_type", "timestamp", "top_k", "diversity"]), ANYTHING))
@settings(max_examples=200, deadline=None)
def test_a_request_is_valid_or_refused(request: dict[str, Any]) -> None:
    try:
        checked = validate(request)
    except RequestError:
        return
    assert all(values.dtype == np.int32 and values.ndim == 1 for values in checked.values())
    assert len({len(values) for values in checked.values()}) == 1


@given(
    st.dictionaries(
        st.one_of(st.sampled_from([b"user_id", b"item_id", b"at", b"kind", b"device_type"]), st.binary(max_size=4)),
        st.one_of(st.binary(max_size=12), st.integers().map(lambda n: str(n).encode()), st.just(b"clicked")),
    )
)
@settings(max_examples=300, deadline=None)
def test_the_fields_of_an_entry_are_an_event_or_refused(fields: dict[bytes, bytes]) -> None:
    try:
        event = Event.parse(fields)
    except EventError as error:
        assert "\n" not in str(error)
        return
    assert 0 <= event.user_id <= MAX_ID and 0 < event.at <= MAX_ID
    assert Event.parse({name.encode(): str(value).encode() for name, value in event.fields().items()}) == event


@pytest.mark.parametrize(
    "refusal", [lambda client: client.config_set("maxmemory", "1"), lambda client: client.set("events", "no stream")]
)
def test_a_valkey_that_refuses_events_is_named(valkey: Settings, refusal: Callable[[Any], object]) -> None:
    server = redis.Redis(valkey.valkey_host, valkey.valkey_port)
    refusal(server)
    try:
        with pytest.raises(ActionableError, match=r"(?s)refuses a command.*Check its memory"):
            Client(valkey).record(3, [7], datetime(2025, 3, 10, tzinfo=UTC))
    finally:
        server.config_set("maxmemory", "0")


def test_a_path_of_this_process_is_never_in_a_refusal(client: Client) -> None:
    for wrong in ([[1], [2, 3]], object(), {"a": 1}):
        with pytest.raises(RequestError) as refusal:
            client.recommend(wrong)  # type: ignore[arg-type]
        assert os.getcwd() not in str(refusal.value)
