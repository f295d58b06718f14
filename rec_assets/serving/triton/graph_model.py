"""Adapter between Triton's Python backend and the whole graph. One process answers a batch of requests at once."""

from collections.abc import Iterable, Sequence
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np

from rec_assets.serving.graph import row_splits
from rec_assets.serving.graph.request import validate
from rec_assets.serving.graph.spec import BUNDLE_ID, REQUEST
from rec_assets.serving.runner import answer, load_stages, needed
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.serving.triton.stage_model import BundleModel, published_bundle
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
        return self._stages.values()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers all requests as one batch."""
        checked = [self.attempt(self._validated, request) for request in requests]
        valid = [request for request in checked if isinstance(request, dict)]
        with self.traced(requests):
            answers = iter(self._answers(valid) if valid else ())
        return [next(answers) if isinstance(request, dict) else request for request in checked]

    def _validated(self, request: Any) -> Arrays:
        return dict(validate(self.read(request), longest=self._longest))

    def _answers(self, valid: list[Arrays]) -> Iterable[Any]:
        batch = {tensor.name: np.concatenate([request[tensor.name] for request in valid]) for tensor in REQUEST}
        made = self.attempt(answer, self._stages, batch, self._specs)
        self.count_degraded(len(valid))
        if not isinstance(made, dict):
            return repeat(made)
        users = row_splits.from_counts(np.array([len(request["user_id"]) for request in valid]))
        return [self.response(lists_of(made, first, end)) for first, end in pairwise(users)]


def lists_of(made: Arrays, first: int, end: int) -> Arrays:
    """Returns the lists of users `first` to `end` from the arrays of `runner.run`: [users, longest list] each.

    Shorter lists are padded with id -1 and score 0. bundle_id is [users, 1].
    """
    splits = made[row_splits.ROW_SPLITS][first : end + 1]
    rows, local_splits = slice(splits[0], splits[-1]), splits - splits[0]
    lists: Arrays = {BUNDLE_ID.name: made[BUNDLE_ID.name][first:end, None]}
    for name, padding in _PADDING.items():
        lists[name] = np.full((end - first, np.diff(local_splits).max()), padding, made[name].dtype)
        lists[name][row_splits.request_of(local_splits), row_splits.place_of(local_splits)] = made[name][rows]
    return lists
