"""The value of a ranker's lists on validation, by which its training selects an epoch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.datasets.candidates import Candidates
from rec_assets.evaluation.metrics import UserIds, user_scores
from rec_assets.features.history import PADDING_ID

METRIC = "ndcg@10"
TINY = 1e-6  # so that a list without hits has a logarithm

Scores = npt.NDArray[np.float64]


class ListsOfTrack:
    """The candidates of one track, and the relevant items of its users."""

    def __init__(
        self, candidates: Candidates, user_ids: UserIds, raw_ids: npt.NDArray[np.int32], relevant: pl.DataFrame
    ) -> None:
        """Stores candidates [q, k] of users [q], raw ids by encoded item [v], and pairs of user_id and item_id.

        Candidates that the track leaves out are padding, at any position. Lists do not show it.
        """
        self._candidates, self._user_ids, self._raw_ids, self._relevant = candidates, user_ids, raw_ids, relevant
        self.retrieval_order = self._scores(candidates.only(candidates.item_ids != PADDING_ID))

    def ranked(self, logits: npt.NDArray[np.float32]) -> Scores:
        """Returns NDCG@10 of each user with a relevant item after ranking by logits [q, k]."""
        return self._scores(self._candidates.order_by(logits))

    def _scores(self, ordered: Candidates) -> Scores:
        scores = user_scores(self._user_ids, self._raw_ids[ordered.item_ids], self._relevant, (METRIC,))
        return scores.sort("user_id")[METRIC].to_numpy()


def value_of(tracks: Sequence[Scores]) -> float:
    """Returns the geometric mean over the tracks of the mean NDCG@10 of their users; tracks without users are left out.

    The mean is geometric because NDCG of track new is a few times smaller, so its gains would hardly count.
    """
    return float(np.exp(np.mean([np.log(scores.mean() + TINY) for scores in tracks if len(scores)])))


def value_of_ranking(ranked: Sequence[Scores], before: Sequence[Scores]) -> float:
    """Returns `value_of` the ranked lists, but at most that of the order before if a track has lost.

    A track has lost if its mean is lower by more than a standard error of the paired difference. Otherwise a track with
    a value near zero could double it at the expense of the other track.

    Args:
        ranked, before: NDCG@10 of the same users after and before ranking, for each track.
    """
    value = value_of(ranked)
    lost = any(
        len(now) and (was - now).mean() > (was - now).std() / np.sqrt(len(now))
        for now, was in zip(ranked, before, strict=True)
    )
    return min(value, value_of(before)) if lost else value
