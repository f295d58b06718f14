from pathlib import Path

import numpy as np
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.serving.tables.memory_mapped import CONTENT, SIGNALS, content_tables, signal_tables, write_tables


def test_written_tables_are_read_again(tiny_bundle: Bundle, tmp_path: Path) -> None:
    for row, tables in ((SIGNALS, signal_tables(tiny_bundle)), (CONTENT, content_tables(tiny_bundle))):
        write_tables(tmp_path / "tables.npy", row, tables)
        rows = np.load(tmp_path / "tables.npy")
        assert rows.dtype == row
        for name, table in tables.items():
            np.testing.assert_array_equal(rows[name], table)


def test_tables_are_mapped_and_read_only(tiny_bundle: Bundle) -> None:
    for table in (*signal_tables(tiny_bundle).values(), *content_tables(tiny_bundle).values()):
        assert isinstance(table.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            table[...] = 0


def test_the_archives_of_release_0_1_are_still_read(tiny_bundle: Bundle, copy: Path) -> None:
    for part, read in (("signals", signal_tables), ("multimodal", content_tables)):
        file = tiny_bundle.file(part)
        (copy / part / file.name).unlink()
        np.savez(copy / part / f"{file.stem}.npz", **read(tiny_bundle))
    old = Bundle.open(copy)
    for read in (signal_tables, content_tables):
        for name, table in read(tiny_bundle).items():
            np.testing.assert_array_equal(read(old)[name], table)


@pytest.mark.parametrize("content", [b"", b"PK", b"nothing", b"\x93NUMPY"])
def test_damaged_tables_are_refused(copy: Path, content: bytes) -> None:
    bundle = Bundle.open(copy)
    bundle.file("signals").write_bytes(content)
    with pytest.raises(ActionableError, match=r"signals\.npy cannot be read as tables"):
        signal_tables(bundle)
