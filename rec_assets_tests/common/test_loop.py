"""Loops survive every error, back off, and report."""

import logging
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rec_assets.common.concurrency.loop import FAILURES, Loop, loop_state, loop_states, prometheus_text
from rec_assets.common.errors import ActionableError
from rec_assets_tests.waiting import wait_until


class Work:
    """Raises the given errors one after the other; None is a success."""

    def __init__(self, *errors: Exception | None) -> None:
        self._errors = iter(errors)

    def __call__(self) -> str:
        error = next(self._errors, None)
        if error is not None:
            raise error
        return "done"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left"), KeyError("pruned"), MemoryError(), ZeroDivisionError()]
)
def test_an_error_that_nobody_foresaw_is_reported_and_the_loop_goes_on(tmp_path: Path, error: Exception) -> None:
    loop, stop = Loop("work", Work(None, error, error), 0.01, tmp_path), threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    wait_until(lambda: loop.state.failures == 2)
    state = loop_state(tmp_path, "work")
    assert state is not None and type(error).__name__ in state.error and "in a row" in state.summary
    wait_until(lambda: loop.state.failures == 0)
    stop.set()
    thread.join()
    state = loop_state(tmp_path, "work")
    assert state is not None and (state.failures, state.error, state.note, state.stopped) == (0, "", "done", True)


def test_pauses_grow_up_to_the_limit_and_a_success_resets_them() -> None:
    loop = Loop("work", Work(*[ValueError()] * 6, None), interval_s=20.0, max_pause_s=3.0)
    pauses = []
    for _ in range(7):
        loop.round()
        pauses.append(loop.pause_s)
    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0, 20.0]


def test_one_reason_is_logged_once_with_a_traceback_only_if_it_was_not_foreseen(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    foreseen, unforeseen = ActionableError("Valkey is away.", ""), ValueError("odd")
    loop = Loop("work", Work(foreseen, foreseen, unforeseen, unforeseen, None), 1.0)
    for _ in range(5):
        loop.round()
    assert [(record.message, bool(record.exc_info)) for record in caplog.records] == [
        ("work failed and will be repeated: Valkey is away.", False),
        ("work failed and will be repeated: ValueError: odd", True),
        ("work works again after 4 failures", False),
    ]


def test_a_loop_whose_process_died_or_that_hangs_is_told(tmp_path: Path) -> None:
    loop = Loop("work", Work(), 1.0, tmp_path, longest_s=-1000.0)
    loop.round()
    (state,) = loop_states(tmp_path)
    assert not state.is_alive and state.summary == "died or hangs"


def test_a_home_that_cannot_be_written_does_not_end_the_loop(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where a folder should be")
    loop = Loop("work", Work(ValueError(), None), 1.0, tmp_path)
    loop.round()
    loop.round()
    assert loop.state.failures == 0 and loop_states(tmp_path) == []


def test_the_states_are_metrics_for_prometheus() -> None:
    loop = Loop("work", Work(ValueError(), ValueError()), 1.0)
    loop.round()
    loop.round()
    samples = [
        one for family in text_string_to_metric_families(prometheus_text([loop.state])) for one in family.samples
    ]
    assert [(one.labels, one.value) for one in samples if one.name == FAILURES] == [({"loop": "work"}, 2.0)]
