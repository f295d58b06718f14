"""Types, colors and codes of generated retail. `words` contains the categories and styles."""

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
    """A level-2 category: the noun of its titles, its use, and its target gender."""

    noun: str
    use: str
    gender: int = ANYONE


@dataclass(frozen=True)
class Category:
    """A level-1 category.

    Attributes:
        name: department name.
        styles: level-2 categories.
        materials: first words of the titles.
        promise: a sentence in every description.
        price: median price.
        gender_lean: positive if women buy more here, negative if men do.
        age_lean: positive if older people buy more here.
        peak_hour: UTC hour with the most sessions.
        device: device with the most sessions.
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
