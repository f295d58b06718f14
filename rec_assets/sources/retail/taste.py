"""True probabilities of a day: p(category | user, hour, device) · p(style | category, user) · p(item | style, user).

`sessions` samples from these factors and `oracle` multiplies them. No other module defines preferences.
"""

import numpy as np

from rec_assets.sources.retail.catalog import STYLE_CATEGORY, STYLE_GENDER, Catalog, Floats, Ints
from rec_assets.sources.retail.people import CHRONOTYPES, PERSONA_WEIGHTS, People
from rec_assets.sources.retail.vocabulary import ANYONE, MEN, WOMEN
from rec_assets.sources.retail.words import CATEGORIES, STYLES

# Share of sessions that ignore the persona and follow category popularity.
EXPLORATION = 0.06
# Cycles in days: latent taste, mood (interest within the persona's categories), item trends.
TASTE_CYCLE, MOOD_CYCLE, TREND_CYCLE = 120, 9, 24
MOOD, TREND = 0.8, 0.5
# Weights of the log-probabilities.
STYLE_TASTE, ITEM_TASTE, PRICE_FIT, GENDER_MISFIT = 1.6, 1.0, 0.3, 2.5
CLOCK, DEVICE = 1.6, 1.0
# Effect of the hour on the log-odds of each device [24, 3]: desktops by day, phones in the evening.
_OFFICE = np.cos(2 * np.pi * (np.arange(24) - 12) / 24)
DEVICE_BY_HOUR: Floats = np.stack([-0.5 * _OFFICE, 0.8 * _OFFICE, np.zeros(24)], axis=1)
FAVORITE_DEVICE = 1.8
ANY_DEVICE = -1


def _context_logits() -> Floats:
    """Returns the effect of hour and device on the log-odds of each category [24, 3, 20]."""
    peaks = np.array([c.peak_hour for c in CATEGORIES])
    clock = CLOCK * np.cos(2 * np.pi * (np.arange(24)[:, None] - peaks) / 24)
    device = DEVICE * (np.arange(3)[:, None] == np.array([c.device for c in CATEGORIES]))
    return clock[:, None, :] + device


CONTEXT_LOGITS = _context_logits()


