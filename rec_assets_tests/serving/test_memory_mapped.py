from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from rec_assets.serving.stages.base import Arrays
from rec_assets.serving.tables.memory_mapped import mapped

TABLES = arrays(
    st.sampled_from([np.int32, np.int64, np.float32, np.float64]), array_shapes(min_dims=0, max_dims=3, min_side=0)
)


@given(st.dictionaries(st.sampled_from("abcdef"), TABLES, max_size=4), st.booleans())
def test_a_mapped_archive_has_the_arrays_that_numpy_reads(
    tmp_path_factory: pytest.TempPathFactory, tables: Arrays, compressed: bool
) -> None:
    file = tmp_path_factory.mktemp("tables") / "tables.npz"
    (np.savez_compressed if compressed else np.savez)(file, **tables)
    read = mapped(file)
    assert list(read) == list(tables)
    for name, values in tables.items():
        assert read[name].dtype == values.dtype
        np.testing.assert_array_equal(read[name], values)


def test_uncompressed_arrays_are_mapped_and_read_only(tmp_path: Path) -> None:
    np.savez(tmp_path / "tables.npz", a=np.arange(1000), b=np.asfortranarray(np.ones((3, 4))))
    read = mapped(tmp_path / "tables.npz")
    for table in read.values():
        assert isinstance(table.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            table[...] = 0
