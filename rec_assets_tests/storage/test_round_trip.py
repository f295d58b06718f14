from collections.abc import Iterator

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.settings import Settings
from rec_assets.storage.round_trip import RoundTrip, packed
from rec_assets.storage.valkey import Valkey, connect, connect_for_requests
from rec_assets_tests.servers import free_port


@pytest.fixture
def client(valkey: Settings) -> Iterator[Valkey]:
    with connect(valkey) as client:
        yield client


@given(st.lists(st.binary()), st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_commands_are_packed_as_redis_packs_them(words: list[bytes], numbers: list[int]) -> None:
    expected = b"".join(redis.connection.Connection().pack_command(b"MGET", *words, *numbers))
    assert packed(b"MGET", *words, numbers=numbers) == expected


def test_a_key_of_a_wrong_type_costs_no_other_key_its_answer(client: Valkey) -> None:
    client.set("text", "a")
    client.rpush("list", "b")
    assert RoundTrip(client)([packed(b"GET", key) for key in (b"text", b"list", b"none", b"text")]) == [
        *(b"a", None, None, b"a")
    ]


def test_other_errors_are_raised_and_the_next_round_trip_answers(client: Valkey) -> None:
    ask = RoundTrip(client)
    with pytest.raises(redis.ResponseError, match="unknown command"):
        ask([packed(b"NOTHING"), packed(b"PING")])
    assert ask([packed(b"PING")]) == [b"PONG"]


def test_a_closed_connection_is_opened_again(client: Valkey) -> None:
    ask = RoundTrip(client)
    assert ask([packed(b"PING")]) == [b"PONG"]
    with redis.Redis(**client.connection_pool.connection_kwargs) as other:
        other.client_kill_filter(skipme=True)
    assert ask([packed(b"PING")]) == [b"PONG"]


def test_a_server_that_is_away_is_an_error() -> None:
    with pytest.raises(redis.ConnectionError):
        RoundTrip(connect_for_requests(Settings(valkey_port=free_port())))([packed(b"PING")])
