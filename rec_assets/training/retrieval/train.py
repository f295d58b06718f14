"""Full training of the two-tower model. Validation recall ends the training."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.datasets.evaluation_set import EvaluationSet
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.retrieve import search
from rec_assets.datasets.rows import take
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.evaluation.metrics import score_lists
from rec_assets.evaluation.report import deep_enough, unseen_lists
from rec_assets.features.columns import REQUEST_USER_ID
from rec_assets.inference.item_index import build_index
from rec_assets.preprocessing.merlin_schema import load_schema
from rec_assets.training.loop.checkpoints import restore_checkpoint
from rec_assets.training.loop.data_parallel import compile_with_adam, replicas, training_strategy
from rec_assets.training.loop.determinism import make_deterministic
from rec_assets.training.loop.early_stopping import Report, TrainingHistory, fit_until_best
from rec_assets.training.retrieval.encode import NOW, encode_users, item_vectors
from rec_assets.training.retrieval.tower_rows import TowerRows
from rec_assets.training.retrieval.towers import CandidateTower, ItemVectorLayer, QueryTower
from rec_assets.training.retrieval.two_tower import TwoTower

VALIDATION_USERS = 3_000  # gives a standard error near 0.01, and takes a second per epoch
SMALL_CATALOG = 1_000
DEPTH = 300
POPULARITY_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class TwoTowerConfig:
    """Settings of the training.

    Attributes:
        horizon_days: maximum days between request time and interaction of a training row.
        most_rows: maximum number of rows per epoch; with millions of rows, a pass has several validations.
        temperature: divisor of the logits.
        pooling: pooling of the history, selected with `benchmarks/ablation.py`.
        context: whether the query tower reads context features, selected with `benchmarks/ablation.py`.
    """

    horizon_days: int
    batch_size: int = 1_024
    most_rows: int = 500_000
    learning_rate: float = 1e-3
    temperature: float = 0.1
    uniform_negatives: int = 1_024
    id_dropout: float = 0.05
    pooling: str = "age"
    context: bool = True
    max_epochs: int = 30
    patience: int = 2


def build_two_tower(data: EvaluationSet, config: TwoTowerConfig, seed: int) -> TwoTower:
    """Builds the model with all variables created."""
    items = data.items
    vectors, schema = ItemVectorLayer(items.categories), load_schema(data.schema_file)
    model = TwoTower(
        QueryTower(schema, vectors, config.pooling, context=config.context),
        CandidateTower(schema, vectors),
        items.counts,
        items.features,
        config.temperature,
        config.uniform_negatives,
        config.id_dropout,
        seed,
    )
    encode_users(model, take(data.validation.columns, slice(0, 1)), data)
    item_vectors(model, items, NOW)
    return model


def train_two_tower(
    data: TrainingSet,
    config: TwoTowerConfig,
    seed: int,
    report: Report,
    unfinished: Path | None = None,
) -> tuple[TwoTower, TrainingHistory]:
    """Trains from scratch on the training rows; equal inputs train equal models.

    Items without training rows get the trained id vector of the unknown id, in place of their random initial vector.
    Content and categories distinguish these items.

    Args:
        data: the training set, with the validation queries.
        config: settings of the training.
        seed: random seed for initial weights, negative sampling and the order of rows.
        report: called with one line per epoch.
        unfinished: file for the state of the training, to resume after a crash.
    """
    make_deterministic(seed)
    items, sample = data.items, data.validation.sample(VALIDATION_USERS, seed)
    with training_strategy().scope():
        model = build_two_tower(data, config, seed)
        step_rows = config.batch_size * replicas()
    compile_with_adam(model, config.learning_rate)
    rows, metric = TowerRows.of(data.rows, data.log), validation_metric(items)

    # Items of the history are a source of their own or left out, so only other items count for recall.
    past = _history_pairs(data, sample.user_ids)
    relevant = sample.relevant.join(past, on=["user_id", "item_id"], how="anti")
    depth = deep_enough(sample.user_ids, past)

    def recall(weight: float, queries: npt.NDArray[np.float32]) -> float:
        model.popularity_weight.assign(weight)
        vectors = item_vectors(model, items, data.last_training_moment)
        lists = items.raw_ids[search(build_index(vectors), items, queries, depth)]
        lists = unseen_lists(sample.user_ids, lists, past, DEPTH)
        # No score where every relevant item is a repeat: then no recall is better than another.
        return score_lists(sample.user_ids, lists, relevant, (metric,))[metric] or 0.0

    def validate() -> float:
        """Sets the best weight of popularity in the model, and returns its recall."""
        queries = encode_users(model, sample.columns, data)
        recalls = {weight: recall(weight, queries) for weight in POPULARITY_WEIGHTS}
        best = max(recalls, key=lambda weight: recalls[weight])
        model.popularity_weight.assign(best)
        return recalls[best]

    history = fit_until_best(
        model,
        lambda epoch: rows.epoch(config.most_rows, config.horizon_days, step_rows, seed + epoch),
        validate,
        config.max_epochs,
        config.patience,
        report,
        unfinished=unfinished,
    )
    forget_untrained_items(model, items)
    report(f"weight of popularity: {float(model.popularity_weight.numpy())}")
    return model, history


def train_on_last_rows(model: TwoTower, data: TrainingSet, config: TwoTowerConfig, epochs: int, seed: int) -> None:
    """Continues the training on the `last_rows` of a training set, after validation on them has finished.

    Args:
        model: the model that was trained on the rows of the training set.
        data: the training set of the model.
        config: settings of the training.
        epochs: number of epochs, as many as on the rows before.
        seed: random seed for negative sampling and the order of rows.
    """
    rows = TowerRows.of(data.last_rows, data.log)
    items = data.items.with_rows(data.last_rows["item_id"])
    if len(rows):
        share = min(1, config.most_rows / len(data.rows[REQUEST_USER_ID]))
        most_rows = ceil(share * len(rows))
        model.count(items.counts)
        compile_with_adam(model, config.learning_rate)
        for epoch in range(epochs):
            epoch_seed = seed + config.max_epochs + epoch
            model.fit(rows.epoch(most_rows, config.horizon_days, config.batch_size, epoch_seed), verbose=0)
        forget_untrained_items(model, items)


def validation_metric(items: ItemTable) -> str:
    """Returns recall at the depth of retrieval, or at 100 in a small catalog, which retrieval would return whole."""
    return "recall@300" if len(items.catalog) > SMALL_CATALOG else "recall@100"


def restore_two_tower(data: EvaluationSet, config: TwoTowerConfig, checkpoint: Path, seed: int = 0) -> TwoTower:
    """Builds the model and restores the weights of a checkpoint; `seed` is for negatives in further training."""
    model = build_two_tower(data, config, seed)
    restore_checkpoint(model, checkpoint)
    return model


def _history_pairs(data: TrainingSet, user_ids: npt.NDArray[np.int32]) -> pl.DataFrame:
    """Returns the pairs of user and item (both raw) in the training rows of some users."""
    log = data.log.targets.of_users(user_ids).until(data.last_training_moment + 1)
    users = pl.Series("user_id", log.user_ids.astype(np.int32))
    return pl.DataFrame([users, pl.Series("item_id", data.items.raw_ids[log.item_ids])]).unique()


def forget_untrained_items(model: TwoTower, items: ItemTable) -> None:
    """Sets the id vectors of items without training rows to the vector of the unknown id."""
    table = model.query.items.of_id
    weights = table.embeddings.numpy()
    table.embeddings.assign(weights[items.trained_ids(np.arange(len(weights)))])
