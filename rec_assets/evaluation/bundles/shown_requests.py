"""Requests of recorded answers, to answer again: with sessions, filters, anonymous users, features and histories."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from rec_assets.bundles.bundle import Bundle
from rec_assets.evaluation.bundles.replay import USERS_AT_ONCE, Batch
from rec_assets.features.history import LENGTH
from rec_assets.features.store.online import OnlineRows
from rec_assets.features.store.views import USER_FEATURES
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.answers.schema import INPUTS
from rec_assets.realtime.stores.recent_items import NO_ITEM
from rec_assets.serving.answers.inputs import unpack_inputs
from rec_assets.serving.graph.filters import FILTERS
from rec_assets.serving.graph.request import sessions
from rec_assets.serving.graph.spec import RECENT
from rec_assets.serving.stages.users import UserLookup


@dataclass(frozen=True)
class ShownRequests:
    """The requests of some answers.

    Attributes:
        answers: columns of `realtime.answers.schema.SCHEMA`.
        inputs: the unpacked inputs of each answer.
    """

    answers: pl.DataFrame
    inputs: list[dict[str, Any]]

    @classmethod
    def sample(cls, log: AnswerLog, at: datetime, days: int, most: int, seed: int) -> "ShownRequests":
        """Draws answers of the last days from the log.

        Args:
            log: the log of answers.
            at: the end of the time, with a zone.
            days: number of days before `at`.
            most: largest number of answers.
            seed: random seed of the sample.
        """
        first = (at - timedelta(days=days)).date().isoformat()
        return cls.of(log.sample([day for day in log.days() if first < day <= at.date().isoformat()], most, seed))

    @classmethod
    def of(cls, answers: pl.DataFrame) -> "ShownRequests":
        """Reads the inputs; answers with inputs of another release are left out."""
        found: list[dict[str, Any] | None] = []
        for content in answers[INPUTS]:
            found.append(None)
            with suppress(ValueError):
                found[-1] = unpack_inputs(content)
        readable = pl.Series([one is not None for one in found], dtype=pl.Boolean)
        return cls(answers.filter(readable), [one for one in found if one is not None])

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, bundle: Bundle) -> Iterator[Batch]:
        """Yields the requests for `replay.ranked_lists`, in order."""
        for start in range(0, len(self), USERS_AT_ONCE):
            rows, inputs = self.answers.slice(start, USERS_AT_ONCE), self.inputs[start : start + USERS_AT_ONCE]
            columns = {name: rows[name].to_numpy() for name in ("user_id", "device_type", "timestamp")}
            recent = np.concatenate([sessions(one[RECENT].reshape(1, -1, 2), 1) for one in inputs])
            filters = np.array(rows[FILTERS].to_list(), np.object_)
            yield Batch({**columns, RECENT: recent, FILTERS: filters}, _user_lookup(bundle, inputs))


def _user_lookup(bundle: Bundle, inputs: list[dict[str, Any]]) -> UserLookup:
    """Returns a `UserLookup` that finds the recorded features and histories, in the order of the inputs."""
    features = {name: np.concatenate([one[f"raw_user/{name}"] for one in inputs]) for name in USER_FEATURES}
    items = np.full((len(inputs), LENGTH), NO_ITEM, np.int32)
    times = np.zeros(items.shape, np.int64)
    for row, one in enumerate(inputs):
        history = one["raw_user/recent_item_id"]
        items[row, : len(history)], times[row, : len(history)] = history, one["raw_user/recent_timestamp"]
    stored = OnlineRows(np.ones(len(inputs), np.bool_), features), (items, times)
    return UserLookup(lambda _: stored, bundle.lookups.age_mean)
