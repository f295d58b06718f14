import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.masking import mask_rows

IDENTITY = ("user_id", "gender", "top_category")


def rows(count: int) -> pl.DataFrame:
    number = np.arange(count, dtype=np.int32)
    columns = {"user_id": number, "gender": number % 2, "top_category": number % 20, "device_type": number % 3}
    return pl.DataFrame({**columns, "age": (20 + number % 50).astype(np.float32), "item_id": number})


@given(st.integers(0, 200), st.floats(0, 1), st.integers(0, 2**31 - 1))
def test_a_row_is_anonymous_as_a_whole_or_not_at_all(count: int, probability: float, seed: int) -> None:
    before = rows(count)
    after = mask_rows(before, probability, seed)
    anonymous = after["user_id"] == -1
    assert all(((after[name] == -1) == anonymous).all() for name in IDENTITY)
    assert (after["age"].is_null() == anonymous).all()
    kept = ["user_id", "gender", "top_category", "age"]
    assert after.filter(~anonymous).select(kept).equals(before.filter(~anonymous).select(kept))
    assert after["item_id"].equals(before["item_id"])
    assert after.schema == before.schema


def test_the_two_masks_are_independent_and_have_the_given_probability() -> None:
    after = mask_rows(rows(100_000), 0.05, seed=1)
    anonymous, deviceless = after["user_id"] == -1, after["device_type"] == -1
    assert anonymous.mean() == pytest.approx(0.05, abs=0.004)
    assert deviceless.mean() == pytest.approx(0.05, abs=0.004)
    assert (anonymous & deviceless).mean() == pytest.approx(0.0025, abs=0.001)


def test_equal_seeds_mask_equal_rows_and_others_do_not() -> None:
    before = rows(1000)
    assert mask_rows(before, 0.1, 7).equals(mask_rows(before, 0.1, 7))
    assert not mask_rows(before, 0.1, 7).equals(mask_rows(before, 0.1, 8))
