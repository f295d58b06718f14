"""Fits the workflow on unmasked training rows, and transforms rows with a fitted workflow."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl
from merlin.io import Dataset

from rec_assets.inference.lookups import LOOKUPS
from rec_assets.preprocessing.export_lookups import export_lookups
from rec_assets.preprocessing.vocabularies import FitInputs, fit_inputs
from rec_assets.preprocessing.workflow import load_workflow, new_workflow, save_fitted, settle_constants
from rec_assets.storage.frames import write_frame

if TYPE_CHECKING:
    import nvtabular as nvt

# Parquet of one Dask partition; its frame then stays well under a gigabyte.
PART_SIZE = "64MB"
ROWS_AT_ONCE = 500_000
WORKFLOW = "workflow"  # folder in the asset `nvt_workflows`


def fit_workflows(train_files: Sequence[Path], items_file: Path, output: Path) -> FitInputs:
    """Fits and saves `output/workflow` and `output/lookups.npz`.

    Args:
        train_files: unmasked joined interactions (see `rec_assets.features.joins`).
        items_file: parquet file of the catalog.
        output: an existing directory.
    """
    inputs = fit_inputs(pl.scan_parquet(list(train_files)), pl.scan_parquet(items_file))
    full = new_workflow(inputs, output / WORKFLOW)
    full.fit(dataset([file for file in train_files if _rows(file)]))  # Merlin fails at a file without rows
    settle_constants(full)
    save_fitted(full, inputs.mean_age, output / WORKFLOW)
    export_lookups(full, inputs).save(output / LOOKUPS)
    return inputs


def dataset(files: Sequence[Path]) -> Dataset:
    """Opens parquet files as a streamed Merlin dataset."""
    return Dataset([str(file) for file in files], engine="parquet", part_size=PART_SIZE)


def transform_rows(workflows: Path, files: Sequence[Path], output: Path) -> int:
    """Transforms joined rows with the full workflow and keeps their order.

    Small files are transformed together, because each call of the workflow costs a tenth of a second.

    Args:
        workflows: the folder that `fit_workflows` filled.
        files: one or more parquet files.
        output: new directory for `00000.parquet`, …, in the order of `files`.

    Returns:
        The number of rows.
    """
    workflow = load_workflow(workflows / WORKFLOW)
    output.mkdir()
    rows = 0
    for number, group in enumerate(_groups(files)):
        frame = _transformed(workflow, group)
        write_frame(frame, output / f"{number:05d}.parquet")
        rows += frame.height
    return rows


def transform_items(workflows: Path, items_file: Path) -> pl.DataFrame:
    """Transforms the catalog with the item workflow; returns encoded features, `raw_item_id` and `first_day`."""
    encoded = _transformed(load_workflow(workflows / WORKFLOW, "item"), [items_file])
    raw = pl.read_parquet(items_file, columns=["item_id", "first_day"])
    return encoded.with_columns(raw_item_id=raw["item_id"], first_day=raw["first_day"])


def _groups(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Splits files, in order, into groups of at most `ROWS_AT_ONCE` rows, or of one file."""
    group: list[Path] = []
    size = 0
    for file in files:
        rows = _rows(file)
        if group and size + rows > ROWS_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(file)
        size += rows
    if group:
        yield group


def _transformed(workflow: "nvt.Workflow", files: Sequence[Path]) -> pl.DataFrame:
    filled = [file for file in files if _rows(file)]
    if not filled:
        # NVTabular cannot transform an empty frame. The schema gives the columns of the result.
        columns = workflow.output_schema
        return pl.DataFrame(schema={c.name: pl.Float32 if c.dtype.is_float else pl.Int32 for c in columns})
    with TemporaryDirectory() as scratch:
        file = filled[0]
        if len(filled) > 1:  # in one file, because Merlin sorts several by name
            file = Path(scratch) / "rows.parquet"
            write_frame(pl.concat(pl.read_parquet(one) for one in filled), file)
        return to_polars(workflow.transform(dataset([file])).to_ddf().compute())


def _rows(file: Path) -> int:
    return int(pl.scan_parquet(file).select(pl.len()).collect().item())


def to_polars(frame: Any) -> pl.DataFrame:
    """Converts a pandas frame from NVTabular to Polars; the rest of the package reads Polars frames."""
    return pl.from_pandas(frame.reset_index(drop=True))
