"""Fetches frames from a source and checks them against the contract, for the raw assets."""

from datetime import date

import polars as pl

from rec_assets.sources.base import Source
from rec_assets.sources.contract import Checked, check_interactions, check_items, check_users


def read_items(source: Source) -> Checked:
    """Fetches and checks the catalog; see `check_items`."""
    return check_items(source.items(), source.location("items"))


def read_users(source: Source) -> Checked:
    """Fetches and checks the users; see `check_users`."""
    return check_users(source.users(), source.location("users"))


def read_day(source: Source, day: date, known_items: pl.Series, known_users: pl.Series) -> Checked:
    """Fetches and checks one UTC day of interactions; see `check_interactions`."""
    return check_interactions(source.interactions(day), day, source.location(day.isoformat()), known_items, known_users)
