"""Measures the image and text encoders: contents per second, compared with the arithmetic limit.

    python -m benchmarks.encoders                               # images and descriptions of generated retail
    python -m benchmarks.encoders --images FOLDER --side 800  # images of a folder, enlarged to photo size

`together` is `encode_cached` with an empty cache: files are read, decoded (in processes, from four cores up), encoded
and cached. The limit is the speed of a large matrix product in the encoder's precision, divided by the encoder's
operations per content. CLIP has random weights of the usual shape, because no package contains trained weights. Random
weights cost the same time.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from rec_assets.features.embeddings.clip import ClipEncoder
from rec_assets.features.embeddings.encode_cached import BATCH, READ_TOGETHER, encode_cached
from rec_assets.features.embeddings.encoder import Encoder
from rec_assets.features.embeddings.load_encoder import image_encoder, text_encoder
from rec_assets.features.embeddings.preprocess_pool import cores, preparing, reading_threads
from rec_assets.features.embeddings.weights import torch_device
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.stores import open_store

MATRIX_SIDE = {"cuda": 8_192, "cpu": 2_048}
SHORTEST_S = 2.0


def main(
    images: Annotated[Path | None, typer.Option("--images", help="Folder of .jpg files. Default: raw_items.")] = None,
    texts: Annotated[Path | None, typer.Option(help="File with one text per line. Default: raw_items.")] = None,
    text_model: Annotated[str, typer.Option(help="Text encoder, as in REC_TEXT_ENCODER.")] = "packaged",
    side: Annotated[int | None, typer.Option(help="Enlarges each image to this many pixels per side.")] = None,
    count: Annotated[int, typer.Option(min=64, help="Number of contents to encode.")] = 2_000,
) -> None:
    """Prints the contents per second of each encoder."""
    shown = Table("encoder", "prepared /s", "encoded /s", "together /s", "limit /s", "together, of the limit")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = list(_distinct_images(images or _raw_items() / "item_images", side, count, folder))
        lines = list(_distinct_texts(texts, count))
        encoders: tuple[tuple[str, Encoder, Sequence[Path | str]], ...] = (
            ("EfficientNet-Lite0, images", image_encoder("packaged", folder), files),
            ("CLIP ViT-B/32, images", ClipEncoder(_random_clip(folder / "clip")), files),
            ("MiniLM, descriptions", text_encoder(text_model), lines),
        )
        for title, encoder, sources in encoders:
            contents = [source.read_bytes() if isinstance(source, Path) else source.encode() for source in sources]
            prepared_per_second, batch = _prepare(encoder, contents, isinstance(sources[0], Path))
            limit = _matrix_flops() / _operations(encoder, batch)
            encoded_per_second = _per_second(partial(encoder.encode, batch)) * len(batch)
            started = time.perf_counter()
            encode_cached(encoder, sources, folder / "cache")
            together = len(sources) / (time.perf_counter() - started)
            rates = (prepared_per_second, encoded_per_second, together, limit)
            shown.add_row(title, *(f"{rate:,.0f}" for rate in rates), f"{together / limit:.0%}")
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"{machine()}{_gpu()}; {count} contents; images of {side or 'their own'} pixels")
    console.print(shown)


def _gpu() -> str:
    import torch

    return f", {torch.cuda.get_device_name()}" if torch_device() == "cuda" else ""


def _raw_items() -> Artifact:
    from rec_assets.settings import get_settings

    return open_store(get_settings()).get("raw_items")


def _distinct_images(source: Path, side: int | None, count: int, folder: Path) -> Iterator[Path]:
    """Writes `count` files that decode to the images of a folder. Every file has other bytes, so the cache misses."""
    contents = [_enlarged(file, side) if side else file.read_bytes() for file in sorted(source.glob("*.jpg"))[:count]]
    for number, content in enumerate(islice(cycle(contents), count)):
        copy = folder / f"{number}.jpg"
        copy.write_bytes(content + number.to_bytes(8, "little"))  # decoders stop at the end of the image
        yield copy


def _enlarged(file: Path, side: int) -> bytes:
    stream = BytesIO()
    with Image.open(file) as image:
        image.resize((side, side)).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _distinct_texts(file: Path | None, count: int) -> Iterator[str]:
    if file is None:
        import polars as pl

        lines = pl.read_parquet(_raw_items() / "items.parquet")["product_description"].drop_nulls().to_list()
    else:
        lines = file.read_text().splitlines()
    return (f"{line} {number}" for number, line in enumerate(islice(cycle(lines), count)))


def _random_clip(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    CLIPModel(CLIPConfig()).save_pretrained(folder)  # the defaults are those of ViT-B/32
    CLIPImageProcessor().save_pretrained(folder)
    return folder


def _prepare(encoder: Encoder, contents: Sequence[bytes], are_images: bool) -> tuple[float, list[Any]]:
    """Measures preprocessing in the processes of `encode_cached`. Returns contents per second and one batch."""
    parts = [contents[start : start + READ_TOGETHER] for start in range(0, len(contents), READ_TOGETHER)]
    with preparing(encoder.prepare, are_images) as prepare, ThreadPoolExecutor(reading_threads()) as threads:
        list(threads.map(prepare, parts[: 2 * cores()]))  # starts the processes and loads the model's preprocessing
        started = time.perf_counter()
        made = sum(1 for part in threads.map(prepare, parts) for _ in part)
        rate = made / (time.perf_counter() - started)
        return rate, prepare(contents[:BATCH])


def _operations(encoder: Encoder, batch: Sequence[Any]) -> float:
    """Returns multiplications and additions per content, counted by torch."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from rec_assets.features.embeddings.efficientnet import EfficientNetEncoder, torch_model

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        if isinstance(encoder, EfficientNetEncoder):  # torch cannot count the operations of ONNX Runtime on a CPU
            torch_model()(torch.zeros(1, 224, 224, 3, dtype=torch.uint8))
            return counter.get_total_flops()
        encoder.encode(batch)
    return counter.get_total_flops() / len(batch)


def _matrix_flops() -> float:
    """Returns operations per second of a square matrix product in the precision of the encoders."""
    import torch

    device = torch_device()
    side = MATRIX_SIDE[device]
    left, right = torch.randn(2, side, side, device=device, dtype=torch.float16 if device == "cuda" else torch.float32)
    return 2 * side**3 * _per_second(lambda: torch.mm(left, right)[0, 0].item())  # item() waits for the device


def _per_second(call: Callable[[], object]) -> float:
    """Returns calls per second, after three warm-up calls."""
    for _ in range(3):
        call()
    started, times = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < SHORTEST_S:
        call()
        times += 1
    return times / passed


if __name__ == "__main__":
    typer.run(main)
