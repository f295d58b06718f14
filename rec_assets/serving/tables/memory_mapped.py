"""Memory-mapped tables of a bundle by encoded item id. All processes of a host share one copy."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as untyped_npy

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.features.columns import CONTENT_DIM
from rec_assets.features.signals import POPULARITY_SIGNALS

npy: Any = untyped_npy
Tables = dict[str, npt.NDArray[Any]]

_AGAIN = "The parts come from different workflows. Materialize them and model_bundle again."


def signal_tables(bundle: Bundle) -> Tables:
    """Returns category_l1, category_l2 int32 and `POPULARITY_SIGNALS` float32, [V] each.

    Raises:
        ActionableError: a table is missing or does not have one row per encoded item id.
    """
    dtypes = dict.fromkeys(("category_l1", "category_l2"), np.int32), dict.fromkeys(POPULARITY_SIGNALS, np.float32)
    return _tables(bundle, "signals", {**dtypes[0], **dtypes[1]}, (bundle.lookups.size("item_id"),))


def content_tables(bundle: Bundle) -> Tables:
    """Returns the vectors `image` and `text`, float32 [V, 64]; raises ActionableError as `signal_tables`."""
    size = bundle.lookups.size("item_id")
    return _tables(bundle, "multimodal", dict.fromkeys(("image", "text"), np.float32), (size, CONTENT_DIM))


def mapped(file: Path) -> Tables:
    """Returns the arrays of an `.npz` file, read-only; uncompressed arrays are mapped and not read.

    `np.load` maps only `.npy` files. An uncompressed member of an `.npz` is a `.npy` file at some offset.
    """
    with zipfile.ZipFile(file) as archive, file.open("rb") as stream:
        return {member.filename.removesuffix(".npy"): _member(archive, member, stream) for member in archive.infolist()}


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, stream: IO[bytes]) -> npt.NDArray[Any]:
    if member.compress_type != zipfile.ZIP_STORED:
        with archive.open(member) as unpacked:
            return npy.read_array(unpacked)
    stream.seek(member.header_offset + 26)  # lengths of the local header's last two fields
    name, extra = np.frombuffer(stream.read(4), "<u2").tolist()
    stream.seek(name + extra, os.SEEK_CUR)
    header = npy.read_array_header_1_0 if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    if not all(shape):
        return np.empty(shape, dtype)
    table = np.memmap(stream.name, dtype, "r", stream.tell(), shape, "F" if fortran else "C")
    return np.asarray(table)  # indexing a memmap creates another memmap, which is slow


def _tables(bundle: Bundle, part: str, dtypes: Mapping[str, type[np.generic]], expected: tuple[int, ...]) -> Tables:
    file = bundle.file(part)
    tables = mapped(file)
    shapes = {name: tables[name].shape if name in tables else None for name in dtypes}
    if set(shapes.values()) != {expected}:
        raise ActionableError(f"{file} has the wrong shapes ({shapes}): the workflow's items need {expected}.", _AGAIN)
    return {name: tables[name].astype(dtype, copy=False) for name, dtype in dtypes.items()}
