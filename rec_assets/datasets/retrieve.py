"""Retrieval as in serving, for any number of requests: exported query tower, index and history."""

from pathlib import Path

import numpy as np

from rec_assets.datasets.candidates import Candidates, retrieve
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.request_features import batches
from rec_assets.datasets.rows import Arrays
from rec_assets.features.columns import EMBEDDING_DIM, HISTORY_IDS, QUERY_FEATURES
from rec_assets.features.history import InteractionLog
from rec_assets.inference.item_index import INDEX, read_index
from rec_assets.inference.item_vectors import VECTORS
from rec_assets.inference.merge_candidates import HistoryMerger
from rec_assets.inference.onnx_model import OnnxModel

BATCH = 2_048


def retrieve_for(
    tower: Path, index: Path, columns: Arrays, log: InteractionLog, items: ItemTable, k: int, *, repeats: bool
) -> Candidates:
    """Retrieves candidates for requests [n] as serving does.

    Args:
        tower: file of the exported query tower.
        index: folder of the index and the item vectors.
        columns: encoded user and context columns, raw user ids and timestamps [n].
        log: interaction log that holds the histories.
        items: the item table.
        k: candidates per request, limited to the size of the catalog.
        repeats: whether the items of the user's history are always candidates.
    """
    model, searched = OnnxModel(tower, QUERY_FEATURES, EMBEDDING_DIM), read_index(index / INDEX)
    add_history = HistoryMerger(np.load(index / VECTORS)) if repeats else None
    parts = []
    for batch in batches(columns, log, BATCH):
        queries = model(batch)
        retrieved = retrieve(searched, items, queries, k)
        if add_history is not None:
            merged = add_history(retrieved.item_ids, retrieved.scores, batch[HISTORY_IDS], queries)
            retrieved = Candidates(*merged)
        parts.append(retrieved)
    return Candidates(np.concatenate([p.item_ids for p in parts]), np.concatenate([p.scores for p in parts]))
