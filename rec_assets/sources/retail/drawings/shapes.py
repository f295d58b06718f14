"""The vocabulary of drawings: shapes, lines and their arrangement on a grid of 100 x 100; y points down.

Does not contain colors; `tones` has them. Does not rasterize; `raster` does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rec_assets.sources.retail.drawings.tones import INK, MAIN, SEAM

Points = npt.NDArray[np.float64]
# Weight of outlines and thin lines.
LINE = 2.0
# Straight segments per curve.
STEPS: Points = np.linspace(0, 1, 21)[1:, None]


@dataclass(frozen=True)
class Part:
    """A filled shape or a line.

    Attributes:
        contours: the points of each outline [points, 2]; contours within others are holes.
        tone: a tone of `tones`.
        width: width of a line; 0 for a filled shape.
        outlined: True for an outline in ink.
        shaded: True for a shade on the side away from the light, which comes from the upper left.
        inside: parts that are drawn on this shape and end at its edge.
    """

    contours: tuple[Points, ...]
    tone: int = MAIN
    width: float = 0
    outlined: bool = True
    shaded: bool = True
    inside: "tuple[Part, ...]" = ()


# Parts from back to front. Parts of a list share one outline.
Parts = tuple[Part | list[Part], ...]


@dataclass(frozen=True)
class Drawing:
    """The parts of a product, and how it is seen.

    Attributes:
        parts: parts from back to front.
        stands: True for a product on the ground, which is upright; others lie or hang, with a turn of their own.
    """

    parts: Parts
    stands: bool


def standing(*parts: Part | list[Part]) -> Drawing:
    """Returns the drawing of a product that stands on the ground, enlarged to the grid."""
    return Drawing(_fitted(parts), stands=True)


def lying(*parts: Part | list[Part]) -> Drawing:
    """Returns the drawing of a product that lies or hangs, enlarged to the grid."""
    return Drawing(_fitted(parts), stands=False)


def path(text: str) -> list[Points]:
    """Returns the contours of an SVG path with absolute coordinates and the commands M, L, Q and C.

    >>> [contour.tolist() for contour in path("M10 20 L30 40")]
    [[[10.0, 20.0], [30.0, 40.0]]]
    """
    contours: list[list[Points]] = []
    for command, numbers in re.findall(r"([MLQC])([^MLQC]*)", text):
        points = np.array(numbers.split(), np.float64).reshape(-1, 2)
        if command == "M":
            contours.append([points])
        elif command == "L":
            contours[-1].append(points)
        else:
            size = {"Q": 2, "C": 3}[command]
            for controls in points.reshape(-1, size, 2):
                contours[-1].append(_bezier(np.concatenate([contours[-1][-1][-1:], controls])))
    return [np.concatenate(contour) for contour in contours]


def shape(text: str, tone: int = MAIN, *inside: Part) -> Part:
    """Returns a filled shape with the outline of a path."""
    return Part(tuple(path(text)), tone, inside=inside)


def half(text: str, tone: int = MAIN, *inside: Part) -> Part:
    """Returns a filled symmetric shape; the path is its right half from top to bottom."""
    (right,) = path(text)
    return Part((np.concatenate([right, _mirror(right)[::-1]]),), tone, inside=inside)


def oval(x: float, y: float, width: float, height: float, tone: int = MAIN, *inside: Part) -> Part:
    """Returns a filled ellipse around (x, y)."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return Part((np.stack([x + width / 2 * np.cos(angle), y + height / 2 * np.sin(angle)], 1),), tone, inside=inside)


def box(
    left: float, top: float, right: float, bottom: float, tone: int = MAIN, *inside: Part, round: float = 2
) -> Part:
    """Returns a filled rectangle with round corners of radius `round`."""
    r = max(0.01, min(round, (right - left) / 2, (bottom - top) / 2))
    angle = np.linspace(0, np.pi / 2, 7)
    corner = r * np.stack([np.cos(angle), np.sin(angle)], 1)
    turn = np.array([[0.0, 1], [-1, 0]])
    centers = ((right - r, bottom - r), (left + r, bottom - r), (left + r, top + r), (right - r, top + r))
    corners = [center + corner @ np.linalg.matrix_power(turn, k) for k, center in enumerate(centers)]
    return Part((np.concatenate(corners),), tone, inside=inside)


