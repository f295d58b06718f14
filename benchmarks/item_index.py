"""Measures the item index of large catalogs on CPUs and on a GPU: build time, searches per second, recall.

    python -m benchmarks.item_index [--items 1000000] [--queries 3000]

Vectors are drawn around 1,000 centers, similar to the vectors of a trained tower. With a GPU, the same index is also
trained, filled and searched on the GPU. Recall is relative to an exact search.
"""

import time
from typing import Annotated

import faiss  # noqa: TID253
import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from rec_assets.inference.item_index import DEPTH, build_index, has_gpu
from rec_assets.inference.item_vectors import ItemVectors

CENTERS, DIM = 1_000, 64


def vectors(count: int, seed: int) -> npt.NDArray[np.float32]:
    """Draws float32 [count, 64] around the centers; the centers are equal for every seed."""
    centers = np.random.default_rng(0).normal(size=(CENTERS, DIM)).astype(np.float32)
    random = np.random.default_rng(seed)
    spread = random.standard_normal((count, DIM), dtype=np.float32)
    return centers[random.integers(0, CENTERS, count)] + spread


def main(
    items: Annotated[int, typer.Option(min=200_000, help="Number of vectors in the index.")] = 1_000_000,
    queries: Annotated[int, typer.Option(help="Number of searches in one batch.")] = 3_000,
) -> None:
    """Prints one row for CPUs, and one for a GPU if FAISS has one."""
    table = ItemVectors(np.arange(items, dtype=np.int32), vectors(items, 1))
    query_vectors = vectors(queries, 2)
    exact = faiss.IndexFlatIP(DIM)
    exact.add(table.vectors)
    expected = exact.search(query_vectors, DEPTH)[1]
    shown = Table("", "build", "searches/s", f"recall@{DEPTH}")

    def show(name: str, index: faiss.Index, seconds: float) -> None:
        index.search(query_vectors[:64], DEPTH)
        start = time.perf_counter()
        retrieved = index.search(query_vectors, DEPTH)[1]
        rate = queries / (time.perf_counter() - start)
        recall = np.mean([len(np.intersect1d(a, b)) / DEPTH for a, b in zip(expected, retrieved, strict=True)])
        shown.add_row(name, f"{seconds:.1f} s", f"{rate:,.0f}", f"{recall:.3f}")

    for name, gpu in (("CPU", False), *([("GPU", True)] if has_gpu() else [])):
        start = time.perf_counter()
        index = build_index(table, gpu=gpu)
        seconds = time.perf_counter() - start
        if gpu:  # moves the index back to the GPU for the searches
            assert isinstance(index, faiss.IndexIVF)
            nprobe, index = index.nprobe, faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
            faiss.GpuParameterSpace().set_index_parameter(index, "nprobe", nprobe)
        show(name, index, seconds)
    console = Console()
    console.print(shown)
    console.print(f"{items:,} vectors of {DIM}; {machine()}; FAISS {faiss.__version__}")


if __name__ == "__main__":
    typer.run(main)
