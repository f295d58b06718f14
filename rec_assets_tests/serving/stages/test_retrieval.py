import shutil
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.features.clock import clock_features
from rec_assets.features.history import LENGTH, UserHistories
from rec_assets.serving.stages.base import Stage
from rec_assets.serving.stages.retrieval import QueryEncoding, Retrieval
from rec_assets.settings import Settings

NOW = 1_741_608_000


def queries(rows: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    return np.random.default_rng(3).normal(size=(rows, 64)).astype(np.float32)


def inputs_with(rows: int, *histories: list[int]) -> Any:
    """Returns inputs with `rows` queries; the first ones have the given histories of encoded ids."""
    padded = UserHistories.empty(rows)
    for row, history in enumerate(histories):
        padded.item_ids[row, : len(history)] = history
        padded.timestamps[row, : len(history)] = NOW - 60 * (1 + np.arange(len(history)))
    return {
        "query_embedding": queries(rows),
        "history_item_id": padded.item_ids,
        "history_timestamp": padded.timestamps,
        "timestamp": np.full(rows, NOW, np.int32),
    }


@pytest.mark.parametrize(("topk", "retrieved"), [(7, 7), (300, 50)])
def test_every_request_gets_its_candidates_with_their_inner_products(
    tiny_bundle: Bundle, topk: int, retrieved: int
) -> None:
    made = Retrieval.load(tiny_bundle, Settings(retrieval_topk=topk))(inputs_with(3))
    assert made["row_splits"].tolist() == [0, retrieved, 2 * retrieved, 3 * retrieved]
    index = faiss.read_index(str(tiny_bundle.file("item_index")))
    for row, query in enumerate(queries(3)):
        mine = slice(row * retrieved, (row + 1) * retrieved)
        items = made["item_id"][mine].tolist()
        assert len(set(items)) == retrieved
        scores = [float(index.reconstruct(item) @ query) for item in items]
        np.testing.assert_allclose(made["retrieval_score"][mine], scores, rtol=1e-4, atol=1e-4)
    assert made["item_id"].dtype == np.int32
    assert made["retrieval_score"].dtype == np.float32


def test_own_items_come_first_or_are_left_out(tiny_bundle: Bundle) -> None:
    histories = [[10, 11, 11], [20]]
    inputs = inputs_with(2, *histories)
    made = Retrieval.load(tiny_bundle, Settings(retrieval_topk=7))(inputs)
    own = [tiny_bundle.lookups.decode("item_id", codes).tolist() for codes in ([11, 10], [20])]
    assert made["row_splits"].tolist() == [0, 7, 14]
    assert (made["item_id"][:2].tolist(), made["item_id"][7:8].tolist()) == (own[0], own[1])
    config = tiny_bundle.manifest.config.model_copy(update={"repeats": False})
    no_repeats = Bundle(tiny_bundle.path, tiny_bundle.manifest.model_copy(update={"config": config}))
    without = Retrieval.load(no_repeats, Settings(retrieval_topk=7))(inputs)
    first, second = np.split(without["item_id"], without["row_splits"][1:-1])
    assert not set(own[0]) & set(first.tolist())
    assert not set(own[1]) & set(second.tolist())


def test_an_item_without_a_vector_is_no_candidate(copy: Path) -> None:
    vectors = np.load(copy / "item_index" / "vectors.npy")
    vectors[10] = 0
    np.save(copy / "item_index" / "vectors.npy", vectors[:50])
    # Null, unknown, an item with a zero vector, two ids beyond the vectors, and an item with a vector.
    made = Retrieval.load(Bundle.open(copy), Settings(retrieval_topk=4))(inputs_with(1, [1, 2, 10, 50, 52, 20]))
    lookups = Bundle.open(copy).lookups
    assert made["item_id"][0] == lookups.decode("item_id", [20])[0]
    assert not set(lookups.decode("item_id", [10, 50, 52]).tolist()) & set(made["item_id"].tolist())


def test_rows_that_an_inverted_index_leaves_empty_are_dropped(copy: Path) -> None:
    centroids = np.array([[1.0], [-1.0]], np.float32) * np.ones((2, 64), np.float32)
    quantizer = faiss.IndexFlatIP(64)
    quantizer.add(centroids)
    index = faiss.IndexIVFFlat(quantizer, 64, 2, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    index.add_with_ids(np.repeat(centroids, [5, 3], axis=0), 10 + 3 * np.arange(8))
    faiss.write_index(index, str(copy / "item_index" / "index.faiss"))
    vectors = np.zeros((53, 64), np.float32)
    vectors[3:11] = np.repeat(centroids, [5, 3], axis=0)
    np.save(copy / "item_index" / "vectors.npy", vectors)
    tables = np.load(copy / "signals" / "signals.npy")
    tables["popularity_week"] = 0  # so that the search is the only source
    np.save(copy / "signals" / "signals.npy", tables)
    inputs = inputs_with(2) | {"query_embedding": centroids}
    made = Retrieval.load(Bundle.open(copy), Settings(retrieval_topk=8))(inputs)
    assert made["row_splits"].tolist() == [0, 5, 8]
    assert sorted(made["item_id"][:5].tolist()) == [10, 13, 16, 19, 22]


@pytest.mark.parametrize("file", ["neighbors.npy", "neighbor_weights.npy"])
def test_neighbors_that_are_missing_or_do_not_fit_are_refused(copy: Path, file: str) -> None:
    near = np.load(copy / "item_index" / file)
    np.save(copy / "item_index" / file, near[:, :2])
    with pytest.raises(ActionableError, match="wrong shapes"):
        Retrieval.load(Bundle.open(copy), Settings())
    (copy / "item_index" / file).unlink()
    with pytest.raises(ActionableError, match=r"no readable neighbors.*\n.*faiss_index"):
        Retrieval.load(Bundle.open(copy), Settings())


def test_an_index_that_does_not_fit_the_bundle_is_refused(copy: Path) -> None:
    for index, complaint in [
        (faiss.IndexFlatIP(64), "holds 0 vectors of 64"),
        (faiss.IndexFlatIP(32), "holds 1 vectors of 32"),
    ]:
        if index.d == 32:
            index.add(np.ones((1, 32), np.float32))
        faiss.write_index(index, str(copy / "item_index" / "index.faiss"))
        with pytest.raises(ActionableError, match=complaint):
            Retrieval.load(Bundle.open(copy), Settings())
    (copy / "item_index" / "index.faiss").write_text("nothing")
    with pytest.raises(ActionableError, match="cannot be read as a FAISS index"):
        Retrieval.load(Bundle.open(copy), Settings())


def test_vectors_that_are_missing_or_do_not_fit_the_bundle_are_refused(copy: Path) -> None:
    file = copy / "item_index" / "vectors.npy"
    for shape in [(54, 64), (53, 32), (3, 64)]:
        np.save(file, np.ones(shape, np.float32))
        with pytest.raises(ActionableError, match=rf"\({shape[0]}, {shape[1]}\); expected float32 \(53, 64\)"):
            Retrieval.load(Bundle.open(copy), Settings())
    file.write_text("")
    with pytest.raises(ActionableError, match="cannot be read as item vectors"):
        Retrieval.load(Bundle.open(copy), Settings())
    file.unlink()
    with pytest.raises(ActionableError, match=r"vectors\.npy cannot be read.*\n.*faiss_index"):
        Retrieval.load(Bundle.open(copy), Settings())


def test_a_batch_of_queries_equals_single_queries(tiny_bundle: Bundle) -> None:
    tower: Stage = QueryEncoding.load(tiny_bundle, Settings())
    users: Any = {
        "age_norm": np.array([0.5, -1, 0], np.float32),
        "age_binned": np.array([3, 4, 5], np.int32),
        "gender": np.array([3, 4, 2], np.int32),
        "top_category": np.array([3, 2, 2], np.int32),
        "device_type": np.array([3, 2, 4], np.int32),
        **clock_features([0, 40_000, 500_000]),
        "history_item_id": inputs_with(3, [5, 6], [7])["history_item_id"],
        "history_hours": np.zeros((3, LENGTH), np.float32),
    }
    together = tower(users)["query_embedding"]
    assert together.shape == (3, 64)
    alone = [tower({name: values[row : row + 1] for name, values in users.items()}) for row in range(3)]
    np.testing.assert_allclose(together, np.concatenate([one["query_embedding"] for one in alone]), rtol=1e-5)


def test_a_model_that_does_not_fit_the_graph_is_refused(copy: Path) -> None:
    shutil.copy(copy / "dlrm" / "model.onnx", copy / "query_tower" / "model.onnx")
    with pytest.raises(ActionableError, match=r"serving does not provide \(.*category_l1"):
        QueryEncoding.load(Bundle.open(copy), Settings())
    (copy / "query_tower" / "model.onnx").write_text("nothing")
    with pytest.raises(ActionableError, match="cannot be loaded as an ONNX model"):
        QueryEncoding.load(Bundle.open(copy), Settings())
