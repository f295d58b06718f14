"""The interface of content encoders."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rec_assets.features.embeddings.preprocess_pool import Prepare


class Encoder(Protocol):
    """Encodes contents as L2-normalized vectors. Creation is cheap, because the first `encode` loads the weights."""

    @property
    def identity(self) -> str:
        """Name with the hash of the weights, valid as a folder name. Vectors of equal identity are interchangeable."""

    @property
    def dim(self) -> int:
        """Length of a vector. May load the weights."""

    @property
    def prepare(self) -> Prepare:
        """Function from one content to one input of `encode`; raises ValueError for an unreadable content.

        Many threads call the function and it is sent to other processes, so it is picklable and contains no weights.
        """

    def encode(self, batch: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Returns float32 [n, dim] for n prepared contents, n >= 1."""
