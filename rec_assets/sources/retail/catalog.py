"""The generated catalog: category, price, latent vector and arrival day of each item."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.sources.retail.arrivals import arrival_days, dates
from rec_assets.sources.retail.parameters import RetailParameters, stream
from rec_assets.sources.retail.vocabulary import ANYONE, COLORS
from rec_assets.sources.retail.words import CATEGORIES, MATERIALS, STYLES

TASTE_DIM = 6
ARRIVING_SHARE = 0.14
# Smallest number of items per style.
MIN_ITEMS_PER_STYLE = 12
# Variance of an item's latent vector that follows from its text and image. Only behavior reveals the rest.
MATERIAL_VARIANCE, COLOR_VARIANCE = 0.45, 0.25

# Standard deviations of log price within a category and of log popularity of categories and styles.
# Log popularity of items within a style has standard deviation 1.
PRICE_SPREAD, CATEGORY_SKEW, STYLE_SKEW = 0.35, 0.7, 0.4

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STYLE_CATEGORY: Ints = np.array([category for category, _ in STYLES])
STYLE_GENDER: Ints = np.array([style.gender for _, style in STYLES])


@dataclass(frozen=True)
class Catalog:
    """All items of all days as arrays; row index is item_id - 1. n items, K latent dimensions of taste.

    Attributes:
        style: level-2 category [n]; `category` is its level-1 category [n].
        material, color: indices of the material and color words [n].
        gender: target gender [n].
        price: [n]; `price_level` is the z-score of log price within the category [n].
        appeal: log popularity within the style [n].
        trend_phase: phase of an item's popularity cycle on the first day, radians [n].
        latent: item vector that users' tastes are compared to [n, K].
        arrival: day index of the first day on sale, 0 for items on sale from the start [n].
        style_latent, style_appeal: `latent` and `appeal` of styles [84, K] and [84].
        category_share: popularity of categories, sums to 1 [20].
    """

    style: Ints
    category: Ints
    material: Ints
    color: Ints
    gender: Ints
    price: Floats
    price_level: Floats
    appeal: Floats
    trend_phase: Floats
    latent: Floats
    arrival: Ints
    style_latent: Floats
    style_appeal: Floats
    category_share: Floats

    @property
    def item_ids(self) -> npt.NDArray[np.int32]:
        """Item ids 1 … n."""
        return np.arange(1, len(self.style) + 1, dtype=np.int32)


def make_catalog(parameters: RetailParameters) -> Catalog:
    """Draws the catalog."""
    n, seed = parameters.items, parameters.seed
    words = stream(seed, "item words")
    stocked = _stocked_styles(n)
    style = words.permutation(stocked[np.arange(n) % len(stocked)])
    category = STYLE_CATEGORY[style]
    material = np.array([[MATERIALS.index(word) for word in c.materials] for c in CATEGORIES])[
        category, words.integers(0, len(CATEGORIES[0].materials), n)
    ]
    color = words.integers(0, len(COLORS), n)
    gender = np.where(words.random(n) < 0.85, STYLE_GENDER[style], ANYONE)

    level = stream(seed, "item prices").standard_normal(n)
    median = np.array([c.price for c in CATEGORIES])[category]
    price = np.maximum(np.round(median * np.exp(PRICE_SPREAD * level)), 1) - 0.05

    popularity = stream(seed, "item popularity")
    latents = stream(seed, "item latents")

    def unit(rows: int) -> Floats:
        return latents.standard_normal((rows, TASTE_DIM)) / np.sqrt(TASTE_DIM)

    residual_variance = 1 - MATERIAL_VARIANCE - COLOR_VARIANCE
    described = np.sqrt(MATERIAL_VARIANCE) * unit(len(MATERIALS))[material]
    described += np.sqrt(COLOR_VARIANCE) * unit(len(COLORS))[color]
    share = np.exp(CATEGORY_SKEW * popularity.standard_normal(len(CATEGORIES)))
    return Catalog(
        style=style,
        category=category,
        material=material,
        color=color,
        gender=gender,
        price=price,
        price_level=level,
        appeal=popularity.standard_normal(n),
        trend_phase=2 * np.pi * popularity.random(n),
        latent=described + np.sqrt(residual_variance) * unit(n),
        arrival=arrival_days(n - int(ARRIVING_SHARE * n), n, per_day=max(1, n // 100)),
        style_latent=unit(len(STYLES)),
        style_appeal=STYLE_SKEW * popularity.standard_normal(len(STYLES)),
        category_share=share / share.sum(),
    )


def place_in_category(style: int) -> int:
    """Returns the position of a style within its category, from 0."""
    return int((STYLE_CATEGORY[:style] == STYLE_CATEGORY[style]).sum())


def items_frame(catalog: Catalog, parameters: RetailParameters) -> pl.DataFrame:
    """Returns the catalog as the contract's items table, with titles and descriptions."""
    colors = list(COLORS)
    titles, descriptions = [], []
    for style_index, material_index, color_index in zip(catalog.style, catalog.material, catalog.color, strict=True):
        category_index, style = STYLES[style_index]
        category = CATEGORIES[category_index]
        material, color = MATERIALS[material_index], colors[color_index]
        titles.append(f"{material} {style.noun}, {color}")
        descriptions.append(
            f"{material} {style.noun} in {color}, made for {style.use}. "
            f"{category.promise} From our {category.name} range."
        )
    return pl.DataFrame(
        {
            "item_id": catalog.item_ids,
            "title": titles,
            "product_description": descriptions,
            "price": catalog.price.astype(np.float32),
            "category_l1": catalog.category.astype(np.int32),
            "category_l2": catalog.style.astype(np.int32),
            "item_gender": catalog.gender.astype(np.int32),
            "first_day": dates(catalog.arrival, parameters.start_date),
        }
    )


def _stocked_styles(items: int) -> Ints:
    """Returns the styles of a catalog of this size: first one style per category, then a second one, and so on.

    A small catalog has fewer styles, so that each style has at least `MIN_ITEMS_PER_STYLE` items.
    """
    positions = [place_in_category(style) for style in range(len(STYLES))]
    return np.argsort(positions, kind="stable")[: max(1, items // MIN_ITEMS_PER_STYLE)]
