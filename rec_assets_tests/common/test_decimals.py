import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.common.decimals import decimal, in_decimals


def test_rows_have_the_decimals_that_people_wrote() -> None:
    frame = pl.DataFrame(
        {"price": [4.99, None], "scores": [[0.1, 1e-7], []], "item_id": [1, 2], "share": [0.3, 0.7]},
        schema={"price": pl.Float32, "scores": pl.List(pl.Float32), "item_id": pl.Int32, "share": pl.Float64},
    )
    assert in_decimals(frame) == [
        {"price": 4.99, "scores": [0.1, 1e-7], "item_id": 1, "share": 0.3},
        {"price": None, "scores": [], "item_id": 2, "share": 0.7},
    ]


@given(st.floats(width=32, allow_nan=False))
def test_decimals_stand_for_the_same_value(value: float) -> None:
    (row,) = in_decimals(pl.DataFrame({"value": [value]}, schema={"value": pl.Float32}))
    assert row["value"] == pytest.approx(decimal(np.float32(value)), rel=0)
    assert np.float32(row["value"]) == np.float32(value)
