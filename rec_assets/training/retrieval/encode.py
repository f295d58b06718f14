"""Encodes requests and the catalog with the towers, and writes the files of retrieval."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.bundles.export_report import MODEL
from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.evaluation_set import EvaluationSet
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.neighbors.item_neighbors import item_neighbors, training_log
from rec_assets.datasets.request_features import batches, with_histories
from rec_assets.datasets.rows import Arrays, as_columns, column_batches, take
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.features.columns import EMBEDDING_DIM, QUERY_FEATURES
from rec_assets.features.history import InteractionLog
from rec_assets.inference.item_index import INDEX, build_index, write_index
from rec_assets.inference.item_vectors import VECTORS, ItemVectors
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.training.export.onnx import export_model
from rec_assets.training.retrieval.two_tower import TwoTower

ENCODE_BATCH = 2_048
LOG_POPULARITY, MIN_RATE = "log_popularity", 0.01  # interactions a week
NOW = np.iinfo(np.int64).max - DAY_SECONDS  # a moment after all data


def encode_users(model: TwoTower, columns: Arrays, data: EvaluationSet) -> npt.NDArray[np.float32]:
    """Returns query vectors float32 [n, 64] of requests [n]."""
    parts = []
    for batch in batches(columns, data.log, ENCODE_BATCH):
        parts.append(model.query_embedding(as_columns({name: batch[name] for name in QUERY_FEATURES})).numpy())
    return np.concatenate(parts)


def item_vectors(model: TwoTower, items: ItemTable, moment: int) -> ItemVectors:
    """Returns item vectors of the whole catalog, in the order of `items.catalog`.

    Args:
        model: the towers.
        items: the item table; ids without training rows are encoded as the unknown id.
        moment: unix seconds; the vectors contain popularity up to the end of this day. Must be before the days of an
            evaluation, so that their popularity stays out of the vectors.
    """
    catalog = items.at(items.catalog)
    # During training, the id vector of an item without rows still has its random initial value.
    catalog["item_id"] = items.trained_ids(catalog["item_id"])
    tomorrow = np.array([moment + DAY_SECONDS])
    rates = np.expm1(items.signals.at(items.catalog, tomorrow)["popularity_week"])
    catalog[LOG_POPULARITY] = np.log(rates + MIN_RATE).astype(np.float32)
    parts = []
    for batch in column_batches(catalog, 4 * ENCODE_BATCH):
        parts.append(model.item_embedding(batch, batch.pop(LOG_POPULARITY)).numpy())
    return ItemVectors(items.raw_ids[items.catalog], np.concatenate(parts))


def export_query_tower(model: TwoTower, data: EvaluationSet, file: Path, *, saved_model: bool = False) -> float:
    """Writes the query tower as ONNX, and with `saved_model` also as a SavedModel beside it.

    Returns the largest difference between ONNX and TensorFlow on validation requests.
    """
    requests = with_histories(take(data.validation.columns, slice(0, 1024)), data.log)
    example = {name: requests[name] for name in QUERY_FEATURES}
    # An array, because a constant from outside the exported function would become an input of the ONNX model.
    items = model.query.items.all_vectors()

    def query_embedding(columns: Mapping[str, Any]) -> Any:
        return model.query_embedding(dict(columns), tf.constant(items))

    expected = export_model(query_embedding, example, "query_embedding", file, saved_model=saved_model)
    exported = OnnxModel(file, QUERY_FEATURES, EMBEDDING_DIM)(example)
    return float(np.abs(exported - expected).max())


def write_item_index(vectors: ItemVectors, items: ItemTable, log: InteractionLog, folder: Path) -> faiss.Index:
    """Writes the index, the vectors by encoded id and the neighbors in a log into `folder`; returns the index."""
    counts = np.bincount(log.item_ids, minlength=len(items.raw_ids))
    most = np.argsort(-counts, kind="stable")
    index = build_index(vectors, frequent=items.raw_ids[most[counts[most] > 0]])
    write_index(index, folder / INDEX)
    item_neighbors(log, len(items.raw_ids)).save(folder)
    np.save(folder / VECTORS, vectors.by_encoded_id(items.encode(vectors.raw_ids), len(items.raw_ids)))
    return index


def write_retrieval(model: TwoTower, data: TrainingSet, moment: int, folder: Path) -> None:
    """Writes the tower, and the index as of a moment, into a new folder in the format of serving.

    The neighbors come from the training rows.
    """
    folder.mkdir()
    export_query_tower(model, data, folder / MODEL)
    write_item_index(item_vectors(model, data.items, moment), data.items, training_log(data), folder)
