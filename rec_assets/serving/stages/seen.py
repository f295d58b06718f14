"""Leaves out what a user has seen, where the policy filters anything, and fills up what gets too short by it."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.realtime.seen_items import SeenItems
from rec_assets.serving.graph import row_splits
from rec_assets.serving.graph.request import Ids, user_ids
from rec_assets.serving.stages.base import Array, Arrays, StoreGuard
from rec_assets.serving.stages.circuit_breaker import valkey_breaker
from rec_assets.serving.tables.fallback_items import Fallback
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect_for_requests

Scores = npt.NDArray[np.float32]


class SeenFilter:
    """Asks each user's Bloom filter about all candidates in one round trip; passes everything while it is away.

    Without filters it passes everything and asks nobody. A list that gets too short is filled with the most popular
    unseen items, at the score of its last candidate.
    """

    def __init__(self, seen_items: SeenItems | None, fallback: Fallback, least: int, outage: StoreGuard) -> None:
        """Takes the filters, what fills up, how many candidates each user should have at least, and the outage."""
        self._seen_items = seen_items
        self._fallback = fallback
        self._least = least
        self.outage = outage

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "SeenFilter":
        """Reads popularity; Valkey may be away now."""
        filters = None
        if settings.seen_filter != "nothing":
            filters = SeenItems(connect_for_requests(settings, SeenItems.DB))
        consequence = "The Bloom filters are away, seen items are not filtered"
        outage = StoreGuard("seen_items", consequence, valkey_breaker(settings))
        return cls(filters, Fallback.load(bundle), settings.ranking_topk, outage)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """user_id int32 [B], item_id and retrieval_score [N], history_item_id [B, LENGTH] → those not seen, filled up.

        They come with their row_splits int64 [B + 1]. Raises RequestError.
        """
        users, items, scores = user_ids(inputs), inputs["item_id"], inputs["retrieval_score"]
        splits = row_splits.splits_of(inputs, len(items))
        unseen = ~self._seen(users, items, splits)
        owners = row_splits.request_of(splits)[unseen]
        more, more_scores, more_owners = self._more(users, items, scores, splits, unseen, inputs["history_item_id"])
        order = np.argsort(np.concatenate([owners, more_owners]), kind="stable")
        return {
            "item_id": np.concatenate([items[unseen], more])[order],
            "retrieval_score": np.concatenate([scores[unseen], more_scores])[order],
            row_splits.ROW_SPLITS: row_splits.keep(splits, unseen)
            + np.searchsorted(more_owners, np.arange(len(splits))),
        }

    def _seen(self, users: Ids, items: Ids, splits: row_splits.Splits) -> npt.NDArray[np.bool_]:
        filters, seen = self._seen_items, None
        if filters is not None and len(items):
            seen = self.outage.call(lambda: filters.contain(users, items, splits))
        return np.zeros(len(items), np.bool_) if seen is None else seen

    def _more(
        self,
        users: Ids,
        items: Ids,
        scores: Scores,
        splits: row_splits.Splits,
        unseen: npt.NDArray[np.bool_],
        histories: Ids,
    ) -> tuple[Ids, Scores, npt.NDArray[np.int64]]:
        """Returns the items that fill up, their scores and, ascending, the requests that they are for."""
        missing = self._least - np.diff(row_splits.keep(splits, unseen))
        short = np.flatnonzero(missing > 0)
        spare, lowest = [], []
        for row in short:
            mine = slice(splits[row], splits[row + 1])
            popular = self._fallback.order(histories[row])
            spare.append(popular[~np.isin(popular, items[mine])])
            lowest.append(scores[mine].min() if splits[row] < splits[row + 1] else 0)
        ids = np.concatenate([np.empty(0, np.int32), *spare])
        ends = row_splits.from_counts(np.array([len(row) for row in spare], np.int64))
        kept = ~self._seen(users[short], ids, ends)
        owners = row_splits.request_of(ends)[kept]
        first = row_splits.place_of(row_splits.keep(ends, kept)) < missing[short][owners]
        ids, owners = ids[kept][first], owners[first]
        return ids, np.array(lowest, np.float32)[owners], short[owners]
