"""The interface of an encoder of contents."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rec_assets.features.embeddings.preprocess_pool import Prepare


class Encoder(Protocol):
    """Turns contents into L2-normalised vectors. Making one is cheap: the weights are loaded by the first `encode`."""

    @property
    def identity(self) -> str:
        """A name with the weights' hash, fit for a folder's name: vectors of equal identity are interchangeable."""

    @property
    def dim(self) -> int:
        """Length of a vector; may load the weights."""

    @property
    def prepare(self) -> Prepare:
        """Turns one content into what `encode` takes; raises ValueError where it is not readable.

        It is called from many threads, and sent to other processes: picklable, and it holds no weights.
        """

    def encode(self, batch: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Returns float32 [n, dim] for n prepared contents, n >= 1."""
