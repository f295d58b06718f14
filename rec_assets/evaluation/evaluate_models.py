"""Evaluates the models of an as-of day: lists of every method for the same users, on both tracks."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.queries import Queries
from rec_assets.datasets.rows import Arrays
from rec_assets.evaluation.baselines.context_popularity import context_popularity
from rec_assets.evaluation.baselines.tuning import BaselineTuner, rows_of_users
from rec_assets.evaluation.calibration import Calibration, calibrate
from rec_assets.evaluation.metrics import among, rows_of
from rec_assets.evaluation.offline_inference import ServedModels, first_unseen
from rec_assets.evaluation.report import (
    ALL,
    DEPTH,
    NEW,
    EvaluationReport,
    Lists,
    deep_enough,
    evaluate,
    paired_differences,
    unseen_lists,
)
from rec_assets.sources.base import BestRanking

RETRIEVAL, RANKED, BEST = "retrieval", "ranked", "best possible"
CONTEXT = "popularity by context"

# Maps requests [q] and their candidates [q, k] to the candidates in another order.
Rank = Callable[[Arrays, Candidates], Candidates]


def compare(
    models: ServedModels,
    queries: Queries,
    history: pl.DataFrame,
    best: BestRanking | None,
    holdout_days: int,
    seed: int,
    *,
    slow_baselines: bool = False,
    other_rankers: Mapping[str, Rank] | None = None,
) -> tuple[EvaluationReport, Calibration, pl.DataFrame]:
    """Evaluates the models beside the baselines, and beside the oracle if the source has one.

    Track new leaves out each user's history before ranking, so it needs longer lists than track all.

    Example with lists of 2 items in place of `DEPTH`, and one user with the history {a}: `deep` is 2 + 1 = 3.
    Retrieval returns a, b for track all, and a, b, c for track new.
    On track all, the ranker orders a, b. All items of the period are relevant.
    On track new, a is removed and the ranker orders b, c. Item a is not relevant.
    The oracle's and the context's lists of `deep` items are cut to 2: with a on track all, without a on track new.

    Args:
        models: the exported models.
        queries: queries of the evaluation period.
        history: the training rows: user_id, item_id, device_type, timestamp.
        best: the oracle ranking of the source, None if it has none.
        holdout_days: number of last training days that tune the baselines.
        seed: random seed for the tuning and the sampling of the baselines.
        slow_baselines: evaluate also the baselines that take minutes.
        other_rankers: rankers by name that order the same candidates.

    Returns:
        The evaluation report, the calibration of the ranker on the candidates of track all, and the effect of ranking:
        `report.paired_differences` of the ranked list and the retrieval order.
    """
    users, items = queries.user_ids, models.items
    user_rows = rows_of(history, users)
    deep = deep_enough(users, user_rows)
    retrieved, retrieved_deep = (models.retrieve(queries.columns, depth) for depth in (DEPTH, deep))
    oracle = None if best is None else best(users, queries.timestamps, queries.device_types, deep)
    train_rows = rows_of_users(history, users, seed)
    baselines = BaselineTuner(train_rows, holdout_days, seed)
    days = baselines.best_popularity_days()
    in_context = context_popularity(train_rows, queries.timestamps, queries.device_types, deep, days)
    tracks: dict[str, dict[str, Lists]] = {}
    ranked: dict[str, Candidates] = {}
    for track in (ALL, NEW):
        new_only = track == NEW
        candidates = first_unseen(retrieved_deep, items, users, user_rows, DEPTH) if new_only else retrieved
        ranked[track] = models.rank(queries.columns, candidates)
        tracks[track] = {
            **baselines.lists(users, DEPTH, new_only=new_only, slow=slow_baselines),
            RETRIEVAL: models.lists(candidates),
            RANKED: models.lists(ranked[track]),
            **{name: models.lists(rank(queries.columns, candidates)) for name, rank in (other_rankers or {}).items()},
        }
        deep_lists = {CONTEXT: in_context} | ({} if oracle is None else {BEST: oracle})
        for name, lists in deep_lists.items():
            tracks[track][name] = unseen_lists(users, lists, user_rows, DEPTH) if new_only else lists[:, :DEPTH]
    # Scoring needs memory of its own.
    del baselines, train_rows, retrieved, retrieved_deep, oracle, in_context, deep_lists, lists
    hits = among(users, models.lists(ranked[ALL]), queries.relevant)
    catalog = np.asarray(items.raw_ids[items.catalog])
    effect = paired_differences(queries, history, tracks, RANKED, RETRIEVAL)
    return evaluate(queries, history, catalog, tracks), calibrate(ranked[ALL].scores, hits), effect
