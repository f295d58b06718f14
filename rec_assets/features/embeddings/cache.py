"""On-disk cache of vectors by content: append-only shards in one folder per encoder. Safe to share and to delete."""

import hashlib
import logging
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rec_assets.common.files import digest_of_file, replace_durably

# 42 MB of 1280-vectors: the maximum loss of a killed run.
SHARD_ROWS = 16_384
# A memory-mapped shard keeps its file open, so only large shards are mapped and small shards are read.
_MAPPED_BYTES = 8 << 20
log = logging.getLogger(__name__)

Vector = npt.NDArray[np.float16]


def content_key(content: bytes) -> bytes:
    """Returns the cache key of a content, 16 bytes."""
    return hashlib.blake2b(content, digest_size=16).digest()


class VectorCache:
    """Vectors of one encoder as float16, half the size of float32 at an error below 0.0005 of a unit vector.

    A shard is one `.npy` file of (key, vector) rows, named by the hash of its bytes. A shard whose hash differs is
    damaged: the cache logs a warning and deletes the file, and its contents are encoded again.
    """

    def __init__(self, folder: Path) -> None:
        """Opens the cache; the folder need not exist."""
        self._folder = folder
        self._rows: dict[bytes, Vector] = {}
        self._unsaved: list[bytes] = []
        for file in sorted(folder.glob("*.npy")):
            if _digest(file) != file.stem:
                log.warning("Shard %s is damaged. It is deleted and its contents are encoded again.", file)
                file.unlink()
                continue
            self._open(file)

    def __getitem__(self, key: bytes) -> Vector:
        return self._rows[key]

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    @property
    def dim(self) -> int | None:
        """Length of the vectors, None for an empty cache."""
        return next((len(vector) for vector in self._rows.values()), None)

    def add(self, key: bytes, vector: npt.NDArray[np.float32]) -> None:
        """Adds a vector, float32 [dim]; a full shard or `flush` writes it to disk."""
        self._rows[key] = vector.astype(np.float16)
        self._unsaved.append(key)
        if len(self._unsaved) == SHARD_ROWS:
            self.flush()

    def flush(self) -> None:
        """Writes all unsaved vectors as one shard, first under a temporary name."""
        if not self._unsaved:
            return
        vectors = np.stack([self._rows[key] for key in self._unsaved])
        shard = np.empty(len(vectors), [("key", "u1", 16), ("vector", "f2", vectors.shape[1])])
        shard["key"] = np.frombuffer(b"".join(self._unsaved), np.uint8).reshape(-1, 16)
        shard["vector"] = vectors
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            draft = Path(folder) / "shard.npy"
            np.save(draft, shard)
            file = self._folder / f"{_digest(draft)}.npy"
            replace_durably(draft, file)
        self._unsaved.clear()
        self._open(file)

    def _open(self, file: Path) -> None:
        shard = np.asarray(np.load(file, mmap_mode="r" if file.stat().st_size > _MAPPED_BYTES else None))
        keys = shard["key"].tobytes()
        self._rows.update((keys[16 * row : 16 * row + 16], vector) for row, vector in enumerate(shard["vector"]))


def _digest(file: Path) -> str:
    return digest_of_file(file, "blake2b")[:32]
