"""Draws an image for each item: silhouette by category, background by style, color and pose by item.

Therefore an image encoder can distinguish categories, styles and, within a style, the colors named in the titles.
"""

import colorsys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from rec_assets.sources.retail.catalog import STYLE_CATEGORY, Catalog, place_in_category
from rec_assets.sources.retail.parameters import stream
from rec_assets.sources.retail.shapes import SILHOUETTES, Points
from rec_assets.sources.retail.vocabulary import COLORS
from rec_assets.sources.retail.words import CATEGORIES, STYLES

SIZE = 224
# Images are drawn larger and then reduced, for smooth edges.
OVERSAMPLING = 2
CANVAS = SIZE * OVERSAMPLING

RGB = tuple[int, int, int]


def draw_pictures(catalog: Catalog, seed: int, folder: Path) -> int:
    """Writes `<item_id>.jpg`, 224 x 224, for every item; returns the number of files."""
    backdrops = [backdrop(style) for style in range(len(STYLES))]
    poses = stream(seed, "poses").uniform(-1, 1, (len(catalog.style), 4))
    colors = list(COLORS.values())
    for item_id, style, color, pose in zip(catalog.item_ids, catalog.style, catalog.color, poses, strict=True):
        image = backdrops[style].copy()
        _draw_item(ImageDraw.Draw(image), int(style), colors[color], pose)
        image.reduce(OVERSAMPLING).save(folder / f"{item_id}.jpg", quality=85)
    return len(catalog.style)


def backdrop(style: int) -> Image.Image:
    """Returns the background of a style: its own hue, and one of five patterns by position within the category."""
    # Steps of the golden ratio keep the hues of neighboring styles far apart.
    hue = style * 0.618034 % 1
    light, dark = _rgb(hue, 0.25, 0.95), _rgb(hue, 0.5, 0.75)
    image = Image.new("RGB", (CANVAS, CANVAS), light)
    pen = ImageDraw.Draw(image)
    step = CANVAS // 7
    match place_in_category(style):
        case 0:  # plain, on a table
            pen.rectangle((0, CANVAS * 3 // 4, CANVAS, CANVAS), fill=dark)
        case 1:  # stripes
            for x in range(0, CANVAS, step):
                pen.rectangle((x, 0, x + step // 2, CANVAS), fill=dark)
        case 2:  # dots
            for x in range(step // 2, CANVAS, step):
                for y in range(step // 2, CANVAS, step):
                    pen.ellipse((x - step // 4, y - step // 4, x + step // 4, y + step // 4), fill=dark)
        case 3:  # checks
            for row in range(8):
                for x in range(row % 2 * step, CANVAS, 2 * step):
                    pen.rectangle((x, row * step, x + step, (row + 1) * step), fill=dark)
        case _:  # rings
            for radius in range(step // 2, CANVAS, step):
                box = (CANVAS // 2 - radius, CANVAS // 2 - radius, CANVAS // 2 + radius, CANVAS // 2 + radius)
                pen.ellipse(box, outline=dark, width=step // 3)
    return image


def _draw_item(pen: ImageDraw.ImageDraw, style: int, color: RGB, pose: Points) -> None:
    """Draws the silhouette; `pose` is turn, size, shift right and shift down, each in [-1, 1]."""
    turn, size = np.radians(10 * pose[0]), 0.72 + 0.06 * pose[1]
    # Styles of a category differ in aspect ratio, from wide to tall.
    stretch = 1.15 - 0.15 * place_in_category(style)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    transform = np.diag([size * min(stretch, 1), size / max(stretch, 1)]) @ rotation
    shades = (color, _scaled(color, 0.6), _scaled(color, 1.35, 40))
    for part in SILHOUETTES[CATEGORIES[STYLE_CATEGORY[style]].name]:
        points = ((part.points - 0.5) @ transform + 0.5 + 0.04 * pose[2:]) * CANVAS
        pen.polygon([(float(x), float(y)) for x, y in points], fill=shades[part.shade])


def _scaled(color: RGB, factor: float, offset: int = 0) -> RGB:
    red, green, blue = (min(255, int(c * factor) + offset) for c in color)
    return red, green, blue


def _rgb(hue: float, saturation: float, value: float) -> RGB:
    red, green, blue = (int(255 * c) for c in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue
