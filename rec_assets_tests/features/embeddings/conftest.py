"""Fixtures of the embedding tests: an encoder without weights, and images."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from rec_assets.features.embeddings.cache import content_key


class HashingEncoder:
    """Encodes a content's hash, so that equal contents have equal vectors; b"bad" is unreadable."""

    def __init__(self, name: str = "hashing", dim: int = 80) -> None:
        self.identity = f"{name}-{dim}"
        self.dim = dim
        self.encoded: list[bytes] = []

    @staticmethod
    def prepare(content: bytes) -> bytes:
        if content == b"bad":
            raise ValueError("bad content")
        return content

    def encode(self, batch: Sequence[bytes]) -> npt.NDArray[np.float32]:
        self.encoded += batch
        seeds = [int.from_bytes(content_key(content)[:8], "little") for content in batch]
        raw = np.stack([np.random.default_rng(seed).normal(size=self.dim) for seed in seeds]).astype(np.float32)
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.fixture
def encoder() -> HashingEncoder:
    return HashingEncoder()


Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Returns a function that saves an image of random blocks and returns its path."""

    def save(name: str, seed: int = 0, mode: str = "RGB", size: tuple[int, int] = (60, 90)) -> Path:
        blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        file = tmp_path / name
        Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).convert(mode).save(file)
        return file

    return save
