"""Backdrops of the styles: a pale surface with one large figure behind the product."""

import numpy as np
from PIL import Image, ImageDraw

from rec_assets.sources.retail.catalog import place_in_category
from rec_assets.sources.retail.drawings.tones import BASE, FIGURE

# Half of the figure's width, as a share of the image.
REACH = 0.41


def backdrop(style: int, size: int) -> Image.Image:
    """Returns the tones of a style's backdrop, `size` x `size`; styles of one category have different figures."""
    image = Image.new("L", (size, size), BASE)
    pen = ImageDraw.Draw(image)
    low, high, middle = size * (0.5 - REACH), size * (0.5 + REACH), size / 2
    match place_in_category(style):
        case 0:  # disc
            pen.ellipse((low, low, high, high), fill=FIGURE)
        case 1:  # arch
            pen.ellipse((low, low, high, high), fill=FIGURE)
            pen.rectangle((low, middle, high, high), fill=FIGURE)
        case 2:  # tile
            pen.rounded_rectangle((low, low, high, high), radius=size / 8, fill=FIGURE)
        case 3:  # flower
            for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False):
                x, y = middle + 0.27 * size * np.cos(angle), middle + 0.27 * size * np.sin(angle)
                pen.ellipse((x - size / 6, y - size / 6, x + size / 6, y + size / 6), fill=FIGURE)
            pen.ellipse((low + size / 8, low + size / 8, high - size / 8, high - size / 8), fill=FIGURE)
        case _:  # diamond
            pen.regular_polygon((middle, middle, size * (REACH + 0.06)), 4, rotation=45, fill=FIGURE)
    return image
