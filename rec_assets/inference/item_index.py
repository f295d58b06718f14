"""The FAISS index over the item vectors of the whole catalog."""

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from rec_assets.inference.item_vectors import ItemVectors

INDEX = "index.faiss"
EXACT_UP_TO = 100_000  # items; a flat scan of 64 floats per item takes about a millisecond
WANTED_RECALL = 0.95  # target of an inexact search: share of the exact top DEPTH
MIN_RECALL = 0.93  # minimum of the check; lower, because its queries differ from the tuning queries
DEPTH = 300
TUNING_QUERIES = 200
ROUNDING = 1e-5  # difference of two sums of the same products in another order
VECTORS_PER_LIST = 64  # training vectors per list of an inverted file


def has_gpu() -> bool:
    """Returns whether FAISS is the CUDA build and finds a GPU."""
    return bool(getattr(faiss, "get_num_gpus", int)())


def build_index(
    items: ItemVectors, *, frequent: npt.NDArray[np.int32] | None = None, gpu: bool | None = None
) -> faiss.Index:
    """Builds an inner-product index by raw item id: exact up to `EXACT_UP_TO` items, an inverted file beyond.

    A search of the inverted file reads as many lists as `WANTED_RECALL` needs, measured with item vectors as queries.
    A GPU trains and fills it if there is one. For ten million vectors, an H100 trained in 1.6 s, 16 cores in 92 s. The
    result is always a CPU index, because serving runs on CPUs.

    Args:
        items: the item vectors.
        frequent: raw ids of the most frequent items. Their vectors lie where the queries of users lie, so recall is
            measured with them too: a random sample of a catalog with few known items hardly contains them.
        gpu: whether to use a GPU; None uses one if FAISS finds it.
    """
    count, dim = items.vectors.shape
    index = faiss.index_factory(dim, index_spec(count), faiss.METRIC_INNER_PRODUCT)
    ids = items.raw_ids.astype(np.int64)
    if not isinstance(index, faiss.IndexIVF):
        index.add_with_ids(items.vectors, ids)
        return index
    if has_gpu() if gpu is None else gpu:
        index = _filled_on_gpu(index, items.vectors, ids)
    else:
        # FAISS's defaults, 256 vectors per list and 25 rounds, take minutes for a million items at the same recall.
        index.cp.max_points_per_centroid, index.cp.niter = VECTORS_PER_LIST, 10
        index.train(items.vectors)
        index.add_with_ids(items.vectors, ids)
    samples = [items.vectors[np.random.default_rng(0).choice(count, TUNING_QUERIES, replace=False)]]
    if frequent is not None and len(known := items.only(frequent[:TUNING_QUERIES]).vectors):
        samples.append(known)
    tune(index, items, samples)
    return index


def _filled_on_gpu(
    empty: faiss.IndexIVF, vectors: npt.NDArray[np.float32], ids: npt.NDArray[np.int64]
) -> faiss.IndexIVF:
    count = len(vectors)
    index = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, empty)
    sample = np.random.default_rng(0).choice(count, min(count, VECTORS_PER_LIST * empty.nlist), replace=False)
    index.train(vectors[sample])
    index.add_with_ids(vectors, ids)
    filled = faiss.index_gpu_to_cpu(index)  # not downcast_index of it, which would not keep the index alive
    assert isinstance(filled, faiss.IndexIVF)
    return filled


def index_spec(count: int) -> str:
    """Returns the FAISS factory string of the index for `count` items."""
    return "IDMap2,Flat" if count <= EXACT_UP_TO else f"IVF{int(4 * np.sqrt(count))},Flat"


def tune(index: faiss.IndexIVF, items: ItemVectors, samples: Sequence[npt.NDArray[np.float32]]) -> None:
    """Doubles the number of lists that a search reads until each sample of queries has a recall of `WANTED_RECALL`."""
    lists = index.nlist
    index.nprobe = max(1, lists // 512)
    while index.nprobe < lists and any(
        recall_against_exact(index, items, sample, DEPTH) < WANTED_RECALL for sample in samples
    ):
        index.nprobe = min(2 * index.nprobe, lists)


def recall_against_exact(index: faiss.Index, items: ItemVectors, queries: npt.NDArray[np.float32], k: int) -> float:
    """Returns the share of the exact top k that the index retrieves, averaged over queries float32 [q, d].

    An item with the score of the last exact one counts: items with equal vectors may stand for each other.
    """
    exact = faiss.IndexIDMap2(faiss.IndexFlatIP(items.vectors.shape[1]))
    exact.add_with_ids(items.vectors, items.raw_ids.astype(np.int64))
    k = min(k, len(items.raw_ids))
    last, retrieved = exact.search(queries, k)[0][:, -1:], index.search(queries, k)[1]
    # By the items' own vectors, because an index may hold wrong ones.
    order = np.argsort(items.raw_ids)
    position = order[np.minimum(np.searchsorted(items.raw_ids, retrieved, sorter=order), len(order) - 1)]
    scores = np.einsum("qd,qkd->qk", queries, items.vectors[position])
    return float(np.mean((items.raw_ids[position] == retrieved) & (scores >= last - ROUNDING * np.abs(last))))


def write_index(index: faiss.Index, file: Path) -> None:
    """Writes the index in FAISS's format."""
    faiss.write_index(index, str(file))


def read_index(file: Path) -> faiss.Index:
    """Reads a file written by `write_index`."""
    return faiss.read_index(str(file))


def on_best_device(index: faiss.Index) -> faiss.Index:
    """Returns a copy of the index on the first GPU if FAISS finds one, otherwise the index itself."""
    if not has_gpu():
        return index
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
