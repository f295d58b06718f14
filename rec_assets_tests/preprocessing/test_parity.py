"""Serving's lookups equal NVTabular's output for every shop: constant, missing and unseen values included."""

import math
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rec_assets.evaluation.bundles.gates import EXPORT_TOLERANCE
from rec_assets.inference.lookups import Lookups

pytestmark = pytest.mark.slow

PRICES = st.one_of(st.none(), st.floats(0.0625, 2.0**20, width=32))
AGES = st.one_of(st.none(), st.integers(0, 120))
CODES = st.integers(-1, 3)
ROWS = st.lists(st.tuples(PRICES, AGES, CODES, CODES, CODES), min_size=1, max_size=12)
CONSTANT = [(9.99, 30, 0, 0, 0)]


def fitted(rows: list[tuple[float | None, int | None, int, int, int]], folder: Path) -> tuple[Path, Lookups]:
    """Fits the workflows on joined rows, one item and one user a row; returns their folder and the lookups."""
    from rec_assets.preprocessing.fit import fit_workflows

    prices, ages, genders, categories, devices = zip(*rows, strict=True)
    numbers = np.arange(len(rows), dtype=np.int32)
    frame = pl.DataFrame(
        {
            "user_id": numbers,
            "item_id": numbers,
            "timestamp": 1_741_000_000 + numbers.astype(np.int64) * 7_000,
            "device_type": pl.Series(devices, dtype=pl.Int32),
            "age": pl.Series(ages, dtype=pl.Int32),
            "gender": pl.Series(genders, dtype=pl.Int32),
            "top_category": pl.Series(categories, dtype=pl.Int32),
            "price": pl.Series(prices, dtype=pl.Float32),
            "category_l1": pl.Series(categories, dtype=pl.Int32),
            "category_l2": pl.Series(categories, dtype=pl.Int32),
            "item_gender": pl.Series(genders, dtype=pl.Int32),
        }
    )
    frame.write_parquet(folder / "rows.parquet")
    frame.select("item_id", "price", "category_l1", "category_l2", "item_gender").write_parquet(
        folder / "items.parquet"
    )
    output = folder / "workflows"
    output.mkdir()
    fit_workflows([folder / "rows.parquet"], folder / "items.parquet", output)
    return output, Lookups.load(output / "lookups.npz")


@given(rows=ROWS)
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
def test_both_sides_agree_on_any_catalog(rows: list[tuple[float | None, int | None, int, int, int]]) -> None:
    from rec_assets.preprocessing.parity import largest_differences

    with tempfile.TemporaryDirectory() as folder:
        output, _ = fitted(rows, Path(folder))
        assert max(largest_differences(output).values()) <= EXPORT_TOLERANCE


@pytest.mark.parametrize("rows", [CONSTANT, CONSTANT * 5, [(None, None, -1, -1, -1)] * 3], ids=["one", "same", "none"])
def test_a_column_of_one_value_is_zero_for_every_value(
    rows: list[tuple[float | None, int | None, int, int, int]], tmp_path: Path
) -> None:
    from rec_assets.preprocessing.parity import largest_differences

    output, lookups = fitted(rows, tmp_path)
    assert max(largest_differences(output).values()) <= EXPORT_TOLERANCE
    assert lookups.price_log_norm([0.01, 9.99, 1e6, math.nan]).tolist() == [0, 0, 0, 0]
    assert lookups.age_norm([0, 30, 120, -1, math.nan]).tolist() == [0, 0, 0, 0, 0]
