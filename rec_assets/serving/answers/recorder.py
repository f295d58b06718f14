"""Sends answers to the stream from a thread of its own. No request waits for it."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event

import numpy as np
import numpy.typing as npt

from rec_assets.realtime.answers.stream import Answer, AnswerStream
from rec_assets.serving.answers.capture import answers_of, picked
from rec_assets.serving.stages.base import Arrays, StoreGuard
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect_beside_requests

MOST_WAITING = 200  # batches of requests, a second of them under full load
EVERY_S = 0.05


class AnswerRecorder:
    """A bounded queue of answers. A full queue, and a Valkey that does not answer, lose answers and count them."""

    def __init__(
        self, send: Callable[[Sequence[Answer]], None], share: float = 1.0, most_waiting: int = MOST_WAITING
    ) -> None:
        """Creates an empty queue.

        Args:
            send: adds answers to the stream.
            share: share of the answers to record, 0 to 1.
            most_waiting: number of batches that may wait.
        """
        self._send = send
        self._share = share
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Arrays, npt.NDArray[np.bool_]]] = deque()
        self._refused = self._unsent = 0  # each is written by one thread only
        self._guard = StoreGuard("answers", "The stream of answers is unavailable, so answers are not recorded")

    @classmethod
    def of(cls, settings: Settings) -> "AnswerRecorder":
        """Returns a recorder that sends to the settings' Valkey; Valkey may be unavailable."""
        return cls(AnswerStream(connect_beside_requests(settings)).send, settings.answer_share)

    @property
    def lost(self) -> int:
        """Returns the number of answers that were not recorded although they should be."""
        return self._refused + self._unsent

    def record(self, tensors: Arrays, wanted: npt.NDArray[np.bool_]) -> None:
        """Takes answers of a batch.

        Args:
            tensors: all tensors of the graph, which nobody changes afterwards.
            wanted: True for the answers to record [B].
        """
        count = int(wanted.sum())
        if not self._share or not count:
            return
        if len(self._waiting) >= self._most_waiting:
            self._refused += count
            return
        self._waiting.append((picked(tensors), wanted))

    def run(self, stop: Event) -> None:
        """Sends answers until `stop` is set and none waits."""
        while not stop.wait(EVERY_S):
            self.send_waiting()
        self.send_waiting()

    def send_waiting(self) -> None:
        """Sends the answers that wait."""
        while self._waiting:
            answers = list(answers_of(*self._waiting.popleft(), self._share))
            if answers and not self._guard.call(partial(self._is_sent, answers)):
                self._unsent += len(answers)
            time.sleep(0)  # lets a request have the interpreter

    def _is_sent(self, answers: Sequence[Answer]) -> bool:
        self._send(answers)
        return True