def band(text: str, width: float, tone: int = MAIN, *inside: Part) -> Part:
    """Returns a thick line with an outline and round ends, such as a strap."""
    return Part(tuple(path(text)), tone, width, inside=inside)


def hoop(x: float, y: float, width: float, height: float, thickness: float, tone: int = MAIN, *inside: Part) -> Part:
    """Returns a thick elliptic line around (x, y) with an outline, such as a ring."""
    (points,) = oval(x, y, width, height).contours
    return Part((np.concatenate([points, points[:1]]),), tone, thickness, inside=inside)


def line(text: str, tone: int = SEAM, width: float = LINE) -> Part:
    """Returns a thin line with round ends; by default a seam on the item's own color."""
    return Part(tuple(path(text)), tone, width, outlined=False, shaded=False)


def ink(text: str, width: float = LINE) -> Part:
    """Returns a thin line in the ink of the outlines."""
    return line(text, INK, width)


def plain(part: Part) -> Part:
    """Returns the part without outline and shade, for prints and other marks."""
    return replace(part, outlined=False, shaded=False)


def moved(x: float, y: float, *parts: Part) -> tuple[Part, ...]:
    """Returns the parts, moved to the right by x and down by y."""
    return tuple(_mapped(part, np.eye(2), np.array([x, y])) for part in parts)


def turned(degrees: float, *parts: Part, x: float = 50, y: float = 50) -> tuple[Part, ...]:
    """Returns the parts, turned clockwise around (x, y)."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rotation, center = np.array([[cos, sin], [-sin, cos]]), np.array([x, y])
    return tuple(_mapped(part, rotation, center - center @ rotation) for part in parts)


def scaled(factor: float, *parts: Part, x: float = 50, y: float = 50) -> tuple[Part, ...]:
    """Returns the parts, enlarged by a factor around (x, y)."""
    return tuple(_mapped(part, factor * np.eye(2), (1 - factor) * np.array([x, y])) for part in parts)


def both(*parts: Part) -> Iterator[Part]:
    """Yields the parts and their mirror images; the axis is x = 50."""
    for part in parts:
        yield part
        yield _mapped(part, np.diag([-1.0, 1]), np.array([100.0, 0]))


def _fitted(parts: Parts) -> Parts:
    """Returns the parts, moved and scaled to the middle of the grid."""
    groups = [entry if isinstance(entry, list) else [entry] for entry in parts]
    reach = [(points, part.width / 2) for group in groups for part in group for points in part.contours]
    low = np.min([points.min(0) - width for points, width in reach], axis=0)
    high = np.max([points.max(0) + width for points, width in reach], axis=0)
    factor = float((100 - 2 * LINE) / (high - low).max())
    shift = 50 - factor * (low + high) / 2
    return tuple([_mapped(part, factor * np.eye(2), shift) for part in group] for group in groups)


def _mapped(part: Part, matrix: Points, shift: Points) -> Part:
    """Returns the part with all points multiplied and shifted; widths grow with the matrix."""
    contours = tuple(points @ matrix + shift for points in part.contours)
    inside = tuple(_mapped(one, matrix, shift) for one in part.inside)
    growth = float(np.sqrt(abs(np.linalg.det(matrix))))
    return replace(part, contours=contours, inside=inside, width=part.width * growth)


def _mirror(points: Points) -> Points:
    return np.array([100.0, 0]) + points * np.array([-1.0, 1])


def _bezier(controls: Points) -> Points:
    """Returns points of a Bézier curve after its first one; de Casteljau's algorithm."""
    points = [np.broadcast_to(control, (len(STEPS), 2)) for control in controls]
    while len(points) > 1:
        points = [one * (1 - STEPS) + other * STEPS for one, other in pairwise(points)]
    return points[0]
