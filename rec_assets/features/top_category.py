"""`top_category`: what a user engaged with most in the past 24 hours. The one definition for batch and real time."""

import polars as pl

from rec_assets.features.history import LENGTH

WINDOW_SECONDS = 24 * 60 * 60
NO_CATEGORY = -1


def top_category_as_of(queries: pl.LazyFrame, events: pl.LazyFrame) -> pl.LazyFrame:
    """The `category_l1` each user engaged with most in the 24 hours strictly before each query.

    Ties go to the category engaged with most recently; -1 where the window is empty. Of a user with more than
    `history.LENGTH` events in the window the latest count, which is what real time remembers. Events of the query's
    own second do not count: the lines of one basket share a timestamp and must not explain each other.

    Args:
        queries: columns user_id int32, timestamp int64 (unix seconds); any order, duplicates allowed.
        events: columns user_id int32, timestamp int64, category_l1 int32; at least the 24 hours before the queries.

    Returns:
        One row a distinct (user_id, timestamp) of `queries`: user_id, timestamp, top_category int32.
    """
    asked = queries.select("user_id", "timestamp").unique()
    # In the order of seeing; those of one user stand together, so that places tell how long ago.
    seen = (
        events.select("user_id", pl.col("timestamp").alias("at"), pl.col("category_l1").cast(pl.Int32))
        .sort("user_id", "at", "category_l1")
        .with_row_index("place")
    )
    window = asked.join(seen, on="user_id").filter(
        pl.col("at") >= pl.col("timestamp") - WINDOW_SECONDS, pl.col("at") < pl.col("timestamp")
    )
    latest = window.filter(
        pl.col("place") + LENGTH > pl.col("place").max().over("user_id", "timestamp"),
    )
    best = (
        latest.group_by("user_id", "timestamp", "category_l1")
        .agg(count=pl.len(), last=pl.col("place").max())
        .sort("count", "last", descending=True)
        .unique(["user_id", "timestamp"], keep="first", maintain_order=True)
        .select("user_id", "timestamp", top_category="category_l1")
    )
    return asked.join(best, on=["user_id", "timestamp"], how="left").with_columns(
        pl.col("top_category").fill_null(NO_CATEGORY)
    )
