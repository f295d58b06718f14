"""Makes the list: the best candidates in order, or a sample that favours them."""

from collections.abc import Mapping

import numpy as np

from rec_assets.serving import rows
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.stages.base import Array, Arrays
from rec_assets.settings import Settings

TEMPERATURE = 20.0  # the reference's: a score higher by 0.05 is e times as likely to come first


class Ordering:
    """The first `topk` of each request: by score, or in diversity mode drawn without replacement.

    The draw has weights exp(20 score) and is an exponential sort: item i gets the key E_i / w_i, E_i exponential, and
    the smallest keys win (Efraimidis & Spirakis, "Weighted random sampling with a reservoir", 2006).
    """

    def __init__(self, topk: int, rng: np.random.Generator | None = None) -> None:
        """Takes the length of a list, and a generator for diversity mode."""
        self._topk = topk
        self._rng = rng

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Ordering":
        """Needs nothing of the bundle."""
        rng = np.random.default_rng(settings.seed) if settings.diversity_mode else None
        return cls(settings.ranking_topk, rng)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """item_id int32 [N], score float32 [N] → those of the lists, in order, and their row_splits int64 [B + 1].

        Equal scores keep the order of arrival.
        """
        items, scores = inputs["item_id"], inputs["score"]
        splits = rows.splits_of(inputs, len(items))
        order = np.lexsort((-self._preference(scores), rows.request_of(splits)))
        chosen = order[rows.place_of(splits) < self._topk]
        return {
            "item_id": items[chosen],
            "score": scores[chosen],
            rows.ROW_SPLITS: rows.from_counts(np.minimum(np.diff(splits), self._topk)),
        }

    def _preference(self, scores: Array) -> Array:
        if self._rng is None:
            return scores
        # -log(E / w): logarithms of weights do not overflow.
        return TEMPERATURE * scores.astype(np.float64) - np.log(self._rng.exponential(size=len(scores)))
