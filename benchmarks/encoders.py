"""Measures the image and text encoders: contents a second, beside the limit of arithmetic alone.

    python -m benchmarks.encoders                               # pictures and descriptions of generated retail
    python -m benchmarks.encoders --pictures FOLDER --side 800  # those of a folder, enlarged to the size of photographs

`together` is `encode_cached` with an empty cache: files are read, decoded (in processes, from four cores up), encoded
and kept. The limit is the speed of a large matrix product, in the precision the encoder uses, over the encoder's
operations a content. CLIP has random weights of the usual shape, for no package carries others: they cost the same.
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
from rec_assets.storage.artifact_store import Artifact
from rec_assets.storage.stores import open_store

MATRIX_SIDE = {"cuda": 8_192, "cpu": 2_048}
SHORTEST_S = 2.0


def main(
    pictures: Annotated[Path | None, typer.Option(help="A folder of .jpg; that of raw_items if not given.")] = None,
    texts: Annotated[Path | None, typer.Option(help="A file, a text a line; those of raw_items if not given.")] = None,
    text_model: Annotated[str, typer.Option(help="As REC_TEXT_ENCODER.")] = "packaged",
    side: Annotated[int | None, typer.Option(help="Pixels to which pictures are enlarged first.")] = None,
    count: Annotated[int, typer.Option(min=64, help="Contents to encode.")] = 2_000,
) -> None:
    """Prints contents a second of each encoder."""
    shown = Table("encoder", "prepared /s", "encoded /s", "together /s", "limit /s", "together, of the limit")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = list(_distinct_pictures(pictures or _raw_items() / "item_images", side, count, folder))
        lines = list(_distinct_texts(texts, count))
        encoders: tuple[tuple[str, Encoder, Sequence[Path | str]], ...] = (
            ("EfficientNet-Lite0, pictures", image_encoder("packaged", folder), files),
            ("CLIP ViT-B/32, pictures", ClipEncoder(_random_clip(folder / "clip")), files),
            ("MiniLM, descriptions", text_encoder(text_model), lines),
        )
        for title, encoder, sources in encoders:
            contents = [source.read_bytes() if isinstance(source, Path) else source.encode() for source in sources]
            prepared_a_second, batch = _prepare(encoder, contents, isinstance(sources[0], Path))
            limit = _matrix_flops() / _operations(encoder, batch)
            encoded_a_second = _a_second(partial(encoder.encode, batch)) * len(batch)
            started = time.perf_counter()
            encode_cached(encoder, sources, folder / "cache")
            together = len(sources) / (time.perf_counter() - started)
            rates = (prepared_a_second, encoded_a_second, together, limit)
            shown.add_row(title, *(f"{rate:,.0f}" for rate in rates), f"{together / limit:.0%}")
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"{machine()}{_gpu()}; {count} contents; pictures of {side or 'their own'} pixels")
    console.print(shown)


def _gpu() -> str:
    import torch

    return f", {torch.cuda.get_device_name()}" if torch_device() == "cuda" else ""


def _raw_items() -> Artifact:
    from rec_assets.settings import get_settings

    return open_store(get_settings()).get("raw_items")


def _distinct_pictures(source: Path, side: int | None, count: int, folder: Path) -> Iterator[Path]:
    """Writes `count` files that decode to the pictures of a folder and are all different, so that none is cached."""
    contents = [_enlarged(file, side) if side else file.read_bytes() for file in sorted(source.glob("*.jpg"))[:count]]
    for number, content in enumerate(islice(cycle(contents), count)):
        copy = folder / f"{number}.jpg"
        copy.write_bytes(content + number.to_bytes(8, "little"))  # decoders stop at the end of the picture
        yield copy


def _enlarged(file: Path, side: int) -> bytes:
    stream = BytesIO()
    with Image.open(file) as picture:
        picture.resize((side, side)).save(stream, "JPEG", quality=85)
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


def _prepare(encoder: Encoder, contents: Sequence[bytes], pictures: bool) -> tuple[float, list[Any]]:
    """Returns contents a second, prepared where `encode_cached` would, and a batch of what was made."""
    parts = [contents[start : start + READ_TOGETHER] for start in range(0, len(contents), READ_TOGETHER)]
    with preparing(encoder.prepare, pictures) as prepare, ThreadPoolExecutor(reading_threads()) as threads:
        list(threads.map(prepare, parts[: 2 * cores()]))  # processes are up, the model's preprocessing is loaded
        started = time.perf_counter()
        made = sum(1 for part in threads.map(prepare, parts) for _ in part)
        rate = made / (time.perf_counter() - started)
        return rate, prepare(contents[:BATCH])


def _operations(encoder: Encoder, batch: Sequence[Any]) -> float:
    """Returns multiplications and additions a content, as torch counts them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from rec_assets.features.embeddings.efficientnet import EfficientNetEncoder, torch_model

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        if isinstance(encoder, EfficientNetEncoder):  # on a CPU ONNX Runtime encodes, which torch cannot count
            torch_model()(torch.zeros(1, 224, 224, 3, dtype=torch.uint8))
            return counter.get_total_flops()
        encoder.encode(batch)
    return counter.get_total_flops() / len(batch)


def _matrix_flops() -> float:
    """Returns operations a second of a square matrix product in the precision of the encoders."""
    import torch

    device = torch_device()
    side = MATRIX_SIDE[device]
    left, right = torch.randn(2, side, side, device=device, dtype=torch.float16 if device == "cuda" else torch.float32)
    return 2 * side**3 * _a_second(lambda: torch.mm(left, right)[0, 0].item())  # reading a number waits for the device


def _a_second(call: Callable[[], object]) -> float:
    """Returns how often a call is made in a second, after three of them."""
    for _ in range(3):
        call()
    started, times = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < SHORTEST_S:
        call()
        times += 1
    return times / passed


if __name__ == "__main__":
    typer.run(main)
