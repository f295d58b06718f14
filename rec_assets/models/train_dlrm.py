"""Full training of the ranker on retrieval's own candidates, judged by the list it makes of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from merlin.schema import Schema

from rec_assets.models.batches import ranking_batches
from rec_assets.models.candidates import Candidates, training_lists
from rec_assets.models.dlrm import RETRIEVAL_SCORE, Ranker
from rec_assets.models.early_stopping import History, Report, fit_until_best
from rec_assets.models.evaluation import score_lists
from rec_assets.models.onnx_export import export_onnx
from rec_assets.models.rows import CONTEXT_FEATURES, USER_FEATURES, Arrays, ItemTable, as_columns, take
from rec_assets.models.training_set import TrainingSet
from rec_assets.serving.onnx_model import OnnxModel

METRIC = "ndcg@10"
VALIDATION_USERS = 3_000
SCORE_BATCH_USERS = 64


@dataclass(frozen=True)
class RankerConfig:
    """The recipe. An epoch is `lists_per_epoch` events at most; `negatives` are drawn for each, anew every epoch."""

    batch_size: int = 256
    negatives: int = 15
    lists_per_epoch: int = 30_000
    learning_rate: float = 1e-3
    max_epochs: int = 12
    patience: int = 2


def build_ranker(schema: Schema, items: ItemTable, score_mean: float, score_scale: float) -> Ranker:
    """Builds the ranker with all its variables made; the statistics standardise the retrieval score."""
    model = Ranker(schema, score_mean, score_scale)
    model({name: tf.constant(column) for name, column in as_columns(example_columns(items, 2)).items()})
    return model


def example_columns(items: ItemTable, rows: int) -> Arrays:
    """Rows of unknown users and padding items, with every input the ranker reads."""
    floats = {"age_norm", *CONTEXT_FEATURES[1:], RETRIEVAL_SCORE}
    names = (*USER_FEATURES, *CONTEXT_FEATURES, RETRIEVAL_SCORE)
    example: Arrays = {n: np.zeros(rows, np.float32) if n in floats else np.full(rows, 2, np.int32) for n in names}
    return {**example, **items.at(np.zeros(rows, np.int64))}


def train_ranker(
    data: TrainingSet,
    candidates: Candidates,
    validation_candidates: Candidates,
    config: RankerConfig,
    seed: int,
    report: Report,
) -> tuple[Ranker, History]:
    """Trains from the retrieval order; what is kept is never below it on validation.

    Args:
        data: rows, items and the users to judge by.
        candidates: what retrieval returns for each training row, [n, k].
        validation_candidates: what it returns for each validation query.
        config: the recipe.
        seed: of initial weights, negatives and order.
        report: called with a line an epoch.
    """
    tf.keras.utils.set_random_seed(seed)
    rows, items, validation = data.rows, data.items, data.validation
    model = build_ranker(data.schema, items, float(candidates.scores.mean()), float(candidates.scores.std() or 1.0))
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(config.learning_rate))
    picked = np.sort(np.random.default_rng(seed).permutation(len(validation))[:VALIDATION_USERS])
    sample = validation.at(picked)
    sample_candidates = Candidates(validation_candidates.item_ids[picked], validation_candidates.scores[picked])

    def epoch_batches(epoch: int) -> tf.data.Dataset:
        events, lists = training_lists(candidates, rows["item_id"], config.negatives, seed + epoch)
        chosen = np.random.default_rng(seed + epoch).permutation(len(events))[: config.lists_per_epoch]
        return ranking_batches(take(rows, events[chosen]), take(lists, chosen), items, config.batch_size, seed + epoch)

    def validate() -> float:
        logits = score_candidates(model, sample.columns, sample_candidates, items)
        lists = ranked_lists(sample_candidates, logits, items)
        return score_lists(sample.user_ids, lists, sample.relevant, (METRIC,))[METRIC]

    history = fit_until_best(
        model, epoch_batches, validate, config.max_epochs, config.patience, report, judge_untrained=True
    )
    return model, history


def score_candidates(
    model: Ranker, columns: Arrays, candidates: Candidates, items: ItemTable
) -> npt.NDArray[np.float32]:
    """Click logits float32 [q, k] of every candidate of every query (columns [q])."""
    depth = candidates.item_ids.shape[1]
    score = tf.function(lambda batch: model(batch), reduce_retracing=True)
    logits = []
    for start in range(0, len(candidates.item_ids), SCORE_BATCH_USERS):
        window = slice(start, start + SCORE_BATCH_USERS)
        flat: Arrays = {name: np.repeat(columns[name][window], depth) for name in (*USER_FEATURES, *CONTEXT_FEATURES)}
        flat |= items.at(candidates.item_ids[window].ravel())
        flat[RETRIEVAL_SCORE] = candidates.scores[window].ravel()
        batch = {name: tf.constant(column) for name, column in as_columns(flat).items()}
        logits.append(score(batch).numpy().reshape(-1, depth))
    return np.concatenate(logits)


def ranked_lists(candidates: Candidates, logits: npt.NDArray[np.float32], items: ItemTable) -> npt.NDArray[np.int32]:
    """Raw item ids [q, k], best logit first, ties in retrieval order."""
    order = np.argsort(-logits, axis=1, kind="stable")
    return items.raw_ids[np.take_along_axis(candidates.item_ids, order, axis=1)]


def export_ranker(model: Ranker, rows: Arrays, candidates: Candidates, items: ItemTable, file: Path) -> float:
    """Writes the ranker as ONNX with output `score`, a probability; returns the largest difference from TensorFlow."""
    columns = take({name: rows[name] for name in (*USER_FEATURES, *CONTEXT_FEATURES)}, slice(0, 512))
    columns |= items.at(candidates.item_ids[:512, 0])
    columns[RETRIEVAL_SCORE] = candidates.scores[:512, 0]
    expected = export_onnx(lambda batch: tf.sigmoid(model(batch)), columns, "score", file)
    return float(np.abs(OnnxModel(file, tuple(columns), 1)(columns) - expected).max())
