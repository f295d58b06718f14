"""Item vectors of the whole catalog and their files: by raw id for the index, by encoded id for histories."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rec_assets.common.errors import ActionableError
from rec_assets.features.columns import EMBEDDING_DIM
from rec_assets.inference.lookups import FIRST_KNOWN

VECTORS = "vectors.npy"  # of a bundle, by encoded id
ALL_VECTORS = "item_vectors.npz"  # of the asset item_embeddings, by raw id
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ItemVectors:
    """raw_ids int32 [n] and vectors float32 [n, d], row by row."""

    raw_ids: npt.NDArray[np.int32]
    vectors: npt.NDArray[np.float32]

    def save(self, file: Path) -> None:
        """Writes both arrays to one npz."""
        np.savez(file, raw_ids=self.raw_ids, vectors=self.vectors)

    @classmethod
    def load(cls, file: Path) -> "ItemVectors":
        """Reads a file written by `save`."""
        with np.load(file) as arrays:
            return cls(arrays["raw_ids"], arrays["vectors"])

    def only(self, raw_ids: npt.NDArray[np.int32]) -> "ItemVectors":
        """Returns the vectors of some items, in the order of these vectors."""
        kept = np.isin(self.raw_ids, raw_ids)
        return ItemVectors(self.raw_ids[kept], self.vectors[kept])

    def by_encoded_id(self, encoded: npt.NDArray[np.int32], size: int) -> npt.NDArray[np.float32]:
        """Returns vectors by encoded id, float32 [size, d], zero without an item; `encoded` has the id of each row."""
        table = np.zeros((size, self.vectors.shape[1]), np.float32)
        table[encoded] = self.vectors
        return table


def read_vectors(file: Path, size: int, again: str) -> Vectors:
    """Maps a file of vectors by encoded id, float32 [v, 64].

    Args:
        file: written by `numpy.save`.
        size: number of encoded ids; the file may have fewer rows.
        again: next step in the error message.

    Raises:
        ActionableError: the file is unreadable or has another type or shape.
    """
    try:
        vectors = np.asarray(np.load(file, mmap_mode="r"))
    except (OSError, ValueError, EOFError) as error:
        raise ActionableError(f"{file} cannot be read as item vectors ({error}).", again) from error
    if vectors.dtype != np.float32 or vectors.shape[1:] != (EMBEDDING_DIM,) or not FIRST_KNOWN < len(vectors) <= size:
        shape = f"{vectors.dtype} {vectors.shape}"
        raise ActionableError(
            f"{file} has the wrong type or shape ({shape}; expected float32 ({size}, {EMBEDDING_DIM})).", again
        )
    return vectors
