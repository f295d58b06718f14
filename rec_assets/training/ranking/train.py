"""Full training of the ranker on retrieved candidates: selected on the validation days, then trained on all days."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.common.concurrency.threads import in_threads
from rec_assets.common.platt import fit_platt
from rec_assets.datasets.evaluation_set import EvaluationSet
from rec_assets.datasets.request_features import histories_of
from rec_assets.datasets.retrieve import Retrieval
from rec_assets.datasets.rows import Arrays, as_columns, take
from rec_assets.evaluation.metrics import among
from rec_assets.features.columns import (
    CONTEXT_FEATURES,
    RANKER_FEATURES,
    REQUEST_USER_ID,
    SIGNALS,
    TIMESTAMP,
    USER_FEATURES,
)
from rec_assets.features.history import PADDING_ID, InteractionLog
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.preprocessing.merlin_schema import load_schema
from rec_assets.training.export.onnx import export_model
from rec_assets.training.loop.averaging import WeightAverage
from rec_assets.training.loop.checkpoints import restore_checkpoint
from rec_assets.training.loop.data_parallel import compile_with_adam
from rec_assets.training.loop.determinism import make_deterministic
from rec_assets.training.loop.early_stopping import Report, TrainingHistory, drawn_ahead, fit_until_best
from rec_assets.training.ranking.candidate_lists import RankerLists, arrivals, epoch_of, new_to_users
from rec_assets.training.ranking.dlrm import Floats, Ranker
from rec_assets.training.ranking.score import CandidateScorer
from rec_assets.training.ranking.selection import ListsOfTrack, value_of_ranking
from rec_assets.training.ranking.visitors import with_visitors

VALIDATION_USERS = 3_000
EXAMPLE_USERS, EXAMPLE_CANDIDATES = 4, 50
MIN_DEVIATION, NO_INPUT = 1e-6, 1e12


@dataclass(frozen=True)
class RankerConfig:
    """Settings of the training. Positives are interactions up to `horizon_days` later; every epoch draws new lists.

    The result is the average of the weights over about `averaged_epochs`. Few requests have smaller steps, so that an
    epoch has at least `least_steps` of them, of `least_lists` or more: after three epochs of one step, validation has
    not risen yet, and the training would end.
    """

    horizon_days: int
    depth: int = 300
    batch_size: int = 512
    least_steps: int = 8
    least_lists: int = 32
    most_lists: int = 20_000
    positives: int = 10
    negatives: int = 40
    learning_rate: float = 2e-3
    averaged_epochs: int = 2
    max_epochs: int = 30
    patience: int = 3

    def with_steps_for(self, requests: int) -> "RankerConfig":
        """Returns the settings for a number of requests, each of which has up to two lists."""
        size = min(self.batch_size, max(self.least_lists, 2 * requests // self.least_steps))
        return replace(self, batch_size=size)


def train_ranker(
    data: EvaluationSet,
    retrieval: Retrieval,
    lists: RankerLists,
    config: RankerConfig,
    seed: int,
    report: Report,
    unfinished: Path | None = None,
) -> tuple[Ranker, TrainingHistory]:
    """Trains from the retrieval order; the kept weights are never worse than this order on validation.

    Validation is the geometric mean of NDCG@10 on track all and on track new, because the best epochs of both differ.
    An epoch that lowers one of them is worth no more than the retrieval order (`selection.value_of_ranking`).

    Args:
        data: the training set, with the validation queries; its rows are not read.
        retrieval: retrieval by towers of the training days.
        lists: the lists of the ranking window (`datasets.ranking_window`).
        config: settings of the training.
        seed: random seed for initial weights, list draws and the order of lists.
        report: called with one line per epoch.
        unfinished: file for the state of the training, to resume after a crash.
    """
    make_deterministic(seed)
    config = config.with_steps_for(len(lists))
    sample = data.validation.sample(VALIDATION_USERS, seed)
    validation = retrieval(sample.columns, config.depth)
    model = compiled_ranker(data, [lists], config)
    score = CandidateScorer(model, sample.columns, validation, retrieval)
    report(f"{len(lists)} lists, {lists.interacted.sum() / max(1, len(lists)):.1f} positives each")
    new = new_to_users(validation, histories_of(sample.columns, data.log))
    tracks = [
        ListsOfTrack(candidates, sample.user_ids, data.items.raw_ids, relevant)
        for candidates, relevant in ((validation, sample.relevant), (validation.where(new), data.unseen_pairs(sample)))
    ]

    def validate() -> float:
        logits = score()
        return value_of_ranking([one.ranked(logits) for one in tracks], [one.retrieval_order for one in tracks])

    history = fit_until_best(
        model,
        lambda epoch: list_batches([lists], config, seed + epoch),
        validate,
        config.max_epochs,
        config.patience,
        report,
        evaluate_untrained=True,
        average=weight_average([lists], config),
        # The first epochs often lower track all before both tracks rise, and the average lags behind.
        warm_up=config.averaged_epochs + config.patience,
        unfinished=unfinished,
    )
    logits = score()
    hits = among(sample.user_ids, data.items.raw_ids[validation.item_ids], sample.relevant)
    mask = validation.item_ids != PADDING_ID
    scale_to_probabilities(model, logits[mask], hits[mask])
    return model, history


def train_on_all_days(
    selected: Ranker, data: EvaluationSet, lists: Sequence[RankerLists], config: RankerConfig, epochs: int, seed: int
) -> Ranker:
    """Trains a second ranker on the training days and the validation days, which are the latest, after validation.

    It starts anew and is trained for as many epochs as `selected`, of more lists. Continuing the training of `selected`
    on the validation days alone made worse lists (docs/experiments.md).

    Args:
        selected: the ranker of `train_ranker`; the new one takes over its scale of probabilities.
        data: the training set.
        lists: the lists of the ranking window and of the validation days.
        config: settings of the training.
        epochs: number of epochs; with 0, or without lists, the result is `selected`.
        seed: random seed for initial weights, list draws and the order of lists.
    """
    if not epochs or not len(lists[-1]):
        return selected
    make_deterministic(seed)
    config = config.with_steps_for(sum(map(len, lists)))
    model, average = compiled_ranker(data, lists, config), weight_average(lists, config)
    for _, batches in drawn_ahead(
        lambda epoch: list_batches(lists, config, seed + config.max_epochs + epoch), 0, epochs
    ):
        model.fit(batches, verbose=0, callbacks=[average])
    average.assign(model)
    model.slope.assign(selected.slope)
    model.intercept.assign(selected.intercept)
    return model


def compiled_ranker(data: EvaluationSet, lists: Sequence[RankerLists], config: RankerConfig) -> Ranker:
    """Builds an untrained ranker for lists, ready for `fit`."""
    model = build_ranker(data, lists)
    model.train_on(data.items.features)
    compile_with_adam(model, config.learning_rate)
    return model


def weight_average(lists: Sequence[RankerLists], config: RankerConfig) -> WeightAverage:
    """Returns the average over the steps of `averaged_epochs`; each request has up to two lists."""
    return WeightAverage(config.averaged_epochs * 2 * sum(map(len, lists)) / config.batch_size)


def lists_of_rows(
    data: EvaluationSet, rows: Arrays, retrieval: Retrieval, config: RankerConfig, seed: int
) -> RankerLists:
    """Returns lists of the known users of some rows, labeled by these rows; some are those of visitors.

    The towers and neighbors of `retrieval` must not have these rows, nor later ones.
    """
    known = rows[REQUEST_USER_ID] >= 0
    log = InteractionLog.of(*(rows[name][known] for name in (REQUEST_USER_ID, TIMESTAMP, "item_id")))
    requests = take(rows, arrivals(rows, known, config.most_lists, seed))
    users = requests[REQUEST_USER_ID]
    return lists_of(data, retrieval, with_visitors(requests, rows, seed), users, log, config)


def lists_of(
    data: EvaluationSet,
    retrieval: Retrieval,
    requests: Arrays,
    users: npt.NDArray[np.int32],
    later: InteractionLog,
    config: RankerConfig,
) -> RankerLists:
    """Retrieves the candidates of requests [n] and labels them by a log of later interactions of users [n].

    Leaves out items that arrived after the request. Otherwise the ranker would learn that new items are seldom chosen.
    """
    found = retrieval(requests, config.depth)
    candidates = found.only(data.items.on_sale(found.item_ids, requests[TIMESTAMP]))
    return RankerLists.of(
        requests, users, candidates, data.log, later, data.items, retrieval.neighbors, config.horizon_days
    )


def list_batches(lists: Sequence[RankerLists], config: RankerConfig, seed: int) -> tf.data.Dataset:
    """Returns one epoch of lists with the sizes of `config`."""
    return epoch_of(lists, config.positives, config.negatives, config.batch_size, seed)


def build_ranker(data: EvaluationSet, lists: Sequence[RankerLists] = ()) -> Ranker:
    """Builds the ranker with all variables created.

    Args:
        data: the training set.
        lists: the lists of the training; means and deviations of their signals normalize the input. Without any for a
            model whose weights are restored.
    """
    means, scales = signal_moments(lists)
    model = Ranker(load_schema(data.schema_file), means, scales)
    example = take(data.validation.columns, slice(0, 1))
    columns = {name: example[name] for name in (*USER_FEATURES, *CONTEXT_FEATURES)} | data.items.at(np.array([0]))
    columns |= dict.fromkeys(SIGNALS, np.zeros(1, np.float32))
    batch = as_columns({name: columns[name] for name in RANKER_FEATURES})
    model({name: tf.constant(column) for name, column in batch.items()})
    return model


def signal_moments(lists: Sequence[RankerLists]) -> tuple[Floats, Floats]:
    """Returns mean and scale of each of `SIGNALS` over all candidates, float32 [s] each; 0 and 1 without candidates."""
    means, scales = np.zeros(len(SIGNALS), np.float32), np.ones(len(SIGNALS), np.float32)
    masks = [part.mask for part in lists]

    def measure(number: int) -> None:
        values = np.concatenate([part.signals.column(number)[mask] for part, mask in zip(lists, masks, strict=True)])
        means[number], deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
        # A signal without variation in training is no input, whatever its later values are.
        scales[number] = deviation if deviation > MIN_DEVIATION else NO_INPUT

    if any(mask.any() for mask in masks):
        in_threads(measure, range(len(SIGNALS)))
    return means, scales


def restore_ranker(data: EvaluationSet, checkpoint: Path) -> Ranker:
    """Builds the ranker and restores the weights of a checkpoint."""
    model = build_ranker(data)
    restore_checkpoint(model, checkpoint)
    return model


def scale_to_probabilities(model: Ranker, logits: npt.NDArray[Any], hits: npt.NDArray[np.bool_]) -> None:
    """Sets slope and intercept so that the sigmoid of the logit [n] estimates the hit rate."""
    slope, intercept = fit_platt(logits, hits)
    model.slope.assign(slope)
    model.intercept.assign(intercept)


def export_ranker(
    model: Ranker, data: EvaluationSet, retrieval: Retrieval, file: Path, *, saved_model: bool = False
) -> float:
    """Writes the ranker with the output `score`, a probability; files and result as of `export_query_tower`."""
    example = _example(data, retrieval)
    expected = export_model(lambda batch: tf.sigmoid(model(batch)), example, "score", file, saved_model=saved_model)
    return float(np.abs(OnnxModel(file, tuple(example), 1)(example) - expected).max())


def _example(data: EvaluationSet, retrieval: Retrieval) -> Arrays:
    """Returns the ranker's inputs for some candidates of the first validation users."""
    requests = take(data.validation.columns, slice(0, EXAMPLE_USERS))
    flat = retrieval.ranking_columns(requests, retrieval(requests, EXAMPLE_CANDIDATES))
    return {name: flat[name] for name in RANKER_FEATURES}
