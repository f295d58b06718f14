"""Memory-mapped tables of a bundle by encoded item id. All processes of a host share one copy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.datasets.related.again import AGAIN, BuyAgain
from rec_assets.datasets.related.tables import RelatedItems
from rec_assets.features.columns import CONTENT_DIM
from rec_assets.features.signals.item_signals import ITEM_SIGNALS, ItemCategories, ItemFacts
from rec_assets.features.signals.neighbors import Neighbors

Tables = dict[str, npt.NDArray[Any]]

# A row of each file: one encoded item.
SIGNALS = np.dtype(
    [
        *((name, "<i4") for name in ("group_l1", "group_l2")),
        *((name, "<f4") for name in ("share_l1", "share_l2", "price", *ITEM_SIGNALS)),
    ]
)
CONTENT = np.dtype([(name, "<f4", (CONTENT_DIM,)) for name in ("image", "text")])
_REBUILD = "Materialize faiss_index and model_bundle again."
_AGAIN = "The parts come from different workflows. Materialize them and model_bundle again."


def write_tables(file: Path, row: np.dtype[np.void], tables: Mapping[str, npt.NDArray[Any]]) -> None:
    """Writes the fields of `row`, [V] or [V, d] each, as one `.npy` file of rows [V]."""
    rows = np.empty(len(tables[next(iter(row.names or ()))]), row)
    for name in row.names or ():
        rows[name] = tables[name]
    np.save(file, rows)


def signal_tables(bundle: Bundle) -> Tables:
    """Returns group_l1, group_l2 int32, and share_l1, share_l2, price and `ITEM_SIGNALS` float32, [V] each.

    Raises:
        ActionableError: a table is missing or does not have one row per encoded item id.
    """
    return _tables(bundle, "signals", SIGNALS)


def item_neighbors(bundle: Bundle) -> Neighbors:
    """Returns the neighbors of items; raises ActionableError if they are missing or do not fit the bundle."""
    folder = bundle.file("item_index").parent
    try:
        neighbors = Neighbors.load(folder)
    except (OSError, ValueError, EOFError) as error:
        raise ActionableError(f"{folder} has no readable neighbors of items ({error}).", _REBUILD) from error
    size = bundle.lookups.size("item_id")
    if neighbors.item_ids.shape != neighbors.weights.shape or not len(neighbors.item_ids) <= size:
        shapes = f"{neighbors.item_ids.shape} and {neighbors.weights.shape}"
        raise ActionableError(f"The neighbors in {folder} have the wrong shapes ({shapes}).", _REBUILD)
    return neighbors


def related_tables(bundle: Bundle) -> RelatedItems | None:
    """Returns the related items, None for a bundle of an earlier release.

    Raises:
        ActionableError: a table is missing or has more rows than the bundle has items.
    """
    if "related" not in bundle.manifest.parts:
        return None
    folder = bundle.path / "related"
    try:
        related = RelatedItems.load(folder)
    except (OSError, ValueError, EOFError) as error:
        raise ActionableError(f"{folder} has no readable tables ({error}).", _REBUILD) from error
    for kind, table in related.tables.items():
        if table.item_ids.shape != table.weights.shape or len(table.item_ids) > bundle.lookups.size("item_id"):
            shapes = f"{table.item_ids.shape} and {table.weights.shape}"
            raise ActionableError(f"The table {kind} in {folder} has the wrong shapes ({shapes}).", _REBUILD)
    return related


def again_tables(bundle: Bundle) -> BuyAgain | None:
    """Returns the tables of buy again, None for a bundle of an earlier release; raises as `related_tables`."""
    folder = bundle.path / "related" / AGAIN
    if "related" not in bundle.manifest.parts or not folder.exists():
        return None
    try:
        again = BuyAgain.load(folder)
    except (OSError, ValueError, EOFError) as error:
        raise ActionableError(f"{folder} has no readable tables ({error}).", _REBUILD) from error
    if len(again.items) != bundle.lookups.size("item_id"):
        raise ActionableError(f"The tables in {folder} have the wrong shapes ({again.items.shape}).", _REBUILD)
    return again


def item_facts(tables: Mapping[str, npt.NDArray[Any]]) -> ItemFacts:
    """Returns the properties of items in the tables of `signal_tables`."""
    groups = ItemCategories(tables["group_l1"], tables["group_l2"])
    return ItemFacts(groups, tables["share_l1"], tables["share_l2"], tables["price"])


def content_tables(bundle: Bundle) -> Tables:
    """Returns the vectors `image` and `text`, float32 [V, 64]; raises ActionableError as `signal_tables`."""
    return _tables(bundle, "multimodal", CONTENT)


def _tables(bundle: Bundle, part: str, row: np.dtype[np.void]) -> Tables:
    file, size = bundle.file(part), bundle.lookups.size("item_id")
    try:
        stored = np.load(file, mmap_mode="r")
        # An `.npz` of release 0.1 is read into memory. Indexing a memmap would create another memmap, which is slow.
        names = stored.dtype.names if isinstance(stored, np.ndarray) else stored.files
        tables = {name: np.asarray(stored[name]) for name in names or ()}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ActionableError(f"{file} cannot be read as tables ({error}).", "Materialize the bundle again.") from error
    expected = {name: (size, *row[name].shape) for name in row.names or ()}
    shapes = {name: tables[name].shape if name in tables else None for name in expected}
    if shapes != expected:
        needed = next(iter(expected.values()))
        raise ActionableError(f"{file} has the wrong shapes ({shapes}): the workflow's items need {needed}.", _AGAIN)
    return {name: tables[name].astype(row[name].base, copy=False) for name in expected}
