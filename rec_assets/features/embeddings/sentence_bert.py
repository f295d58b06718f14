"""Text encoder of a Sentence-BERT model (Reimers & Gurevych, https://arxiv.org/abs/1908.10084) from a folder."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.errors import ActionableError
from rec_assets.features.embeddings.weights import files_digest, torch_device

# The library sorts texts by length before it cuts batches, so small batches are faster on a CPU.
BATCH = {"cpu": 32, "cuda": 256}


class SentenceBertEncoder:
    """One vector per text from sentence-transformers, in mixed precision on a GPU."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def identity(self) -> str:
        """See Encoder."""
        return f"sentence-bert-{files_digest(self._folder)}"

    @property
    def dim(self) -> int:
        """See Encoder."""
        return int(self._model.get_embedding_dimension())

    @staticmethod
    def prepare(content: bytes) -> str:
        """Returns the text; raises ValueError if the content is not UTF-8."""
        return content.decode()

    def encode(self, batch: Sequence[str]) -> npt.NDArray[np.float32]:
        """See Encoder."""
        import torch

        device = torch_device()
        with torch.autocast(device, enabled=device == "cuda"):
            vectors = self._model.encode(
                list(batch), batch_size=BATCH[device], normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, np.float32)

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer

        try:
            return SentenceTransformer(str(self._folder), device=torch_device(), local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ActionableError(
                f"{self._folder} is not a Sentence-BERT model ({error}).",
                "Set REC_TEXT_ENCODER to a folder or hub id in sentence-transformers' format, or to 'packaged'.",
            ) from error
