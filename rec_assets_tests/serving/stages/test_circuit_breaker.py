from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.circuit_breaker import FAILURES, PAUSE, CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Store:
    """Counts the calls that reach it."""

    def __init__(self) -> None:
        self.calls = 0
        self.away = True

    def __call__(self) -> str:
        self.calls += 1
        if self.away:
            raise OSError("gone")
        return "here"


def test_after_some_failures_in_a_row_a_store_is_left_alone_until_the_pause_ends() -> None:
    clock, store = Clock(), Store()
    outage = StoreGuard("store", "It is away", CircuitBreaker(clock))
    for _ in range(10):
        assert outage.call(store) is None
    assert (store.calls, outage.missed_calls) == (FAILURES, 10)
    for attempts in (1, 2):
        clock.now += PAUSE
        for _ in range(10):
            outage.call(store)
        assert store.calls == FAILURES + attempts


def test_a_store_that_is_back_is_asked_by_everyone_again() -> None:
    clock, store = Clock(), Store()
    outage = StoreGuard("store", "It is away", CircuitBreaker(clock))
    for _ in range(5):
        outage.call(store)
    clock.now, store.away = PAUSE, False
    assert [outage.call(store) for _ in range(3)] == ["here"] * 3


def test_failures_that_are_not_in_a_row_open_nothing() -> None:
    store = Store()
    outage = StoreGuard("store", "It is away", CircuitBreaker(Clock()))
    for away in [True, True, False] * 10:
        store.away = away
        outage.call(store)
    assert store.calls == 30


def test_the_stages_of_a_process_learn_from_each_other() -> None:
    breaker, store = CircuitBreaker(Clock()), Store()
    first, second = StoreGuard("first", "It is away", breaker), StoreGuard("second", "It is away", breaker)
    for _ in range(FAILURES):
        first.call(store)
    second.call(store)
    assert (store.calls, second.missed_calls) == (FAILURES, 1)
