"""Retrieval as serving does it: the exported query tower, the index and the history, for any number of requests."""

from pathlib import Path

import numpy as np

from rec_assets.datasets.candidates import Candidates, add_histories, retrieve
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.request_features import batches
from rec_assets.datasets.rows import Arrays
from rec_assets.features.columns import EMBEDDING_DIM, HISTORY_IDS, QUERY_FEATURES
from rec_assets.features.history import InteractionLog
from rec_assets.inference.item_index import INDEX, read_index
from rec_assets.inference.item_vectors import VECTORS
from rec_assets.inference.onnx_model import OnnxModel

BATCH = 2_048


def retrieve_for(
    tower: Path, index: Path, columns: Arrays, log: InteractionLog, items: ItemTable, k: int, *, repeats: bool
) -> Candidates:
    """Retrieves candidates for requests [n] as serving does.

    Args:
        tower: the exported query tower.
        index: folder of the index and the item vectors.
        columns: encoded user and context columns, who asks and when [n].
        log: where histories lie.
        items: the item table.
        k: candidates a request, cut to the size of the catalog.
        repeats: whether what a user chose before is always among them.
    """
    model, searched = OnnxModel(tower, QUERY_FEATURES, EMBEDDING_DIM), read_index(index / INDEX)
    vectors = np.load(index / VECTORS)
    parts = []
    for batch in batches(columns, log, BATCH):
        queries = model(batch)
        found = retrieve(searched, items, queries, k)
        if repeats:
            found = add_histories(found, queries, batch[HISTORY_IDS], vectors)
        parts.append(found)
    return Candidates(np.concatenate([p.item_ids for p in parts]), np.concatenate([p.scores for p in parts]))
