"""The image side of a CLIP model (Radford et al., https://arxiv.org/abs/2103.00020) from a folder."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.embeddings.encoder import files_digest, torch_device
from rec_assets.embeddings.pictures import decode
from rec_assets.errors import ActionableError


class ClipEncoder:
    """CLIP's projected image features, by torch, in mixed precision on a GPU."""

    def __init__(self, folder: Path) -> None:
        """Checks that the folder is a CLIP model; raises ActionableError where it is not."""
        try:
            config = json.loads((folder / "config.json").read_text())
            self.dim = int(config["projection_dim"])
            self._side = int(config["vision_config"]["image_size"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ActionableError(
                f"{folder} is no CLIP model: its config.json cannot be used ({error!r}).",
                "Set REC_IMAGE_ENCODER to a folder or hub id in transformers' CLIP format, or to 'packaged'.",
            ) from error
        self._folder = folder

    @cached_property
    def identity(self) -> str:
        """See Encoder."""
        return f"clip-{files_digest(self._folder)}"

    def prepare(self, content: bytes) -> npt.NDArray[np.float32]:
        """Returns planes float32 [3, side, side] as the model's own processor makes them."""
        picture = decode(content, self._side)
        return self._processor(picture, return_tensors="np")["pixel_values"][0]

    def encode(self, batch: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """See Encoder."""
        import torch

        device = torch_device()
        with torch.inference_mode(), torch.autocast(device, enabled=device == "cuda"):
            planes = torch.from_numpy(np.stack(batch)).to(device)
            features = self._model.get_image_features(pixel_values=planes).float()
            return torch.nn.functional.normalize(features).cpu().numpy()

    @cached_property
    def _processor(self) -> Any:
        from transformers import CLIPImageProcessor

        return CLIPImageProcessor.from_pretrained(self._folder, local_files_only=True)

    @cached_property
    def _model(self) -> Any:
        from transformers import CLIPModel

        return CLIPModel.from_pretrained(self._folder, local_files_only=True).eval().to(torch_device())
