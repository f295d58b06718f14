"""Tests of image decoding: images of any format become upright, whole RGB images."""

import io

import numpy as np
import pytest
from PIL import Image

from rec_assets.common.images import MAX_BYTES, decode, square


def as_file(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "P"), ("PNG", "I;16"), ("WEBP", "RGB")]
)
def test_every_mode_becomes_rgb(kind: str, mode: str) -> None:
    image = Image.new(mode, (300, 200)) if mode == "I;16" else Image.new("RGB", (300, 200), "navy").convert(mode)
    assert decode(as_file(image, kind), 100).mode == "RGB"


def test_transparent_pixels_become_white() -> None:
    image = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert np.asarray(decode(as_file(image, "PNG"), 10)).min() == 255


def test_a_rotated_photo_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    assert decode(as_file(Image.new("RGB", (40, 20)), "JPEG", exif=exif), 20).size == (20, 40)


def test_a_photo_with_damaged_exif_keeps_its_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = as_file(Image.new("RGB", (40, 20), "red"), "JPEG", exif=exif)
    start = content.index(b"Exif") + 14
    for damage in range(12):
        damaged = content[: start + damage] + b"\xff" + content[start + damage + 1 :]
        assert decode(damaged, 20).size in ((40, 20), (20, 40))


def test_a_small_file_of_very_many_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="not a readable image"):
        decode(as_file(Image.new("L", (20_000, 8_000)), "PNG"), 100)


@pytest.mark.parametrize("kind", ["EPS", "PPM", "ICO", "PCX", "TGA"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="not a readable image"):
        decode(as_file(Image.new("RGB", (32, 32)), kind), 10)


def test_a_file_of_too_many_bytes_is_refused() -> None:
    content = as_file(Image.new("RGB", (32, 32)), "PNG")
    with pytest.raises(ValueError, match="bytes"):
        decode(content + bytes(MAX_BYTES), 10)


def test_a_large_photo_is_decoded_small_but_large_enough() -> None:
    assert decode(as_file(Image.new("RGB", (3200, 1600)), "JPEG"), 100).size == (400, 200)


@pytest.mark.parametrize("content", [b"", b"no image", as_file(Image.new("RGB", (500, 500)), "PNG")[:-40]])
def test_content_that_is_not_a_whole_image_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a readable image"):
        decode(content, 100)


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (20, 10), (10, 600)])
def test_the_whole_image_fits_the_square(size: tuple[int, int]) -> None:
    fitted = np.asarray(square(Image.new("RGB", size, "black"), 64))
    assert fitted.shape == (64, 64, 3)
    dark = (fitted < 128).all(axis=2)
    assert dark.any(axis=0).sum() == pytest.approx(64 * size[0] / max(size), abs=1)
    assert dark.any(axis=1).sum() == pytest.approx(64 * size[1] / max(size), abs=1)
