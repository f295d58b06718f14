"""`top_category`: a user's most frequent category of the past 24 hours. Batch and real time share this definition."""

from typing import TYPE_CHECKING

from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.history import LENGTH

if TYPE_CHECKING:
    import polars as pl

WINDOW_SECONDS = DAY_SECONDS
NO_CATEGORY = -1


def top_category_as_of(queries: "pl.LazyFrame", events: "pl.LazyFrame") -> "pl.LazyFrame":
    """Returns the `category_l1` with most of a user's events in the 24 hours strictly before each query.

    In a tie the category with the latest event wins; an empty window gives -1. Only the latest `history.LENGTH` events
    of a window count, because real time stores no more. Events of the query's own second do not count: basket lines
    share a timestamp and must not predict each other.

    Args:
        queries: user_id int32, timestamp int64 (unix seconds); any order, duplicates allowed.
        events: user_id int32, timestamp int64, category_l1 int32; at least the 24 hours before the queries.

    Returns:
        One row per distinct (user_id, timestamp) of `queries`: user_id, timestamp, top_category int32.
    """
    import polars as pl  # here, because serving reads the constants of this module and needs no frames

    distinct = queries.select("user_id", "timestamp").unique()
    # Sorted by user and time, so positions give the recency of a user's events.
    ordered = (
        events.select("user_id", pl.col("timestamp").alias("at"), pl.col("category_l1").cast(pl.Int32))
        .sort("user_id", "at", "category_l1")
        .with_row_index("position")
    )
    window = distinct.join(ordered, on="user_id").filter(
        pl.col("at") >= pl.col("timestamp") - WINDOW_SECONDS, pl.col("at") < pl.col("timestamp")
    )
    latest = window.filter(
        pl.col("position") + LENGTH > pl.col("position").max().over("user_id", "timestamp"),
    )
    best = (
        latest.group_by("user_id", "timestamp", "category_l1")
        .agg(count=pl.len(), last=pl.col("position").max())
        .sort("count", "last", descending=True)
        .unique(["user_id", "timestamp"], keep="first", maintain_order=True)
        .select("user_id", "timestamp", top_category="category_l1")
    )
    return distinct.join(best, on=["user_id", "timestamp"], how="left").with_columns(
        pl.col("top_category").fill_null(NO_CATEGORY)
    )
