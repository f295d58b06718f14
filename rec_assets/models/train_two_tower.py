"""Full training of the two-tower model, its length set by validation recall and not by a number of epochs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.features.signals import DAY_SECONDS
from rec_assets.models.batches import retrieval_batches
from rec_assets.models.candidates import add_histories, retrieve
from rec_assets.models.checkpoints import restore_checkpoint
from rec_assets.models.early_stopping import History, Report, fit_until_best
from rec_assets.models.evaluation import score_lists
from rec_assets.models.holdout import trains_ranker
from rec_assets.models.item_index import ItemVectors, build_index
from rec_assets.models.reproducible import start_from
from rec_assets.models.requests import asked_earlier, batches, histories_of
from rec_assets.models.rows import ASKED_BY, TIMESTAMP, Arrays, ItemTable, as_columns, column_batches, take
from rec_assets.models.towers import QUERY_FEATURES, CandidateTower, QueryTower
from rec_assets.models.towers import ItemVectors as OwnVectors
from rec_assets.models.training_set import TrainingSet
from rec_assets.models.two_tower import TwoTower

VALIDATION_USERS = 3_000  # a standard error near 0.01, at a second an epoch
ENCODE_BATCH = 2_048
SMALL_CATALOGUE = 1_000
DEPTH = 300
POPULARITY_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
LOG_POPULARITY, LEAST_RATE = "log_popularity", 0.01  # interactions a week


@dataclass(frozen=True)
class TwoTowerConfig:
    """The recipe; `temperature` divides the logits, `horizon_days` is how far ahead rows are foreseen.

    `repeats`: whether what a user chose before is a candidate anyway, and validation judges what is found beside it.
    """

    horizon_days: int
    batch_size: int = 1_024
    learning_rate: float = 1e-3
    temperature: float = 0.1
    uniform_negatives: int = 1_024
    id_dropout: float = 0.05
    pooling: str = "age"
    repeats: bool = True
    max_epochs: int = 30
    patience: int = 2


def build_two_tower(data: TrainingSet, config: TwoTowerConfig, seed: int) -> TwoTower:
    """Builds the model with all its variables made."""
    items = data.items
    own = OwnVectors(items.categories)
    model = TwoTower(
        QueryTower(data.schema, own, config.pooling),
        CandidateTower(data.schema, own),
        items.counts,
        items.features,
        config.temperature,
        config.uniform_negatives,
        config.id_dropout,
        seed,
    )
    encode_users(model, take(data.rows, slice(0, 1)), data)
    encode_items(model, data)
    return model


def train_two_tower(
    data: TrainingSet, config: TwoTowerConfig, seed: int, report: Report, unfinished: Path | None = None
) -> tuple[TwoTower, History]:
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
    start_from(seed)
    items, sample = data.items, data.validation.sample(VALIDATION_USERS, seed)
    model = build_two_tower(data, config, seed)
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(config.learning_rate))
    rows = take(data.rows, np.flatnonzero(~trains_ranker(data.rows[ASKED_BY])))
    horizon, metric = config.horizon_days * DAY_SECONDS, validation_metric(items)

    def epoch_batches(epoch: int) -> tf.data.Dataset:
        asked_at = asked_earlier(rows, horizon, seed + epoch)
        return retrieval_batches(rows, asked_at, data.log, config.batch_size, seed + epoch)

    encoded = items.encode(items.raw_ids[items.catalogue])

    def recall(weight: float, queries: npt.NDArray[np.float32]) -> float:
        model.popularity_weight.assign(weight)
        vectors = item_vectors(model, data)
        found = retrieve(build_index(vectors), items, queries, DEPTH)
        if config.repeats:
            own = histories_of(sample.columns, data.log).item_ids
            found = add_histories(found, queries, own, vectors.by_encoded_id(encoded, len(items.raw_ids)))
        return score_lists(sample.user_ids, items.raw_ids[found.item_ids], sample.relevant, (metric,))[metric]

    def validate() -> float:
        """Leaves the model with the weight of popularity that is best now."""
        queries = encode_users(model, sample.columns, data)
        judged = {weight: recall(weight, queries) for weight in POPULARITY_WEIGHTS}
        best = max(judged, key=lambda weight: judged[weight])
        model.popularity_weight.assign(best)
        return judged[best]

    history = fit_until_best(
        model, epoch_batches, validate, config.max_epochs, config.patience, report, unfinished=unfinished
    )
    forget_untrained_items(model, items)
    report(f"weight of popularity: {float(model.popularity_weight)}")
    return model, history


def validation_metric(items: ItemTable) -> str:
    """Recall at the depth of retrieval, or at 100 where a catalogue is so small that everything would be recalled."""
    return "recall@300" if len(items.catalogue) > SMALL_CATALOGUE else "recall@100"


def restore_two_tower(data: TrainingSet, config: TwoTowerConfig, checkpoint: Path) -> TwoTower:
    """Builds the model of a checkpoint and fills it."""
    model = build_two_tower(data, config, seed=0)
    restore_checkpoint(model, checkpoint)
    return model


def encode_users(model: TwoTower, columns: Arrays, data: TrainingSet) -> npt.NDArray[np.float32]:
    """Query vectors float32 [n, 64] of requests [n]."""
    parts = []
    for batch in batches(columns, data.log, ENCODE_BATCH):
        parts.append(model.query_embedding(as_columns({name: batch[name] for name in QUERY_FEATURES})).numpy())
    return np.concatenate(parts)


def encode_items(model: TwoTower, data: TrainingSet) -> npt.NDArray[np.float32]:
    """Item vectors float32 [n, 64] of the catalogue, in the order of `items.catalogue`.

    Popularity is what was known after the training days: the days that judge must not be in what they judge.
    """
    items = data.items
    catalogue = items.at(items.catalogue)
    # While training, the id vector of an item without rows is still the random one it started from.
    catalogue["item_id"] = items.trained_ids(catalogue["item_id"])
    tomorrow = data.rows[TIMESTAMP].max(keepdims=True) + DAY_SECONDS
    rates = np.expm1(items.popularity_at(items.catalogue, tomorrow)["popularity_month"])
    catalogue[LOG_POPULARITY] = np.log(rates + LEAST_RATE).astype(np.float32)
    parts = []
    for batch in column_batches(catalogue, 4 * ENCODE_BATCH):
        parts.append(model.item_embedding(batch, batch.pop(LOG_POPULARITY)).numpy())
    return np.concatenate(parts)


def item_vectors(model: TwoTower, data: TrainingSet) -> ItemVectors:
    """Item vectors with their raw ids."""
    return ItemVectors(data.items.raw_ids[data.items.catalogue], encode_items(model, data))


def forget_untrained_items(model: TwoTower, items: ItemTable) -> None:
    """Gives ids without training rows the vector of the unknown id, where histories look them up."""
    table = model.query.items.of_id
    weights = table.embeddings.numpy()
    table.embeddings.assign(weights[items.trained_ids(np.arange(len(weights)))])
