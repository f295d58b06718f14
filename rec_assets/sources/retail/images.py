"""Draws an image for each item: drawing and backdrop by style, color and pose by item.

Therefore an image encoder can distinguish categories, styles and, within a style, the colors named in the titles.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from rec_assets.sources.retail.catalog import Catalog
from rec_assets.sources.retail.drawings import DRAWINGS
from rec_assets.sources.retail.drawings.backdrops import backdrop
from rec_assets.sources.retail.drawings.raster import rasterize
from rec_assets.sources.retail.drawings.tones import palettes
from rec_assets.sources.retail.parameters import stream
from rec_assets.sources.retail.words import STYLES

SIZE = 224
# Images are drawn larger and then reduced, for smooth edges.
OVERSAMPLING = 2
# Drawings are rasterized finer still, because an item's pose moves their pixels.
DETAIL = 2
# Share of the image that a drawing takes, and the largest changes by item: size, shift (shares) and turn (degrees).
EXTENT, GROWTH, SHIFT, TURN = 0.88, 0.05, 0.02, 10


def draw_images(catalog: Catalog, seed: int, folder: Path) -> int:
    """Writes `<item_id>.jpg`, 224 x 224, for every item; returns the number of files."""
    poses = stream(seed, "poses").uniform(-1, 1, (len(catalog.style), 4))
    for style in np.unique(catalog.style):
        painter = Painter(int(style))
        for row in np.flatnonzero(catalog.style == style):
            image = painter.paint(int(catalog.color[row]), poses[row].tolist())
            image.save(folder / f"{catalog.item_ids[row]}.jpg", quality=85)
    return len(catalog.style)


class Painter:
    """Paints the items of a style. The drawing is rasterized once; each item turns, scales and colors it."""

    def __init__(self, style: int, size: int = SIZE) -> None:
        """Rasterizes the drawing.

        Args:
            style: level-2 category.
            size: width and height of the images.
        """
        self._canvas = size * OVERSAMPLING
        self._drawing = DRAWINGS[STYLES[style][1].noun]
        self._tones = rasterize(self._drawing, round(DETAIL * EXTENT * self._canvas))
        self._backdrop = backdrop(style, self._canvas)
        self._palettes = palettes(style)

    def paint(self, color: int, pose: Sequence[float]) -> Image.Image:
        """Returns the image of an item.

        Args:
            color: index of the color word.
            pose: turn, size, shift right and shift down, each in [-1, 1]; a product that stands is not turned.
        """
        turn = 0 if self._drawing.stands else np.radians(TURN * pose[0])
        scale = DETAIL / (1 + GROWTH * pose[1])
        # From a pixel of the image to a pixel of the drawing.
        matrix = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        middle = self._canvas / 2 + SHIFT * self._canvas * np.array(pose[2:])
        shift = self._tones.width / 2 - matrix @ middle
        affine = (*matrix[0], shift[0], *matrix[1], shift[1])
        product = self._tones.transform(self._backdrop.size, Image.Transform.AFFINE, affine)
        image = ImageChops.lighter(self._backdrop, product)  # the tones of a backdrop are the smallest
        image.putpalette(self._palettes[color])
        return image.convert("RGB").reduce(OVERSAMPLING)
