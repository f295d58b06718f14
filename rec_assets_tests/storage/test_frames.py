import itertools
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.storage.frames import write_frame


@given(st.lists(st.integers(0, 50), max_size=3))
def test_equal_rows_are_equal_bytes_however_they_were_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    whole = pl.DataFrame({"item_id": range(50)})
    edges = [0, *sorted(cuts), 50]
    parts = pl.concat([whole[a:b] for a, b in itertools.pairwise(edges)], rechunk=False)
    folder = tmp_path_factory.mktemp("frames")
    files: list[Path] = [folder / "whole.parquet", folder / "parts.parquet"]
    for frame, file in zip((whole, parts), files, strict=True):
        write_frame(frame, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert pl.read_parquet(files[1]).equals(whole)
