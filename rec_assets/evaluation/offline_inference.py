"""Computes lists with the exported models as in serving: retrieves candidates, and ranks them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.ranking_features import in_batches
from rec_assets.datasets.retrieve import Retrieval
from rec_assets.datasets.rows import Arrays
from rec_assets.evaluation.report import Lists, unseen_first
from rec_assets.features.columns import RANKER_FEATURES
from rec_assets.features.history import PADDING_ID
from rec_assets.inference.onnx_model import OnnxModel

USERS_PER_BATCH = 64


@dataclass(frozen=True)
class ServedModels:
    """The retrieval and the file of the exported ranker."""

    retrieval: Retrieval
    ranker: Path

    @property
    def items(self) -> ItemTable:
        """Returns the item table of the retrieval."""
        return self.retrieval.items

    def retrieve(self, columns: Arrays, depth: int) -> Candidates:
        """Retrieves candidates for requests [q]; `depth` is limited to the size of the catalog."""
        return self.retrieval(columns, min(depth, len(self.items.catalog)))

    def rank(self, columns: Arrays, candidates: Candidates) -> Candidates:
        """Returns the candidates with the ranker's probabilities, best first; -1 for padding."""
        model = OnnxModel(self.ranker, RANKER_FEATURES, 1)
        parts = []
        for requests, batch in in_batches(columns, candidates, USERS_PER_BATCH):
            flat = self.retrieval.ranking_columns(requests, batch)
            parts.append(model(flat).reshape(batch.item_ids.shape))
        probabilities = np.where(candidates.item_ids == PADDING_ID, np.float32(-1), np.concatenate(parts))
        return candidates.order_by(probabilities)

    def lists(self, candidates: Candidates) -> Lists:
        """Returns the raw ids of candidates, padded with -1."""
        return self.items.raw_ids[candidates.item_ids]


def first_unseen(
    candidates: Candidates, items: ItemTable, user_ids: npt.NDArray[np.int32], history: pl.DataFrame, depth: int
) -> Candidates:
    """Returns the first `depth` candidates outside the history of their users [q], padded."""
    positions, fresh = unseen_first(user_ids, items.raw_ids[candidates.item_ids], history, depth)
    return Candidates(
        np.where(fresh, np.take_along_axis(candidates.item_ids, positions, axis=1), np.int32(PADDING_ID)),
        np.where(fresh, np.take_along_axis(candidates.scores, positions, axis=1), np.float32(0)),
    )
