"""Opens and decodes image files of the usual formats, in any mode and orientation, with Pillow."""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

# Pillow also opens formats that start other programs, such as PostScript, whatever the name of the file.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
MAX_BYTES = 20_000_000
MAX_PIXELS = 64_000_000  # a small file can hold gigabytes of equal pixels


def open_image(content: bytes) -> Image.Image:
    """Reads the header of an image; the pixels are not decoded yet.

    Args:
        content: a file of one of `FORMATS`.

    Raises:
        ValueError: the content is not an image, or has more than `MAX_BYTES` or `MAX_PIXELS`.
    """
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"{len(content):,} bytes")
        file = Image.open(io.BytesIO(content), formats=FORMATS)
        if file.width * file.height > MAX_PIXELS:
            raise ValueError(f"{file.width} x {file.height} pixels")
        return file
    except UnidentifiedImageError as error:  # its message has an address in memory
        raise ValueError(f"not a readable image: none of {', '.join(FORMATS)}") from error
    except Exception as error:  # Pillow's readers raise a dozen unrelated types
        raise ValueError(f"not a readable image: {error}") from error


def decode(content: bytes, smallest_side: int) -> Image.Image:
    """Returns an upright RGB image with white in place of transparency.

    Args:
        content: a file of one of `FORMATS`.
        smallest_side: required side length in pixels; a much larger JPEG is decoded at a fraction of its size.

    Raises:
        ValueError: the content is truncated, or `open_image` refuses it.
    """
    file = open_image(content)
    try:
        file.draft("RGB", (smallest_side, smallest_side))
        image = _upright(file)
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        return image.convert("RGB")
    except Exception as error:
        raise ValueError(f"not a readable image: {error}") from error


def _upright(file: Image.Image) -> Image.Image:
    file.load()
    try:
        return ImageOps.exif_transpose(file)
    except Exception:  # good pixels with damaged EXIF stay as they are
        return file


def square(image: Image.Image, side: int) -> Image.Image:
    """Returns the whole image, scaled to fit and centered on a white square, so that products are not cropped."""
    fitted = ImageOps.contain(image, (side, side), Image.Resampling.BICUBIC)
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2))
    return canvas
