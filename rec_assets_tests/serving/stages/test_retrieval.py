import shutil
from pathlib import Path

import faiss
import numpy as np
import pytest

from rec_assets.errors import ActionableError
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.stages.retrieval import QueryTower, Retrieval
from rec_assets.settings import Settings


def queries(rows: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    return np.random.default_rng(3).normal(size=(rows, 64)).astype(np.float32)


@pytest.mark.parametrize(("topk", "found"), [(7, 7), (300, 50)])
def test_the_nearest_items_come_best_first(tiny_bundle: Bundle, topk: int, found: int) -> None:
    made = Retrieval.load(tiny_bundle, Settings(retrieval_topk=topk))({"query_embedding": queries(3)})
    assert made["row_splits"].tolist() == [0, found, 2 * found, 3 * found]
    index = faiss.read_index(str(tiny_bundle.file("item_index")))
    for row, query in enumerate(queries(3)):
        mine = slice(row * found, (row + 1) * found)
        scores = {item: float(index.reconstruct(item) @ query) for item in tiny_bundle.catalogue()["item_id"].to_list()}
        best = sorted(scores, key=lambda item: -scores[item])[:found]
        assert made["item_id"][mine].tolist() == best
        np.testing.assert_allclose(made["retrieval_score"][mine], [scores[item] for item in best], rtol=1e-4, atol=1e-4)
    assert made["item_id"].dtype == np.int32
    assert made["retrieval_score"].dtype == np.float32


def test_rows_that_an_inverted_index_leaves_empty_are_dropped() -> None:
    centroids = np.array([[1.0], [-1.0]], np.float32) * np.ones((2, 64), np.float32)
    quantizer = faiss.IndexFlatIP(64)
    quantizer.add(centroids)
    index = faiss.IndexIVFFlat(quantizer, 64, 2, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    index.add_with_ids(np.repeat(centroids, [5, 3], axis=0), np.arange(8))
    made = Retrieval(index, 8)({"query_embedding": centroids})
    assert made["row_splits"].tolist() == [0, 5, 8]
    assert sorted(made["item_id"][:5].tolist()) == [0, 1, 2, 3, 4]


def test_an_index_that_does_not_fit_the_bundle_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle.path, tmp_path / "copy"))
    for index, complaint in [
        (faiss.IndexFlatIP(64), "holds 0 vectors of 64"),
        (faiss.IndexFlatIP(32), "holds 1 vectors of 32"),
    ]:
        if index.d == 32:
            index.add(np.ones((1, 32), np.float32))
        faiss.write_index(index, str(folder / "item_index" / "index.faiss"))
        with pytest.raises(ActionableError, match=complaint):
            Retrieval.load(Bundle.open(folder), Settings())
    (folder / "item_index" / "index.faiss").write_text("nothing")
    with pytest.raises(ActionableError, match="cannot be read as a FAISS index"):
        Retrieval.load(Bundle.open(folder), Settings())


def test_a_tower_of_a_batch_is_the_tower_of_each(tiny_bundle: Bundle) -> None:
    tower = QueryTower.load(tiny_bundle, Settings())
    users = {
        "user_id": np.array([3, 4, 2], np.int32),
        "age_norm": np.array([0.5, -1, 0], np.float32),
        "age_binned": np.array([3, 4, 5], np.int32),
        "gender": np.array([3, 4, 2], np.int32),
        "top_category": np.array([3, 2, 2], np.int32),
    }
    together = tower(users)["query_embedding"]
    assert together.shape == (3, 64)
    alone = [tower({name: values[row : row + 1] for name, values in users.items()}) for row in range(3)]
    np.testing.assert_allclose(together, np.concatenate([one["query_embedding"] for one in alone]), rtol=1e-5)


def test_a_model_that_does_not_fit_the_graph_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle.path, tmp_path / "copy"))
    shutil.copy(folder / "dlrm" / "model.onnx", folder / "query_tower" / "model.onnx")
    with pytest.raises(ActionableError, match=r"category_l1.*, which serving does not make"):
        QueryTower.load(Bundle.open(folder), Settings())
    (folder / "query_tower" / "model.onnx").write_text("nothing")
    with pytest.raises(ActionableError, match="cannot be loaded as an ONNX model"):
        QueryTower.load(Bundle.open(folder), Settings())
