"""The item table: features, signals and training counts of every item by its encoded id."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.rows import Arrays, take
from rec_assets.features.columns import ITEM_FEATURES
from rec_assets.features.history import InteractionLog
from rec_assets.features.signals.item_groups import item_groups
from rec_assets.features.signals.item_signals import ItemCategories, ItemFacts, ItemSignals, item_signals
from rec_assets.inference.lookups import FIRST_KNOWN, OUT_OF_VOCABULARY


@dataclass(frozen=True)
class ItemTable:
    """Every item of the vocabulary; row i is encoded id i (0 padding, 1 null, 2 unknown, then the catalog).

    Attributes:
        raw_ids: int32 [v], -1 in the first three rows.
        features: encoded item features [v] and content vectors [v, d].
        counts: training interactions of each item, int64 [v].
        facts: groups of the items, their shares and the price, for signals and candidate sources.
        signals: item signals at the start of some days and after the last day.
        first_days: first unix day of each item on sale, 0 for items on sale from the start, int64 [v].
    """

    raw_ids: npt.NDArray[np.int32]
    features: Arrays
    counts: npt.NDArray[np.int64]
    facts: ItemFacts
    signals: ItemSignals
    first_days: npt.NDArray[np.int64]

    FIRST = FIRST_KNOWN

    def with_rows(self, item_ids: npt.NDArray[np.int32]) -> "ItemTable":
        """Returns a copy that also counts the items of these training rows [n]."""
        return replace(self, counts=self.counts + np.bincount(item_ids, minlength=len(self.counts)))

    def without_rows(self, item_ids: npt.NDArray[np.int64]) -> "ItemTable":
        """Returns a copy in which these items [n] have no training rows."""
        counts = self.counts.copy()
        counts[item_ids] = 0
        return replace(self, counts=counts)

    def trained_ids(self, item_ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int32]:
        """Replaces encoded ids of items without training rows by the unknown id; padding stays."""
        rare = (self.counts[item_ids] == 0) & (item_ids >= self.FIRST)
        return np.where(rare, OUT_OF_VOCABULARY, item_ids).astype(np.int32)

    def on_sale(
        self, item_ids: npt.NDArray[np.integer[Any]], timestamps: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Returns True for encoded items [n, k] that are on sale at some times, unix seconds [n]."""
        return self.first_days[item_ids] <= (timestamps // DAY_SECONDS)[:, None]

    def on_first_day(
        self, item_ids: npt.NDArray[np.integer[Any]], timestamps: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Returns True for encoded items [n, k] that are on sale from the day of some times on, unix seconds [n]."""
        return self.first_days[item_ids] == (timestamps // DAY_SECONDS)[:, None]

    @property
    def categories(self) -> ItemCategories:
        """Returns the shop's own categories by encoded id."""
        return ItemCategories(self.features["category_l1"], self.features["category_l2"])

    def at(self, item_ids: npt.NDArray[np.integer[Any]]) -> Arrays:
        """Returns the features of encoded ids, each [n] or [n, d]."""
        return take(self.features, np.asarray(item_ids, np.int64))

    def encode(self, raw_ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int32]:
        """Returns the encoded ids of catalog items, 0 (padding) for other ids; the shape stays."""
        catalog = self.catalog
        order = np.argsort(self.raw_ids[catalog])
        positions = np.searchsorted(self.raw_ids[catalog], raw_ids, sorter=order)
        encoded = catalog[order[np.minimum(positions, len(catalog) - 1)]]
        # FAISS fills a list with -1 if its inverted file probed too few items.
        return np.where(self.raw_ids[encoded] == raw_ids, encoded, 0).astype(np.int32)

    def save(self, file: Path) -> None:
        """Writes the table to one npz file."""
        facts = {
            "group_l1": self.facts.categories.l1,
            "group_l2": self.facts.categories.l2,
            "share_l1": self.facts.share_l1,
            "share_l2": self.facts.share_l2,
        }
        tables = {f"features/{name}": array for name, array in self.features.items()}
        tables |= {f"facts/{name}": array for name, array in facts.items()}
        tables |= {f"signals/{name}": array for name, array in self.signals.values.items()}
        np.savez(
            file,
            raw_ids=self.raw_ids,
            counts=self.counts,
            days=self.signals.days,
            first_days=self.first_days,
            **tables,
        )

    @classmethod
    def load(cls, file: Path) -> "ItemTable":
        """Reads a file written by `save`."""
        with np.load(file) as arrays:
            features, facts, signals = (
                {name.removeprefix(kind): arrays[name] for name in arrays.files if name.startswith(kind)}
                for kind in ("features/", "facts/", "signals/")
            )
            categories = ItemCategories(facts["group_l1"], facts["group_l2"])
            known = ItemFacts(categories, facts["share_l1"], facts["share_l2"], features["price_log_norm"])
            raw_ids, of_days = arrays["raw_ids"], ItemSignals(arrays["days"], signals)
            # Tables that older code wrote do not have the first days.
            first_days = arrays.get("first_days", np.zeros(len(raw_ids), np.int64))
            return cls(raw_ids, features, arrays["counts"], known, of_days, first_days)

    @property
    def catalog(self) -> npt.NDArray[np.int64]:
        """Returns the encoded ids of real items."""
        return np.arange(self.FIRST, len(self.raw_ids))


def build_item_table(
    encoded_items: pl.DataFrame,
    raw_ids: Sequence[int],
    first_days: pl.Series,
    content: Arrays,
    train_item_ids: npt.NDArray[np.int32],
    log: InteractionLog,
) -> ItemTable:
    """Joins the transformed catalog, content vectors and training counts into one table by encoded id.

    Args:
        encoded_items: `ITEM_FEATURES`, one row per catalog item.
        raw_ids: raw ids of the items, in the same order.
        first_days: first date of each item, null if the item always existed, in the same order.
        content: `CONTENT_FEATURES`, float32 [items, d], in the same order.
        train_item_ids: encoded ids of all training rows.
        log: all interactions up to the as-of day; the table counts those that teach.
    """
    log = log.targets
    ids = encoded_items["item_id"].to_numpy().astype(np.int64)
    size = ItemTable.FIRST + len(ids)

    def placed(values: npt.NDArray[np.generic], empty: int) -> npt.NDArray[np.generic]:
        table = np.full((size, *values.shape[1:]), empty, values.dtype)
        table[ids] = values
        return table

    # The three reserved rows have the unknown index (2) of every category.
    features: Arrays = {
        name: placed(encoded_items[name].to_numpy(), 2 if encoded_items[name].dtype.is_integer() else 0)
        for name in ITEM_FEATURES
    }
    features |= {name: placed(vectors, 0) for name, vectors in content.items()}
    counts = np.bincount(train_item_ids, minlength=size)[:size]
    groups = item_groups(features["category_l1"], features["category_l2"], features["text_embedding"], ItemTable.FIRST)
    facts = ItemFacts.of(groups, np.bincount(log.item_ids, minlength=size), features["price_log_norm"])
    days = placed(first_days.cast(pl.Int32).fill_null(0).to_numpy(), 0).astype(np.int64)  # since 1970
    raw = placed(np.asarray(raw_ids, np.int32), -1).astype(np.int32)
    return ItemTable(raw, features, counts, facts, item_signals(log, groups, days), days)
