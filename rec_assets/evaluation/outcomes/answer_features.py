"""Features of answers that drift: inputs of requests, scores of lists, and histories."""

import polars as pl

from rec_assets.common.units import DAY_SECONDS, HOUR_SECONDS
from rec_assets.evaluation.outcomes.drift import UNIT
from rec_assets.serving.graph.request import DEVICE_TYPES

GENDERS = {0: "female", 1: "male", 2: "other"}


def input_features(rows: pl.LazyFrame) -> pl.DataFrame:
    """Returns the inputs of the first row of each known user on each UTC day.

    Args:
        rows: user_id, device_type, timestamp (unix seconds), age (years, null unknown), gender; -1 is unknown.

    Returns:
        `UNIT` (the user), device_type and gender as texts, hour and age as float64; null is unknown.
    """
    known, day = rows.filter(pl.col("user_id") >= 0), pl.col("timestamp") // DAY_SECONDS
    columns = pl.col("device_type", "timestamp", "age", "gender")
    first = known.group_by("user_id", day=day).agg(columns.sort_by("timestamp").first())
    devices = {number: name for name, number in DEVICE_TYPES.items()}
    return first.select(
        pl.col("user_id").cast(pl.String).alias(UNIT),
        pl.col("device_type").replace_strict(devices, default=None, return_dtype=pl.String),
        (pl.col("timestamp") % DAY_SECONDS // HOUR_SECONDS).cast(pl.Float64).alias("hour"),
        pl.col("age").cast(pl.Float64),
        pl.col("gender").replace_strict(GENDERS, default=None, return_dtype=pl.String),
    ).collect()


def score_features(shown: pl.LazyFrame) -> pl.DataFrame:
    """Returns the first and the mean score of each list.

    Args:
        shown: columns of `shown.SHOWN`.

    Returns:
        `UNIT` (the user, or the answer for an anonymous user), first_score and mean_score float64.
    """
    score = pl.col("score").cast(pl.Float64)
    return _by_answer(shown, score.sort_by("position").first().alias("first_score"), score.mean().alias("mean_score"))


def history_features(shown: pl.LazyFrame) -> pl.DataFrame:
    """Returns the history of each list whose inputs were read.

    Args:
        shown: columns of `shown.SHOWN`.

    Returns:
        `UNIT` as of `score_features`, has_history bool, history_events and days_since_event float64. The last is null
        without a history.
    """
    age = (pl.col("timestamp") - pl.col("last_event")) / DAY_SECONDS
    return _by_answer(
        shown.filter(pl.col("history_events").is_not_null()),
        (pl.col("history_events").first() > 0).alias("has_history"),
        pl.col("history_events").first().cast(pl.Float64),
        age.first().alias("days_since_event"),
    )


def _by_answer(shown: pl.LazyFrame, *columns: pl.Expr) -> pl.DataFrame:
    """Aggregates the rows of each answer, and adds `UNIT`."""
    user = pl.when(pl.col("user_id") >= 0).then(pl.col("user_id").cast(pl.String)).otherwise(pl.col("answer_id"))
    return shown.group_by("answer_id").agg(user.first().alias(UNIT), *columns).drop("answer_id").collect()
