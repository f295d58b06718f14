"""Stage that returns the items related to a basket, without unavailable and blocked items."""

from collections.abc import Mapping

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.datasets.related.tables import RelatedItems
from rec_assets.features.store.unavailable import is_among
from rec_assets.inference.lookups import Lookups
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.related_request import validate_related
from rec_assets.serving.stages.base import Array, Arrays
from rec_assets.serving.stages.rules import FollowedRules, GetRules, no_rules
from rec_assets.serving.stages.unavailable import Unavailable
from rec_assets.serving.tables.memory_mapped import related_tables
from rec_assets.settings import Settings


class RelatedLists:
    """Answers requests for similar items and for items bought together."""

    def __init__(
        self,
        related: RelatedItems | None,
        lookups: Lookups,
        unavailable: Unavailable,
        bundle_id: str,
        rules: GetRules = no_rules,
    ) -> None:
        """Creates the stage; `related` is None for a bundle of an earlier release, which has no such lists."""
        self._rules = rules
        self._related = related
        self._lookups = lookups
        self._unavailable = unavailable
        self._bundle_id = bundle_id
        self.guard = unavailable.guard

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "RelatedLists":
        """Maps the tables and reads the unavailable items; Valkey may be unavailable."""
        unavailable, rules = Unavailable.load(bundle, settings), FollowedRules.load(bundle, settings)
        return cls(related_tables(bundle), bundle.lookups, unavailable, bundle.bundle_id, rules)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Maps kind and length [1], item_ids [n] → ordered_ids int32 and ordered_scores float32 [k], bundle_id [1].

        Raises RequestError. Unknown items have no related items.
        """
        kind, basket, length = validate_related(inputs)
        ids, scores = np.empty(0, np.int32), np.empty(0, np.float32)
        known = basket[self._lookups.is_known("item_id", basket)]
        if self._related is None:
            # The trial request of a promotion has no known item, so such a bundle can be live.
            if len(known):
                raise RequestError(f"bundle {self._bundle_id} has no related items, promote a newer bundle")
        elif len(known):
            codes, sums = self._related.of_basket(kind, self._lookups.encode("item_id", known))
            decoded = self._lookups.decode("item_id", codes)
            hidden, rules = self._unavailable(decoded), self._rules()
            if rules is not None:
                hidden |= is_among(decoded, rules.blocked)
            shown = np.flatnonzero(~hidden)[:length]
            ids, scores = decoded[shown], sums[shown].astype(np.float32)
        return {
            "ordered_ids": ids,
            "ordered_scores": scores,
            "bundle_id": np.array([self._bundle_id.encode()], np.object_),
        }
