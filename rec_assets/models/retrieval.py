"""Retrieval as serving does it: the exported query tower and the index, for any number of users."""

from pathlib import Path

import numpy as np

from rec_assets.models.candidates import Candidates, retrieve
from rec_assets.models.item_index import read_index
from rec_assets.models.rows import USER_FEATURES, Arrays, ItemTable, take
from rec_assets.serving.graph import EMBEDDING_DIM
from rec_assets.serving.onnx_model import OnnxModel

BATCH = 16_384


def retrieve_for(tower: Path, index: Path, columns: Arrays, items: ItemTable, k: int) -> Candidates:
    """What the ONNX tower and the index return for encoded user columns [n]."""
    model, searched = OnnxModel(tower, USER_FEATURES, EMBEDDING_DIM), read_index(index)
    users = {name: columns[name] for name in USER_FEATURES}
    parts = []
    for start in range(0, len(users["user_id"]), BATCH):
        queries = model(take(users, slice(start, start + BATCH)))
        parts.append(retrieve(searched, items, queries, k))
    return Candidates(np.concatenate([p.item_ids for p in parts]), np.concatenate([p.scores for p in parts]))
