"""Full training of the ranker on retrieved candidates, and validation by the ranked lists."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.ranking_features import in_batches, ranking_columns
from rec_assets.datasets.request_features import histories_of
from rec_assets.datasets.rows import Arrays, as_columns, take
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.evaluation.metrics import among, score_lists
from rec_assets.features.columns import RANKER_FEATURES
from rec_assets.features.history import PADDING_ID
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.preprocessing.merlin_schema import load_schema
from rec_assets.training.export.onnx import export_model
from rec_assets.training.loop.checkpoints import restore_checkpoint
from rec_assets.training.loop.data_parallel import compile_with_adam
from rec_assets.training.loop.determinism import make_deterministic
from rec_assets.training.loop.early_stopping import Report, TrainingHistory, fit_until_best
from rec_assets.training.ranking.candidate_lists import RankerLists, ranker_arrivals
from rec_assets.training.ranking.dlrm import Ranker

METRIC = "ndcg@10"
VALIDATION_USERS = 3_000
USERS_PER_BATCH = 64
Retrieve = Callable[[Arrays], Candidates]


@dataclass(frozen=True)
class RankerConfig:
    """Settings of the training. Positives are interactions up to `horizon_days` later; every epoch draws new lists."""

    horizon_days: int
    batch_size: int = 512
    most_lists: int = 20_000
    positives: int = 10
    negatives: int = 40
    learning_rate: float = 2e-3
    max_epochs: int = 20
    patience: int = 3


def train_ranker(
    data: TrainingSet,
    retrieve: Retrieve,
    config: RankerConfig,
    seed: int,
    report: Report,
    unfinished: Path | None = None,
) -> tuple[Ranker, TrainingHistory]:
    """Trains from the retrieval order; the kept weights are never worse than this order on validation.

    Args:
        data: the training set, with the validation queries.
        retrieve: returns the candidates of requests [n].
        config: settings of the training.
        seed: random seed for initial weights, list draws and the order of lists.
        report: called with one line per epoch.
        unfinished: file for the state of the training, to resume after a crash.
    """
    make_deterministic(seed)
    requests = take(data.rows, ranker_arrivals(data.rows, config.most_lists, seed))
    # Later interactions are for validation.
    train_log = data.log.until(data.last_training_moment + 1)
    candidates, histories = retrieve(requests), histories_of(requests, data.log)
    lists = RankerLists.of(requests, candidates, histories, train_log, data.items, config.horizon_days)
    model = build_ranker(data, candidates)
    del candidates, histories  # `lists` holds the training data; free this memory
    model.train_on(data.items.features)
    compile_with_adam(model, config.learning_rate)
    sample = data.validation.sample(VALIDATION_USERS, seed)
    validation = retrieve(sample.columns)
    report(f"{len(lists)} lists, {lists.interacted.sum() / max(1, len(lists)):.1f} positives each")

    def validate() -> float:
        ranked = validation.order_by(score_candidates(model, sample.columns, validation, data))
        lists = data.items.raw_ids[ranked.item_ids]
        return score_lists(sample.user_ids, lists, sample.relevant, (METRIC,))[METRIC]

    history = fit_until_best(
        model,
        lambda epoch: list_batches(lists, config, seed + epoch),
        validate,
        config.max_epochs,
        config.patience,
        report,
        evaluate_untrained=True,
        unfinished=unfinished,
    )
    logits = score_candidates(model, sample.columns, validation, data)
    hits = among(sample.user_ids, data.items.raw_ids[validation.item_ids], sample.relevant)
    mask = validation.item_ids != PADDING_ID
    scale_to_probabilities(model, logits[mask], hits[mask])
    return model, history


def list_batches(lists: RankerLists, config: RankerConfig, seed: int) -> tf.data.Dataset:
    """Returns one epoch of lists with the sizes of `config`."""
    return lists.epoch(config.positives, config.negatives, config.batch_size, seed)


def build_ranker(data: TrainingSet, candidates: Candidates) -> Ranker:
    """Builds the ranker with all variables created; the candidates' scores give mean and scale of the input."""
    scores = candidates.scores[candidates.item_ids != PADDING_ID]
    model = Ranker(load_schema(data.schema_file), float(scores.mean()), float(scores.std() or 1.0))
    model({name: tf.constant(column) for name, column in as_columns(_example(data, candidates)).items()})
    return model


def restore_ranker(data: TrainingSet, checkpoint: Path) -> Ranker:
    """Builds the ranker and restores the weights of a checkpoint."""
    empty = Candidates(
        np.full((len(data.validation), 1), PADDING_ID + 1, np.int32), np.zeros((len(data.validation), 1), np.float32)
    )
    model = build_ranker(data, empty)
    restore_checkpoint(model, checkpoint)
    return model


def score_candidates(
    model: Ranker, columns: Arrays, candidates: Candidates, data: TrainingSet
) -> npt.NDArray[np.float32]:
    """Returns logits float32 [q, k] of every candidate of every request."""
    score = tf.function(lambda batch: model(batch), reduce_retracing=True)
    logits = []
    for requests, part in in_batches(columns, candidates, USERS_PER_BATCH):
        flat = ranking_columns(requests, part, histories_of(requests, data.log), data.items)
        batch = {name: tf.constant(flat[name]) for name in RANKER_FEATURES}
        logits.append(score(as_columns(batch)).numpy().reshape(part.item_ids.shape))
    return np.concatenate(logits)


def scale_to_probabilities(model: Ranker, logits: npt.NDArray[Any], hits: npt.NDArray[np.bool_]) -> None:
    """Fits slope and intercept (Platt 1999) so that the sigmoid of the logit [n] estimates the hit rate."""
    if hits.all() or not hits.any():
        return
    fitted = LogisticRegression(penalty=None).fit(logits.reshape(-1, 1), hits)
    if fitted.coef_[0, 0] > 0:  # a negative slope would reverse the order
        model.slope.assign(fitted.coef_[0, 0])
        model.intercept.assign(fitted.intercept_[0])


def export_ranker(
    model: Ranker, data: TrainingSet, candidates: Candidates, file: Path, *, saved_model: bool = False
) -> float:
    """Writes the ranker with the output `score`, a probability; files and result as of `export_query_tower`."""
    example = _example(data, candidates)
    expected = export_model(lambda batch: tf.sigmoid(model(batch)), example, "score", file, saved_model=saved_model)
    return float(np.abs(OnnxModel(file, tuple(example), 1)(example) - expected).max())


def _example(data: TrainingSet, candidates: Candidates) -> Arrays:
    """Returns the ranker's inputs for the first validation users."""
    count = min(4, len(data.validation), len(candidates.item_ids))
    requests = take(data.validation.columns, slice(0, count))
    flat = ranking_columns(requests, candidates.at(slice(0, count)), histories_of(requests, data.log), data.items)
    return {name: flat[name] for name in RANKER_FEATURES}
