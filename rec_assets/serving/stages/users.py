"""Who asks: features from the online store, then as the models read them."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from rec_assets.features import online
from rec_assets.features.views import USER_FEATURES
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.lookups import Lookups
from rec_assets.serving.request import UNKNOWN, column
from rec_assets.serving.stages.base import Array, Arrays, Outage
from rec_assets.settings import Settings

ReadUsers = Callable[[npt.NDArray[np.int32]], online.OnlineRows]


class UserLookup:
    """One read of the online store for all users; who is unknown, or all while it is away, are strangers."""

    def __init__(self, read_users: ReadUsers, age_mean: float) -> None:
        self._read_users = read_users
        self._age_mean = age_mean
        self.outage = Outage("The online store is away, users are served as strangers")

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "UserLookup":
        """Opens the feature store; Valkey may be away now."""
        store = online.open_store(settings)
        return cls(lambda users: online.read_users(store, users), bundle.lookups.age_mean)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """user_id int32 [B] → user_id, gender, top_category int32 [B], age float32 [B]; raises RequestError."""
        users = column("user_id", inputs["user_id"])
        rows = self.outage.survive(lambda: self._read_users(users))
        if rows is None:
            rows = online.OnlineRows.missing(len(users), USER_FEATURES)
        return {
            "user_id": np.where(rows.known, users, UNKNOWN).astype(np.int32),
            "age": np.where(rows.known, rows.columns["age"], self._age_mean).astype(np.float32),
            "gender": rows.columns["gender"],
            "top_category": rows.columns["top_category"],
        }


class UserTransform:
    """Encodes and normalises user features."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "UserTransform":
        """Reads the fitted workflow."""
        return cls(bundle.lookups)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Raw user_id, gender, top_category int32 [B], age float32 [B] → the query tower's features, [B] each."""
        encoded = {name: self._lookups.encode(name, inputs[name]) for name in ("user_id", "gender", "top_category")}
        age = inputs["age"]
        return encoded | {"age_norm": self._lookups.age_norm(age), "age_binned": self._lookups.age_binned(age)}
