"""Cold-start masking: some training rows lose their user, some their device, so that "unknown" is trained too."""

import numpy as np
import polars as pl

UNKNOWN = -1


def mask_rows(rows: pl.DataFrame, probability: float, seed: int) -> pl.DataFrame:
    """Makes a share of rows anonymous and, independently, a share of rows device-less.

    An anonymous row loses user_id, gender and top_category (-1) and age (null) together: exactly what serving sends for
    a user it does not know. The reference keeps the age of masked rows, which no unknown user has.

    Args:
        rows: at least user_id, age, gender, top_category, device_type.
        probability: of each of the two masks, 0 to 1.
        seed: equal seeds and row counts mask equal rows.
    """
    draws = np.random.default_rng(seed).random((2, rows.height))
    anonymous, deviceless = (pl.Series(row < probability, dtype=pl.Boolean) for row in draws)

    def masked(column: str, mask: pl.Series, value: int | None) -> pl.Expr:
        return pl.when(mask).then(pl.lit(value, rows.schema[column])).otherwise(pl.col(column)).alias(column)

    return rows.with_columns(
        *(masked(column, anonymous, UNKNOWN) for column in ("user_id", "gender", "top_category")),
        masked("age", anonymous, None),
        masked("device_type", deviceless, UNKNOWN),
    )
