"""Random seeds as a function of what is computed, so that a rerun of a day draws what it drew before."""

import hashlib


def seed_for(base: int, *parts: str) -> int:
    """Returns a seed below 2**31 from the project's seed and, say, an asset's name and partition key."""
    text = "/".join((str(base), *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") >> 1


def holdout_seed(base: int, day: str) -> int:
    """Returns the seed of the draw of users who judge all models of a day, full trainings and fine-tunes alike."""
    return seed_for(base, "judges", day)
