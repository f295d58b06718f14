"""Fine-tuning on one day: the query tower with fixed item vectors, then the whole ranker, both at a low rate."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.evaluation_set import EvaluationSet
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.ranker_users import trains_ranker
from rec_assets.datasets.retrieve import Retrieval
from rec_assets.datasets.rows import take
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP
from rec_assets.inference.item_vectors import ItemVectors
from rec_assets.training.loop.data_parallel import compile_with_adam
from rec_assets.training.loop.determinism import make_deterministic
from rec_assets.training.ranking.candidate_lists import arrivals
from rec_assets.training.ranking.dlrm import Ranker
from rec_assets.training.ranking.train import RankerConfig, list_batches, lists_of, restore_ranker
from rec_assets.training.ranking.visitors import with_visitors
from rec_assets.training.retrieval.encode import NOW, item_vectors
from rec_assets.training.retrieval.tower_rows import TowerRows
from rec_assets.training.retrieval.train import TwoTowerConfig, restore_two_tower
from rec_assets.training.retrieval.two_tower import TwoTower


@dataclass(frozen=True)
class FinetuneConfig:
    """Settings of a fine-tune.

    Attributes:
        horizon_days: maximum days between request time and interaction of a training row.
        depth: candidates of a list of the ranker, as in serving.
        epochs: epochs over the rows of the day and of the replay set.
        learning_rate: learning rate of both models.
        ranker_batch_size: lists of the ranker per step.
    """

    horizon_days: int
    depth: int = 300
    epochs: int = 1
    learning_rate: float = 1e-4
    ranker_batch_size: int = 128  # as in the figures of docs/daily-operation.md


def later_item_vectors(
    base: EvaluationSet, checkpoint: Path, trained: ItemVectors, items: ItemTable
) -> tuple[ItemVectors, int]:
    """Adds vectors of the items that are newer than a full training, from its frozen candidate tower.

    Args:
        base: the training set of the full training.
        checkpoint: folder of the two towers of the full training.
        trained: item vectors of the full training; they stay unchanged.
        items: the item table of the day.

    Returns:
        The vectors of all items, new items last, and the number of new items.
    """
    added = np.flatnonzero(~np.isin(items.raw_ids[items.catalog], trained.raw_ids))
    if not len(added):
        return trained, 0
    towers = restore_two_tower(base, TwoTowerConfig(0), checkpoint)
    # The full training has no rows of these items, so the tower encodes them as the unknown item.
    encoded = item_vectors(towers, items.without_rows(items.catalog[added]), NOW)
    raw_ids = np.concatenate([trained.raw_ids, encoded.raw_ids[added]])
    return ItemVectors(raw_ids, np.concatenate([trained.vectors, encoded.vectors[added]])), len(added)


def finetune_query_tower(
    base: EvaluationSet,
    checkpoint: Path,
    data: TrainingSet,
    vectors: npt.NDArray[np.float32],
    config: FinetuneConfig,
    seed: int,
) -> tuple[TwoTower, list[float]]:
    """Restores a checkpoint and trains its query tower on the rows of a day; without rows, nothing changes.

    Args:
        base: the training set of the full training.
        checkpoint: folder of the checkpoint of that training, or of a fine-tune that descends from it.
        data: the fine-tune set: rows of the day and of the replay set.
        vectors: item vectors of the day by encoded id [v, 64]; they stay fixed.
        config: settings of the fine-tune.
        seed: random seed for negative sampling and the order of rows.

    Returns:
        The towers, and the loss of each epoch.
    """
    make_deterministic(seed)
    others = np.flatnonzero(~trains_ranker(data.rows[REQUEST_USER_ID]))
    rows = TowerRows(data.rows, others, data.log)
    recipe = TwoTowerConfig(config.horizon_days)
    model = restore_two_tower(base, recipe, checkpoint)
    if not len(rows):
        return model, []
    model.freeze_items(vectors, data.items.counts)
    compile_with_adam(model, config.learning_rate)
    batches = (
        rows.epoch(len(rows), config.horizon_days, recipe.batch_size, seed + epoch) for epoch in range(config.epochs)
    )
    return model, _fit(model, batches)


def finetune_ranker(
    base: EvaluationSet,
    checkpoint: Path,
    data: TrainingSet,
    retrieval: Retrieval,
    config: FinetuneConfig,
    seed: int,
) -> tuple[Ranker, list[float]]:
    """Restores a checkpoint and trains the whole ranker on lists of the day; arguments as `finetune_query_tower`.

    `retrieval` has the day's own tower and index. Lists come from the day's rows of the ranker's users: the towers may
    have seen older rows of these users.
    """
    make_deterministic(seed)
    recipe = RankerConfig(config.horizon_days, config.depth, batch_size=config.ranker_batch_size)
    model = restore_ranker(base, checkpoint)
    days = data.rows[TIMESTAMP] // DAY_SECONDS
    today = trains_ranker(data.rows[REQUEST_USER_ID]) & (days == days.max(initial=0))
    requests = take(data.rows, arrivals(data.rows, today, recipe.most_lists, seed))
    users = requests[REQUEST_USER_ID]
    if not len(users):
        return model, []
    lists = lists_of(data, retrieval, with_visitors(requests, data.rows, seed), users, data.log, recipe)
    if not len(lists):
        return model, []
    model.train_on(data.items.features)
    compile_with_adam(model, config.learning_rate)
    return model, _fit(model, (list_batches([lists], recipe, seed + e) for e in range(config.epochs)))


def _fit(model: tf.keras.Model, epochs: Iterable[tf.data.Dataset]) -> list[float]:
    return [float(model.fit(batches, verbose=0).history["loss"][-1]) for batches in epochs]
