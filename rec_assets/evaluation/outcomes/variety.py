"""Variety of shown lists: coverage of the catalog, novelty, and the share of new items."""

from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Variety:
    """Figures of all lists of a day; None without lists.

    Attributes:
        coverage: share of the catalog that at least one list has.
        novelty: mean self-information of the shown items in bits, -log2 of an item's share of the training rows.
        new_items: share of the shown items without a training row.
    """

    coverage: float | None
    novelty: float | None
    new_items: float | None


def variety_of(shown: pl.Series, catalog: pl.Series, trained: pl.Series) -> Variety:
    """Computes the variety of the shown items.

    Every item counts one row more than it has, so an item without rows has a finite self-information.

    Args:
        shown: raw item id of each shown position.
        catalog: raw ids of the items that could be shown, without duplicates.
        trained: raw item id of each training row.
    """
    if shown.is_empty():
        return Variety(None, None, None)
    counts = trained.alias("item_id").value_counts(name="rows")
    items = pl.concat([catalog.alias("item_id"), shown.alias("item_id"), counts["item_id"]]).n_unique()
    rows = pl.DataFrame({"item_id": shown}).join(counts, on="item_id", how="left")["rows"].fill_null(0).to_numpy()
    return Variety(
        coverage=shown.filter(shown.is_in(catalog.implode())).n_unique() / max(catalog.len(), 1),
        novelty=float(-np.log2((rows + 1) / (trained.len() + items)).mean()),
        new_items=float((rows == 0).mean()),
    )
