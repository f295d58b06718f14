"""Outcomes of the lists of a day: interactions with shown items, their rates, and the variety of the lists."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.common.units import HOUR_SECONDS
from rec_assets.datasets.joined_days import ROWS
from rec_assets.features.days import with_kind
from rec_assets.orchestration.assets.data.behavioral_updates import UPDATES
from rec_assets.orchestration.assets.feature_data.features import interactions_of, known_by
from rec_assets.orchestration.assets.publishing import OWNERS, publish
from rec_assets.orchestration.assets.quality.shown_lists import LISTS
from rec_assets.orchestration.assets.upstream import UpstreamStore, earlier
from rec_assets.orchestration.declared import On, asset
from rec_assets.orchestration.metadata_plots import rate_plot
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import (
    daily,
    day_after,
    day_before,
    model_days,
    outcome_days,
    outcome_window,
    parallel_backfill,
    window,
)
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources import Codes
from rec_assets.sources.base import RAW_ITEMS
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.frames import write_frame

if TYPE_CHECKING:
    from dagster import MarkdownMetadataValue

OUTCOMES, RATES = "outcomes.parquet", "rates.parquet"
PLOTTED_DAYS, PLOTTED_POSITIONS, PLOTTED_GROUPS = 30, 20, 12
BUNDLE_DIGITS = 8


@asset(
    group_name="evaluation",
    owners=OWNERS,
    op_tags=CPU,
    code_version="1",
    kinds={"polars", "parquet"},
    partitions_def=daily,
    backfill_policy=parallel_backfill,
    deps=[
        *(On(name, outcome_window) for name in ("shown_lists", "raw_interactions", "behavioral_updates")),
        *earlier("joined_interactions"),
    ],
)
def outcomes(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    raw_items: Artifact,
    id_codes: Artifact,
) -> MaterializeResult[None]:
    """Interactions with the items that were shown on the day, within `REC_OUTCOME_WINDOW_HOURS`, and their rates.

    An interaction counts once, for the latest answer before it that showed the item to the user. The window reaches
    into the next days: days that have not landed are missing, and another materialization counts them. Rates leave out
    lists for anonymous users, because their interactions are unknown.
    """
    from rec_assets.evaluation.outcomes.attribution import attribute
    from rec_assets.evaluation.outcomes.day_rates import day_rates
    from rec_assets.evaluation.outcomes.shown import read_shown
    from rec_assets.evaluation.outcomes.variety import variety_of

    store = UpstreamStore.of(context, artifacts)
    items = pl.scan_parquet(raw_items / RAW_ITEMS)
    category = Codes.load(id_codes.path).with_texts(items.select(pl.col("category_l1")).collect())["category_l1"]
    categories = items.select("item_id").collect().with_columns(category=category.cast(pl.String))

    def write(out: Path, day: str) -> dict[str, Any]:
        shown = read_shown([store.get("shown_lists", day) / LISTS]).collect()
        days = [day_after(day, n) for n in range(outcome_days(settings) + 1)] if shown.height else []
        landed = [d for d in days if store.find("raw_interactions", d) and store.find("behavioral_updates", d)]
        # An interaction counts for a list of a later day if that list showed the item again.
        later = [read_shown([lists / LISTS]).collect() for d in days[1:] if (lists := store.find("shown_lists", d))]
        window_s = settings.outcome_window_hours * HOUR_SECONDS
        found = attribute(pl.concat([shown, *later]), interactions_on(store, landed), window_s)
        found = found.join(shown.select("answer_id").unique(), on="answer_id", how="semi", maintain_order="left")
        rates = day_rates(shown, found, categories, day)
        write_frame(found, out / OUTCOMES)
        write_frame(rates, out / RATES)
        if shown.is_empty():
            return {"answers": 0}
        catalog = known_by(items, day).filter("available").select("item_id").collect()["item_id"]
        return {
            "answers": shown["answer_id"].n_unique(),
            "outcomes": found.height,
            **{f"outcomes of kind {kind}": count for kind, count in sorted(found["kind"].value_counts().iter_rows())},
            "counted up to": landed[-1] if landed else "No day has landed.",
            "window has landed": landed == days,
            **asdict(variety_of(shown["item_id"], catalog, trained_items(store, day, model_days(settings)))),
            **rate_plots(rates, earlier_rates(store, day)),
        }

    return publish(context, artifacts, write)


def interactions_on(store: UpstreamStore, days: list[str]) -> pl.DataFrame:
    """Reads user_id, item_id, timestamp and kind of the interactions of some days."""
    columns = {"user_id": pl.Int32, "item_id": pl.Int32, "timestamp": pl.Int64, "kind": pl.String}
    frames = [pl.LazyFrame(schema=columns)]
    for day in days:
        raw, updates = ({day: store.get(name, day)} for name in ("raw_interactions", "behavioral_updates"))
        frames.append(with_kind(interactions_of(raw, updates, day), updates[day] / UPDATES).select(*columns))
    return pl.concat(frames).collect()


def trained_items(store: UpstreamStore, day: str, days: int) -> pl.Series:
    """Reads the item ids of the rows that a training of the day before reads; none on the first day of history."""
    files = [
        store.get("joined_interactions", d) / ROWS
        for d in window(store.partitions("joined_interactions"), day_before(day), days)
    ]
    return pl.read_parquet(files, columns=["item_id"])["item_id"] if files else pl.Series("item_id", [], pl.Int32)


def earlier_rates(store: UpstreamStore, day: str) -> list[pl.DataFrame]:
    """Reads the rates of the days before a day, as far as they are plotted."""
    days = window(store.partitions("outcomes"), day_before(day), PLOTTED_DAYS - 1)
    return [pl.read_parquet(store.get("outcomes", d) / RATES) for d in days]


def rate_plots(rates: pl.DataFrame, before: Sequence[pl.DataFrame]) -> dict[str, "MarkdownMetadataValue"]:
    """Returns the plots of a day's rates; none without lists of known users.

    Args:
        rates: the rates of the day.
        before: the rates of earlier days, in order.
    """
    from rec_assets.evaluation.outcomes.day_rates import BUNDLE, CATEGORY, DAY, POSITION

    if rates.is_empty():
        return {}
    positions = rates.filter(pl.col("value").cast(pl.Int32, strict=False) <= PLOTTED_POSITIONS, by=POSITION)
    bundles = most_shown(rates, BUNDLE).with_columns(pl.col("value").str.head(BUNDLE_DIGITS))
    days = pl.concat([*before, rates]).filter(by=DAY).with_columns(pl.col("value").str.to_date().dt.strftime("%d %b"))
    items, answers = "share of shown items", "share of answers"
    return {
        "by position": rate_plot(positions, "position", items, "answers"),
        "by category": rate_plot(most_shown(rates, CATEGORY), "category", items, "shown items"),
        "by bundle": rate_plot(bundles, "bundle", answers, "answers"),
        "by day": rate_plot(days, "day", answers, "answers", connect=True),
    }


def most_shown(rates: pl.DataFrame, by: str) -> pl.DataFrame:
    """Returns the rates of the values with the most shown items or answers, the largest first."""
    ordered = rates.filter(by=by).sort("shown", "value", descending=[True, False])
    return ordered.filter(
        pl.col("value").is_in(ordered["value"].unique(maintain_order=True).head(PLOTTED_GROUPS).implode())
    )