class Taste:
    """Preferences of all users on one day. Arguments named `users` are row indices of `People`."""

    def __init__(self, catalog: Catalog, people: People, day_index: int) -> None:
        self.people = people
        self.catalog = catalog
        self.day_index = day_index
        arrived = np.flatnonzero(catalog.arrival <= day_index)
        order = arrived[np.argsort(catalog.style[arrived], kind="stable")]
        # Items on sale by style, as row indices of the catalog.
        self.items: list[Ints] = np.split(order, np.searchsorted(catalog.style[order], np.arange(1, len(STYLES))))
        on_sale = np.array([len(items) > 0 for items in self.items])
        # Styles with items on sale, by category.
        self.styles: list[Ints] = [np.flatnonzero(on_sale & (c == STYLE_CATEGORY)) for c in range(len(CATEGORIES))]
        self._has_items = np.array([len(styles) > 0 for styles in self.styles])
        self._trend = TREND * np.sin(2 * np.pi * day_index / TREND_CYCLE + catalog.trend_phase)

    def category(self, users: Ints, hours: Ints, devices: Ints) -> Floats:
        """Returns P(category | user, hour, device), float64 [n, 20]; device -1 averages over the user's devices."""
        interest = self._interest(users)
        known = np.where(devices == ANY_DEVICE, 0, devices)
        probabilities = _normalized(interest * np.exp(CONTEXT_LOGITS[hours, known]))
        unknown = np.flatnonzero(devices == ANY_DEVICE)
        if len(unknown):
            weights = device_probabilities(self.people, users[unknown], hours[unknown])
            by_device = _normalized(interest[unknown, None, :] * np.exp(CONTEXT_LOGITS[hours[unknown]]))
            probabilities[unknown] = np.einsum("nd,ndc->nc", weights, by_device)
        return probabilities

    def style(self, category: int, users: Ints) -> Floats:
        """Returns P(style | category, user), float64 [n, styles], in the order of `self.styles[category]`."""
        styles = self.styles[category]
        logits = STYLE_TASTE * self._taste(users) @ self.catalog.style_latent[styles].T
        logits += self.catalog.style_appeal[styles]
        logits -= GENDER_MISFIT * self._misfit(STYLE_GENDER[styles], users)
        return _softmax(logits)

    def item(self, style: int, users: Ints) -> Floats:
        """Returns P(item | style, user), float64 [n, items], in the order of `self.items[style]`."""
        items = self.items[style]
        logits = ITEM_TASTE * self._taste(users) @ self.catalog.latent[items].T
        logits += self.catalog.appeal[items] + self._trend[items]
        preferred = self.people.price_level[users].astype(np.float64)
        level = self.catalog.price_level[items]
        logits -= PRICE_FIT * ((level - preferred[:, None]) ** 2) / 2
        logits -= GENDER_MISFIT * self._misfit(self.catalog.gender[items], users)
        return _softmax(logits)

    def item_given_category(self, users: Ints) -> Floats:
        """Returns P(item | category of the item, user), float64 [n, items]; 0 for items not yet on sale."""
        result = np.zeros((len(users), len(self.catalog.style)))
        for category, styles in enumerate(self.styles):
            by_style = self.style(category, users) if len(styles) else np.empty((0, 0))
            for column, style in enumerate(styles):
                result[:, self.items[style]] = by_style[:, column, None] * self.item(style, users)
        return result

    def _interest(self, users: Ints) -> Floats:
        """Returns the weight of each category for each user today, without hour and device effects, float64 [n, 20]."""
        mood = np.sin(2 * np.pi * self.day_index / MOOD_CYCLE + self.people.mood_phase[users].astype(np.float64))
        weights = _normalized(PERSONA_WEIGHTS * np.exp(MOOD * mood)) * (1 - EXPLORATION)
        interest = np.tile(EXPLORATION * self.catalog.category_share, (len(users), 1))
        rows = np.arange(len(users))
        for position in range(weights.shape[1]):
            interest[rows, self.people.persona[users, position]] += weights[:, position]
        return interest * self._has_items

    def _taste(self, users: Ints) -> Floats:
        """Returns the latent taste of each user today, float64 [n, K]: a rotation in the plane of two fixed vectors."""
        angle = 2 * np.pi * self.day_index / TASTE_CYCLE
        now, later = self.people.taste[users], self.people.later_taste[users]
        return np.cos(angle) * now.astype(np.float64) + np.sin(angle) * later.astype(np.float64)

    def _misfit(self, made_for: Ints, users: Ints) -> Floats:
        """Returns 1 where an item or style targets the other gender, else 0 [n, len(made_for)]."""
        gender = self.people.gender[users][:, None]
        sided = (gender == WOMEN) | (gender == MEN)
        return (sided & (made_for != ANYONE) & (made_for != gender)).astype(np.float64)


def hour_probabilities(people: People, users: Ints) -> Floats:
    """Returns P(hour of day | user), float64 [n, 24]."""
    return CHRONOTYPES[people.chronotype[users]]


def device_probabilities(people: People, users: Ints, hours: Ints) -> Floats:
    """Returns P(device | user, hour of day), float64 [n, 3]."""
    favorite = FAVORITE_DEVICE * (people.device[users][:, None] == np.arange(3))
    return _softmax(favorite + DEVICE_BY_HOUR[hours])


def _normalized(weights: Floats) -> Floats:
    return weights / weights.sum(axis=-1, keepdims=True)


def _softmax(logits: Floats) -> Floats:
    return _normalized(np.exp(logits - logits.max(axis=-1, keepdims=True)))
