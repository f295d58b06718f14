import faiss
import numpy as np
import pytest

from rec_assets.inference import item_index
from rec_assets.inference.item_index import build_index, recall_against_exact
from rec_assets.inference.item_vectors import ItemVectors


def vectors(count: int, dim: int = 16) -> ItemVectors:
    rng = np.random.default_rng(0)
    return ItemVectors((1000 + 7 * np.arange(count)).astype(np.int32), rng.normal(size=(count, dim)).astype(np.float32))


def test_thousands_of_items_are_searched_exactly_and_answer_raw_ids() -> None:
    items = vectors(2000)
    index = build_index(items)
    scores, ids = index.search(items.vectors[:5], 10)
    by_hand = np.argsort(-(items.vectors[:5] @ items.vectors.T), axis=1)[:, :10]
    assert ids.tolist() == items.raw_ids[by_hand].tolist()
    assert (np.diff(scores, axis=1) <= 0).all()
    assert recall_against_exact(index, items, items.vectors[:50], 100) == 1.0


def test_a_large_catalog_gets_an_inverted_file_that_still_finds_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_index, "EXACT_UP_TO", 1000)
    items = vectors(5000)
    index = build_index(items)
    assert isinstance(index, faiss.IndexIVF)
    assert item_index.MIN_RECALL <= recall_against_exact(index, items, items.vectors[:500], 300) <= 1.0
    assert index.nprobe < index.nlist


def test_the_frequent_items_of_a_mostly_unknown_catalog_find_their_neighbors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_index, "EXACT_UP_TO", 1000)
    rng, count = np.random.default_rng(0), 20_000
    unknown = rng.normal(size=(20, 16))[np.arange(count) % 20] + 0.05 * rng.normal(size=(count, 16))
    trained = rng.choice(count, 40, replace=False)
    unknown[trained] = rng.normal(size=(40, 16)) / 3
    items = ItemVectors(np.arange(count, dtype=np.int32), unknown.astype(np.float32))
    frequent = items.raw_ids[trained]
    alone, both = build_index(items), build_index(items, frequent=frequent)
    queries = items.vectors[trained]
    assert recall_against_exact(alone, items, queries, 300) < item_index.MIN_RECALL
    assert recall_against_exact(both, items, queries, 300) >= item_index.MIN_RECALL


def test_a_catalog_smaller_than_the_depth_is_recalled_whole() -> None:
    items = vectors(5)
    assert recall_against_exact(build_index(items), items, items.vectors, 300) == 1.0


def test_vectors_of_some_items_keep_their_order() -> None:
    vectors = ItemVectors(np.array([7, 3, 9], np.int32), np.arange(6, dtype=np.float32).reshape(3, 2))
    some = vectors.only(np.array([9, 7, 1], np.int32))
    assert some.raw_ids.tolist() == [7, 9]
    assert some.vectors.tolist() == [[0, 1], [4, 5]]


def test_items_with_equal_vectors_stand_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_index, "EXACT_UP_TO", 1000)
    few = vectors(8).vectors
    items = ItemVectors(np.arange(4000, dtype=np.int32), few[np.arange(4000) % 8])
    index = build_index(items)
    assert isinstance(index, faiss.IndexIVF)
    assert recall_against_exact(index, items, few, 300) >= item_index.MIN_RECALL
    assert index.nprobe < index.nlist


def test_an_index_without_the_best_items_is_noticed() -> None:
    items = vectors(2000)
    worse = build_index(items.only(items.raw_ids[::2]))
    assert 0.3 < recall_against_exact(worse, items, items.vectors[:50], 100) < 0.7
