"""Draws the interactions of one day: the users, hours, devices, styles and items of all sessions.

A session has one device, one category, and one or two styles. A day is drawn independently of the days before it.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.sources.retail.catalog import Floats, Ints
from rec_assets.sources.retail.parameters import RetailParameters, stream
from rec_assets.sources.retail.taste import Taste, device_probabilities, hour_probabilities

# P(1 … 6 events per session).
LENGTHS = np.array([0.30, 0.25, 0.18, 0.12, 0.09, 0.06])
MEAN_LENGTH = float(LENGTHS @ np.arange(1, 7))
SECOND_STYLE = 0.25
# An item appears once per session: a repeated item is redrawn this many times and then dropped.
REDRAWS = 3
# Seconds between two events. A session of six events ends within the hour in which it starts.
SHORTEST_PAUSE, LONGEST_PAUSE = 20, 400
LATEST_START = 3_600 - 5 * LONGEST_PAUSE
# Users per batch, which limits the working memory to about 100 MB.
CHUNK = 100_000


def draw_day(parameters: RetailParameters, taste: Taste, midnight: int) -> pl.DataFrame:
    """Returns a day's interactions: user_id, item_id, device_type int32 and timestamp int64, sorted by time.

    Args:
        parameters: sizes and seed.
        taste: true preferences on the day.
        midnight: unix second at which the day starts.
    """
    random = stream(parameters.seed, "sessions", taste.day_index)
    users = _draw_users(parameters, taste, random)
    hours = draw(hour_probabilities(taste.people, users), random)
    devices = draw(device_probabilities(taste.people, users, hours), random)
    starts = midnight + 3_600 * hours + random.integers(0, LATEST_START, len(users))
    lengths = random.choice(len(LENGTHS), len(users), p=LENGTHS) + 1

    styles = draw_styles(taste, users, hours, devices, random)
    session = np.repeat(np.arange(len(users)), lengths)
    begins = np.cumsum(lengths) - lengths
    turn = np.arange(len(session)) - begins[session]
    elapsed = np.cumsum(random.integers(SHORTEST_PAUSE, LONGEST_PAUSE, len(session)))
    elapsed -= elapsed[begins][session]
    second = (turn > 0) & (random.random(len(session)) < SECOND_STYLE)
    event_styles = styles[session, second.astype(np.int64)]
    items = draw_items(taste, event_styles, users[session], random)
    for _ in range(REDRAWS):
        again = np.flatnonzero(repeated(session, items))
        items[again] = draw_items(taste, event_styles[again], users[session[again]], random)
    rows = pl.DataFrame(
        {
            "session": session,
            "user_id": taste.people.user_ids[users][session],
            "item_id": taste.catalog.item_ids[items],
            "device_type": devices[session].astype(np.int32),
            "timestamp": starts[session] + elapsed,
        }
    )
    once = rows.filter(~repeated(session, items)).drop("session")
    return once.unique().sort("timestamp", "user_id", "item_id", "device_type")


def draw_styles(taste: Taste, users: Ints, hours: Ints, devices: Ints, random: np.random.Generator) -> Ints:
    """Draws the first and second style of each session, both of one category, int64 [n, 2]."""
    categories = np.concatenate(
        [
            draw(taste.category(users[part], hours[part], devices[part]), random)
            for part in _chunks(np.arange(len(users)))
        ]
    )
    styles = np.empty((len(users), 2), np.int64)
    for category, on_sale in enumerate(taste.styles):
        for part in _chunks(np.flatnonzero(categories == category)):
            probabilities = taste.style(category, users[part])
            styles[part] = on_sale[np.stack([draw(probabilities, random), draw(probabilities, random)], axis=1)]
    return styles


def draw_items(taste: Taste, styles: Ints, users: Ints, random: np.random.Generator) -> Ints:
    """Draws one item of the given style for each row; returns row indices of the catalog, int64 [n]."""
    items = np.empty(len(users), np.int64)
    for style, on_sale in enumerate(taste.items):
        for part in _chunks(np.flatnonzero(styles == style)):
            items[part] = on_sale[draw(taste.item(style, users[part]), random)]
    return items


def draw(probabilities: Floats, random: np.random.Generator) -> Ints:
    """Draws one column index for each row of probabilities, int64 [n]; rows sum to 1."""
    bounds = np.cumsum(probabilities, axis=1)[:, :-1]
    return (random.random((len(probabilities), 1)) >= bounds).sum(axis=1)


def repeated(session: Ints, items: Ints) -> npt.NDArray[np.bool_]:
    """Returns a mask of the rows whose item occurs earlier in the same session, bool [n]."""
    return (
        ~pl.DataFrame({"session": session, "item": items})
        .select(first=pl.struct(pl.all()).is_first_distinct())["first"]
        .to_numpy()
    )


def _draw_users(parameters: RetailParameters, taste: Taste, random: np.random.Generator) -> Ints:
    """Draws the user of each session from the users who have arrived; returns row indices, int64 [sessions]."""
    activity = np.where(taste.people.arrival <= taste.day_index, taste.people.activity, 0.0)
    cumulative = np.cumsum(activity)
    sessions = max(1, round(parameters.interactions_per_day / MEAN_LENGTH))
    return np.searchsorted(cumulative, cumulative[-1] * random.random(sessions), side="right")


def _chunks(rows: Ints) -> list[Ints]:
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
