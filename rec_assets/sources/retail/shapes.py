"""Silhouettes of the 20 categories as polygons in the unit square; y points down."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
# Shades of an item's color.
BODY, SHADOW, TRIM = 0, 1, 2


@dataclass(frozen=True)
class Part:
    """A filled polygon [points, 2] and its shade."""

    points: Points
    shade: int = BODY


def _oval(x: float, y: float, width: float, height: float, shade: int = BODY) -> Part:
    """Returns an ellipse around (x, y)."""
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return Part(np.stack([x + width / 2 * np.cos(angle), y + height / 2 * np.sin(angle)], axis=1), shade)


def _box(left: float, top: float, right: float, bottom: float, shade: int = BODY) -> Part:
    return Part(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]), shade)


def _shape(*points: tuple[float, float], shade: int = BODY) -> Part:
    return Part(np.array(points), shade)


def _holed(outer: Part, x: float, y: float, width: float, height: float) -> Part:
    """Cuts an oval out of a shape: joins the outline and the reversed outline of the hole."""
    hole = _oval(x, y, width, height).points[::-1]
    return Part(np.concatenate([outer.points, outer.points[:1], hole, hole[:1]]), outer.shade)


def _arch(x: float, y: float, outer: float, inner: float, shade: int = BODY) -> Part:
    """Returns the upper half of a ring around (x, y)."""
    angle = np.linspace(np.pi, 2 * np.pi, 24)
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Part(np.concatenate([(x, y) + outer * arc, (x, y) + inner * arc[::-1]]), shade)


# fmt: off
SILHOUETTES: dict[str, tuple[Part, ...]] = {
    "apparel": (
        _shape((0.3, 0.15), (0.7, 0.15), (0.95, 0.35), (0.82, 0.48), (0.7, 0.38), (0.72, 0.9), (0.28, 0.9),
               (0.3, 0.38), (0.18, 0.48), (0.05, 0.35)),
        _oval(0.5, 0.15, 0.2, 0.14, SHADOW), _box(0.49, 0.24, 0.51, 0.9, TRIM),
    ),
    "footwear": (
        _shape((0.08, 0.3), (0.32, 0.28), (0.5, 0.5), (0.85, 0.58), (0.95, 0.72), (0.08, 0.72)),
        _box(0.06, 0.72, 0.96, 0.8, SHADOW), _shape((0.36, 0.36), (0.44, 0.34), (0.58, 0.5), (0.52, 0.54), shade=TRIM),
    ),
    "accessories": (
        _holed(_oval(0.5, 0.36, 0.46, 0.5, SHADOW), 0.5, 0.36, 0.34, 0.38),
        _shape((0.15, 0.4), (0.85, 0.4), (0.93, 0.9), (0.07, 0.9)), _box(0.43, 0.55, 0.57, 0.68, TRIM),
    ),
    "jewelry": (
        _holed(_oval(0.5, 0.6, 0.62, 0.62), 0.5, 0.6, 0.46, 0.46),
        _shape((0.5, 0.06), (0.66, 0.18), (0.5, 0.36), (0.34, 0.18), shade=TRIM),
        _shape((0.5, 0.06), (0.56, 0.18), (0.5, 0.36), (0.44, 0.18), shade=SHADOW),
    ),
    "beauty": (
        _box(0.3, 0.45, 0.7, 0.95), _box(0.36, 0.33, 0.64, 0.45, SHADOW),
        _shape((0.4, 0.33), (0.4, 0.14), (0.6, 0.05), (0.6, 0.33), shade=TRIM),
    ),
    "furniture": (
        _box(0.18, 0.1, 0.82, 0.55), _box(0.08, 0.4, 0.24, 0.78, SHADOW), _box(0.76, 0.4, 0.92, 0.78, SHADOW),
        _box(0.24, 0.55, 0.76, 0.78, TRIM), _box(0.12, 0.78, 0.18, 0.95, SHADOW), _box(0.82, 0.78, 0.88, 0.95, SHADOW),
    ),
    "lighting": (
        _shape((0.35, 0.08), (0.65, 0.08), (0.85, 0.45), (0.15, 0.45)), _box(0.47, 0.45, 0.53, 0.88, SHADOW),
        _oval(0.5, 0.9, 0.44, 0.12, SHADOW), _shape((0.2, 0.45), (0.8, 0.45), (0.95, 0.6), (0.05, 0.6), shade=TRIM),
    ),
    "home decor": (
        _shape((0.4, 0.4), (0.6, 0.4), (0.58, 0.52), (0.74, 0.72), (0.62, 0.95), (0.38, 0.95), (0.26, 0.72),
               (0.42, 0.52)),
        _oval(0.35, 0.16, 0.2, 0.2, TRIM), _oval(0.65, 0.16, 0.2, 0.2, TRIM), _oval(0.5, 0.1, 0.2, 0.2, TRIM),
        _box(0.49, 0.2, 0.51, 0.42, SHADOW),
        _shape((0.36, 0.25), (0.39, 0.24), (0.49, 0.42), (0.46, 0.42), shade=SHADOW),
        _shape((0.64, 0.25), (0.61, 0.24), (0.51, 0.42), (0.54, 0.42), shade=SHADOW),
    ),
    "kitchenware": (
        _shape((0.05, 0.4), (0.62, 0.4), (0.58, 0.82), (0.1, 0.82)), _oval(0.335, 0.4, 0.57, 0.14, SHADOW),
        _box(0.6, 0.48, 0.97, 0.55, TRIM), _oval(0.335, 0.3, 0.08, 0.08, TRIM),
    ),
    "groceries": (
        _shape((0.22, 0.22), (0.78, 0.22), (0.84, 0.95), (0.16, 0.95)),
        _shape((0.22, 0.22), (0.3, 0.08), (0.7, 0.08), (0.78, 0.22), shade=SHADOW),
        _oval(0.5, 0.6, 0.4, 0.36, TRIM), _oval(0.5, 0.6, 0.14, 0.2, SHADOW),
    ),
    "electronics": (
        _arch(0.5, 0.5, 0.4, 0.33, SHADOW),
        _box(0.06, 0.46, 0.26, 0.86), _box(0.74, 0.46, 0.94, 0.86), _box(0.22, 0.5, 0.3, 0.82, TRIM),
        _box(0.7, 0.5, 0.78, 0.82, TRIM),
    ),
    "tools": (
        _box(0.45, 0.3, 0.55, 0.96), _shape((0.22, 0.12), (0.72, 0.12), (0.72, 0.32), (0.22, 0.3), shade=SHADOW),
        _shape((0.72, 0.14), (0.95, 0.26), (0.9, 0.34), (0.72, 0.28), shade=SHADOW), _box(0.44, 0.7, 0.56, 0.96, TRIM),
    ),
    "garden": (
        _shape((0.22, 0.58), (0.78, 0.58), (0.68, 0.95), (0.32, 0.95)), _box(0.18, 0.52, 0.82, 0.62, SHADOW),
        _shape((0.5, 0.52), (0.3, 0.32), (0.12, 0.34), (0.22, 0.48), shade=TRIM), _oval(0.5, 0.28, 0.18, 0.48, TRIM),
        _shape((0.5, 0.52), (0.7, 0.32), (0.88, 0.34), (0.78, 0.48), shade=TRIM),
    ),
    "outdoors": (
        _shape((0.5, 0.12), (0.98, 0.88), (0.02, 0.88)), _shape((0.5, 0.3), (0.68, 0.88), (0.32, 0.88), shade=SHADOW),
        _shape((0.5, 0.12), (0.56, 0.12), (1.0, 0.8), (0.98, 0.88), shade=TRIM),
    ),
    "sports": (
        _box(0.2, 0.45, 0.8, 0.55, SHADOW), _box(0.1, 0.25, 0.22, 0.75), _box(0.78, 0.25, 0.9, 0.75),
        _box(0.02, 0.35, 0.1, 0.65, TRIM), _box(0.9, 0.35, 0.98, 0.65, TRIM),
    ),
    "instruments": (
        _oval(0.5, 0.76, 0.56, 0.42), _oval(0.5, 0.54, 0.42, 0.32), _oval(0.5, 0.64, 0.16, 0.16, SHADOW),
        _box(0.46, 0.08, 0.54, 0.58, SHADOW), _box(0.42, 0.02, 0.58, 0.12, TRIM), _box(0.4, 0.82, 0.6, 0.86, TRIM),
    ),
    "books": (
        _shape((0.5, 0.25), (0.06, 0.18), (0.06, 0.78), (0.5, 0.86)),
        _shape((0.5, 0.25), (0.94, 0.18), (0.94, 0.78), (0.5, 0.86), shade=SHADOW),
        *(_shape((0.5 + 0.36 * side, y), (0.5 + 0.06 * side, y + 0.05), (0.5 + 0.06 * side, y + 0.08),
                 (0.5 + 0.36 * side, y + 0.03), shade=TRIM) for side in (-1, 1) for y in (0.3, 0.42, 0.54, 0.66)),
    ),
    "toys": (
        _oval(0.3, 0.2, 0.22, 0.22, SHADOW), _oval(0.7, 0.2, 0.22, 0.22, SHADOW), _oval(0.5, 0.74, 0.6, 0.48),
        _oval(0.5, 0.36, 0.5, 0.44), _oval(0.5, 0.44, 0.22, 0.16, TRIM), _oval(0.5, 0.76, 0.34, 0.3, TRIM),
        _oval(0.41, 0.31, 0.06, 0.06, SHADOW), _oval(0.59, 0.31, 0.06, 0.06, SHADOW),
        _oval(0.5, 0.41, 0.08, 0.05, SHADOW),
    ),
    "pet supplies": (
        _oval(0.5, 0.68, 0.5, 0.4), _oval(0.16, 0.46, 0.19, 0.26, SHADOW), _oval(0.84, 0.46, 0.19, 0.26, SHADOW),
        _oval(0.37, 0.24, 0.2, 0.28, TRIM), _oval(0.63, 0.24, 0.2, 0.28, TRIM),
    ),
    "stationery": (
        _box(0.12, 0.08, 0.66, 0.92),
        *(_box(0.2, y, 0.58, y + 0.025, TRIM) for y in (0.2, 0.32, 0.44, 0.56, 0.68, 0.8)),
        _box(0.12, 0.08, 0.17, 0.92, SHADOW), _box(0.76, 0.2, 0.86, 0.78, SHADOW),
        _shape((0.76, 0.78), (0.86, 0.78), (0.81, 0.94), shade=TRIM),
    ),
}
# fmt: on
