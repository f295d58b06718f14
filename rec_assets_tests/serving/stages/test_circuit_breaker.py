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
        self.fails = True

    def __call__(self) -> str:
        self.calls += 1
        if self.fails:
            raise OSError("gone")
        return "here"


def test_after_some_failures_in_a_row_a_store_is_not_called_until_the_pause_ends() -> None:
    clock, store = Clock(), Store()
    guard = StoreGuard("store", "The store is unavailable", CircuitBreaker(clock))
    for _ in range(10):
        assert guard.call(store) is None
    assert (store.calls, guard.missed_calls) == (FAILURES, 10)
    for attempts in (1, 2):
        clock.now += PAUSE
        for _ in range(10):
            guard.call(store)
        assert store.calls == FAILURES + attempts


def test_a_store_that_is_back_is_called_again() -> None:
    clock, store = Clock(), Store()
    guard = StoreGuard("store", "The store is unavailable", CircuitBreaker(clock))
    for _ in range(5):
        guard.call(store)
    clock.now, store.fails = PAUSE, False
    assert [guard.call(store) for _ in range(3)] == ["here"] * 3


def test_failures_that_are_not_in_a_row_open_nothing() -> None:
    store = Store()
    guard = StoreGuard("store", "The store is unavailable", CircuitBreaker(Clock()))
    for fails in [True, True, False] * 10:
        store.fails = fails
        guard.call(store)
    assert store.calls == 30


def test_guards_that_share_a_breaker_skip_calls_after_each_others_failures() -> None:
    breaker, store = CircuitBreaker(Clock()), Store()
    first, second = (
        StoreGuard("first", "The store is unavailable", breaker),
        StoreGuard("second", "The store is unavailable", breaker),
    )
    for _ in range(FAILURES):
        first.call(store)
    second.call(store)
    assert (store.calls, second.missed_calls) == (FAILURES, 1)
