from pathlib import Path

import numpy as np
import polars as pl

from rec_assets.datasets.rows import load_rows


def test_rows_of_all_files_are_in_memory_of_numpy(tmp_path: Path) -> None:
    for name, values in (("part_1", [3.5]), ("part_0", [1.5, 2.5])):
        codes = pl.Series([int(value) for value in values], dtype=pl.Int32)
        pl.DataFrame({"code": codes, "value": pl.Series(values, dtype=pl.Float32)}).write_parquet(
            tmp_path / f"{name}.parquet"
        )
    rows = load_rows(tmp_path, ["value", "code"])
    assert {name: column.tolist() for name, column in rows.items()} == {"value": [1.5, 2.5, 3.5], "code": [1, 2, 3]}
    assert {name: column.dtype for name, column in rows.items()} == {"value": np.float32, "code": np.int32}
    assert all(column.flags.owndata for column in rows.values())  # Polars would keep its own memory for a while
