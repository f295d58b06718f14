"""The interface of a stage, and the guard that lets a stage answer without its store."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy.typing as npt

from rec_assets.common.traces import tracing
from rec_assets.serving.graph.spec import STAGES, local_name
from rec_assets.serving.stages.circuit_breaker import CircuitBreaker
from rec_assets.storage.valkey.client import valkey_span

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Stage(Protocol):
    """Maps named arrays to named arrays; the names are local names of the serving graph.

    The types of a stage's arrays are in `serving.graph.tensors`. User-level arrays have one row per request,
    candidate-level arrays are flat. A batch of several requests also has `row_splits` (see `serving.graph.row_splits`).
    Stages also have a class method `load(bundle, settings)`, which reads their files. An optional attribute `unread`
    names inputs of the graph that a stage does not read.
    """

    def __call__(self, inputs: Any) -> Mapping[str, Any]:
        """Answers a batch of requests."""
        ...


class StoreGuard:
    """Lets a stage answer while its store is unavailable. Counts missed calls and logs the first one of an outage.

    Attributes:
        store: name of the store.
        missed_calls: number of calls that failed or were skipped.
    """

    def __init__(self, store: str, consequence: str, breaker: CircuitBreaker | None = None) -> None:
        """Creates a guard without missed calls.

        Args:
            store: name of the store.
            consequence: start of the log line of an outage: the effect on the answers.
            breaker: circuit breaker, shared by the guards of one server; by default a breaker of its own.
        """
        self.store = store
        self.missed_calls = 0
        self._consequence = consequence
        self._breaker = breaker or CircuitBreaker()
        self._is_away = False

    @property
    def is_away(self) -> bool:
        """Returns True if the last call failed or was skipped."""
        return self._is_away

    def call(self, call: Callable[[], T]) -> T | None:
        """Returns the result of the call, or None if the call fails or the breaker is open."""
        if self._breaker.is_open:
            self._miss("skipped because earlier calls failed")
            return None
        try:
            with valkey_span(self.store):
                answer = call()
        except Exception as error:  # any error of a store's client may reduce quality but must not prevent an answer
            self._breaker.failed()
            self._miss(f"{type(error).__name__}: {error}")
            return None
        self._breaker.answered()
        self._is_away = False
        return answer

    def _miss(self, reason: str) -> None:
        self.missed_calls += 1
        tracing.event(f"{self.store}: {reason}")
        if not self._is_away:
            logger.warning("%s: %s", self._consequence, reason)
        self._is_away = True


def guards_of(stage: Stage) -> list[StoreGuard]:
    """Returns the store guards of a stage."""
    return [value for value in vars(stage).values() if isinstance(value, StoreGuard)]


def inputs_of(stage: str) -> list[str]:
    """Returns the local names of a stage's inputs in the serving graph."""
    return [local_name(name) for spec in STAGES if spec.name == stage for name in spec.reads]
