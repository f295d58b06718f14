"""Encoded rows as arrays, one per column."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.features.columns import CONTEXT_FEATURES, REQUEST_USER_ID, USER_FEATURES

Arrays = dict[str, npt.NDArray[Any]]
ROW_COLUMNS = ("user_id", *USER_FEATURES, *CONTEXT_FEATURES, "item_id")
# Names in files of release 0.1, and their names of today.
_RENAMED = {"asked_by": REQUEST_USER_ID, "columns/asked_by": f"columns/{REQUEST_USER_ID}"}


def load_rows(folder: Path, columns: Sequence[str] = ROW_COLUMNS) -> Arrays:
    """Loads columns of transformed rows, each [n], int32 or float32, in file order."""
    files = sorted(folder.glob("*.parquet"))
    return {name: _copied(pl.read_parquet(files, columns=[name])[name]) for name in columns}


def _copied(column: pl.Series) -> npt.NDArray[Any]:
    # Copied, because Polars keeps memory for ten seconds after it is free. `to_numpy(writable=True)` copies the chunks
    # into memory of Polars.
    return np.concatenate([chunk.to_numpy() for chunk in column.get_chunks()])


def load_arrays(file: Path) -> Arrays:
    """Reads every array of an npz file and replaces names of release 0.1."""
    with np.load(file) as arrays:
        return {_RENAMED.get(name, name): arrays[name] for name in arrays.files}


def take(arrays: Arrays, index: npt.NDArray[np.int64] | slice) -> Arrays:
    """Returns all columns at some rows."""
    return {name: array[index] for name, array in arrays.items()}


def column_batches(arrays: Arrays, size: int) -> Iterator[Arrays]:
    """Splits columns into batches in the shapes that Merlin's blocks read: scalars [n, 1], vectors [n, d]."""
    rows = len(next(iter(arrays.values())))
    for start in range(0, rows, size):
        yield as_columns(take(arrays, slice(start, start + size)))


def as_columns(arrays: Arrays) -> Arrays:
    """Adds a column axis to scalars: [n] → [n, 1]. Vectors stay [n, d]."""
    return {name: array[:, None] if array.ndim == 1 else array for name, array in arrays.items()}
