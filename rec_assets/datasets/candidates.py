"""Candidates of a set of requests."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import PADDING_ID


@dataclass(frozen=True)
class Candidates:
    """Encoded item_ids int32 [n, k], best first, padded with `PADDING_ID`, and their scores float32 [n, k].

    A score is the inner product of query and item; the order follows all sources.
    """

    item_ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]

    def first(self, depth: int) -> "Candidates":
        """Returns the first `depth` candidates of each request."""
        return Candidates(self.item_ids[:, :depth], self.scores[:, :depth])

    def at(self, rows: npt.NDArray[np.integer[Any]] | slice) -> "Candidates":
        """Returns the candidates of some requests."""
        return Candidates(self.item_ids[rows], self.scores[rows])

    def order_by(self, scores: npt.NDArray[np.float32]) -> "Candidates":
        """Returns the candidates with other scores [n, k], best first; ties keep their order, padding comes last."""
        order = np.argsort(np.where(self.item_ids == PADDING_ID, np.inf, -scores), axis=1, kind="stable")
        return Candidates(np.take_along_axis(self.item_ids, order, axis=1), np.take_along_axis(scores, order, axis=1))

    def where(self, kept: npt.NDArray[np.bool_]) -> "Candidates":
        """Returns the candidates with padding in place of those that are not kept [n, k]."""
        return Candidates(np.where(kept, self.item_ids, np.int32(PADDING_ID)), self.scores)

    def only(self, kept: npt.NDArray[np.bool_]) -> "Candidates":
        """Returns the candidates that are kept [n, k], in their order; padding comes last."""
        part = self.where(kept)
        order = np.argsort(part.item_ids == PADDING_ID, axis=1, kind="stable")
        return Candidates(np.take_along_axis(part.item_ids, order, axis=1), np.take_along_axis(part.scores, order, 1))
