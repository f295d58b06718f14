"""Decodes picture files, whatever their format, mode and orientation, with Pillow."""

import io

from PIL import Image, ImageOps


def decode(content: bytes, smallest_side: int) -> Image.Image:
    """Returns an upright RGB picture; what is transparent is white.

    Args:
        content: a JPEG, PNG, WebP, … file.
        smallest_side: pixels that will be needed; a JPEG much larger is decoded at a fraction of its size.

    Raises:
        ValueError: not a picture, truncated, or too large to be one in good faith.
    """
    try:
        file = Image.open(io.BytesIO(content))
        file.draft("RGB", (smallest_side, smallest_side))
        picture = ImageOps.exif_transpose(file)
        if picture.has_transparency_data:
            layer = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable picture: {error}") from error


def square(picture: Image.Image, side: int) -> Image.Image:
    """Returns the whole picture, shrunk or grown to fit, in the middle of a white square: products are not cropped."""
    fitted = ImageOps.contain(picture, (side, side), Image.Resampling.BICUBIC)
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2))
    return canvas
