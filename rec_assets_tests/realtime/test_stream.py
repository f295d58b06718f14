import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.history import MAX_ID
from rec_assets.realtime.events import Event
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.work_stream import StreamState, order_of
from rec_assets.settings import Settings

NOON = 1_742_040_000


def clicks(count: int) -> list[Event]:
    return [Event(user_id=3, item_id=item, at=NOON) for item in range(count)]


@given(
    st.integers(0, MAX_ID),
    st.integers(0, MAX_ID),
    st.integers(1, MAX_ID),
    st.sampled_from(["clicked", "bought"]),
    st.integers(-1, 2),
)
def test_an_event_comes_out_of_its_fields_as_it_went_in(user: int, item: int, at: int, kind: str, device: int) -> None:
    event = Event.of({"user_id": user, "item_id": item, "at": at, "kind": kind, "device_type": device})
    assert Event.parse({name.encode(): str(value).encode() for name, value in event.fields().items()}) == event


def test_entries_are_ordered_by_time_and_then_by_number() -> None:
    assert order_of("9-10") > order_of("9-9") > order_of("9") > order_of("8-99")


@pytest.fixture
def stream(valkey: Settings) -> EventStream:
    stream = EventStream.connect(valkey)
    stream.open()
    return stream


def test_what_is_sent_is_taken_once_and_stays_its_takers_until_it_is_done(stream: EventStream) -> None:
    sent = stream.send(clicks(3))
    first, second = stream.take("one", 2, 1), stream.take("two", 2, 1)
    assert [entry.id for entry in (*first, *second)] == sent
    assert stream.state() == StreamState(waiting=0, taken=3, dead=0, workers=2)
    assert stream.taken_by("one", 10) == first
    assert not stream.wait(sent, 0.02)
    stream.done([*first, *second])
    assert stream.wait(sent, 1)
    assert stream.state().taken == 0 and stream.taken_by("one", 10) == []


def test_only_the_silent_lose_what_they_took(stream: EventStream) -> None:
    stream.send(clicks(2))
    (entry, _) = stream.take("one", 2, 1)
    assert stream.claim_stale("two", 60_000, 10) == []
    assert stream.claim_stale("two", 0, 1) == [entry]
    assert stream.taken_by("two", 10) == [entry]


def test_a_dead_letter_can_be_read_with_its_reason(stream: EventStream) -> None:
    stream.send(clicks(1))
    (entry,) = stream.take("one", 1, 1)
    stream.send_to_dead_letter(entry, "it is cursed")
    (dead,) = stream.dead(5)
    assert dead.fields == {**entry.fields, b"entry": entry.id.encode(), b"reason": b"it is cursed"}
    assert stream.state() == StreamState(waiting=0, taken=0, dead=1, workers=1)


def test_trimming_drops_nothing_that_was_not_applied(stream: EventStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventStream, "KEPT_MS", -1000)
    stream.send(clicks(1000))
    stream.done(stream.take("one", 300, 1))
    (unfinished,) = stream.take("two", 1, 1)
    stream.done(stream.take("one", 300, 1))
    stream.trim()
    left = list(stream.after("0"))
    assert left[-700:][0].id <= unfinished.id and len(left) >= 700
    stream.done([unfinished])
    stream.done(stream.take("one", 1000, 1))
    stream.trim()
    assert len(list(stream.after("0"))) < 300


def test_events_wait_even_where_no_group_was_ever_made(valkey: Settings) -> None:
    stream = EventStream.connect(valkey)
    assert stream.state() == StreamState(0, 0, 0, 0)
    stream.send(clicks(2))
    assert stream.state() == StreamState(2, 0, 0, 0)
    stream.open()
    assert len(stream.take("one", 10, 1)) == 2
