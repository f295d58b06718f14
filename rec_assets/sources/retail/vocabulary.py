"""Vocabulary of generated retail: styles, categories, colors, codes. The words are in `words`."""

from dataclasses import dataclass

WOMEN, MEN, ANYONE = 0, 1, 2
MOBILE, DESKTOP, TABLET = 0, 1, 2

COLORS: dict[str, tuple[int, int, int]] = {
    "charcoal": (62, 64, 70),
    "ivory": (236, 229, 208),
    "crimson": (176, 32, 48),
    "tangerine": (240, 132, 36),
    "mustard": (208, 168, 40),
    "moss green": (96, 128, 64),
    "teal": (24, 128, 128),
    "sky blue": (112, 176, 224),
    "navy": (32, 48, 104),
    "plum": (120, 48, 112),
}


@dataclass(frozen=True)
class Style:
    """A level-2 category: the noun of a title, what it is for, and whom it is made for."""

    noun: str
    use: str
    gender: int = ANYONE


@dataclass(frozen=True)
class Category:
    """A level-1 category.

    Attributes:
        name: as a department is called.
        styles: its level-2 categories.
        materials: first words of its titles.
        promise: a sentence of every description.
        price: median price.
        gender_lean: above 0 women shop here more, below 0 men.
        age_lean: above 0 older people shop here more.
        peak_hour: UTC hour at which it is shopped most.
        device: device it is shopped on most.
    """

    name: str
    styles: tuple[Style, ...]
    materials: tuple[str, ...]
    promise: str
    price: float
    gender_lean: float
    age_lean: float
    peak_hour: int
    device: int
