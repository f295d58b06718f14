"""Joins interactions with the features of their user and item as of the interaction."""

import polars as pl

from rec_assets.features.top_category import top_category_as_of

USER_COLUMNS = ("age", "gender")
ITEM_COLUMNS = ("category_l1", "category_l2", "item_gender", "price")


def join_interactions(
    day: pl.LazyFrame, day_before: pl.LazyFrame, users: pl.LazyFrame, items: pl.LazyFrame
) -> pl.LazyFrame:
    """Returns each interaction of a day with its features as of that moment.

    Args:
        day: user_id, item_id, device_type int32, timestamp int64.
        day_before: the same columns, for the 24-hour window of `top_category`; may be empty.
        users: user_id, age int32 (null unknown), gender int32.
        items: item_id and `ITEM_COLUMNS`.

    Returns:
        One row per interaction, by timestamp, user and item: the columns of `day`, age (float32, null unknown),
        gender and top_category (int32, -1 unknown), and the item columns. Rows of unknown users are kept.
    """
    categories = items.select("item_id", "category_l1")
    events = _events(day_before, day).join(categories, on="item_id")
    return (
        day.join(users.select("user_id", *USER_COLUMNS), on="user_id", how="left")
        .join(top_category_as_of(day, events), on=["user_id", "timestamp"], how="left")
        .join(items.select("item_id", *ITEM_COLUMNS), on="item_id", how="inner")
        .with_columns(pl.col("gender").fill_null(-1), pl.col("age").cast(pl.Float32))
        .sort("timestamp", "user_id", "item_id")
    )


def user_features_at(
    at: int, users: pl.LazyFrame, day: pl.LazyFrame, day_before: pl.LazyFrame, items: pl.LazyFrame
) -> pl.LazyFrame:
    """Returns the features of every user at one moment (unix seconds), from earlier events only.

    Returns:
        One row per user of `users`, by user: user_id, age int32 (null unknown), gender, top_category int32.
    """
    categories = items.select("item_id", "category_l1")
    events = _events(day_before, day).join(categories, on="item_id")
    queries = users.select("user_id", timestamp=pl.lit(at, pl.Int64))
    return (
        users.select("user_id", *USER_COLUMNS)
        .join(top_category_as_of(queries, events).select("user_id", "top_category"), on="user_id", how="left")
        .sort("user_id")
    )


def _events(day_before: pl.LazyFrame, day: pl.LazyFrame) -> pl.LazyFrame:
    return pl.concat([rows.select("user_id", "timestamp", "item_id") for rows in (day_before, day)])
