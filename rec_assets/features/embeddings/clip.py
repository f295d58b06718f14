"""Image encoder of a CLIP model (Radford et al., https://arxiv.org/abs/2103.00020) from a folder."""

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.errors import ActionableError
from rec_assets.common.images import decode
from rec_assets.features.embeddings.preprocess_pool import Prepare
from rec_assets.features.embeddings.weights import files_digest, torch_device

Planes = npt.NDArray[np.uint8]


class ClipEncoder:
    """Projected image features of CLIP in torch, in mixed precision on a GPU."""

    def __init__(self, folder: Path) -> None:
        """Reads the model's configuration; raises ActionableError if the folder is not a CLIP model."""
        try:
            config = json.loads((folder / "config.json").read_text())
            self.dim = int(config["projection_dim"])
            self._side = int(config["vision_config"]["image_size"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ActionableError(
                f"{folder} is not a CLIP model: config.json is invalid ({error!r}).",
                "Set REC_IMAGE_ENCODER to a folder or hub id in transformers' CLIP format, or to 'packaged'.",
            ) from error
        self._folder = folder

    @cached_property
    def identity(self) -> str:
        """See Encoder."""
        return f"clip-{files_digest(self._folder)}"

    @property
    def prepare(self) -> Prepare:
        """Decodes an image to planes uint8 [3, side, side], resized and cropped by the model's own processor."""
        return partial(_planes, self._folder, self._side)

    def encode(self, batch: Sequence[Planes]) -> npt.NDArray[np.float32]:
        """See Encoder."""
        import torch

        device = torch_device()
        with torch.inference_mode(), torch.autocast(device, enabled=device == "cuda"):
            planes = torch.from_numpy(np.stack(batch)).to(device)
            pixels = self._normalized(planes.float())
            features = self._model.visual_projection(self._model.vision_model(pixel_values=pixels).pooler_output)
            return torch.nn.functional.normalize(features.float()).cpu().numpy()

    def _normalized(self, planes: Any) -> Any:
        """Applies the processor's scaling to a batch. Done here so that decoding processes send bytes, not floats."""
        processor = _processor(self._folder)
        if processor.do_rescale:
            planes = planes * processor.rescale_factor
        if processor.do_normalize:
            mean, std = (
                planes.new_tensor(numbers)[:, None, None] for numbers in (processor.image_mean, processor.image_std)
            )
            planes = (planes - mean) / std
        return planes

    @cached_property
    def _model(self) -> Any:
        from transformers import CLIPModel

        return CLIPModel.from_pretrained(self._folder, local_files_only=True).eval().to(torch_device())


def _planes(folder: Path, side: int, content: bytes) -> Planes:
    image = decode(content, side)
    processed = _processor(folder)(image, do_rescale=False, do_normalize=False, return_tensors="np")
    return np.asarray(processed["pixel_values"][0], np.uint8)


@lru_cache(maxsize=1)
def _processor(folder: Path) -> Any:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
