"""Measures the live bundle and a bundle with a million generated items, each served by its own Triton.

The generated items are copies of the live items with noise on their vectors, so towers and ranker need no training.
Also measures build time, memory and recall of the index.
"""

import shutil
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import numpy.typing as npt
import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.processes import usage
from benchmarks.request_latency import first, shape_of
from benchmarks.traffic import draw_requests, free_ports, known_users, live_bundle_here, send
from rec_assets.bundles.bundle import PART_FILES, Bundle, write_bundle
from rec_assets.bundles.provenance import Lineage, codes_of
from rec_assets.cli.local.triton import Triton
from rec_assets.common.errors import ActionableError
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.inference.factored_ranker import ITEM_CODES
from rec_assets.inference.item_index import DEPTH, build_index, recall_against_exact, write_index
from rec_assets.inference.item_vectors import VECTORS, ItemVectors
from rec_assets.inference.lookups import FIRST_KNOWN
from rec_assets.serving.graph.spec import WHOLE
from rec_assets.serving.tables.memory_mapped import (
    CONTENT,
    SIGNALS,
    content_tables,
    item_neighbors,
    signal_tables,
    write_tables,
)
from rec_assets.serving.triton import model_repository
from rec_assets.serving.triton.model_config import RECOMMENDER
from rec_assets.settings import Settings, get_settings

NOISE = 0.3  # relative to the length of a vector; similar items stay close, as in a real catalog
QUERIES = 200


@dataclass(frozen=True)
class Measured:
    """Figures of one catalog: the build time and recall of its index, and the cost of requests."""

    items: int
    build_s: float
    index_mb: float
    recall: float
    load_s: float
    memory_mb: float
    p50_ms: float
    p99_ms: float


def enlarge(bundle: Bundle, target: Path, items: int, seed: int) -> tuple[Bundle, ItemVectors, float]:
    """Writes a bundle with more items. Returns the bundle, the item vectors, and the build time of the index, s."""
    rng = np.random.default_rng(seed)
    known = len(bundle.lookups.vocabularies["item_id"])
    copied = np.concatenate([np.arange(known), rng.integers(0, known, max(items - known, 0))])
    old_codes = np.concatenate([np.arange(FIRST_KNOWN), copied + FIRST_KNOWN])  # by new encoded id
    old_ids = bundle.lookups.vocabularies["item_id"]
    ids = np.concatenate([old_ids, old_ids.max() + 1 + np.arange(len(copied) - known)])
    vectors = np.load(bundle.file("item_index").with_name(VECTORS))[old_codes]
    scale = NOISE * np.linalg.norm(vectors, axis=1, keepdims=True) / np.sqrt(vectors.shape[1])
    vectors[known + FIRST_KNOWN :] += (scale * rng.normal(size=vectors.shape).astype(np.float32))[known + FIRST_KNOWN :]
    item_vectors = ItemVectors(ids.astype(np.int32), np.ascontiguousarray(vectors[FIRST_KNOWN:]))
    content, signals = content_tables(bundle), signal_tables(bundle)
    with TemporaryDirectory(dir=target.parent) as scratch:
        parts = {name: Path(scratch) / name for name in PART_FILES}
        for name, folder in parts.items():
            shutil.copytree(bundle.path / name, folder)
        lookups = deepcopy(bundle.lookups)
        lookups.vocabularies["item_id"] = ids.astype(np.int64)
        lookups.save(parts["workflow"] / PART_FILES["workflow"])
        catalog = bundle.catalog()
        row = np.searchsorted(catalog["item_id"].to_numpy(), old_ids[copied])
        catalog[row].with_columns(item_id=pl.Series(ids.astype(np.int32))).write_parquet(
            parts["catalogue"] / PART_FILES["catalogue"]
        )
        for name, row, tables in (("multimodal", CONTENT, content), ("signals", SIGNALS, signals)):
            write_tables(parts[name] / PART_FILES[name], row, {key: table[old_codes] for key, table in tables.items()})
        for file in parts["dlrm"].glob("*.npy"):  # the tables of the factored ranker
            np.save(file, np.load(file).take(old_codes, axis=1 if file.stem == ITEM_CODES else 0))
        start = time.perf_counter()
        index = build_index(item_vectors)
        seconds = time.perf_counter() - start
        write_index(index, parts["item_index"] / PART_FILES["item_index"])
        np.save(parts["item_index"] / VECTORS, vectors)
        _copies(item_neighbors(bundle), old_codes, rng).save(parts["item_index"])
        manifest = bundle.manifest
        for folder in parts.values():
            Lineage.read(folder).replace(codes=codes_of(lookups)).write(folder)
        write_bundle(
            target,
            parts,
            as_of=manifest.as_of,
            parent=manifest.bundle_id,
            metrics={},
            config=manifest.config,
            source=manifest.source,
            made_from=manifest.made_from,
        )
    return Bundle.open(target), item_vectors, seconds


