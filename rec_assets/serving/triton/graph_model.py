"""Adapter between Triton's Python backend and the whole graph. One process answers a batch of requests at once."""

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import compress, pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np

from rec_assets.common.concurrency.background_thread import background_thread
from rec_assets.realtime.answers.ids import new_ids
from rec_assets.serving.answers.recorder import AnswerRecorder
from rec_assets.serving.graph import row_splits
from rec_assets.serving.graph.request import PROBE, validate
from rec_assets.serving.graph.spec import ANSWER_ID, BUNDLE_ID, REQUEST
from rec_assets.serving.runner import load_stages, needed, tensors_of
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.serving.triton.stage_model import BundleModel, LostAnswers, published_bundle
from rec_assets.settings import Settings

# Values that pad a list to the longest list of its request.
_PADDING = {"ordered_ids": -1, "ordered_scores": 0}


class GraphModel(BundleModel):
    """The graph as a Triton model. Triton's scheduler forms batches, and a request may contain several users."""

    def load(self, version: Path, settings: Settings) -> Iterable[Stage]:
        """Loads all stages."""
        self._stages = load_stages(published_bundle(version, settings), settings)
        self._specs = needed(self._stages)
        self._longest = settings.ranking_topk
        self._recorder = AnswerRecorder.of(settings)
        self._lost = LostAnswers(self.backend, self.name)
        self._background = ExitStack()
        self._background.enter_context(background_thread(self._recorder.run))
        return self._stages.values()

    def finalize(self) -> None:
        """Sends the last answers and spans. Triton calls it before it unloads the model."""
        self._background.close()
        super().finalize()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers all requests as one batch."""
        checked = [self.attempt(self._validated, request) for request in requests]
        is_valid = [isinstance(request, dict) for request in checked]
        seen = [request.request_id() != PROBE for request in compress(requests, is_valid)]
        with self.traced(requests):
            answers = iter(self._answers([*compress(checked, is_valid)], seen) if seen else ())
        return [next(answers) if valid else error for valid, error in zip(is_valid, checked, strict=True)]

    def _validated(self, request: Any) -> Arrays:
        return dict(validate(self.read(request), longest=self._longest))

    def _answers(self, valid: list[Arrays], seen: list[bool]) -> Iterable[Any]:
        """Returns the responses to valid requests. Answers are recorded for those with `seen`."""
        batch = {tensor.name: np.concatenate([request[tensor.name] for request in valid]) for tensor in REQUEST}
        ids = new_ids(len(batch["user_id"]), time.time_ns() // 1_000_000)
        batch[ANSWER_ID.name] = np.array([answer_id.encode() for answer_id in ids], np.object_)
        made = self.attempt(tensors_of, self._stages, batch, self._specs)
        self.count_degraded(len(valid))
        if not isinstance(made, dict):
            return repeat(made)
        counts = np.array([len(request["user_id"]) for request in valid])
        self._recorder.record(made, np.repeat(seen, counts))
        self._lost.count(self._recorder.lost)
        users = row_splits.from_counts(counts)
        return [self.response(lists_of(made, first, end)) for first, end in pairwise(users)]


def lists_of(made: Arrays, first: int, end: int) -> Arrays:
    """Returns the lists of users `first` to `end` from the arrays of `runner.run`: [users, longest list] each.

    Shorter lists are padded with id -1 and score 0. bundle_id and answer_id are [users, 1].
    """
    splits = made[row_splits.ROW_SPLITS][first : end + 1]
    rows, local_splits = slice(splits[0], splits[-1]), splits - splits[0]
    lists: Arrays = {name: made[name][first:end, None] for name in (BUNDLE_ID.name, ANSWER_ID.name)}
    for name, padding in _PADDING.items():
        lists[name] = np.full((end - first, np.diff(local_splits).max()), padding, made[name].dtype)
        lists[name][row_splits.request_of(local_splits), row_splits.place_of(local_splits)] = made[name][rows]
    return lists
