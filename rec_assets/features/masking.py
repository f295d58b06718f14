"""Cold-start masking: hides the user or the device of some training rows, so that models train on unknown values."""

import numpy as np
import polars as pl

UNKNOWN = -1


def mask_rows(rows: pl.DataFrame, probability: float, seed: int) -> pl.DataFrame:
    """Masks the user in a share of rows and, independently, the device in a share of rows.

    An anonymous row loses user_id, gender and top_category (-1) and age (null) together. Serving sends the same values
    for an unknown user. The reference design keeps the age of masked rows, although no unknown user has an age.

    Args:
        rows: at least user_id, age, gender, top_category, device_type.
        probability: probability of each of the two masks, 0 to 1.
        seed: random seed; equal seeds and row counts mask the same rows.
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
