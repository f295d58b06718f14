"""Converts frames of NVTabular to Polars."""

import numpy as np
import pandas as pd
import polars as pl

from rec_assets.preprocessing.fit import to_polars

FRAME = pd.DataFrame({"item_id": np.array([3, 1], np.int32), "price": np.array([0.5, 2], np.float32)}, index=[7, 7])


def test_rows_keep_their_order_and_types() -> None:
    made = to_polars(FRAME)
    assert made.schema == {"item_id": pl.Int32, "price": pl.Float32}
    assert made.rows() == [(3, 0.5), (1, 2.0)]
