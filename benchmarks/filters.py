"""Measures the search of requests with a filter in a large catalog: recall against an exact search, and time.

    python -m benchmarks.filters [--items 1000000]

Prices are random, and the filters are price ranges. A search finds 300 items. Searches with and without a filter take
turns, on one thread.
"""

import time
from typing import Annotated

import faiss  # noqa: TID253
import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.item_index import DIM, vectors
from benchmarks.machine import machine
from rec_assets.features.signals.item_signals import ItemCategories, ItemFacts
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.store.views import ITEM_FEATURES
from rec_assets.inference.candidate_sources import CandidateSources, Floats, Ids
from rec_assets.inference.item_index import DEPTH, build_index
from rec_assets.inference.item_vectors import ItemVectors
from rec_assets.inference.lookups import CATEGORICALS, FIRST_KNOWN, Lookups
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.stages.filtered import Restriction, exact_search, kept_by_filter
from rec_assets.serving.tables.item_features import RawItemFeatures

SHARES = (0.5, 0.1, 0.01, 0.001)
QUERIES = 200


def main(items: Annotated[int, typer.Option(min=1_000, help="Number of items.")] = 1_000_000) -> None:
    """Prints one row for each share of allowed items."""
    faiss.omp_set_num_threads(1)
    ids = np.arange(items, dtype=np.int32)
    by_code = np.concatenate([np.zeros((FIRST_KNOWN, DIM), np.float32), vectors(items, 1)])
    vocabularies = {name: np.arange(items if name == "item_id" else 2, dtype=np.int64) for name in CATEGORICALS}
    lookups = Lookups(vocabularies, (), 0.0, 0.0, 1.0, 0.0, 1.0)
    index, none = build_index(ItemVectors(ids, by_code[FIRST_KNOWN:])), np.zeros(len(by_code), np.int32)

    def unfiltered(queries: Floats, depth: int) -> Ids:
        return lookups.encode("item_id", index.search(queries, depth)[1])

    facts = ItemFacts.of(ItemCategories(none, none), none, none.astype(np.float32))
    neighbors = Neighbors(np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32))
    indexed = by_code.any(axis=1)
    sources = CandidateSources(unfiltered, by_code, indexed, neighbors, facts, repeats=True)
    columns = {name: np.zeros(items + 1, dtype) for name, dtype in ITEM_FEATURES.items()}
    columns["price"] = np.random.default_rng(0).random(items + 1).astype(np.float32)
    catalog = RawItemFeatures(ids, columns)
    restriction = Restriction(sources, indexed.astype(np.float32), index, lookups)
    filtered = kept_by_filter(restriction, lambda: catalog, lookups)
    queries = vectors(QUERIES, 2)
    shown = Table("allowed items", "first request, ms", "search, ms", "without filter, ms", f"recall@{DEPTH}")
    for share in track(SHARES, "filters"):
        start = time.perf_counter()
        allowed = filtered(Filters[int](max_price=share).text())
        made = time.perf_counter() - start
        exact = exact_search(np.flatnonzero(allowed.sources.indexed).astype(np.int32), by_code)
        times, shared = np.zeros((QUERIES, 2)), []
        for number, query in enumerate(queries[:, None]):
            for turn, search in enumerate((allowed.sources.search, unfiltered)):
                start = time.perf_counter()
                found = search(query, DEPTH)
                times[number, turn] = 1000 * (time.perf_counter() - start)
                if turn == 0:
                    shared.append(len(np.intersect1d(found[found > 0], exact(query, DEPTH))))
        with_filter, without = np.median(times, axis=0)
        most = min(DEPTH, int(allowed.sources.indexed.sum()))
        recall = np.mean(shared) / most
        shown.add_row(f"{share:.1%}", f"{1000 * made:.0f}", f"{with_filter:.2f}", f"{without:.2f}", f"{recall:.3f}")
    Console().print(shown)
    Console().print(f"{items:,} items, median of {QUERIES} searches; {machine()}; FAISS {faiss.__version__}")


if __name__ == "__main__":
    typer.run(main)
