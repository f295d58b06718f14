"""Compares kinds of FAISS indexes on one catalog: build time, size, recall, and the time of one search at a time.

    python -m benchmarks.index_kinds [--items 1000000]

Each kind gets the smallest effort of its search (a power of two) that reaches the recall that serving wants, or the
recall of a large effort if none does. One thread searches, as in serving; all threads build.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import faiss  # noqa: TID253
import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.item_index import DIM, vectors
from benchmarks.machine import machine
from rec_assets.inference.item_index import (
    DEPTH,
    EXACT_UP_TO,
    VECTORS_PER_LIST,
    WANTED_RECALL,
    index_spec,
    recall_against_exact,
)
from rec_assets.inference.item_vectors import ItemVectors

TUNING, SEARCHES = 200, 500
LARGEST_EFFORT = 4096
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Kind:
    """A kind of index.

    Attributes:
        name: for the table.
        spec: string of FAISS's index factory.
        parameter: search parameter that trades time for recall; an empty text if there is none.
    """

    name: str
    spec: str
    parameter: str


def kinds_of(items: int) -> list[Kind]:
    """Returns the compared kinds; the inverted files have the lists of `inference.item_index`."""
    lists = index_spec(items).partition(",")[0]
    return [
        Kind("exact", "Flat", ""),
        Kind("inverted file (serving)", f"{lists},Flat", "nprobe"),
        Kind("inverted file, 8 bits a number", f"{lists},SQ8", "nprobe"),
        Kind("inverted file, product codes of 32 bytes", f"{lists},PQ32", "nprobe"),
        Kind("graph (HNSW, 32 neighbors)", "HNSW32", "efSearch"),
    ]


def built(kind: Kind, table: ItemVectors) -> faiss.Index:
    """Builds an index of the vectors."""
    index = faiss.index_factory(DIM, kind.spec, faiss.METRIC_INNER_PRODUCT)
    if isinstance(index, faiss.IndexIVF):
        index.cp.max_points_per_centroid, index.cp.niter = VECTORS_PER_LIST, 10
    index.train(table.vectors)
    index.add(table.vectors)
    return index


def tuned(kind: Kind, index: faiss.Index, table: ItemVectors, queries: Vectors) -> tuple[int, float]:
    """Sets the smallest effort with the wanted recall; returns effort and recall."""
    effort, recall = 8, recall_against_exact(index, table, queries, DEPTH) if not kind.parameter else 0.0
    while kind.parameter:
        faiss.ParameterSpace().set_index_parameter(index, kind.parameter, effort)
        recall = recall_against_exact(index, table, queries, DEPTH)
        if recall >= WANTED_RECALL or effort >= LARGEST_EFFORT:
            break
        effort *= 2
    return effort, recall


def search_ms(index: faiss.Index, queries: Vectors) -> tuple[float, float]:
    """Returns p50 and p99 of single searches on one thread, in milliseconds."""
    faiss.omp_set_num_threads(1)
    times = []
    for row in range(len(queries)):
        start = time.perf_counter()
        index.search(queries[row : row + 1], DEPTH)
        times.append(1000 * (time.perf_counter() - start))
    return float(np.quantile(times, 0.5)), float(np.quantile(times, 0.99))


def main(items: Annotated[int, typer.Option(min=EXACT_UP_TO + 1, help="Number of vectors.")] = 1_000_000) -> None:
    """Prints a row for each kind."""
    table = ItemVectors(np.arange(items, dtype=np.int32), vectors(items, 1))
    queries = vectors(TUNING + SEARCHES, 2)
    threads = faiss.omp_get_max_threads()
    shown = Table("", "build", "size", "effort", f"recall@{DEPTH}", "search p50", "p99")
    for kind in kinds_of(items):
        faiss.omp_set_num_threads(threads)
        start = time.perf_counter()
        index = built(kind, table)
        seconds = time.perf_counter() - start
        effort, recall = tuned(kind, index, table, queries[:TUNING])
        p50, p99 = search_ms(index, queries[TUNING:])
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "index"
            faiss.write_index(index, str(file))
            size = file.stat().st_size / 1e6
        setting = f"{kind.parameter} {effort}" if kind.parameter else "-"
        shown.add_row(
            kind.name, f"{seconds:.1f} s", f"{size:,.0f} MB", setting, f"{recall:.3f}", f"{p50:.2f} ms", f"{p99:.2f} ms"
        )
    console = Console(width=140)
    console.print(shown)
    console.print(f"{items:,} vectors of {DIM}; {machine()}; FAISS {faiss.__version__}")


if __name__ == "__main__":
    typer.run(main)
