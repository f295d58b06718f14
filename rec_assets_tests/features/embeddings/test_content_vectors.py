"""Tests of content vectors: images and descriptions with the packaged encoders, look-ups and files."""

from pathlib import Path

import numpy as np
import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.features.embeddings import (
    ContentVectors,
    category_nearest_neighbor_accuracy,
    image_vectors,
    text_vectors,
)
from rec_assets.features.embeddings.load_encoder import image_encoder
from rec_assets.features.embeddings.pca import Projection
from rec_assets_tests.features.embeddings.conftest import Draw

COLORS = ("red", "blue", "green", "black")
TEXTS = [f"{color} {thing}" for thing in ("cotton shirt", "kitchen knife") for color in COLORS]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> ContentVectors:
    return text_vectors(range(8, 0, -1), TEXTS, "packaged", tmp_path_factory.mktemp("cache"))[0]


def content(item_ids: list[int]) -> ContentVectors:
    vectors = np.repeat(np.array(item_ids, np.float32)[:, None], 64, axis=1)
    projection = Projection(np.ones(5, np.float32), np.ones((64, 5), np.float32))
    return ContentVectors(np.array(item_ids, np.int32), vectors, np.ones(len(item_ids), bool), projection, "test-1")


def test_descriptions_of_one_category_are_nearest_neighbors(texts: ContentVectors) -> None:
    assert texts.item_ids.tolist() == list(range(1, 9))
    assert category_nearest_neighbor_accuracy(texts.vectors, [1] * 4 + [0] * 4) == 1.0


def test_images_are_distinguished_in_any_format(tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    files = [draw("a.png", 1), draw("a.bmp", 1), draw("b.png", 2), draw("b.bmp", 2, size=(80, 120))]
    images = dict(enumerate([*files, None, tmp_path / "absent.jpg", tmp_path / "broken.jpg"]))
    vectors, report = image_vectors(images, "packaged", tmp_path / "cache")
    assert vectors.present.tolist() == [True] * 4 + [False] * 3
    assert (report.encoded, report.missing, len(report.unreadable)) == (4, 2, 1)
    assert category_nearest_neighbor_accuracy(vectors.vectors[:4], [0, 0, 1, 1]) == 1.0
    again, report = image_vectors(reversed(images.items()), "packaged", tmp_path / "cache")
    assert report.encoded == 0
    np.testing.assert_array_equal(again.vectors, vectors.vectors)


def test_a_damaged_converted_model_is_made_again(tmp_path: Path, draw: Draw, caplog: pytest.LogCaptureFixture) -> None:
    encoder = image_encoder("packaged", tmp_path)
    model = tmp_path / "models" / f"{encoder.identity}.onnx"
    model.parent.mkdir()
    model.write_bytes(b"damaged")
    vector = encoder.encode([encoder.prepare(draw("a.png").read_bytes())])
    assert vector.shape == (1, 1280) and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert "damaged" in caplog.text and model.stat().st_size > 10_000_000


def test_later_items_are_projected_like_the_first_items(texts: ContentVectors, tmp_path: Path) -> None:
    from rec_assets.features.embeddings.encode_cached import encode_cached
    from rec_assets.features.embeddings.load_encoder import text_encoder

    raw = encode_cached(text_encoder("packaged"), [TEXTS[0], "gray cotton shirt", None], tmp_path).vectors
    first, similar, absent = texts.project(raw)
    np.testing.assert_allclose(first, texts.gather([8])[0], atol=1e-3)
    assert np.linalg.norm(similar - first) < np.linalg.norm(texts.gather([1])[0] - first)
    assert not absent.any()


@pytest.mark.parametrize("item_ids", [[], [5], [2, 5, 9]])
def test_gather_gives_zero_rows_for_unknown_ids(item_ids: list[int]) -> None:
    ids = [9, 1, 5, 5, 10, -1, 2]
    expected = [i if i in item_ids else 0 for i in ids]
    gathered = content(item_ids).gather(ids)
    assert gathered.dtype == np.float32
    np.testing.assert_array_equal(gathered, np.repeat(np.array(expected)[:, None], 64, axis=1))


def test_a_saved_file_loads_equal(tmp_path: Path) -> None:
    before = content([2, 5])
    before.save(tmp_path / "embeddings.npz")
    after = ContentVectors.load(tmp_path / "embeddings.npz")
    assert after.encoder == "test-1"
    for name in ("item_ids", "vectors", "present"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    np.testing.assert_array_equal(
        after.project(np.eye(5, dtype=np.float32)), before.project(np.eye(5, dtype=np.float32))
    )


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not really"])
def test_a_damaged_file_is_named(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "embeddings.npz").write_bytes(damage)
    with pytest.raises(ActionableError, match=r"embeddings\.npz"):
        ContentVectors.load(tmp_path / "embeddings.npz")


def test_a_catalog_without_content_gives_zero_rows(tmp_path: Path) -> None:
    vectors, report = image_vectors({1: None, 2: None}, "packaged", tmp_path)
    assert report.missing == 2 and not vectors.vectors.any() and vectors.vectors.shape == (2, 64)


def test_repeated_ids_and_unequal_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match="item 3"):
        image_vectors([(3, None), (1, None), (3, None)], "packaged", tmp_path)
    with pytest.raises(ActionableError, match="2 item ids and 1 descriptions"):
        text_vectors([1, 2], ["one"], "packaged", tmp_path)
