"""Signals of the ranker: from the user's history, and of items as of a day. Training and serving share them."""
