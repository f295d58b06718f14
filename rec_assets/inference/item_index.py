"""The FAISS index over the item vectors of the whole catalog."""

from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from rec_assets.inference.item_vectors import ItemVectors

INDEX = "index.faiss"
EXACT_UP_TO = 100_000  # a flat scan of 64 floats an item stays near a millisecond
WANTED_RECALL = 0.95  # of the exact first DEPTH, where a search is not exact
MIN_RECALL = 0.93  # that a check accepts: what the search was tuned on are other queries
DEPTH = 300
TUNING_QUERIES = 200
VECTORS_PER_LIST = 64  # that an inverted file is trained on


def has_gpu() -> bool:
    """Returns whether FAISS is its build for CUDA and sees a GPU."""
    return bool(getattr(faiss, "get_num_gpus", int)())


def build_index(items: ItemVectors, *, gpu: bool | None = None) -> faiss.Index:
    """Builds an inner-product index whose ids are raw item ids: exact for thousands of items, an inverted file beyond.

    The inverted file reads as many of its lists as `WANTED_RECALL` takes, tried with item vectors as queries. It is
    trained and filled on a GPU where there is one: an H100 trained on ten million vectors in 1.6 s, 16 cores in 92 s.
    The result is an index for processors, which serve.

    Args:
        items: the vectors.
        gpu: whether to use a GPU; default: where FAISS has one.
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
        # FAISS's own 256 vectors a list and 25 rounds take minutes for a million items, and find no more.
        index.cp.max_points_per_centroid, index.cp.niter = VECTORS_PER_LIST, 10
        index.train(items.vectors)
        index.add_with_ids(items.vectors, ids)
    tune(index, items)
    return index


def _filled_on_gpu(
    empty: faiss.IndexIVF, vectors: npt.NDArray[np.float32], ids: npt.NDArray[np.int64]
) -> faiss.IndexIVF:
    count = len(vectors)
    index = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, empty)
    sample = np.random.default_rng(0).choice(count, min(count, VECTORS_PER_LIST * empty.nlist), replace=False)
    index.train(vectors[sample])
    index.add_with_ids(vectors, ids)
    filled = faiss.downcast_index(faiss.index_gpu_to_cpu(index))
    assert isinstance(filled, faiss.IndexIVF)
    return filled


def index_spec(count: int) -> str:
    """Names the index of so many items, as FAISS's factory does."""
    return "IDMap2,Flat" if count <= EXACT_UP_TO else f"IVF{int(4 * np.sqrt(count))},Flat"


def tune(index: faiss.IndexIVF, items: ItemVectors) -> None:
    """Sets the number of lists that a search reads."""
    lists = index.nlist
    sample = items.vectors[np.random.default_rng(0).choice(len(items.vectors), TUNING_QUERIES, replace=False)]
    index.nprobe = max(1, lists // 512)
    while index.nprobe < lists and recall_against_exact(index, items, sample, DEPTH) < WANTED_RECALL:
        index.nprobe = min(2 * index.nprobe, lists)


def recall_against_exact(index: faiss.Index, items: ItemVectors, queries: npt.NDArray[np.float32], k: int) -> float:
    """The share of the exact top k that the index finds, averaged over queries float32 [q, d]."""
    exact = faiss.IndexIDMap2(faiss.IndexFlatIP(items.vectors.shape[1]))
    exact.add_with_ids(items.vectors, items.raw_ids.astype(np.int64))
    k = min(k, len(items.raw_ids))
    wanted, found = exact.search(queries, k)[1], index.search(queries, k)[1]
    return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(wanted, found, strict=True)]))


def write_index(index: faiss.Index, file: Path) -> None:
    """Writes the index as FAISS does."""
    faiss.write_index(index, str(file))


def read_index(file: Path) -> faiss.Index:
    """Reads what `write_index` wrote."""
    return faiss.read_index(str(file))


def on_best_device(index: faiss.Index) -> faiss.Index:
    """Returns the index where searching it is fastest: on the first GPU, if FAISS was built for one and it is there."""
    if not has_gpu():
        return index
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
