"""Loops that must never end: they survive every error, back off, and report their state to a file.

Does not contain work. Supervisor, agent, worker and the search for orphaned runs give their work to `Loop`.
"""

import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event

from rec_assets.common.errors import ActionableError

MAX_PAUSE_S = 30.0
REPORT_EVERY_S = 1.0  # a loop may have hundreds of rounds per second
LONGEST_S = 300.0  # a longer round counts as hanging

FAILURES, LAST_SUCCESS = "rec_loop_failures", "rec_loop_last_success_timestamp_seconds"
HELP = {FAILURES: "Failed rounds of a loop since its last success", LAST_SUCCESS: "End of a loop's last good round"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopState:
    """State of a loop after its last round.

    Attributes:
        name: name of the loop.
        pid: process of the loop.
        beat: unix time of the last report, in seconds.
        succeeded: unix time of the end of the last successful round; 0 before the first one.
        failures: number of failed rounds since then.
        error: type and message of the last error; empty after a success.
        note: a line of the loop's work about itself.
        longest_s: longest round of a healthy loop, in seconds.
        stopped: True if the loop was told to stop.
    """

    name: str
    pid: int
    beat: float
    succeeded: float = 0.0
    failures: int = 0
    error: str = ""
    note: str = ""
    longest_s: float = LONGEST_S
    stopped: bool = False

    @property
    def is_alive(self) -> bool:
        """Returns True if the loop still reports."""
        return not self.stopped and time.time() - self.beat < MAX_PAUSE_S + self.longest_s and _exists(self.pid)

    @property
    def summary(self) -> str:
        """Returns a line for a person."""
        if not self.is_alive:
            return "stopped" if self.stopped else "died or hangs"
        if self.failures:
            return f"failed {self.failures} times in a row: {self.error}"
        return f"works{f': {self.note}' if self.note else ''}"


class Loop:
    """Repeats work in the calling thread until a stop event is set; no `Exception` ends the loop.

    After a failed round the pause doubles, up to a limit.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        interval_s: float,
        home: Path | None = None,
        max_pause_s: float = MAX_PAUSE_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        """Creates a loop that has not run yet.

        Args:
            name: name in logs, metrics and `rec status`.
            work: one round. If it returns a text, this is the loop's note.
            interval_s: seconds between two rounds.
            home: home folder that gets the state file; without it, only `state` has the state.
            max_pause_s: longest pause after a failed round, in seconds.
            longest_s: longest round of a healthy loop, in seconds.
        """
        self._work, self._interval_s, self._max_pause_s = work, interval_s, max_pause_s
        self._file = None if home is None else _folder(home) / f"{name}.json"
        self._reported = 0.0
        self.state = LoopState(name, os.getpid(), time.time(), longest_s=longest_s)

    def run(self, stop: Event) -> None:
        """Repeats rounds until `stop` is set."""
        while not stop.is_set():
            self.round()
            stop.wait(self.pause_s)
        self.state = replace(self.state, stopped=True, beat=time.time())
        self._report()

    @property
    def pause_s(self) -> float:
        """Returns the seconds to wait before the next round."""
        if not self.state.failures:
            return self._interval_s
        return min(self._max_pause_s, 0.25 * 2.0 ** min(self.state.failures, 10))

    def round(self) -> None:
        """Runs the work once; logs the first of several failures in a row, and the success after them."""
        before = self.state
        try:
            note = self._work()
        except Exception as error:
            reason = error.problem if isinstance(error, ActionableError) else f"{type(error).__name__}: {error}"
            self.state = replace(before, beat=time.time(), failures=before.failures + 1, error=reason)
            if reason != before.error:
                unforeseen = not isinstance(error, ActionableError)
                logger.warning("%s failed and will be repeated: %s", before.name, reason, exc_info=unforeseen)
        else:
            now = time.time()
            note = note if isinstance(note, str) else ""
            self.state = replace(before, beat=now, succeeded=now, failures=0, error="", note=note)
            if before.failures:
                logger.warning("%s works again after %d failures", before.name, before.failures)
        if bool(before.failures) != bool(self.state.failures) or self.state.beat - self._reported > REPORT_EVERY_S:
            self._report()

    def _report(self) -> None:
        self._reported = self.state.beat
        if self._file is None:
            return
        with suppress(OSError):  # a full disk must not end the loop
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(f".{os.getpid()}.part")
            partial.write_text(json.dumps(asdict(self.state)))
            partial.replace(self._file)


def loop_states(home: Path) -> list[LoopState]:
    """Returns the last reported states of all loops of a home, by name. Skips unreadable files."""
    states = []
    for file in sorted(_folder(home).glob("*.json")):
        with suppress(OSError, ValueError, TypeError):
            states.append(LoopState(**json.loads(file.read_text())))
    return states


def loop_state(home: Path, name: str) -> LoopState | None:
    """Returns the last reported state of one loop; None if it never ran."""
    return next((state for state in loop_states(home) if state.name == name), None)


def prometheus_text(states: list[LoopState]) -> str:
    """Returns the states in Prometheus' text format."""
    lines = []
    for metric, values in ((FAILURES, "failures"), (LAST_SUCCESS, "succeeded")):
        lines += [f"# HELP {metric} {HELP[metric]}", f"# TYPE {metric} gauge"]
        lines += [f'{metric}{{loop="{state.name}"}} {getattr(state, values)}' for state in states]
    return "\n".join(lines) + "\n"


def _folder(home: Path) -> Path:
    return home.absolute() / "run" / "loops"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