def _copies(neighbors: Neighbors, old_codes: npt.NDArray[np.int64], rng: np.random.Generator) -> Neighbors:
    """Returns the neighbors of all items: each neighbor is a random copy of the original item's neighbor."""
    order = np.argsort(old_codes, kind="stable")
    counts = np.bincount(old_codes)
    first, wanted = np.cumsum(counts) - counts, neighbors.item_ids[old_codes]
    drawn = order[first[wanted] + (rng.random(wanted.shape) * counts[wanted]).astype(np.int64)]
    return Neighbors(drawn.astype(np.int32), neighbors.weights[old_codes])


def served(
    settings: Settings, bundle: Bundle, home: Path, requests: int, seed: int
) -> tuple[float, float, list[float]]:
    """Serves a bundle from its own Triton, with the running Valkey.

    Returns:
        Seconds until Triton answered, memory of the recommender's processes in MB, and request latencies in ms.
    """
    separate = settings.model_copy(update={"home": home, **free_ports()})
    shutil.copytree(settings.home / "feast", home / "feast")
    folder = model_repository.repository_path(separate)
    model_repository.switch(folder, model_repository.publish(bundle, folder, settings=separate))
    triton, start = Triton(separate), time.perf_counter()
    try:
        triton.start()
        seconds = time.perf_counter() - start
        drawn = draw_requests(known_users(settings), requests, settings, seed)
        send(separate, RECOMMENDER, shape_of(RECOMMENDER), first(drawn, requests // 5), 1)
        _, latencies, lists = send(separate, RECOMMENDER, shape_of(RECOMMENDER), drawn, 1)
        if not all(ids for ids, _ in lists):
            raise ActionableError("Some lists are empty.", "Check the log of Triton in the benchmark's folder.")
        return seconds, usage(separate)[WHOLE.name].memory / 1e6, latencies.tolist()
    finally:
        triton.stop()


def recall(bundle: Bundle, items: ItemVectors, seed: int) -> float:
    """Returns Recall@DEPTH of a bundle's index against exact search, with item vectors as queries."""
    import faiss

    index = faiss.read_index(str(bundle.file("item_index")))
    queries: npt.NDArray[np.float32] = np.random.default_rng(seed).choice(items.vectors, QUERIES, replace=False)
    return recall_against_exact(index, items, queries, DEPTH)


def measure(settings: Settings, bundle: Bundle, items: int, requests: int, seed: int, scratch: Path) -> Measured:
    """Builds and serves a catalog with a given number of items, and measures it."""
    larger, vectors, build_s = enlarge(bundle, scratch / f"bundle-{items}", items, seed)
    load_s, memory, latencies = served(settings, larger, scratch / f"home-{items}", requests, seed)
    size = larger.file("item_index").stat().st_size / 1e6
    p50, p99 = np.percentile(latencies, (50, 99)).tolist()
    count = len(vectors.raw_ids)
    return Measured(count, build_s, size, recall(larger, vectors, seed + 1), load_s, memory, p50, p99)


def main(
    items: Annotated[int, typer.Option(min=10_000, help="Number of items in the large catalog.")] = 1_000_000,
    requests: Annotated[int, typer.Option(min=20, help="Requests to each bundle, concurrency 1.")] = 500,
    seed: Annotated[int, typer.Option(help="Random seed for the noise and the requests.")] = 0,
) -> None:
    """Measures the live catalog and a large one."""
    settings = get_settings()
    try:
        live = len(live_bundle_here(settings).lookups.vocabularies["item_id"])
        with TemporaryDirectory(dir=settings.home) as scratch:
            rows = [
                measure(settings, live_bundle_here(settings), size, requests, seed, Path(scratch))
                for size in (live, items)
            ]
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    table = Table("", *(f"{row.items:,} items" for row in rows))
    table.add_row("index build time, s", *(f"{row.build_s:.2f}" for row in rows))
    table.add_row("index, MB on disk", *(f"{row.index_mb:.1f}" for row in rows))
    table.add_row(f"Recall@{DEPTH} against exact", *(f"{row.recall:.3f}" for row in rows))
    table.add_row("server start and load time, s", *(f"{row.load_s:.1f}" for row in rows))
    table.add_row("recommender's processes, MB", *(f"{row.memory_mb:.0f}" for row in rows))
    table.add_row("request p50, ms", *(f"{row.p50_ms:.2f}" for row in rows))
    table.add_row("request p99, ms", *(f"{row.p99_ms:.2f}" for row in rows))
    table.add_row("p50, relative to the live catalog", *(f"{row.p50_ms / rows[0].p50_ms:.2f}" for row in rows))
    console = Console()
    console.print(machine())
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
