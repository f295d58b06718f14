"""Guesses a mapping from the names and values of columns: a first draft that its owner reads and corrects."""

from rec_assets.sources.shop.guess.draft import Draft, days_of, guess_shop

__all__ = ["Draft", "days_of", "guess_shop"]
