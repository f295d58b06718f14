"""Tests of encoders from a folder: a tiny random CLIP model, and names that are no model."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rec_assets.common.errors import ActionableError
from rec_assets.features.embeddings import image_vectors
from rec_assets.features.embeddings.load_encoder import image_encoder, text_encoder
from rec_assets_tests.features.embeddings.conftest import Draw

SIDE = 32
DIM = 24


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(0)
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        projection_dim=DIM,
        text_config={**tower, "vocab_size": 50, "eos_token_id": 1, "bos_token_id": 0},
        vision_config={**tower, "image_size": SIDE, "patch_size": 8},
    )
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=size).save_pretrained(folder)
    return folder


def test_a_clip_folder_gives_unit_vectors_of_its_projection(tiny_clip: Path, tmp_path: Path, draw: Draw) -> None:
    encoder = image_encoder(str(tiny_clip), tmp_path)
    assert encoder.dim == DIM
    batch = [encoder.prepare(draw(f"{seed}.png", seed).read_bytes()) for seed in range(3)]
    vectors = encoder.encode(batch)
    assert vectors.shape == (3, DIM) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(batch[1:2])[0], vectors[1], atol=1e-5)


def test_clip_vectors_equal_those_of_its_own_processor(tiny_clip: Path, tmp_path: Path, draw: Draw) -> None:
    import torch
    from transformers import CLIPImageProcessor, CLIPModel

    file = draw("a.png", size=(50, 80))
    encoder = image_encoder(str(tiny_clip), tmp_path)
    with Image.open(file) as image, torch.inference_mode():
        pixels = CLIPImageProcessor.from_pretrained(tiny_clip)(image, return_tensors="pt")["pixel_values"]
        features = CLIPModel.from_pretrained(tiny_clip).eval().get_image_features(pixel_values=pixels)
        expected = features.pooler_output[0].numpy()
    (vector,) = encoder.encode([encoder.prepare(file.read_bytes())])
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)


def test_clip_vectors_of_fewer_dimensions_are_padded(tiny_clip: Path, tmp_path: Path, draw: Draw) -> None:
    images = {seed: draw(f"{seed}.png", seed) for seed in range(40)}
    vectors, report = image_vectors(images, str(tiny_clip), tmp_path / "cache")
    assert report.encoded == 40 and vectors.vectors.shape == (40, 64)
    assert not vectors.vectors[:, DIM:].any() and vectors.encoder.startswith("clip-")


def test_other_weights_are_another_identity(tiny_clip: Path, tmp_path: Path) -> None:
    import shutil

    changed = shutil.copytree(tiny_clip, tmp_path / "changed")
    weights = changed / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    first, same, other = (image_encoder(str(folder), tmp_path) for folder in (tiny_clip, tiny_clip, changed))
    assert first.identity == same.identity != other.identity


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match=tmp_path.name):
        image_encoder(str(tmp_path), tmp_path)
    with pytest.raises(ActionableError, match=tmp_path.name):
        text_encoder(str(tmp_path)).encode(["text"])


def test_the_error_of_an_unknown_model_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match="REC_IMAGE_ENCODER"):
        image_encoder("no such/folder or hub/id", tmp_path)


def test_the_packaged_text_encoder_has_384_dimensions() -> None:
    encoder = text_encoder("packaged")
    assert encoder.dim == 384
    # A text longer than the model's input is truncated.
    assert encoder.encode(["word " * 2000, "ü"]).shape == (2, 384)
