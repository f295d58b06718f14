"""The one evaluation: every method's lists for the same users, on both tracks, and the verdict on them."""

import numpy as np
import polars as pl

from rec_assets.datasets.queries import Queries
from rec_assets.evaluation.baselines.context_popularity import context_popularity
from rec_assets.evaluation.baselines.tuning import BaselineTuner, rows_of_users
from rec_assets.evaluation.calibration import Calibration, calibrate
from rec_assets.evaluation.metrics import among, rows_of
from rec_assets.evaluation.offline_inference import Ranked, ServedModels, first_unseen
from rec_assets.evaluation.report import ALL, DEPTH, NEW, EvaluationReport, Lists, deep_enough, judge, unseen_lists
from rec_assets.sources.base import BestRanking

RETRIEVAL, RANKED, BEST = "retrieval", "ranked", "best possible"
CONTEXT = "popularity by context"


def compare(
    models: ServedModels,
    queries: Queries,
    history: pl.DataFrame,
    best: BestRanking | None,
    holdout_days: int,
    seed: int,
) -> tuple[EvaluationReport, Calibration]:
    """Judges the models beside the baselines, and beside the best possible lists where the source knows them.

    Args:
        models: what is served.
        queries: of the period to judge by.
        history: the training rows: user_id, item_id, device_type, timestamp.
        best: the source's ideal ranking.
        holdout_days: how many of the last training days choose the baselines' settings.
        seed: of the baselines.

    Returns:
        The verdict, and the calibration of the ranker on the candidates of track all.
    """
    users, items = queries.user_ids, models.items
    own = rows_of(history, users)
    deep = deep_enough(users, own)
    found, retrieved = (models.retrieve(queries.columns, depth) for depth in (DEPTH, deep))
    ideal = None if best is None else best(users, queries.timestamps, queries.device_types, deep)
    learned = rows_of_users(history, users, seed)
    baselines = BaselineTuner(learned, holdout_days, seed)
    days = baselines.best_popularity_days()
    in_context = context_popularity(learned, queries.timestamps, queries.device_types, deep, days)
    tracks: dict[str, dict[str, Lists]] = {}
    ranked: dict[str, Ranked] = {}
    for track in (ALL, NEW):
        new_only = track == NEW
        candidates = first_unseen(retrieved, items, users, own, DEPTH) if new_only else found
        ranked[track] = models.rank(queries.columns, candidates)
        tracks[track] = {
            **baselines.lists(users, DEPTH, new_only=new_only),
            RETRIEVAL: items.raw_ids[candidates.item_ids],
            RANKED: ranked[track].lists,
        }
        whole = {CONTEXT: in_context} | ({} if ideal is None else {BEST: ideal})
        for name, lists in whole.items():
            tracks[track][name] = unseen_lists(users, lists, own, DEPTH) if new_only else lists[:, :DEPTH]
    hits = among(users, ranked[ALL].lists, queries.relevant)
    catalog = np.asarray(items.raw_ids[items.catalog])
    return judge(queries, history, catalog, tracks), calibrate(ranked[ALL].scores, hits)
