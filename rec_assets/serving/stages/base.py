"""The interface of a stage, and its fallback when a store does not answer."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy.typing as npt

from rec_assets.serving.graph.spec import STAGES, local_name
from rec_assets.serving.stages.circuit_breaker import CircuitBreaker

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Stage(Protocol):
    """Named arrays in, named arrays out; the names are the local ones of the serving graph.

    User-level arrays have one row a request, candidate-level arrays are flat. With more than one request `row_splits`
    comes along (see `serving.graph.row_splits`). The stages of a bundle also have a class method
    `load(bundle, settings)`, which reads what they need.
    """

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Answers a batch of requests."""
        ...


class StoreGuard:
    """Keeps a stage answering while a store is away: counts the calls it missed, and logs the first of each outage.

    Attributes:
        store: what is away then.
        missed_calls: how often it did not answer, or was not asked.
    """

    def __init__(self, store: str, consequence: str, breaker: CircuitBreaker | None = None) -> None:
        """Takes the store's name, a sentence on what its absence means, and the breaker that it shares with others."""
        self.store = store
        self.missed_calls = 0
        self._consequence = consequence
        self._breaker = breaker or CircuitBreaker()
        self._away = False

    @property
    def is_away(self) -> bool:
        """True where the last call got no answer, or was not made."""
        return self._away

    def call(self, call: Callable[[], T]) -> T | None:
        """Returns what the call returns; None where it fails, or is not made because others failed just before."""
        if self._breaker.is_open:
            self._miss("it did not answer others")
            return None
        try:
            answer = call()
        except Exception as error:  # whatever a store's client raises, it must cost quality and never an answer
            self._breaker.failed()
            self._miss(f"{type(error).__name__}: {error}")
            return None
        self._breaker.answered()
        self._away = False
        return answer

    def _miss(self, reason: str) -> None:
        self.missed_calls += 1
        if not self._away:
            logger.warning("%s: %s", self._consequence, reason)
        self._away = True


def outages_of(stage: Stage) -> list[StoreGuard]:
    """Returns the outages that a stage may live through."""
    return [value for value in vars(stage).values() if isinstance(value, StoreGuard)]


def inputs_of(stage: str) -> list[str]:
    """Returns the local names of what the serving graph feeds a stage."""
    return [local_name(name) for spec in STAGES if spec.name == stage for name in spec.reads]
