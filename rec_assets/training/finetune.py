"""Fine-tuning of one day: the query tower against item vectors that stay, then all of the ranker, both a little."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.request_features import histories_of
from rec_assets.datasets.rows import Arrays, take
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.features.columns import REQUEST_USER_ID
from rec_assets.inference.item_vectors import ItemVectors
from rec_assets.training.loop.data_parallel import compile_with_adam
from rec_assets.training.loop.determinism import make_deterministic
from rec_assets.training.ranking.candidate_lists import RankerLists, ranker_arrivals
from rec_assets.training.ranking.dlrm import Ranker
from rec_assets.training.ranking.train import RankerConfig, list_batches, restore_ranker
from rec_assets.training.retrieval.encode import NOW, item_vectors
from rec_assets.training.retrieval.tower_rows import TowerRows
from rec_assets.training.retrieval.train import TwoTowerConfig, restore_two_tower
from rec_assets.training.retrieval.two_tower import TwoTower


@dataclass(frozen=True)
class FinetuneConfig:
    """The recipe of a fine-tune: epochs over the rows of the day and of the replay set, rate, ranker lists a step."""

    horizon_days: int
    epochs: int = 1
    learning_rate: float = 1e-4
    ranker_batch_size: int = 128  # that of the figures in docs/daily-operation.md


def later_item_vectors(
    base: TrainingSet, checkpoint: Path, trained: ItemVectors, items: ItemTable
) -> tuple[ItemVectors, int]:
    """Adds the items that came since a full training to its vectors, through its frozen candidate tower.

    Args:
        base: what the full training learned from.
        checkpoint: its two towers.
        trained: its item vectors; they stay as they are.
        items: the item table of the day.

    Returns:
        The vectors of all, the later ones last, and how many of them there are.
    """
    later = np.flatnonzero(~np.isin(items.raw_ids[items.catalog], trained.raw_ids))
    if not len(later):
        return trained, 0
    towers = restore_two_tower(base, TwoTowerConfig(0), checkpoint)
    # No row of the full training names them, so they are encoded as the unknown item.
    added = item_vectors(towers, items.without_rows(items.catalog[later]), NOW)
    raw_ids = np.concatenate([trained.raw_ids, added.raw_ids[later]])
    return ItemVectors(raw_ids, np.concatenate([trained.vectors, added.vectors[later]])), len(later)


def finetune_query_tower(
    base: TrainingSet,
    checkpoint: Path,
    data: TrainingSet,
    vectors: npt.NDArray[np.float32],
    config: FinetuneConfig,
    seed: int,
) -> tuple[TwoTower, list[float]]:
    """Restores a checkpoint and lets its query tower learn the rows of a day; a day without rows changes nothing.

    Args:
        base: what the full training learned from.
        checkpoint: of that training, or of a fine-tune that descends from it.
        data: the rows of the day and of the replay set.
        vectors: item vectors of the day by encoded id [v, 64]; they stay.
        config: the recipe.
        seed: of negatives and order.

    Returns:
        The towers, and the loss of each epoch.
    """
    make_deterministic(seed)
    rows = TowerRows.of(data.rows, data.log)
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
    base: TrainingSet,
    checkpoint: Path,
    data: TrainingSet,
    retrieve: Callable[[Arrays], Candidates],
    config: FinetuneConfig,
    seed: int,
) -> tuple[Ranker, list[float]]:
    """Restores a checkpoint and lets all of the ranker learn lists of the day; arguments as `finetune_query_tower`.

    `retrieve` is what the day's own tower and index return.
    """
    make_deterministic(seed)
    recipe = RankerConfig(config.horizon_days, batch_size=config.ranker_batch_size)
    model = restore_ranker(base, checkpoint)
    requests = take(data.rows, ranker_arrivals(data.rows, recipe.most_lists, seed))
    if not len(requests[REQUEST_USER_ID]):
        return model, []
    candidates, histories = retrieve(requests), histories_of(requests, data.log)
    lists = RankerLists.of(requests, candidates, histories, data.log, data.items, config.horizon_days)
    if not len(lists):
        return model, []
    model.train_on(data.items.features)
    compile_with_adam(model, config.learning_rate)
    return model, _fit(model, (list_batches(lists, recipe, seed + e) for e in range(config.epochs)))


def _fit(model: tf.keras.Model, epochs: Iterable[tf.data.Dataset]) -> list[float]:
    return [float(model.fit(batches, verbose=0).history["loss"][-1]) for batches in epochs]
