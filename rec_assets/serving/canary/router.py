"""The side of a client: it asks the candidate for some users, and counts the answers of both bundles."""

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import BoundedSemaphore, Lock
from typing import Protocol

import redis
from pydantic import ValidationError

from rec_assets.serving.canary.board import CanaryBoard
from rec_assets.serving.canary.route import Route
from rec_assets.serving.canary.tally import (
    CANDIDATE,
    DIFFERENCE,
    LIVE,
    MIRRORED,
    OVERLAP,
    SHADOW,
    answered,
    failed,
    missed,
)
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import PROBE
from rec_assets.serving.recommendations import Recommendations
from rec_assets.serving.stages.followed.follow import follow
from rec_assets.serving.triton.availability import NotServedError, UnavailableError
from rec_assets.serving.triton.model_config import CANDIDATE_SUFFIX
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import OUTAGES, connect_for_requests

CANDIDATE_TIMEOUT_S = 2.0  # a user of the share does not wait longer before the live bundle is asked
_WAITING = 32  # mirrored requests; further ones are not mirrored


class Ask(Protocol):
    """Sends a request to the model with a suffix to its name; raises as `Client.recommend`."""

    def __call__(  # noqa: D102
        self, suffix: str = "", timeout: float = ..., /, *, request_id: str = ""
    ) -> Recommendations: ...


class CanaryRouter:
    """Follows the route of the running canary. Without one, a request costs nothing more.

    A user of the share never gets an error from the candidate: if it fails, the live bundle answers.
    """

    def __init__(self, settings: Settings) -> None:
        """Stores the address of Valkey. While Valkey does not answer, all users get the live bundle."""
        self._board = CanaryBoard(connect_for_requests(settings))
        self._lock = Lock()
        self._counts: dict[str, float] = {}
        self._route: Route | None = None
        self._follows = False
        self._mirror = ThreadPoolExecutor(1, "canary-shadow")
        self._slots = BoundedSemaphore(_WAITING)

    def refresh(self) -> bool:
        """Adds the new counts to the shared ones and reads the route; returns True if it changed."""
        before, route = self._route, None
        with self._lock:
            counts, self._counts = self._counts, {}
        with suppress(redis.RedisError, *OUTAGES, ValidationError):
            if before is not None and counts:
                self._board.add(before.bundle_id, counts)
            route = self._board.route()
        self._route = route
        return route != before

    def answer(self, ask: Ask, user: int) -> Recommendations:
        """Returns the answer to a request of a user: of the candidate for users of its share, else of the live bundle.

        Args:
            ask: sends the request.
            user: raw id of the user.

        Raises:
            RequestError, UnavailableError: the live bundle's.
        """
        if not self._follows:
            self._start()
        route = self._route
        if route is None:
            return ask()
        if route.has(user):
            candidate = self._of_candidate(ask)
            return ask() if candidate is None else candidate
        try:
            answer = ask()
        except (UnavailableError, RequestError):
            self._count({failed(LIVE): 1})
            raise
        if user >= 0:  # the share has no anonymous users either
            self._count({answered(LIVE, answer.milliseconds): 1})
        # Not for security: which requests are mirrored is no secret.
        if random.random() < route.shadow and self._slots.acquire(blocking=False):  # noqa: S311
            self._mirror.submit(self._compare, ask, answer)
        return answer

    def _start(self) -> None:
        with self._lock:
            first, self._follows = not self._follows, True
        if first:
            self.refresh()
            follow(self, "canary")

    def _of_candidate(self, ask: Ask, arm: str = CANDIDATE, request_id: str = "") -> Recommendations | None:
        """Returns the candidate's answer; None if it fails, or if the server that was asked has not loaded it."""
        try:
            answer = ask(CANDIDATE_SUFFIX, CANDIDATE_TIMEOUT_S, request_id=request_id)
        except NotServedError:
            self._count({missed(arm): 1})
            return None
        except (UnavailableError, RequestError):
            self._count({failed(arm): 1})
            return None
        self._count({answered(arm, answer.milliseconds): 1})
        return answer

    def _compare(self, ask: Ask, live: Recommendations) -> None:
        """Sends a mirrored request to the candidate, and counts how its answer differs. Nobody sees this answer."""
        try:
            candidate = self._of_candidate(ask, SHADOW, PROBE)
        finally:
            self._slots.release()
        if candidate is None:
            return
        before, after = dict(live), dict(candidate)
        common = before.keys() & after.keys()
        self._count(
            {
                answered(MIRRORED, live.milliseconds): 1,
                OVERLAP: len(common) / len(before) if before else 1.0,
                DIFFERENCE: sum(abs(before[one] - after[one]) for one in common) / max(len(common), 1),
            }
        )

    def _count(self, counts: Mapping[str, float]) -> None:
        with self._lock:
            for name, value in counts.items():
                self._counts[name] = self._counts.get(name, 0) + value
