"""Leaves out what a user has seen, where the policy filters anything."""

from collections.abc import Mapping

from rec_assets.realtime.seen_items import SeenItems
from rec_assets.realtime.valkey import connect_for_requests
from rec_assets.serving import rows
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.stages.base import Array, Arrays, Outage
from rec_assets.settings import Settings


class SeenFilter:
    """Asks each user's Bloom filter about all candidates in one round trip; passes everything while it is away.

    Without filters it passes everything and asks nobody.
    """

    def __init__(self, seen_items: SeenItems | None) -> None:
        self._seen_items = seen_items
        self.outage = Outage("The Bloom filters are away, seen items are not filtered")

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "SeenFilter":
        """Needs nothing of the bundle; Valkey may be away now."""
        if settings.seen_filter == "nothing":
            return cls(None)
        return cls(SeenItems(connect_for_requests(settings, SeenItems.DB)))

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """user_id int32 [B], item_id and retrieval_score [N] → those not seen, and their row_splits int64 [B + 1]."""
        items, scores = inputs["item_id"], inputs["retrieval_score"]
        splits = rows.splits_of(inputs, len(items))
        filters, seen = self._seen_items, None
        if filters is not None:
            seen = self.outage.survive(lambda: filters.contain(inputs["user_id"], items, splits))
        if seen is None:
            return {"item_id": items, "retrieval_score": scores, rows.ROW_SPLITS: splits}
        return {
            "item_id": items[~seen],
            "retrieval_score": scores[~seen],
            rows.ROW_SPLITS: rows.keep(splits, ~seen),
        }
