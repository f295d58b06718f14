"""Item popularity: interaction counts over a trailing window, overall and within categories."""

import polars as pl

POPULARITY_DAYS = 7


def item_popularity(interactions: pl.LazyFrame, items: pl.LazyFrame) -> pl.LazyFrame:
    """Counts the interactions of each item of the catalog.

    Returns:
        One row per item, most popular first, ties by item_id: item_id, category_l1, category_l2 int32,
        interactions int64 (0 for an item without interactions).
    """
    counts = interactions.group_by("item_id").agg(interactions=pl.len().cast(pl.Int64))
    return (
        items.select("item_id", "category_l1", "category_l2")
        .join(counts, on="item_id", how="left")
        .with_columns(pl.col("interactions").fill_null(0))
        .sort(["interactions", "item_id"], descending=[True, False])
    )
