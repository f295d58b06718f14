"""Random seeds derived from asset and partition, so that a rerun of a day draws the same numbers."""

import hashlib


def seed_for(base: int, *parts: str) -> int:
    """Returns a seed below 2**31 from the project's seed and `parts`, such as asset name and partition key."""
    text = "/".join((str(base), *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") >> 1


def holdout_seed(base: int, day: str) -> int:
    """Returns the seed that draws a day's holdout users, the same for full trainings and fine-tunes."""
    return seed_for(base, "judges", day)  # the word of release 0.1: another word would draw other users
