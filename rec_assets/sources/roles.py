"""Roles of interactions: rows that teach, rows that only are history, rows that only filter."""

import polars as pl

ROLE = "role"  # column of raw rows, int32
# Rows of trainings, hits in evaluations, counts of popularity; also history.
TARGET = 0
# Inputs of models alone: histories and `top_category`.
HISTORY = 1
# Items that the seen filter removes; models do not read them.
SEEN = 2
READ = (TARGET, HISTORY)  # by models


def with_role(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds the column `role` to rows without it: all rows of sources without event types teach."""
    return rows if ROLE in rows.collect_schema().names() else rows.with_columns(pl.lit(TARGET, pl.Int32).alias(ROLE))


def only_roles(rows: pl.LazyFrame, *roles: int) -> pl.LazyFrame:
    """Returns the rows with some roles."""
    return with_role(rows).filter(pl.col(ROLE).is_in(roles))


def online_role(*, clicks_teach: bool) -> pl.Expr:
    """Returns the role of online events by their column `kind`: bought items teach, clicked items if the shop says so.

    See the setting `clicks_teach`.
    """
    is_history = (pl.col("kind") == "clicked") & (not clicks_teach)
    return pl.when(is_history).then(HISTORY).otherwise(TARGET).cast(pl.Int32).alias(ROLE)
