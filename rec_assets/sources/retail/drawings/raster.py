"""Rasterizes drawings to images of tones, one byte per pixel; 0 is transparent."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw

from rec_assets.sources.retail.drawings.shapes import LINE, Drawing, Part, Points
from rec_assets.sources.retail.drawings.tones import BEAM, INK, SHADE, SHADOW

# Largest width of a shade on the grid, and its share of the smaller extent of the part.
SHADE_WIDTH, SHADE_SHARE = 4.5, 0.14
# Space around the grid for outlines and shadows.
MARGIN = 5
# Way on the grid from a product to its shadow on the wall or table behind it.
SHADOW_WAY = np.array([2.0, 2.8])
# Widest gap in pixels at the outer side of a corner that a line may have without a round joint.
GAP = 0.7


def rasterize(drawing: Drawing, size: int) -> Image.Image:
    """Returns the tones of a drawing with its shadow, `size` x `size`."""
    product = silhouette_tones(drawing, size)
    result = Image.new("L", product.size)
    mask = opaque(product, BEAM)
    scale = size / (100 + 2 * MARGIN)
    if drawing.stands:
        _, _, _, bottom = mask.getbbox() or (0, 0, 0, 0)
        left, _, right, _ = mask.crop((0, bottom - size // 9, size, bottom)).getbbox() or (0, 0, 0, 0)
        box = (left - 2 * scale, bottom - 3 * scale, right + 4 * scale, bottom + 3 * scale)
        ImageDraw.Draw(result).ellipse(box, fill=SHADOW)
    else:
        right, down = (round(way) for way in SHADOW_WAY * scale)
        result.paste(SHADOW, (right, down), mask)
    result.paste(product, mask=opaque(product))
    return result


def silhouette_tones(drawing: Drawing, size: int) -> Image.Image:
    """Returns the tones of a drawing without its shadow, `size` x `size`."""
    canvas = _Canvas(Image.new("L", (size, size)), np.zeros(2), size / (100 + 2 * MARGIN))
    canvas.draw(drawing.parts)
    return canvas.image


def opaque(tones: Image.Image, *transparent: int) -> Image.Image:
    """Returns a mask of all tones but 0 and the given ones."""
    return tones.point([0 if tone in (0, *transparent) else 255 for tone in range(256)], "1")


@dataclass(frozen=True)
class _Canvas:
    """A rectangle of the image: `origin` is its upper left pixel in the image, `scale` the pixels per unit."""

    image: Image.Image
    origin: Points
    scale: float

    def draw(self, parts: Iterable[Part | list[Part]]) -> None:
        for entry in parts:
            group = entry if isinstance(entry, list) else [entry]
            for part in group:
                if part.outlined:
                    self._stroke(part, part.width + 2 * LINE, INK)
            for part in group:
                self._fill(part)

    def _fill(self, part: Part) -> None:
        mask = self._cut(part)
        box = tuple(round(x) for x in mask.origin - self.origin)
        mask._stroke(part, part.width, 255) if part.width else mask._polygons(part)
        self.image.paste(part.tone, box, mask.image)
        if part.shaded:
            self.image.paste(part.tone + SHADE, box, mask._shade())
        if part.inside:
            details = _Canvas(
                self.image.crop((*box, box[0] + mask.image.width, box[1] + mask.image.height)), mask.origin, self.scale
            )
            details.draw(part.inside)
            self.image.paste(details.image, box, mask.image)

    def _cut(self, part: Part) -> "_Canvas":
        """Returns a transparent canvas around a part, with one pixel to spare."""
        points = self._pixels(part.contours[0])
        reach = part.width * self.scale / 2 + 1
        low = np.clip(np.floor(points.min(0) - reach), 0, self.image.size)
        high = np.clip(np.ceil(points.max(0) + reach) + 1, low + 1, None)
        width, height = (int(x) for x in high - low)
        return _Canvas(Image.new("L", (width, height)), self.origin + low, self.scale)

    def _polygons(self, part: Part) -> None:
        pen = ImageDraw.Draw(self.image)
        for number, contour in enumerate(part.contours):
            pen.polygon(self._pixels(contour).ravel().tolist(), fill=0 if number else 255)

    def _shade(self) -> Image.Image:
        """Returns the pixels of a mask that the mask leaves when it moves toward the light."""
        way = min(SHADE_WIDTH * self.scale, SHADE_SHARE * min(self.image.size))
        lit = Image.new("L", self.image.size)
        lit.paste(self.image, (-round(way), -round(way * 0.6)))
        return ImageChops.subtract(self.image, lit)

    def _stroke(self, part: Part, width: float, tone: int) -> None:
        pen = ImageDraw.Draw(self.image)
        pixels = max(1, round(width * self.scale))
        radius = (pixels - 1) / 2
        for contour in part.contours:
            points = self._pixels(contour if part.width else np.concatenate([contour, contour[:1]]))
            pen.line(points.ravel().tolist(), fill=tone, width=pixels)
            for x, y in points[_joints(points, radius)] if radius > 1 else ():
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tone)

    def _pixels(self, points: Points) -> Points:
        return (points + MARGIN) * self.scale - self.origin


def _joints(points: Points, radius: float) -> npt.NDArray[np.bool_]:
    """Returns True for the ends of a line and for its corners [points]."""
    ways = np.diff(points, axis=0)
    ways /= np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-9)
    corners = radius * np.linalg.norm(np.diff(ways, axis=0), axis=1) > GAP
    return np.concatenate([[True], corners, [True]])
