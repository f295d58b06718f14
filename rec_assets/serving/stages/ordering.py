"""Makes the list: the best candidates in order, or a sample that favors them."""

from collections.abc import Mapping

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.graph import row_splits
from rec_assets.serving.graph.request import AS_CONFIGURED, Ids, column, list_lengths
from rec_assets.serving.stages.base import Array, Arrays
from rec_assets.settings import Settings

TEMPERATURE = 20.0  # the reference's: a score higher by 0.05 is e times as likely to come first


class Ordering:
    """The first `topk` of each request: by score, or in diversity mode drawn without replacement.

    The draw has weights exp(20 score) and is an exponential sort: item i gets the key E_i / w_i, E_i exponential, and
    the smallest keys win (Efraimidis & Spirakis, "Weighted random sampling with a reservoir", 2006).
    """

    def __init__(self, topk: int, *, diversity: bool = False, seed: int = 0) -> None:
        """Takes the length of a list, whether requests that do not say are drawn, and the seed of the draws."""
        self._topk = topk
        self._diversity = diversity
        self._rng = np.random.default_rng(seed)

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Ordering":
        """Needs nothing of the bundle."""
        return cls(settings.ranking_topk, diversity=settings.diversity_mode, seed=settings.seed)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """item_id int32 [N], score float32 [N] → those of the lists, in order, and their row_splits int64 [B + 1].

        top_k and diversity, int32 [B], may be absent. Equal scores keep the order of arrival. Raises RequestError.
        """
        items, scores = inputs["item_id"], inputs["score"]
        splits = row_splits.splits_of(inputs, len(items))
        owners = row_splits.request_of(splits)
        lengths = list_lengths(_asked(inputs, "top_k", len(splits) - 1), self._topk)
        drawn = _asked(inputs, "diversity", len(splits) - 1)
        preference = self._preference(scores, np.where(drawn == AS_CONFIGURED, self._diversity, drawn == 1)[owners])
        order = np.lexsort((-preference, owners))
        chosen = order[row_splits.place_of(splits) < lengths[owners]]
        return {
            "item_id": items[chosen],
            "score": scores[chosen],
            row_splits.ROW_SPLITS: row_splits.from_counts(np.minimum(np.diff(splits), lengths)),
        }

    def _preference(self, scores: Array, drawn: Array) -> Array:
        """Returns what to sort by [N]: scores, and for the candidates marked in `drawn` their random keys."""
        if not drawn.any():
            return scores
        # -log(E / w): logarithms of weights do not overflow.
        keys = TEMPERATURE * scores.astype(np.float64) - np.log(self._rng.exponential(size=len(scores)))
        return np.where(drawn, keys, scores)


def _asked(inputs: Mapping[str, Array], name: str, requests: int) -> Ids:
    return column(name, inputs[name]) if name in inputs else np.full(requests, AS_CONFIGURED, np.int32)
