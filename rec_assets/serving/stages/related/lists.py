"""Stage of the lists around a basket, and of the items to buy again, without unavailable and blocked items."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.datasets.related.again import AGAIN
from rec_assets.datasets.related.tables import COMPLEMENT, RelatedItems
from rec_assets.features.history import Ids
from rec_assets.inference.lookups import Lookups
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.related_request import validate_related
from rec_assets.serving.stages.base import Array, Arrays, StoreGuard
from rec_assets.serving.stages.followed.rules import FollowedRules, GetRules, no_rules
from rec_assets.serving.stages.followed.unavailable import Unavailable
from rec_assets.serving.stages.related.again import DueItems, history_guard
from rec_assets.serving.tables.memory_mapped import related_tables, signal_tables
from rec_assets.settings import Settings


class RelatedLists:
    """Answers requests for the lists around a basket, and for items that a user is due to buy again."""

    def __init__(
        self,
        related: RelatedItems | None,
        categories: Ids,
        lookups: Lookups,
        unavailable: Unavailable,
        bundle_id: str,
        due_items: DueItems,
        guard: StoreGuard,
        rules: GetRules = no_rules,
    ) -> None:
        """Creates the stage.

        Args:
            related: tables of the bundle, None for a bundle of an earlier release.
            categories: finest category by encoded item id [v].
            lookups: lookups of the bundle.
            unavailable: items that no list may show.
            bundle_id: id of the bundle.
            due_items: the list of a user.
            guard: guard of the histories that `due_items` reads.
            rules: returns the shop's rules.
        """
        self._rules = rules
        self._related = related
        self._categories = categories
        self._lookups = lookups
        self._unavailable = unavailable
        self._bundle_id = bundle_id
        self._due_items = due_items
        self.guard = unavailable.guard
        self.history_guard = guard

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "RelatedLists":
        """Maps the tables and reads the unavailable items; Valkey may be unavailable."""
        guard = history_guard(settings)
        due_items = DueItems.load(bundle, settings, guard)
        unavailable, rules = Unavailable.load(bundle, settings), FollowedRules.load(bundle, settings)
        categories, related = signal_tables(bundle)["group_l2"], related_tables(bundle)
        return cls(related, categories, bundle.lookups, unavailable, bundle.bundle_id, due_items, guard, rules)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Returns one list.

        Maps kind, length, user_id and timestamp [1], and item_ids [n] → ordered_ids int32 and ordered_scores float32
        [k], bundle_id and reason [1]. Raises RequestError. Unknown items have no related items.
        """
        request = validate_related(inputs)
        if request.kind == AGAIN:
            items, scores, reason = self._due_items(request.user_id, request.timestamp)
        else:
            items, scores = self._of_basket(request.kind, request.item_ids)
            reason = ""
        hidden, rules = self._unavailable(items), self._rules()
        if rules is not None:
            hidden |= rules.blocked.has(items)
        shown = np.flatnonzero(~hidden)[: request.length]
        return {
            "ordered_ids": items[shown],
            "ordered_scores": scores[shown].astype(np.float32),
            "bundle_id": np.array([self._bundle_id.encode()], np.object_),
            "reason": np.array([reason.encode()], np.object_),
        }

    def _of_basket(self, kind: str, basket: Ids) -> tuple[Ids, npt.NDArray[np.float64]]:
        """Returns raw items and scores for a basket of raw items, best first."""
        known = basket[self._lookups.is_known("item_id", basket)]
        if not len(known):
            # The trial request of a promotion has no known item, so a bundle of an earlier release can be live.
            return np.empty(0, np.int32), np.empty(0)
        if self._related is None or kind not in self._related.tables:
            raise RequestError(f"bundle {self._bundle_id} has no related items ({kind}), promote a newer bundle")
        encoded = self._lookups.encode("item_id", known)
        if kind == COMPLEMENT:
            codes, scores = self._related.complement_of(encoded, self._categories)
        else:
            codes, scores = self._related.of_basket(kind, encoded)
        return self._lookups.decode("item_id", codes), scores
