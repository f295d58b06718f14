"""Decodes image files of the usual formats, in any mode and orientation, with Pillow."""

import io

from PIL import Image, ImageOps

# Pillow also opens formats that start other programs, such as PostScript, whatever the name of the file.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_BYTES = 20_000_000  # as in `rec_assets.sources.image_files`
MAX_PIXELS = 64_000_000  # a small file can hold gigabytes of equal pixels


def decode(content: bytes, smallest_side: int) -> Image.Image:
    """Returns an upright RGB image with white in place of transparency.

    Args:
        content: a file of one of `FORMATS`.
        smallest_side: required side length in pixels; a much larger JPEG is decoded at a fraction of its size.

    Raises:
        ValueError: the content is not an image, is truncated, or has more than `MAX_BYTES` or `MAX_PIXELS`.
    """
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"{len(content):,} bytes")
        file = Image.open(io.BytesIO(content), formats=FORMATS)
        file.draft("RGB", (smallest_side, smallest_side))
        if file.width * file.height > MAX_PIXELS:
            raise ValueError(f"{file.width} x {file.height} pixels")
        image = _upright(file)
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        return image.convert("RGB")
    except Exception as error:  # Pillow's decoders raise a dozen unrelated types
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
