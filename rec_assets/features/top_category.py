"""`top_category`: a user's most frequent category of the past 24 hours. Batch and real time share this definition."""

from typing import TYPE_CHECKING

from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.history import LENGTH

if TYPE_CHECKING:
    import polars as pl

WINDOW_SECONDS = DAY_SECONDS
NO_CATEGORY = -1
_WINDOW = ("user_id", "timestamp", "category_l1", "position")


def top_category_as_of(queries: "pl.LazyFrame", events: "pl.LazyFrame", *, may_be_busy: bool = True) -> "pl.LazyFrame":
    """Returns the `category_l1` with most of a user's events in the 24 hours strictly before each query.

    In a tie the category with the latest event wins; an empty window gives -1. Only the latest `history.LENGTH` events
    of a window count, because real time stores no more. Events of the query's own second do not count: basket lines
    share a timestamp and must not predict each other.

    Args:
        queries: user_id int32, timestamp int64 (unix seconds); any order, duplicates allowed.
        events: user_id int32, timestamp int64, category_l1 int32; at least the 24 hours before the queries.
        may_be_busy: False if no user has more than `history.LENGTH` events; a few milliseconds faster.

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
        .with_columns(pl.col("position").cast(pl.Int64))
    )
    if may_be_busy:
        busy = ordered.group_by("user_id").len().filter(pl.col("len") > LENGTH)
        few = _few_events(distinct, ordered.join(busy, on="user_id", how="anti"))
        window = pl.concat([few, _many_events(distinct, ordered, busy)])
    else:
        window = _few_events(distinct, ordered)
    best = (
        window.group_by("user_id", "timestamp", "category_l1")
        .agg(count=pl.len(), last=pl.col("position").max())
        .sort("count", "last", descending=True)
        .unique(["user_id", "timestamp"], keep="first", maintain_order=True)
        .select("user_id", "timestamp", top_category="category_l1")
    )
    return distinct.join(best, on=["user_id", "timestamp"], how="left").with_columns(
        pl.col("top_category").fill_null(NO_CATEGORY)
    )


def _few_events(queries: "pl.LazyFrame", events: "pl.LazyFrame") -> "pl.LazyFrame":
    """Returns a row for each event in the window of each query."""
    import polars as pl

    at, until = pl.col("at"), pl.col("timestamp")
    pairs = queries.join(events, on="user_id")
    return pairs.filter(at >= until - WINDOW_SECONDS, at < until).select(*_WINDOW)


def _many_events(queries: "pl.LazyFrame", events: "pl.LazyFrame", busy: "pl.LazyFrame") -> "pl.LazyFrame":
    """Returns the same for the events of `busy` users, at most the latest `LENGTH` events of a query.

    It looks up the ends of each window, because pairs of all queries and events of a user would not fit into memory.
    """
    import polars as pl

    kept = events.join(busy, on="user_id", how="semi")
    places = kept.select("user_id", "at", "position").sort("at", "position")
    before, since = places.rename({"position": "last"}), places.rename({"position": "first"})
    spans = (
        queries.join(busy, on="user_id", how="semi")
        .with_columns(start=pl.col("timestamp") - WINDOW_SECONDS)
        .sort("timestamp")
        .join_asof(
            before,
            left_on="timestamp",
            right_on="at",
            by="user_id",
            allow_exact_matches=False,
            check_sortedness=False,  # they are sorted
        )
        .join_asof(since, left_on="start", right_on="at", by="user_id", strategy="forward", check_sortedness=False)
        .filter(pl.col("first") <= pl.col("last"))
    )
    first, end = pl.max_horizontal("first", pl.col("last") - LENGTH + 1), pl.col("last") + 1
    window = spans.select("user_id", "timestamp", position=pl.int_ranges(first, end)).explode("position")
    return window.join(kept.select("position", "category_l1"), on="position").select(*_WINDOW)
