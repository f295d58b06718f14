"""Folder, digest and device of encoder weights."""

import hashlib
from pathlib import Path

from rec_assets.common.errors import ActionableError
from rec_assets.common.files import digest_of_file

# Copies of the same weights for other frameworks in hub repositories.
_OTHER_FRAMEWORKS = ["*.h5", "*.msgpack", "*.ot", "*.onnx", "onnx/*", "openvino/*"]


def model_folder(name: str) -> Path:
    """Returns the given folder, or the local copy of a hub repository; downloads a new repository.

    Raises:
        ActionableError: the name is neither a folder nor an accessible hub repository.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, ignore_patterns=_OTHER_FRAMEWORKS))
    except Exception as error:  # invalid id, missing repository, no network: a dozen unrelated types
        raise ActionableError(
            f"The encoder '{name}' is neither a folder nor an accessible hub repository ({error}).",
            "Set REC_IMAGE_ENCODER or REC_TEXT_ENCODER to a model folder, a hub id, or 'packaged'.",
        ) from error


def files_digest(path: Path) -> str:
    """Returns a digest of 12 hex digits over the names and contents of one file, or of all files in a folder."""
    total = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(file.name.encode() + bytes.fromhex(digest_of_file(file)))
    return total.hexdigest()[:12]


def torch_device() -> str:
    """Returns "cuda" if available, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
