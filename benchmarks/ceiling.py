"""Measures the best list for someone who knows all of generated retail, but people only by their rows.

The best possible list knows each person's taste. A model knows what he chose in the training days, which is little for
most. This script infers people as well as it can be done: it draws many from the generator itself, weighs each by how
likely he would have made a user's rows, and ranks by the weighted average. No trained model can be expected above it.
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

from rec_assets.datasets.queries import Queries
from rec_assets.evaluation.metrics import user_scores
from rec_assets.settings import get_settings
from rec_assets.sources import open_source
from rec_assets.sources.base import DAY_SECONDS, midnight
from rec_assets.sources.retail import RetailSource
from rec_assets.sources.retail.people import make_people
from rec_assets.sources.retail.taste import Taste
from rec_assets.storage.stores import open_store

METRIC, DEPTH = "ndcg@10", 10
SESSION_SECONDS = 1_800
LEAST = 1e-12
Floats = npt.NDArray[np.float64]


class Posterior:
    """Weighs drawn people by a user's rows: by the categories of his sessions, and by his choices within them.

    The two are independent in the generator, so each has weights of its own and few draws go further.
    """

    def __init__(self, source: RetailSource, drawn: int) -> None:
        """Draws people who are none of the shop's users."""
        known = len(source.people.gender)
        # A person's draws stay his when more follow: those behind the shop's users are strangers of the same kind.
        others = replace(source.parameters, users=source.parameters.users + drawn)
        self._people = make_people(others, source.catalog)
        self._rows = np.arange(known, known + drawn)
        self._start = midnight(source.parameters.start_date)
        self._source = source
        self._tastes: dict[int, Taste] = {}
        middle = Taste(source.catalog, self._people, source.parameters.days // 2)
        # Tastes turn by some degrees in the days of training: one day stands for all.
        self._item = middle.item_given_category(self._rows).astype(np.float32)
        style = source.catalog.style
        by_style = np.stack([self._item[:, style == s].sum(axis=1) for s in range(style.max() + 1)], axis=1)
        self._log_item, self._log_style = np.log(self._item + LEAST), np.log(by_style + LEAST)

    def best(self, user: int, rows: pl.DataFrame, at: int, device: int, k: int) -> npt.NDArray[np.int32]:
        """Returns the k likeliest items for a user with these rows (item_id, timestamp, device_type, in order)."""
        catalog = self._source.catalog
        same = self._people.gender[self._rows] == self._source.people.gender[user - 1]
        sessions, choices = (np.where(same, 0.0, -np.inf) for _ in range(2))
        before, then = -1, 0
        for item_id, seconds, held in rows.select("item_id", "timestamp", "device_type").iter_rows():
            item = item_id - 1
            style = catalog.style[item]
            goes_on = before >= 0 and seconds - then <= SESSION_SECONDS and catalog.style[before] == style
            if goes_on:
                choices += self._log_item[:, item] - self._log_style[:, style]
            else:
                sessions += np.log(self._categories(seconds, held)[:, catalog.category[item]] + LEAST)
                choices += self._log_item[:, item]
            before, then = item, seconds
        category = _normalised(sessions) @ self._categories(at, device)
        likely = category[catalog.category] * (_normalised(choices) @ self._item)
        return catalog.item_ids[np.argsort(-likely, kind="stable")[:k]]

    def _categories(self, seconds: int, device: int) -> Floats:
        """P(category | drawn person, time, device), float64 [drawn, 20]."""
        day, hour = (seconds - self._start) // DAY_SECONDS, seconds % DAY_SECONDS // 3_600
        if day not in self._tastes:
            self._tastes[day] = Taste(self._source.catalog, self._people, day)
        return self._tastes[day].category(self._rows, np.full_like(self._rows, hour), np.full_like(self._rows, device))


def _normalised(logs: Floats) -> Floats:
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def compare(queries: Queries, rows: pl.DataFrame, source: RetailSource, drawn: int) -> pl.DataFrame:
    """NDCG@10 of inferred and of best possible lists: user_id, rows, inferred, best.

    Args:
        queries: of known users.
        rows: the training rows: user_id, item_id, timestamp, device_type.
        source: who drew them.
        drawn: people to weigh.
    """
    asked = zip(queries.user_ids.tolist(), queries.timestamps.tolist(), queries.device_types.tolist(), strict=True)
    own = rows.filter(pl.col("user_id").is_in(queries.user_ids.tolist())).sort("timestamp", "item_id")
    by_user = {user: part for (user,), part in own.partition_by("user_id", as_dict=True).items()}
    posterior = Posterior(source, drawn)
    inferred = [posterior.best(user, by_user[user], at, device, DEPTH) for user, at, device in asked]
    best = source.best_ranking(queries.user_ids, queries.timestamps, queries.device_types, DEPTH)
    result = own.group_by("user_id").agg(rows=pl.len())
    for name, lists in (("inferred", np.stack(inferred)), ("best", best)):
        scores = user_scores(queries.user_ids, lists, queries.relevant, (METRIC,)).rename({METRIC: name})
        result = result.join(scores.cast({"user_id": pl.Int32}), on="user_id")
    return result


def main(
    users: Annotated[int, typer.Option(help="Known validation users to ask for.")] = 600,
    drawn: Annotated[int, typer.Option(help="People to draw and weigh; 24,000 take 4 GB.")] = 24_000,
) -> None:
    """Prints what can be reached, by how much is known of a user."""
    settings = get_settings()
    source = open_source(settings)
    if not isinstance(source, RetailSource):
        raise typer.BadParameter("Only generated retail knows its own probabilities; unset REC_SOURCE.")
    store, day = open_store(settings), settings.as_of.isoformat()
    queries = Queries.load(store.get("training_set", day) / "validation")
    queries = queries.at(np.flatnonzero(~queries.cold)).sample(users, settings.seed)
    days = [(settings.start_date + timedelta(days=n)).isoformat() for n in range(settings.train_days)]
    files = [store.get("joined_interactions", d) / "rows.parquet" for d in days]
    rows = pl.read_parquet(files, columns=["user_id", "item_id", "timestamp", "device_type"])
    scores = compare(queries, rows, source, drawn)
    quarter = ((pl.col("rows").rank("ordinal") - 1) * 4 // pl.len()).alias("quarter")
    means = pl.col("rows", "inferred", "best").mean()
    table = Table("users", "training rows", "inferred from them", "best possible", "share", title="NDCG@10")
    parts = scores.with_columns(quarter).group_by("quarter").agg(pl.len().alias("users"), means).sort("quarter")
    whole = scores.select(pl.len().alias("users"), means)
    for row in [*parts.iter_rows(named=True), *whole.iter_rows(named=True)]:
        figures = (f"{row['rows']:.0f}", f"{row['inferred']:.3f}", f"{row['best']:.3f}")
        table.add_row(str(row["users"]), *figures, f"{row['inferred'] / row['best']:.0%}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
