"""Full training of the two-tower model, its length set by validation recall and not by a number of epochs."""

from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.datasets.candidates import retrieve
from rec_assets.datasets.item_table import ItemTable
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
from rec_assets.training.retrieval.towers import CandidateTower, QueryTower
from rec_assets.training.retrieval.towers import ItemVectors as OwnVectors
from rec_assets.training.retrieval.two_tower import TwoTower

VALIDATION_USERS = 3_000  # a standard error near 0.01, at a second an epoch
SMALL_CATALOGUE = 1_000
DEPTH = 300
POPULARITY_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class TwoTowerConfig:
    """The recipe; `temperature` divides the logits, `horizon_days` is how far ahead rows are foreseen.

    An epoch draws at most `most_rows`: with millions of rows, validation looks more than once at each pass.
    `pooling` of the history and whether the query tower reads the `context` are chosen by `benchmarks/ablation.py`.
    `repeats`: whether what a user chose before is a candidate anyway; validation then judges the search for the rest.
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
    repeats: bool = True
    max_epochs: int = 30
    patience: int = 2


def build_two_tower(data: TrainingSet, config: TwoTowerConfig, seed: int) -> TwoTower:
    """Builds the model with all its variables made."""
    items = data.items
    own, schema = OwnVectors(items.categories), load_schema(data.schema_file)
    model = TwoTower(
        QueryTower(schema, own, config.pooling, context=config.context),
        CandidateTower(schema, own),
        items.counts,
        items.features,
        config.temperature,
        config.uniform_negatives,
        config.id_dropout,
        seed,
    )
    encode_users(model, take(data.rows, slice(0, 1)), data)
    item_vectors(model, items, NOW)
    return model


def train_two_tower(
    data: TrainingSet,
    config: TwoTowerConfig,
    seed: int,
    report: Report,
    unfinished: Path | None = None,
) -> tuple[TwoTower, TrainingHistory]:
    """Trains from scratch on the rows of users that the ranker does not learn from; equal inputs train equal models.

    Items that no training row names get the id vector that was trained to stand for the unknown: their random start
    carries nothing, and their content and categories already tell them apart.

    Args:
        data: rows, histories, items and the users to judge by.
        config: the recipe.
        seed: of initial weights, negatives and order.
        report: called with a line an epoch.
        unfinished: where the state is kept while training, to go on from after a crash.
    """
    make_deterministic(seed)
    items, sample = data.items, data.validation.sample(VALIDATION_USERS, seed)
    with training_strategy().scope():
        model = build_two_tower(data, config, seed)
        step_rows = config.batch_size * replicas()
    compile_with_adam(model, config.learning_rate)
    rows, metric = TowerRows.of(data.rows, data.log), validation_metric(items)

    # What a user chose before is a candidate anyway: what has to be found is the rest.
    known = _chosen_before(data, sample.user_ids) if config.repeats else None
    relevant = sample.relevant if known is None else sample.relevant.join(known, on=["user_id", "item_id"], how="anti")
    depth = DEPTH if known is None else deep_enough(sample.user_ids, known)

    def recall(weight: float, queries: npt.NDArray[np.float32]) -> float:
        model.popularity_weight.assign(weight)
        vectors = item_vectors(model, items, data.last_training_moment)
        lists = items.raw_ids[retrieve(build_index(vectors), items, queries, depth).item_ids]
        if known is not None:
            lists = unseen_lists(sample.user_ids, lists, known, DEPTH)
        return score_lists(sample.user_ids, lists, relevant, (metric,))[metric]

    def validate() -> float:
        """Leaves the model with the weight of popularity that is best now."""
        queries = encode_users(model, sample.columns, data)
        judged = {weight: recall(weight, queries) for weight in POPULARITY_WEIGHTS}
        best = max(judged, key=lambda weight: judged[weight])
        model.popularity_weight.assign(best)
        return judged[best]

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


def train_on_validation(
    model: TwoTower, data: TrainingSet, config: TwoTowerConfig, epochs: int, seed: int
) -> TrainingSet:
    """Goes on with the validation days, which have chosen and judged and are the freshest there are.

    As often as the rows of the training days were seen: tried on completejourney, it is worth as much as training anew
    on all days.

    Args:
        model: as `train_two_tower` left it.
        data: what it was trained from.
        config: the recipe.
        epochs: how many the training days had.
        seed: of negatives and order.

    Returns:
        The training set with these rows counted among what items were trained on.
    """
    rows = TowerRows.of(data.last_rows, data.log)
    items = data.items.with_rows(data.last_rows["item_id"])
    if len(rows):
        share = min(1, config.most_rows / len(data.rows[REQUEST_USER_ID]))
        most_rows = ceil(share * len(rows))
        model.count(items.counts)
        compile_with_adam(model, config.learning_rate)
        for epoch in range(epochs):
            own_seed = seed + config.max_epochs + epoch
            model.fit(rows.epoch(most_rows, config.horizon_days, config.batch_size, own_seed), verbose=0)
        forget_untrained_items(model, items)
    return replace(data, items=items)


def validation_metric(items: ItemTable) -> str:
    """Recall at the depth of retrieval, or at 100 where a catalog is so small that everything would be recalled."""
    return "recall@300" if len(items.catalog) > SMALL_CATALOGUE else "recall@100"


def restore_two_tower(data: TrainingSet, config: TwoTowerConfig, checkpoint: Path, seed: int = 0) -> TwoTower:
    """Builds the model of a checkpoint and fills it; the seed is of the negatives, should it be trained on."""
    model = build_two_tower(data, config, seed)
    restore_checkpoint(model, checkpoint)
    return model


def _chosen_before(data: TrainingSet, user_ids: npt.NDArray[np.int32]) -> pl.DataFrame:
    """Returns the users and items (both raw) of the training rows of some users."""
    log = data.log.of_users(user_ids).until(data.last_training_moment + 1)
    users = pl.Series("user_id", log.user_ids.astype(np.int32))
    return pl.DataFrame([users, pl.Series("item_id", data.items.raw_ids[log.item_ids])]).unique()


def forget_untrained_items(model: TwoTower, items: ItemTable) -> None:
    """Gives ids without training rows the vector of the unknown id, where histories look them up."""
    table = model.query.items.of_id
    weights = table.embeddings.numpy()
    table.embeddings.assign(weights[items.trained_ids(np.arange(len(weights)))])
