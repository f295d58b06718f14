"""Full training of the two-tower model, its length set by validation recall and not by a number of epochs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from merlin.schema import Schema

from rec_assets.models.batches import retrieval_batches
from rec_assets.models.checkpoints import restore_checkpoint
from rec_assets.models.early_stopping import History, Report, fit_until_best
from rec_assets.models.evaluation import score_lists
from rec_assets.models.item_index import ItemVectors, build_index
from rec_assets.models.rows import USER_FEATURES, Arrays, ItemTable, column_batches
from rec_assets.models.towers import TwoTower, build_candidate_tower, build_query_tower
from rec_assets.models.training_set import TrainingSet

VALIDATION_USERS = 3_000  # a standard error near 0.01, at a second an epoch
ENCODE_BATCH = 8_192
SMALL_CATALOGUE = 1_000


@dataclass(frozen=True)
class TwoTowerConfig:
    """The recipe. `temperature` divides the logits; the other names are the usual ones."""

    batch_size: int = 1_024
    learning_rate: float = 3e-3
    temperature: float = 0.1
    max_epochs: int = 30
    patience: int = 2


def build_two_tower(schema: Schema, items: ItemTable, config: TwoTowerConfig) -> TwoTower:
    """Builds the model with all its variables made."""
    probabilities = items.counts / max(1, items.counts.sum())
    model = TwoTower(
        build_query_tower(schema), build_candidate_tower(schema), probabilities.astype(np.float32), config.temperature
    )
    example: Arrays = {name: np.zeros(1, np.float32 if name == "age_norm" else np.int32) for name in USER_FEATURES}
    encode_users(model, example)
    encode_items(model, items)
    return model


def train_two_tower(
    data: TrainingSet,
    config: TwoTowerConfig,
    seed: int,
    report: Report,
) -> tuple[TwoTower, History]:
    """Trains from scratch on encoded rows; equal inputs and seeds train equal models.

    Items that no training row names get the mean id embedding of those that were trained: their random start carries
    nothing, and their content and category already tell them apart.
    """
    tf.keras.utils.set_random_seed(seed)
    items = data.items
    model = build_two_tower(data.schema, items, config)
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(config.learning_rate))
    sample = data.validation.sample(VALIDATION_USERS, seed)

    metric = validation_metric(items)

    def validate() -> float:
        index = build_index(item_vectors(model, items))
        lists = index.search(encode_users(model, sample.columns), 300)[1]
        return score_lists(sample.user_ids, lists, sample.relevant, (metric,))[metric]

    history = fit_until_best(
        model,
        lambda epoch: retrieval_batches(data.rows, items, config.batch_size, seed + epoch),
        validate,
        config.max_epochs,
        config.patience,
        report,
    )
    _average_untrained_items(model, items)
    return model, history


def validation_metric(items: ItemTable) -> str:
    """Recall at the depth of retrieval, or at 100 where a catalogue is so small that everything would be recalled."""
    return "recall@300" if len(items.catalogue) > SMALL_CATALOGUE else "recall@100"


def restore_two_tower(schema: Schema, items: ItemTable, checkpoint: Path) -> TwoTower:
    """Builds the model of a checkpoint and fills it."""
    model = build_two_tower(schema, items, TwoTowerConfig())
    restore_checkpoint(model, checkpoint)
    return model


def encode_users(model: TwoTower, columns: Arrays) -> npt.NDArray[np.float32]:
    """Query vectors float32 [n, 64] of encoded user columns [n]."""
    users = {name: columns[name] for name in USER_FEATURES}
    return np.concatenate([model.query(batch).numpy() for batch in _tensors(users)])


def encode_items(model: TwoTower, items: ItemTable) -> npt.NDArray[np.float32]:
    """Item vectors float32 [n, 64] of the catalogue, in the order of `items.catalogue`."""
    return np.concatenate([model.candidate(batch).numpy() for batch in _tensors(items.at(items.catalogue))])


def item_vectors(model: TwoTower, items: ItemTable) -> ItemVectors:
    """Item vectors with their raw ids."""
    return ItemVectors(items.raw_ids[items.catalogue], encode_items(model, items))


def _tensors(columns: Arrays) -> Iterator[dict[str, Any]]:
    for batch in column_batches(columns, ENCODE_BATCH):
        yield {name: tf.constant(array) for name, array in batch.items()}


def _average_untrained_items(model: TwoTower, items: ItemTable) -> None:
    trained = items.counts > 0
    for variable in model.candidate.trainable_variables:
        if "embeddings" in variable.name and variable.shape[0] == len(items.raw_ids):
            table = variable.numpy()
            table[~trained] = table[trained].mean(axis=0)
            variable.assign(table)
