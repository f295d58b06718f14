"""Tones of drawings. A drawing names tones; the item's color and the style's hue determine their colors."""

import colorsys
from functools import cache

from rec_assets.sources.retail.vocabulary import COLORS

RGB = tuple[int, int, int]

# The backdrop of a style and the shadow on it. Their tones are the smallest, so that a product covers them.
BASE, FIGURE, SHADOW = 1, 2, 3
# The item's own color: itself, deeper, paler, a seam on it, and a color that goes well with it.
MAIN, DEEP, PALE, SEAM, ACCENT, INK = range(4, 10)
# Materials and things that have the same color on all items.
LIGHT, PAPER, METAL, DARK, GOLD, GLOW, WOOD, LEAF, ROSE, BROWN, SKY, BEAM = range(10, 22)
# The shade of a tone is SHADE tones further.
SHADE = 32

MATERIALS: dict[int, RGB] = {
    LIGHT: (255, 255, 255),
    PAPER: (250, 245, 232),
    METAL: (188, 196, 206),
    DARK: (74, 72, 86),
    GOLD: (226, 182, 92),
    GLOW: (255, 214, 112),
    WOOD: (196, 144, 96),
    LEAF: (112, 164, 104),
    ROSE: (232, 132, 136),
    BROWN: (120, 80, 58),
    SKY: (206, 228, 238),
    BEAM: (255, 238, 178),
}
ACCENTS: dict[str, RGB] = {
    "charcoal": (240, 160, 96),
    "ivory": (206, 128, 96),
    "crimson": (248, 196, 132),
    "tangerine": (72, 112, 148),
    "mustard": (72, 92, 132),
    "moss green": (240, 190, 110),
    "teal": (248, 176, 136),
    "sky blue": (250, 206, 120),
    "navy": (240, 172, 104),
    "plum": (244, 176, 156),
}
NIGHT: RGB = (36, 32, 54)
WHITE: RGB = (255, 255, 255)


def palettes(style: int) -> list[bytes]:
    """Returns red, green and blue of the tones 0, 1, … of a style for each color word, in the order of `COLORS`."""
    # Steps of the golden ratio keep the hues of neighboring styles far apart.
    base = _rgb(style * 0.618034 % 1, 0.08, 0.98)
    return [_channels(_backdrop_colors(base, _main(color))) + items for color, items in _item_palettes().items()]


@cache
def _item_palettes() -> dict[RGB, bytes]:
    """Returns red, green and blue of the tones from `MAIN` by item color."""
    return {color: _channels(_item_colors(color, ACCENTS[word])) for word, color in COLORS.items()}


def _channels(colors: list[RGB]) -> bytes:
    return bytes(channel for color in colors for channel in color)


def _backdrop_colors(base: RGB, main: RGB) -> list[RGB]:
    """Returns the colors of the tones below `MAIN`: the figure has a pale color of the item."""
    figure = mixed(main, base, 0.6)
    colors = {BASE: base, FIGURE: figure, SHADOW: mixed(figure, NIGHT, 0.25)}
    return [colors.get(tone, NIGHT) for tone in range(MAIN)]


def _item_colors(color: RGB, accent: RGB) -> list[RGB]:
    """Returns the colors of the tones from `MAIN` to the last shade."""
    main, dark = _main(color), _is_dark(color)
    tones = MATERIALS | {
        MAIN: main,
        DEEP: mixed(main, NIGHT, 0.4),
        PALE: mixed(main, WHITE, 0.55),
        SEAM: mixed(main, WHITE, 0.4) if dark else mixed(main, NIGHT, 0.42),
        ACCENT: accent,
        INK: mixed(color, NIGHT, 0.8),
    }
    tones |= {tone + SHADE: mixed(rgb, NIGHT, 0.2) for tone, rgb in tones.items()}
    return [tones.get(tone, NIGHT) for tone in range(MAIN, max(tones) + 1)]


def _main(color: RGB) -> RGB:
    """Returns an item's color in drawings; dark colors are lighter than their outlines."""
    return mixed(color, WHITE, 0.1) if _is_dark(color) else color


def _is_dark(color: RGB) -> bool:
    return sum(color) < 330


def mixed(one: RGB, other: RGB, share: float) -> RGB:
    """Returns a color between two colors; `share` is the share of the other one."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _rgb(hue: float, saturation: float, value: float) -> RGB:
    red, green, blue = (round(255 * c) for c in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue
