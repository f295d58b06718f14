from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.serving.api.rates import RateLimit
from rec_assets.settings import Settings
from rec_assets_tests.serving.api.conftest import Ask


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.floats(0.1, 100), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_second_has_more_requests_than_the_limit_and_a_pause(per_second: float, pauses: list[float]) -> None:
    clock = Clock()
    limit, passed = RateLimit(per_second, clock), 0
    for pause in pauses:
        clock.now += pause
        passed += limit.wait_of(b"key") == 0
        assert passed <= max(per_second, 1) + per_second * (clock.now - pauses[0]) + 1e-6


@given(st.floats(0.1, 100))
def test_a_key_may_send_again_after_the_wait_and_other_keys_at_once(per_second: float) -> None:
    clock = Clock()
    limit = RateLimit(per_second, clock)
    while not (wait := limit.wait_of(b"first")):
        pass
    assert limit.wait_of(b"second") == 0
    clock.now += wait * 0.9
    assert limit.wait_of(b"first") == pytest.approx(wait * 0.1)
    clock.now += wait * 0.1 + 1e-6
    assert limit.wait_of(b"first") == 0


def test_without_a_limit_all_requests_pass() -> None:
    limit = RateLimit(0)
    assert not any(limit.wait_of(b"key") for _ in range(1_000))


def test_too_many_requests_of_a_key_are_refused_and_probes_are_not(
    alone: Settings, serve: Callable[[Settings], Ask]
) -> None:
    ask = serve(alone.model_copy(update={"api_keys": "first,second", "api_requests_per_second": 0.01}))
    first, second = ({"authorization": f"Bearer {key}"} for key in ("first", "second"))
    assert ask("/trending", **first)[0] == 200
    status, problem = ask("/trending", **first)
    assert (status, problem["title"]) == (429, "Too Many Requests")
    assert "Retry-After" in problem["next_step"]
    assert ask("/trending", **second)[0] == 200
    assert ask("/alive")[0] == 200
