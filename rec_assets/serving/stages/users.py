"""Stages for user features and histories: raw values of the online stores, then encoded values for the models."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.history import LENGTH, PADDING_ID, Ids, Times, UserHistories
from rec_assets.features.store import online
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import USER_FEATURES, USER_VIEW
from rec_assets.features.top_category import NO_CATEGORY
from rec_assets.inference.lookups import FIRST_KNOWN, Lookups
from rec_assets.realtime.stores.recent_items import NO_ITEM, RecentItems
from rec_assets.serving.graph.request import UNKNOWN, sessions, user_ids
from rec_assets.serving.graph.spec import RECENT
from rec_assets.serving.graph.tensors import (
    FeastUserLookupInputs,
    FeastUserLookupOutputs,
    NvtUserTransformInputs,
    NvtUserTransformOutputs,
)
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.circuit_breaker import CircuitBreaker, valkey_breaker
from rec_assets.serving.stages.session import has_session, top_categories, with_session
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect_for_requests
from rec_assets.storage.valkey.round_trip import RoundTrip

# Maps raw user ids [B] to their stored features, and to their histories as `RecentItems.histories_of`.
ReadUsers = Callable[[npt.NDArray[np.int32]], tuple[online.OnlineRows, tuple[Ids, Times]]]


class StoredUsers:
    """Reads features and histories of users in one round trip."""

    def __init__(self, settings: Settings) -> None:
        """Connects at the first read."""
        self._features = OnlineReader(settings, USER_VIEW)
        self._round_trip = RoundTrip(connect_for_requests(settings))

    def __call__(self, users: npt.NDArray[np.int32]) -> tuple[online.OnlineRows, tuple[Ids, Times]]:
        """Reads users [B]; damaged values count as missing. Raises the errors of Redis."""
        features, histories = self._features.commands(users), RecentItems.commands(users)
        answers = self._round_trip([*features, *histories])
        return self._features.rows(answers[: len(users)]), RecentItems.histories_of(answers[len(users) :])


class UserLookup:
    """Reads the stores once for all users. Without stored values, a user is an anonymous user."""

    def __init__(self, read_users: ReadUsers, age_mean: float, breaker: CircuitBreaker | None = None) -> None:
        self._read_users = read_users
        self._age_mean = age_mean
        consequence = "The stored users are unavailable, so lists ignore user features and histories"
        self.guard = StoreGuard("users", consequence, breaker)

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "UserLookup":
        """Prepares the reads; Valkey may be unavailable."""
        return cls(StoredUsers(settings), bundle.lookups.age_mean, valkey_breaker(settings))

    def __call__(self, inputs: FeastUserLookupInputs) -> FeastUserLookupOutputs:
        """Maps user_id int32 [B] → raw features [B], recent_item_id int32 and recent_timestamp int64 [B, LENGTH].

        Features are age float32, gender and top_category int32. Recent items are sorted newest first and padded with
        item -1 and time 0. Raises RequestError.
        """
        users = user_ids(inputs)
        stored = self.guard.call(lambda: self._read_users(users))
        if stored is None:
            empty = np.full((len(users), LENGTH), NO_ITEM, np.int32), np.zeros((len(users), LENGTH), np.int64)
            stored = online.OnlineRows.missing(len(users), USER_FEATURES), empty
        rows, (items, times) = stored
        # All anonymous users have the same id but must not share a history.
        anonymous = users == UNKNOWN
        if anonymous.any():
            items, times = (
                np.where(anonymous[:, None], np.int32(NO_ITEM), items),
                np.where(anonymous[:, None], 0, times),
            )
        return {
            "age": np.where(rows.known, rows.columns["age"], self._age_mean).astype(np.float32),
            "gender": rows.columns["gender"],
            "top_category": rows.columns["top_category"],
            "recent_item_id": items,
            "recent_timestamp": times,
        }


class UserTransform:
    """Encodes and normalizes user features, and keeps only recent items from before the request."""

    def __init__(self, lookups: Lookups, categories: Ids | None = None) -> None:
        """Stores the fitted workflow, and the raw level-1 category by encoded item id [V] for sessions."""
        self._lookups = lookups
        self._categories = categories

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "UserTransform":
        """Reads the fitted workflow and the categories of the catalog."""
        import polars as pl

        catalog = pl.read_parquet(bundle.file("catalogue"), columns=["item_id", "category_l1"])
        categories = np.full(bundle.lookups.size("item_id"), NO_CATEGORY, np.int32)
        categories[bundle.lookups.encode("item_id", catalog["item_id"].to_numpy())] = catalog["category_l1"].to_numpy()
        categories[:FIRST_KNOWN] = NO_CATEGORY
        return cls(bundle.lookups, categories)

    def __call__(self, inputs: NvtUserTransformInputs) -> NvtUserTransformOutputs:
        """Maps the outputs of `UserLookup` and timestamp int32 [B] → features [B] and histories [B, LENGTH].

        The input recent, int32 [B, n, 2], is optional. Its items join the history and give the `top_category` of a user
        without a stored one. A history consists of history_item_id int32 (encoded), history_timestamp int64 and
        history_hours float32, newest first, padded with 0.
        """
        age, now, top_category = inputs["age"], inputs["timestamp"], inputs["top_category"]
        recent, times = inputs["recent_item_id"], inputs["recent_timestamp"]
        if RECENT in inputs and has_session(inputs[RECENT]).any():
            session = sessions(inputs[RECENT], len(now))
            recent, times = with_session(recent, times, session)
            top_category = self._with_session(top_category, session, now)
        encoded = np.where(recent == NO_ITEM, np.int32(PADDING_ID), self._lookups.encode("item_id", recent))
        histories = UserHistories(encoded, times).before(now)
        return {
            "age_norm": self._lookups.age_norm(age),
            "age_binned": self._lookups.age_binned(age),
            "gender": self._lookups.encode("gender", inputs["gender"]),
            "top_category": self._lookups.encode("top_category", top_category),
            "history_item_id": histories.item_ids,
            "history_timestamp": histories.timestamps,
            "history_hours": histories.hours(now),
        }

    def _with_session(self, stored: Ids, session: Ids, now: Ids) -> Ids:
        """Returns the stored top categories [B], and those of the sessions for users without a stored one."""
        if self._categories is None:
            return stored
        items = session[..., 0]
        categories = self._categories[self._lookups.encode("item_id", items)]
        return np.where(stored == NO_CATEGORY, top_categories(categories, session[..., 1], now), stored)
