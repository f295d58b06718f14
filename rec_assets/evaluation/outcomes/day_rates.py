"""All rates of a day's lists in one table."""

import polars as pl

from rec_assets.evaluation.outcomes.rates import answer_rates, item_rates

POSITION, CATEGORY, BUNDLE, DAY = "position", "category", "bundle_id", "day"  # values of the column `by`


def day_rates(shown: pl.DataFrame, outcomes: pl.DataFrame, categories: pl.DataFrame, day: str) -> pl.DataFrame:
    """Returns rates of shown items by position and category, and rates of answers by bundle and for the day.

    Args:
        shown: columns of `shown.SHOWN`; lists for anonymous users are left out, because their interactions are unknown.
        outcomes: columns of `attribution.OUTCOMES`.
        categories: item_id and category, a text; an item may be missing.
        day: the day as a partition key.

    Returns:
        The columns of `rates.RATES`.
    """
    known = (
        shown.filter(pl.col("user_id") >= 0)
        .join(categories, on="item_id", how="left")
        .with_columns(pl.col(CATEGORY).fill_null("unknown"), pl.lit(day).alias(DAY))
    )
    tables = [rates(known, outcomes, by) for rates, by in ((item_rates, POSITION), (item_rates, CATEGORY))]
    return pl.concat([*tables, *(answer_rates(known, outcomes, by) for by in (BUNDLE, DAY))])
