"""Stage that removes unavailable, blocked and seen items, and refills short lists with popular unseen items."""

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.realtime.stores.seen_items import SeenItems
from rec_assets.serving.graph import row_splits
from rec_assets.serving.graph.filters import FILTERS, filter_texts, parse
from rec_assets.serving.graph.request import Ids, sessions, user_ids
from rec_assets.serving.graph.spec import RECENT
from rec_assets.serving.graph.tensors import FilterSeenItemsInputs, FilterSeenItemsOutputs
from rec_assets.serving.rules.active import ActiveRules
from rec_assets.serving.stages.allowed import GetCatalog, KeptByFilter
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.catalog import read_catalog
from rec_assets.serving.stages.circuit_breaker import valkey_breaker
from rec_assets.serving.stages.followed.rules import FollowedRules, GetRules, no_rules
from rec_assets.serving.stages.followed.unavailable import Unavailable
from rec_assets.serving.stages.session import has_session
from rec_assets.serving.tables.fallback_items import Fallback
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect_for_requests

Scores = npt.NDArray[np.float32]


class SeenFilter:
    """Removes unavailable items and those in each user's Bloom filter, and refills short lists.

    The Bloom filters are read in one round trip. No item counts as seen if Valkey is unavailable or the policy filters
    nothing. The items of a session are seen if the policy covers clicks. A short list is refilled with the most
    popular unseen items that its filter allows; each gets the lowest retrieval score of the list's candidates.
    """

    def __init__(
        self,
        seen_items: SeenItems | None,
        fallback: Fallback,
        filtered: Callable[[str], Fallback],
        least: int,
        unavailable: Unavailable,
        guard: StoreGuard,
        *,
        covers_sessions: bool = False,
        rules: GetRules = no_rules,
    ) -> None:
        """Creates the stage.

        Args:
            seen_items: the Bloom filters, None to filter nothing.
            fallback: popular items that refill short lists.
            filtered: returns those of them that the text of a filter allows.
            least: minimum number of candidates per user; shorter lists are refilled.
            unavailable: items that no list may show.
            guard: guard of the Bloom filters.
            covers_sessions: True removes the items of a request's session.
            rules: returns the active rules of the shop.
        """
        self._rules = rules
        self._covers_sessions = covers_sessions
        self._seen_items = seen_items
        self._fallback = fallback
        self._filtered = filtered
        self._least = least
        self._unavailable = unavailable
        self.guard = guard
        self.catalog_guard = unavailable.guard

    @classmethod
    def load(
        cls,
        bundle: Bundle,
        settings: Settings,
        rules: GetRules | None = None,
        catalog: GetCatalog | None = None,
    ) -> "SeenFilter":
        """Reads item popularity and the unavailable items. Valkey may be unavailable.

        Args:
            bundle: the bundle.
            settings: policy of the seen filter, and the address of Valkey.
            rules: returns the active rules; by default, the stage follows the rules of the shop.
            catalog: returns the current features and brands of all items; by default they are read for the first
                short list with a filter.
        """
        filters = None
        if settings.seen_filter != "nothing":
            filters = SeenItems(connect_for_requests(settings))
        consequence = "The Bloom filters are unavailable, so seen items are not removed"
        guard = StoreGuard("seen_items", consequence, valkey_breaker(settings))
        fallback, read = Fallback.load(bundle), cache(lambda: read_catalog(bundle, settings))
        return cls(
            filters,
            fallback,
            KeptByFilter(lambda _, allowed: fallback.among(allowed), catalog or (lambda: read()()), bundle.lookups),
            settings.ranking_topk,
            Unavailable.load(bundle, settings),
            guard,
            covers_sessions=settings.seen_filter == "clicked",
            rules=rules or FollowedRules.load(bundle, settings),
        )

    def __call__(self, inputs: FilterSeenItemsInputs) -> FilterSeenItemsOutputs:
        """Removes unavailable and seen candidates and refills short lists.

        Maps user_id int32 [B], item_id and retrieval_score [N], history_item_id [B, LENGTH] → item_id and
        retrieval_score of the new lists, and row_splits int64 [B + 1]. The inputs recent, int32 [B, n, 2], and filters,
        texts [B], are optional. Raises RequestError.
        """
        users, items, scores = user_ids(inputs), inputs["item_id"], inputs["retrieval_score"]
        splits = row_splits.splits_of(inputs, len(items))
        texts = filter_texts(inputs.get(FILTERS), len(users))
        if (rules := self._rules()) is not None and rules.pins:
            items, scores, splits = with_pins(rules, items, scores, splits, texts == "")
        left_out = self._left_out(inputs)
        unseen = ~self._hidden(users, items, splits, left_out)
        kept = row_splits.keep(splits, unseen)
        missing = self._least - np.diff(kept)
        if (missing <= 0).all():  # nearly always
            return {"item_id": items[unseen], "retrieval_score": scores[unseen], "row_splits": kept}
        owners = row_splits.request_of(splits)[unseen]
        refill, refill_scores, refill_owners = self._refill(
            users, items, scores, splits, missing, inputs["history_item_id"], left_out, texts
        )
        order = np.argsort(np.concatenate([owners, refill_owners]), kind="stable")
        return {
            "item_id": np.concatenate([items[unseen], refill])[order],
            "retrieval_score": np.concatenate([scores[unseen], refill_scores])[order],
            "row_splits": kept + np.searchsorted(refill_owners, np.arange(len(splits))),
        }

    def _left_out(self, inputs: FilterSeenItemsInputs) -> Ids | None:
        """Returns further items that each request leaves out, raw ids [B, n] padded with -1; None without any."""
        if not self._covers_sessions or RECENT not in inputs or not has_session(inputs[RECENT]).any():
            return None
        return sessions(inputs[RECENT], len(inputs["user_id"]))[..., 0]

    def _hidden(self, users: Ids, items: Ids, splits: row_splits.Splits, left_out: Ids | None) -> npt.NDArray[np.bool_]:
        """Returns True for candidates [N] that are unavailable, seen or in their request's row of `left_out`."""
        hidden = self._seen(users, items, splits) | self._unavailable(items)
        if (rules := self._rules()) is not None:
            hidden |= rules.blocked.has(items)
        if left_out is not None:
            requests = np.arange(len(left_out))[:, None] << 32
            hidden |= np.isin((row_splits.request_of(splits) << 32) + items, (requests + left_out)[left_out >= 0])
        return hidden

    def _seen(self, users: Ids, items: Ids, splits: row_splits.Splits) -> npt.NDArray[np.bool_]:
        """Returns True for seen candidates [N]; all False if nothing is filtered or Valkey is unavailable."""
        filters, seen = self._seen_items, None
        if filters is not None and len(items):
            seen = self.guard.call(lambda: filters.contain(users, items, splits))
        return np.zeros(len(items), np.bool_) if seen is None else seen

    def _refill(
        self,
        users: Ids,
        items: Ids,
        scores: Scores,
        splits: row_splits.Splits,
        missing: npt.NDArray[np.int64],
        histories: Ids,
        left_out: Ids | None,
        texts: npt.NDArray[np.object_],
    ) -> tuple[Ids, Scores, npt.NDArray[np.int64]]:
        """Returns refill items for short lists, their scores, and their request numbers in ascending order.

        Example: lists need 3 items. Request 0 has 3 unseen candidates. Request 1 has the candidates 10 (score 0.9) and
        13 (score 0.4), and its user has seen 10 and 19.

        1. Request 1 keeps only item 13, so 2 items are missing.
        2. The popular items are 13, 16, 19, 22, 25. Item 13 is a candidate already: 16, 19, 22, 25 remain.
        3. The user has seen 19: 16, 22, 25 remain.
        4. The first 2 of them get the lowest score of the candidates: ([16, 22], [0.4, 0.4], [1, 1]).
        """
        # 1. Finds the short lists; `missing` is the number of items that each one needs.
        short = np.flatnonzero(missing > 0)

        # 2. Takes the popular items for each short list, without the candidates of its request.
        popular_items, lowest_scores = [], []
        for request in short:
            candidates = slice(splits[request], splits[request + 1])
            popular = self._popular(texts[request], histories[request])
            popular_items.append(popular[~np.isin(popular, items[candidates])])
            lowest_scores.append(scores[candidates].min() if splits[request] < splits[request + 1] else 0)
        ids = np.concatenate([np.empty(0, np.int32), *popular_items])
        ids_splits = row_splits.from_counts(np.array([len(popular) for popular in popular_items], np.int64))

        # 3. Keeps only available, unseen items, with one round trip for all short lists.
        kept = ~self._hidden(users[short], ids, ids_splits, None if left_out is None else left_out[short])
        ids, ids_splits = ids[kept], row_splits.keep(ids_splits, kept)

        # 4. Takes as many items as each list needs, at the lowest score of its candidates (0 without candidates).
        row = row_splits.request_of(ids_splits)  # position in `short`
        taken = row_splits.place_of(ids_splits) < missing[short][row]
        ids, row = ids[taken], row[taken]
        return ids, np.array(lowest_scores, np.float32)[row], short[row]

    def _popular(self, text: str, history: Ids) -> Ids:
        """Returns the raw ids of popular items that the text of a filter allows, in the order for a history."""
        if not text:
            return self._fallback.order(history)
        return self._filtered(text).order(history, with_own=not parse(text).new_to_user)


def with_pins(
    rules: ActiveRules, items: Ids, scores: Scores, splits: row_splits.Splits, unfiltered: npt.NDArray[np.bool_]
) -> tuple[Ids, Scores, row_splits.Splits]:
    """Adds the pinned items to the candidates of requests without a filter, so that the ranker scores them.

    A new candidate is the last of its request and gets the lowest score of its candidates, 0 without candidates. Lists
    with a filter pin only what retrieval found, because a pinned item may not satisfy the filter.
    """
    ids, values, counts = [], [], []
    for begin, end, is_open in zip(splits[:-1].tolist(), splits[1:].tolist(), unfiltered.tolist(), strict=True):
        candidates = items[begin:end]
        absent = [pin.item_id for pin in rules.open_pins if is_open and not (candidates == pin.item_id).any()]
        lowest = scores[begin:end].min() if absent and begin < end else np.float32(0)
        ids += [candidates, np.array(absent, np.int32)]
        values += [scores[begin:end], np.full(len(absent), lowest, scores.dtype)]
        counts.append(end - begin + len(absent))
    if sum(counts) == len(items):
        return items, scores, splits
    return np.concatenate(ids), np.concatenate(values), row_splits.from_counts(np.array(counts, np.int64))
