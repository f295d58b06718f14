"""The generated people: personas, tastes, habits. Each attribute has its own stream, so more days only add people."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.sources.retail.arrivals import arrival_days, dates
from rec_assets.sources.retail.catalog import TASTE_DIM, Catalog, Floats, Ints
from rec_assets.sources.retail.parameters import RetailParameters, stream
from rec_assets.sources.retail.vocabulary import MEN, WOMEN
from rec_assets.sources.retail.words import CATEGORIES

# Three ordered categories with these weights, as in the personas of the AWS Retail Demo Store.
PERSONA_WEIGHTS = np.array([0.6, 0.25, 0.15])
PERSONAS = 60
UNKNOWN = -1
UNKNOWN_SHARE = 0.05

# Sessions by hour of day (UTC) for early, daytime and late shoppers; each row sums to 1.
_HOURS = np.arange(24)
CHRONOTYPES: Floats = np.stack([np.exp(1.6 * np.cos(2 * np.pi * (_HOURS - peak) / 24)) for peak in (9, 14, 20)])
CHRONOTYPES /= CHRONOTYPES.sum(axis=1, keepdims=True)

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True)
class People:
    """All users of all days as arrays; row index is user_id - 1. n users, K latent dimensions of taste.

    Attributes:
        gender: -1 unknown, 0, 1, 2 [n].
        age: years, -1 unknown [n].
        persona: three level-1 categories, the favorite first [n, 3].
        mood_phase: phase of the interest cycle of each persona category on the first day, radians [n, 3].
        taste, later_taste: latent taste on the first day and a quarter of a drift cycle later [n, K].
        price_level: preferred z-score of log price [n].
        activity: relative number of sessions, heavy-tailed [n].
        chronotype: row of CHRONOTYPES [n].
        device: favorite device [n].
        arrival: day index of the first day, 0 for users from the start [n].
    """

    gender: Ints
    age: Ints
    persona: Ints
    mood_phase: Float32s
    taste: Float32s
    later_taste: Float32s
    price_level: Float32s
    activity: Floats
    chronotype: Ints
    device: Ints
    arrival: Ints

    @property
    def user_ids(self) -> npt.NDArray[np.int32]:
        """User ids 1 … n."""
        return np.arange(1, len(self.gender) + 1, dtype=np.int32)


def make_people(parameters: RetailParameters, catalog: Catalog) -> People:
    """Draws all users who arrive in `parameters.days` days."""
    seed, per_day = parameters.seed, max(1, parameters.users // 100)
    n = parameters.users + per_day * (parameters.days - 1)

    def draw(name: str) -> np.random.Generator:
        return stream(seed, f"user {name}")

    gender = pick(np.array([UNKNOWN_SHARE, 0.48, 0.44]).cumsum(), draw("gender").random(n)) - 1
    age = np.clip(16 + 62 * draw("age").beta(1.6, 2.4, n), 16, 78).astype(np.int64)
    # Both ends of the drift in one row, so that more users do not change the draws of earlier users.
    tastes = draw("taste").standard_normal((n, 2, TASTE_DIM), np.float32)
    return People(
        gender=gender,
        age=np.where(draw("age unknown").random(n) < UNKNOWN_SHARE, UNKNOWN, age),
        persona=_personas(seed, catalog.category_share, gender, age, draw("persona").random(n)),
        mood_phase=(2 * np.pi * draw("mood").random((n, 3))).astype(np.float32),
        taste=tastes[:, 0],
        later_taste=tastes[:, 1],
        price_level=draw("price level").standard_normal(n, np.float32),
        activity=np.exp(draw("activity").standard_normal(n)),
        chronotype=pick(np.array([0.25, 0.35]).cumsum(), draw("chronotype").random(n)),
        device=pick(np.array([0.5, 0.35]).cumsum(), draw("device").random(n)),
        arrival=arrival_days(parameters.users, n, per_day),
    )


def pick(inner_bounds: Floats, uniform: Floats) -> Ints:
    """Returns the class of each uniform number in [0, 1), given the bounds between the classes."""
    return np.searchsorted(inner_bounds, uniform, side="right")


def _personas(seed: int, share: Floats, gender: Ints, age: Ints, uniform: Floats) -> Ints:
    """Draws `PERSONAS` personas and one persona per user, with probabilities that depend on gender and age."""
    noise = stream(seed, "personas").gumbel(size=(PERSONAS, len(CATEGORIES)))
    personas = np.argsort(-(np.log(share) + noise), axis=1)[:, :3]
    lean = np.array([c.gender_lean for c in CATEGORIES])[personas] @ PERSONA_WEIGHTS
    age_lean = np.array([c.age_lean for c in CATEGORIES])[personas] @ PERSONA_WEIGHTS
    gender_sign = np.select([gender == WOMEN, gender == MEN], [1.0, -1.0], 0.0)
    assigned = np.empty(len(gender), np.int64)
    # One distribution per (gender, decade) group; there are few groups.
    decade = age // 10
    for sign in np.unique(gender_sign):
        for years in np.unique(decade):
            group = (gender_sign == sign) & (decade == years)
            weights = np.exp(1.2 * sign * lean + 1.2 * (years - 4) / 2 * age_lean)
            assigned[group] = pick((weights.cumsum() / weights.sum())[:-1], uniform[group])
    return personas[assigned]


def users_frame(people: People, parameters: RetailParameters) -> pl.DataFrame:
    """Returns the people as the contract's users table."""
    age = pl.Series("age", people.age.astype(np.int32))
    return pl.DataFrame(
        {
            "user_id": people.user_ids,
            "age": age.set(age == UNKNOWN, None),
            "gender": people.gender.astype(np.int32),
            "first_day": dates(people.arrival, parameters.start_date),
        }
    )
