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
    timeline = pl.concat(
        [
            events.select("user_id", "timestamp", pl.col("category_l1").cast(pl.Int32)),
            asked.with_columns(category_l1=pl.lit(None, pl.Int32)),
        ]
    ).sort("user_id", "timestamp", "category_l1", nulls_last=True)
    windows = timeline.rolling("timestamp", period=f"{WINDOW_SECONDS}i", closed="left", group_by="user_id").agg(
        # Reversed, the first of the modes is the one seen last.
        top_category=pl.col("category_l1").drop_nulls().tail(LENGTH).reverse().mode(maintain_order=True).first(),
    )
    return asked.join(windows.unique(), on=["user_id", "timestamp"], how="left").with_columns(
        pl.col("top_category").fill_null(NO_CATEGORY)
    )
