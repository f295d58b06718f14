"""Rates of outcomes by position, category, bundle and day, with confidence intervals."""

from collections.abc import Sequence

import polars as pl
from scipy.stats import binomtest

ANY = "any"  # kind of outcomes: at least one interaction of whatever kind
CONFIDENCE = 0.95
# shown: shown items or answers; hits: those of them with an outcome; low, high: Wilson's interval of the rate.
RATES = {
    "by": pl.String,
    "value": pl.String,
    "kind": pl.String,
    "shown": pl.Int64,
    "hits": pl.Int64,
    "rate": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


def item_rates(shown: pl.DataFrame, outcomes: pl.DataFrame, by: str) -> pl.DataFrame:
    """Returns the share of shown items with an outcome, by the value of a column.

    Args:
        shown: columns of `shown.SHOWN`, and the column `by`; without anonymous users.
        outcomes: columns of `attribution.OUTCOMES`, of these answers.
        by: name of the column.

    Returns:
        One row per kind and value, in this order: the columns of `RATES`.
    """
    return _rates(shown, outcomes, ["answer_id", "item_id"], by)


def answer_rates(shown: pl.DataFrame, outcomes: pl.DataFrame, by: str) -> pl.DataFrame:
    """Returns the share of answers with an outcome; arguments and columns as for `item_rates`."""
    return _rates(shown, outcomes, ["answer_id"], by)


def _rates(shown: pl.DataFrame, outcomes: pl.DataFrame, unit: Sequence[str], by: str) -> pl.DataFrame:
    units = shown.select(*unit, value=by).unique()
    totals = units.group_by("value").agg(shown=pl.len())
    every = pl.concat([outcomes, outcomes.with_columns(kind=pl.lit(ANY))])
    found = every.select(*unit, "kind").unique().join(units, on=unit).group_by("kind", "value").agg(hits=pl.len())
    kinds = pl.concat([found.select("kind"), pl.DataFrame({"kind": [ANY]})]).unique()
    counts = kinds.join(totals, how="cross").join(found, on=["kind", "value"], how="left").fill_null(0)
    rows = [
        (by, str(value), kind, total, hits, hits / total, *wilson(hits, total))
        for kind, value, total, hits in counts.select("kind", "value", "shown", "hits").sort("kind", "value").rows()
    ]
    return pl.DataFrame(rows, RATES, orient="row")


def wilson(hits: int, shown: int) -> tuple[float, float]:
    """Returns the ends of Wilson's 95 % interval of a rate; all of `shown`, at least 1, count as independent."""
    interval = binomtest(hits, shown).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)
