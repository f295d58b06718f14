"""Decimals of float32 values, for people and JSON."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl


def decimal(value: "float | np.floating[Any]") -> float:
    """Returns the shortest decimal that stands for a float32 value: 4.95, not 4.949999809265137."""
    return float(str(np.float32(value)))


def in_decimals(frame: "pl.DataFrame") -> list[dict[str, Any]]:
    """Returns the rows of a table, with the shortest decimals of its float32 columns and lists."""
    import polars as pl

    def decimals(values: pl.Expr) -> pl.Expr:
        return values.cast(pl.String).cast(pl.Float64)

    lists = pl.col(pl.List(pl.Float32)).list.eval(decimals(pl.element()))
    return frame.with_columns(decimals(pl.col(pl.Float32)), lists).to_dicts()
