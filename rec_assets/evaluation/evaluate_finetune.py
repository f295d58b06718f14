"""Evaluates fine-tuned models on rows outside their training, beside the same models without fine-tuning."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from rec_assets.datasets.queries import Queries
from rec_assets.evaluation.baselines.interaction_matrix import InteractionMatrix
from rec_assets.evaluation.baselines.scorers import popularity
from rec_assets.evaluation.baselines.tuning import BaselineTuner, rows_of_users
from rec_assets.evaluation.offline_inference import ServedModels
from rec_assets.evaluation.report import ALL, DEPTH, EvaluationReport, Lists, empty_table, evaluate
from rec_assets.sources.base import BestRanking

FINETUNED, FROZEN, POPULARITY, BEST = "fine-tuned", "not fine-tuned", "popularity", "best possible"


def evaluate_day(
    models: Mapping[str, ServedModels],
    queries: Queries,
    history: pl.DataFrame,
    best: BestRanking | None,
    seed: int,
) -> EvaluationReport:
    """Evaluates ranked lists of several models for the same requests, beside popularity and the oracle.

    Args:
        models: models by name; all use the codes of the same full training.
        queries: one query per user, encoded by that training.
        history: earlier interactions: user_id, item_id, timestamp.
        best: the oracle ranking of the source, None if it has none.
        seed: random seed for the sample of users that popularity is counted and tuned on.

    Returns:
        The evaluation report, without rows if there are no queries.
    """
    users = queries.user_ids
    if not len(queries):
        return EvaluationReport(empty_table())
    lists: dict[str, Lists] = {
        name: model.lists(model.rank(queries.columns, model.retrieve(queries.columns, DEPTH)))
        for name, model in models.items()
    }
    counted = rows_of_users(history, users, seed)
    matrix = InteractionMatrix.of(counted, BaselineTuner(counted, 1, seed).best_popularity_days())
    lists[POPULARITY] = matrix.lists(popularity(matrix), users, DEPTH)
    if best is not None:
        lists[BEST] = best(users, queries.timestamps, queries.device_types, DEPTH)
    newest = max(models.values(), key=lambda model: len(model.items.catalog)).items
    catalog = np.asarray(newest.raw_ids[newest.catalog])
    return evaluate(queries, history, catalog, {ALL: lists})
