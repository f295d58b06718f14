"""Codes of a shop's ids in an artifact store, as the asset `id_codes` publishes them."""

from collections.abc import Mapping, Sequence

import polars as pl

from rec_assets.settings import Settings
from rec_assets.sources import Codes
from rec_assets.storage.artifacts.stores import open_store


def publish_codes(settings: Settings, texts: Mapping[str, Sequence[str]]) -> Codes:
    """Publishes codes of texts by kind; texts get 0, 1, … in their sorted order."""
    codes = Codes.empty().extended({kind: pl.Series(values, dtype=pl.String) for kind, values in texts.items()})
    with open_store(settings).publish("id_codes") as draft:
        codes.save(draft.path)
    return codes
