"""Tests of the drawings of generated retail: each style looks like itself, at any size and in each color."""

from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from rec_assets.sources.retail import RetailParameters, RetailSource
from rec_assets.sources.retail.drawings import DRAWINGS
from rec_assets.sources.retail.drawings.raster import opaque, silhouette_tones
from rec_assets.sources.retail.drawings.shapes import both, box, half, hoop, lying, moved, path, shape, turned
from rec_assets.sources.retail.drawings.tones import DEEP, MAIN, PALE, SHADE
from rec_assets.sources.retail.images import Painter
from rec_assets.sources.retail.vocabulary import COLORS
from rec_assets.sources.retail.words import STYLES

NOUNS = [style.noun for _, style in STYLES]
UPRIGHT = (0.0, 0.0, 0.0, 0.0)


def tones(noun: str) -> npt.NDArray[np.uint8]:
    return np.asarray(silhouette_tones(DRAWINGS[noun], 96))


def pixels(image: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(image, np.float64)


def test_every_style_has_a_drawing_and_every_drawing_a_style() -> None:
    assert sorted(DRAWINGS) == sorted(NOUNS)


def test_each_style_has_its_own_silhouette() -> None:
    masks = {noun: np.asarray(opaque(silhouette_tones(DRAWINGS[noun], 96))) for noun in NOUNS}
    assert all(0.1 < mask.mean() < 0.7 for mask in masks.values())
    alike = [
        (one, other)
        for one, other in combinations(NOUNS, 2)
        if (masks[one] ^ masks[other]).sum() < 0.1 * (masks[one] | masks[other]).sum()
    ]
    assert alike == []


@pytest.mark.parametrize("noun", NOUNS)
def test_a_drawing_fills_the_frame_and_shows_the_color_of_the_item(noun: str) -> None:
    drawn = tones(noun)
    edges = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
    assert not edges.any(), "nothing is cut off"
    assert max(drawn.any(axis=0).sum(), drawn.any(axis=1).sum()) > 0.85 * len(drawn)
    own = np.isin(drawn, [tone + shade for tone in (MAIN, DEEP, PALE) for shade in (0, SHADE)])
    assert own.sum() > 0.15 * (drawn > 0).sum()


@pytest.mark.parametrize("size", [40, 224, 448])
@pytest.mark.parametrize("noun", ["summer dress", "hoop earrings", "flower vase", "violin", "cat tower"])
def test_a_product_looks_the_same_at_every_size(noun: str, size: int) -> None:
    style = NOUNS.index(noun)
    image, reference = Painter(style, size).paint(4, UPRIGHT), Painter(style, 320).paint(4, UPRIGHT)
    assert image.size == (size, size)
    thumbnails = [pixels(one.resize((20, 20), Image.Resampling.BOX)) for one in (image, reference)]
    assert np.abs(thumbnails[0] - thumbnails[1]).mean() < 8


def test_items_of_a_style_differ_in_color_and_pose() -> None:
    painter = Painter(NOUNS.index("armchair"))
    images = [pixels(painter.paint(color, UPRIGHT)) for color in range(len(COLORS))]
    assert all(np.abs(one - other).mean() > 2 for one, other in combinations(images, 2))
    for pose in ((0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)):
        assert np.abs(pixels(painter.paint(0, pose)) - images[0]).mean() > 2


def test_only_products_that_lie_or_hang_are_turned() -> None:
    turn = (1, 0, 0, 0)
    for noun, turns in (("armchair", False), ("wall print", True)):
        painter = Painter(NOUNS.index(noun))
        assert (painter.paint(0, turn).tobytes() != painter.paint(0, UPRIGHT).tobytes()) == turns


def test_equal_seeds_draw_equal_bytes(tmp_path: Path) -> None:
    def draw(name: str, seed: int) -> dict[str, bytes]:
        folder = tmp_path / name
        folder.mkdir()
        RetailSource(RetailParameters(users=1, items=60, interactions_per_day=1, days=1, seed=seed)).write_images(
            folder
        )
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    first = draw("first", 1)
    assert first == draw("again", 1)
    assert first != draw("other", 2)


def test_a_path_is_flattened_to_points() -> None:
    line, curve = path("M10 20 L30 40 50 60 M0 0 Q10 0 10 10 C10 20 0 20 0 10")
    assert line.tolist() == [[10, 20], [30, 40], [50, 60]]
    assert curve[0].tolist() == [0, 0]
    assert curve[-1].tolist() == [0, 10]
    assert any(np.allclose(point, (7.5, 2.5)) for point in curve), "the middle of the first curve"


def test_a_half_is_completed_to_a_symmetric_shape() -> None:
    (points,) = half("M50 0 L70 10 L50 20").contours
    assert points.tolist() == [[50, 0], [70, 10], [50, 20], [50, 20], [30, 10], [50, 0]]


def test_parts_can_be_moved_turned_and_mirrored() -> None:
    (part,) = moved(10, -5, shape("M0 0 L10 10 L0 10"))
    assert part.contours[0].tolist() == [[10, -5], [20, 5], [10, 5]]
    (back,) = turned(-30, *turned(30, part))
    np.testing.assert_allclose(back.contours[0], part.contours[0], atol=1e-9)
    (quarter,) = turned(90, shape("M60 50 L50 60 L50 50"))
    np.testing.assert_allclose(quarter.contours[0], [[50, 60], [40, 50], [50, 50]], atol=1e-9)
    original, mirrored = both(box(60, 0, 70, 10))
    assert original.contours[0][:, 0].min() == pytest.approx(60)
    assert mirrored.contours[0][:, 0].max() == pytest.approx(40)


def test_holes_and_rings_are_transparent() -> None:
    for drawing in (
        lying(shape("M0 0 L90 0 L90 90 L0 90 M30 30 L60 30 L60 60 L30 60")),
        lying(hoop(50, 50, 90, 90, 6)),
    ):
        drawn = np.asarray(silhouette_tones(drawing, 110))
        assert drawn[55, 55] == 0
        assert (drawn == MAIN).any()
