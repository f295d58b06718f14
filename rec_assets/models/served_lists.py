"""The lists that the exported models make, as they are served: what retrieval returns, and the ranker's order of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.models.candidates import Candidates
from rec_assets.models.dlrm import RETRIEVAL_SCORE
from rec_assets.models.judging import Lists, unseen_first
from rec_assets.models.retrieval import retrieve_for
from rec_assets.models.rows import CONTEXT_FEATURES, USER_FEATURES, Arrays, ItemTable
from rec_assets.serving.onnx_model import OnnxModel

USERS_A_BATCH = 64
PADDING = np.int32(0)


class Ranked(NamedTuple):
    """Raw ids int32 [q, k], best first, -1 where a list is shorter, and the ranker's probabilities float32 [q, k]."""

    lists: Lists
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ServedModels:
    """The exported query tower, the item index and the exported ranker, with the items that they know."""

    tower: Path
    index: Path
    ranker: Path
    items: ItemTable

    def retrieve(self, columns: Arrays, depth: int) -> Candidates:
        """Candidates for encoded user columns [q]; depth is cut to the size of the catalogue."""
        return retrieve_for(self.tower, self.index, columns, self.items, depth)

    def rank(self, columns: Arrays, candidates: Candidates) -> Ranked:
        """Candidates in the ranker's order; ties keep the retrieval order, padding comes last."""
        names = (*USER_FEATURES, *CONTEXT_FEATURES)
        model = OnnxModel(self.ranker, (*names, *self.items.features, RETRIEVAL_SCORE), 1)
        depth = candidates.item_ids.shape[1]
        parts = []
        for start in range(0, len(candidates.item_ids), USERS_A_BATCH):
            window = slice(start, start + USERS_A_BATCH)
            flat: Arrays = {name: np.repeat(columns[name][window], depth) for name in names}
            flat |= self.items.at(candidates.item_ids[window].ravel())
            flat[RETRIEVAL_SCORE] = candidates.scores[window].ravel()
            parts.append(model(flat).reshape(-1, depth))
        scores = np.where(candidates.item_ids == PADDING, np.float32(-1), np.concatenate(parts))
        order = np.argsort(-scores, axis=1, kind="stable")
        lists = self.items.raw_ids[np.take_along_axis(candidates.item_ids, order, axis=1)]
        return Ranked(lists, np.take_along_axis(scores, order, axis=1))


def first(candidates: Candidates, depth: int) -> Candidates:
    """The first `depth` candidates of each user."""
    return Candidates(candidates.item_ids[:, :depth], candidates.scores[:, :depth])


def first_unseen(
    candidates: Candidates, items: ItemTable, user_ids: npt.NDArray[np.int32], history: pl.DataFrame, depth: int
) -> Candidates:
    """The first `depth` candidates that their users [q] never chose; padding where they run out."""
    places, fresh = unseen_first(user_ids, items.raw_ids[candidates.item_ids], history, depth)
    return Candidates(
        np.where(fresh, np.take_along_axis(candidates.item_ids, places, axis=1), PADDING),
        np.where(fresh, np.take_along_axis(candidates.scores, places, axis=1), np.float32(0)),
    )
