"""Measures an upper bound for models on generated retail: preferences inferred by Bayes' rule from the training rows.

The oracle ranks by the true preferences of each user. A model has only the user's training rows, few for most users.
This script draws many people from the generator, weighs each by the likelihood of the user's rows, and ranks by the
weighted average. All other parameters of the generator are given. No trained model is expected to be better.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import numpy as np
import numpy.typing as npt
import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from rec_assets.common.units import DAY_SECONDS, HOUR_SECONDS
from rec_assets.datasets.queries import Queries
from rec_assets.evaluation.metrics import user_scores
from rec_assets.settings import get_settings
from rec_assets.sources import open_source
from rec_assets.sources.base import midnight
from rec_assets.sources.retail import RetailSource
from rec_assets.sources.retail.people import make_people
from rec_assets.sources.retail.taste import Taste
from rec_assets.storage.artifacts.stores import open_store

METRIC, DEPTH = "ndcg@10", 10
SESSION_SECONDS = 1_800
LEAST = 1e-12
Floats = npt.NDArray[np.float64]


class Posterior:
    """Weighs drawn people by a user's rows: by the categories of the sessions, and by the items within the sessions.

    Both are independent in the generator. Separate weights need fewer draws.
    """

    def __init__(self, source: RetailSource, drawn: int) -> None:
        """Draws people who are not users of the shop.

        Args:
            source: the generator.
            drawn: number of people to draw.
        """
        known = len(source.people.gender)
        # More people do not change earlier draws, so the people after the shop's users are new people of the same kind.
        others = replace(source.parameters, users=source.parameters.users + drawn)
        self._people = make_people(others, source.catalog)
        self._rows = np.arange(known, known + drawn)
        self._start = midnight(source.parameters.start_date)
        self._source = source
        self._tastes: dict[int, Taste] = {}
        middle = Taste(source.catalog, self._people, source.parameters.days // 2)
        # Preferences drift little within the training days, so the middle day represents all days.
        self._item = middle.item_given_category(self._rows).astype(np.float32)
        style = source.catalog.style
        by_style = np.stack([self._item[:, style == s].sum(axis=1) for s in range(style.max() + 1)], axis=1)
        self._log_item, self._log_style = np.log(self._item + LEAST), np.log(by_style + LEAST)

    def best(self, user: int, rows: pl.DataFrame, at: int, device: int, k: int) -> npt.NDArray[np.int32]:
        """Returns the k most likely items for a user.

        Args:
            user: raw user id.
            rows: the user's training rows in order: item_id, timestamp, device_type.
            at: request time, unix seconds.
            device: device type of the request.
            k: number of items.
        """
        catalog = self._source.catalog
        same = self._people.gender[self._rows] == self._source.people.gender[user - 1]
        sessions, choices = (np.where(same, 0.0, -np.inf) for _ in range(2))
        before, then = -1, 0
        for item_id, seconds, held in rows.select("item_id", "timestamp", "device_type").iter_rows():
            item = item_id - 1
            style = catalog.style[item]
            same_session = before >= 0 and seconds - then <= SESSION_SECONDS and catalog.style[before] == style
            if same_session:
                choices += self._log_item[:, item] - self._log_style[:, style]
            else:
                sessions += np.log(self._categories(seconds, held)[:, catalog.category[item]] + LEAST)
                choices += self._log_item[:, item]
            before, then = item, seconds
        category = _normalized(sessions) @ self._categories(at, device)
        likely = category[catalog.category] * (_normalized(choices) @ self._item)
        return catalog.item_ids[np.argsort(-likely, kind="stable")[:k]]

    def _categories(self, seconds: int, device: int) -> Floats:
        """Returns P(category | drawn person, time, device), float64 [drawn, 20]."""
        day, hour = (seconds - self._start) // DAY_SECONDS, seconds % DAY_SECONDS // HOUR_SECONDS
        if day not in self._tastes:
            self._tastes[day] = Taste(self._source.catalog, self._people, day)
        return self._tastes[day].category(self._rows, np.full_like(self._rows, hour), np.full_like(self._rows, device))


def _normalized(logs: Floats) -> Floats:
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def compare(queries: Queries, rows: pl.DataFrame, source: RetailSource, drawn: int) -> pl.DataFrame:
    """Computes NDCG@10 of inferred lists and of the oracle.

    Args:
        queries: requests of known users.
        rows: the training rows: user_id, item_id, timestamp, device_type.
        source: the generator of the rows.
        drawn: number of people to draw and weigh.

    Returns:
        One row per user: user_id, rows, inferred, oracle.
    """
    requests = zip(queries.user_ids.tolist(), queries.timestamps.tolist(), queries.device_types.tolist(), strict=True)
    user_rows = rows.filter(pl.col("user_id").is_in(queries.user_ids.tolist())).sort("timestamp", "item_id")
    by_user = {user: part for (user,), part in user_rows.partition_by("user_id", as_dict=True).items()}
    posterior = Posterior(source, drawn)
    inferred = [posterior.best(user, by_user[user], at, device, DEPTH) for user, at, device in requests]
    oracle = source.best_ranking(queries.user_ids, queries.timestamps, queries.device_types, DEPTH)
    result = user_rows.group_by("user_id").agg(rows=pl.len())
    for name, lists in (("inferred", np.stack(inferred)), ("oracle", oracle)):
        scores = user_scores(queries.user_ids, lists, queries.relevant, (METRIC,)).rename({METRIC: name})
        result = result.join(scores.cast({"user_id": pl.Int32}), on="user_id")
    return result


def main(
    users: Annotated[int, typer.Option(help="Number of known validation users.")] = 600,
    drawn: Annotated[int, typer.Option(help="Number of people to draw and weigh. 24,000 people take 4 GB.")] = 24_000,
) -> None:
    """Prints the upper bound by the number of training rows of a user."""
    settings = get_settings()
    source = open_source(settings)
    if not isinstance(source, RetailSource):
        raise typer.BadParameter("Only generated retail has true probabilities. Unset REC_SOURCE.")
    store, day = open_store(settings), settings.as_of.isoformat()
    queries = Queries.load(store.get("training_set", day) / "validation")
    queries = queries.at(np.flatnonzero(~queries.cold)).sample(users, settings.seed)
    days = [(settings.start_date + timedelta(days=n)).isoformat() for n in range(settings.train_days)]
    files = [store.get("joined_interactions", d) / "rows.parquet" for d in days]
    rows = pl.read_parquet(files, columns=["user_id", "item_id", "timestamp", "device_type"])
    scores = compare(queries, rows, source, drawn)
    quarter = ((pl.col("rows").rank("ordinal") - 1) * 4 // pl.len()).alias("quarter")
    means = pl.col("rows", "inferred", "oracle").mean()
    table = Table("users", "training rows", "inferred", "oracle", "share", title="NDCG@10")
    parts = scores.with_columns(quarter).group_by("quarter").agg(pl.len().alias("users"), means).sort("quarter")
    whole = scores.select(pl.len().alias("users"), means)
    for row in [*parts.iter_rows(named=True), *whole.iter_rows(named=True)]:
        figures = (f"{row['rows']:.0f}", f"{row['inferred']:.3f}", f"{row['oracle']:.3f}")
        table.add_row(str(row["users"]), *figures, f"{row['inferred'] / row['oracle']:.0%}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
