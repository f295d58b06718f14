"""Evaluates lists for anonymous visitors with a session: known users, of whom only their last items are shown.

    python -m benchmarks.sessions --following 3

The models are those of `benchmarks.quality --following`; a session is the input `recent` of a request.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.quality import served
from rec_assets.common.errors import ActionableError
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.queries import Queries
from rec_assets.datasets.rows import Arrays
from rec_assets.evaluation.baselines.context_popularity import context_popularity
from rec_assets.evaluation.baselines.tuning import BaselineTuner, rows_of_users
from rec_assets.evaluation.metrics import user_scores
from rec_assets.evaluation.offline_inference import ServedModels
from rec_assets.evaluation.report import DEPTH
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP, USER_FEATURES
from rec_assets.features.history import LENGTH, PADDING_ID, InteractionLog
from rec_assets.features.top_category import NO_CATEGORY
from rec_assets.inference.lookups import CATALOG, LOOKUPS, Lookups
from rec_assets.serving.graph.request import NO_ITEM
from rec_assets.serving.graph.spec import RECENT_LENGTH
from rec_assets.serving.stages.users import UserTransform
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.stores import open_store

METRICS = ("ndcg@10", "recall@100")


def anonymous(
    columns: Arrays, log: InteractionLog, items: ItemTable, transform: UserTransform, age: float, count: int
) -> tuple[Arrays, InteractionLog]:
    """Returns requests as an anonymous visitor would send them, and a log with nothing but their sessions.

    Args:
        columns: columns of the requests of known users, [q] each.
        log: the log with their histories.
        items: the item table.
        transform: the stage of serving that encodes user features, and the category of a session.
        age: the mean age, which stands for an unknown age.
        count: number of last items in a session, 0 to 50.
    """
    now, rows = columns[TIMESTAMP], len(columns[TIMESTAMP])
    slices = log.slices(columns[REQUEST_USER_ID], now)
    slices[:, 0] = np.maximum(slices[:, 0], slices[:, 1] - count)
    kept = np.concatenate([np.arange(begin, end) for begin, end in slices]).astype(np.int64)
    sessions = log.gather(slices)
    recent = np.full((rows, RECENT_LENGTH, 2), NO_ITEM, np.int32)
    has_item = sessions.item_ids[:, :RECENT_LENGTH] != PADDING_ID
    recent[..., 0] = np.where(has_item, items.raw_ids[sessions.item_ids[:, :RECENT_LENGTH]], NO_ITEM)
    recent[..., 1] = np.where(has_item, sessions.timestamps[:, :RECENT_LENGTH], NO_ITEM)
    unknown = np.full(rows, NO_CATEGORY, np.int32)
    encoded: Mapping[str, Any] = transform(
        {
            "age": np.full(rows, age, np.float32),
            "gender": unknown,
            "top_category": unknown,
            "recent_item_id": np.full((rows, LENGTH), NO_ITEM, np.int32),
            "recent_timestamp": np.zeros((rows, LENGTH), np.int64),
            "timestamp": now.astype(np.int32),
            "recent": recent,
        }
    )
    return columns | {name: encoded[name] for name in USER_FEATURES}, log.at(kept)


def categories_of(catalog: pl.DataFrame, lookups: Lookups) -> npt.NDArray[np.int32]:
    """Returns the raw level-1 category by encoded item id, int32 [v]."""
    categories = np.full(lookups.size("item_id"), NO_CATEGORY, np.int32)
    categories[lookups.encode("item_id", catalog["item_id"].to_numpy())] = catalog["category_l1"].to_numpy()
    return categories


def evaluate(day: str, days: int, counts: list[int], settings: Settings) -> dict[str, pl.DataFrame]:
    """Returns the scores by user of popularity in context, of sessions of some lengths, and of known users.

    Args:
        day: the as-of day of the models.
        days: number of following days.
        counts: numbers of last items that a session has.
        settings: the settings of the home.

    Raises:
        ActionableError: the models of the day are missing, or the source has no rows of the next days.
    """
    models, queries, history = served(day, days, settings)
    store = open_store(settings)
    lookups = Lookups.load(store.get("nvt_workflows", day) / LOOKUPS)
    catalog = pl.read_parquet(store.get("raw_items") / CATALOG, columns=["item_id", "category_l1"])
    transform = UserTransform(lookups, categories_of(catalog, lookups))
    queries = queries.at(np.flatnonzero(~queries.cold))
    rows = rows_of_users(history, queries.user_ids, settings.seed)
    popular_days = BaselineTuner(rows, settings.valid_days, settings.seed).best_popularity_days()
    in_context = context_popularity(rows, queries.timestamps, queries.device_types, DEPTH, popular_days)
    log = models.retrieval.log
    scores = {"popularity by context": user_scores(queries.user_ids, in_context, queries.relevant, METRICS)}
    for count in counts:
        columns, sessions = anonymous(queries.columns, log, models.items, transform, lookups.age_mean, count)
        visitor = ServedModels(replace(models.retrieval, log=sessions), models.ranker)
        scores[f"anonymous, last {count} items"] = _scores(visitor, queries, columns)
    scores["known user"] = _scores(models, queries, queries.columns)
    return scores


def _scores(models: ServedModels, queries: Queries, columns: Arrays) -> pl.DataFrame:
    ranked = models.rank(columns, models.retrieve(columns, DEPTH))
    return user_scores(queries.user_ids, models.lists(ranked), queries.relevant, METRICS)


def main(
    day: Annotated[str, typer.Argument(help="The as-of day. Default: the day of the first full training.")] = "",
    following: Annotated[int, typer.Option(min=1, help="Evaluate on so many later days.")] = 3,
) -> None:
    """Prints the quality of lists for anonymous visitors with a session, beside known users."""
    settings = get_settings()
    try:
        scores = evaluate(day or settings.as_of.isoformat(), following, [0, 1, 5, 20], settings)
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    table = Table("list", "users", *METRICS, "±", title=f"Track all, {following} days after the as-of day")
    for name, users in scores.items():
        values = users[METRICS[0]].to_numpy()
        means = (f"{users[metric].to_numpy().mean():.4f}" for metric in METRICS)
        table.add_row(name, str(len(values)), *means, f"{values.std(ddof=1) / np.sqrt(len(values)):.4f}")
    Console().print(machine())
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
