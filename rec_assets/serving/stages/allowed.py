"""The items that a filter allows, and what stages keep for each filter until the catalog changes."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from rec_assets.features.store.item_attributes import UNKNOWN_BRAND
from rec_assets.inference.candidate_sources import Flags, Ids
from rec_assets.inference.lookups import FIRST_KNOWN, Lookups
from rec_assets.serving.graph.filters import Filters, parse
from rec_assets.serving.tables.item_features import RawItemFeatures

MOST_FILTERS = 64
Part = TypeVar("Part")
GetCatalog = Callable[[], RawItemFeatures]


class KeptByFilter(Generic[Part]):
    """Makes a part of a stage for each filter, and keeps those of the latest filters.

    Parts of earlier features of the catalog are dropped.
    """

    def __init__(
        self,
        make: Callable[[Filters[int], Flags], Part],
        catalog: GetCatalog,
        lookups: Lookups,
        *,
        most: int = 0,
        size: Callable[[Part], int] = lambda _: 0,
    ) -> None:
        """Stores the functions.

        Args:
            make: returns the part of a filter and of its allowed items, True by encoded id [v].
            catalog: returns the current features of all items; a new object after each change.
            lookups: the fitted workflow.
            most: maximum sum of the sizes of kept parts.
            size: returns the size of a part.
        """
        self._make = make
        self._catalog = catalog
        self._lookups = lookups
        self._most = most
        self._size = size
        self._of: RawItemFeatures | None = None
        self._kept: OrderedDict[str, Part] = OrderedDict()

    def __call__(self, text: str) -> Part:
        """Returns the part for the text of a filter."""
        catalog = self._catalog()
        if catalog is not self._of:
            self._kept.clear()
            self._of = catalog
        if text not in self._kept:
            filters = parse(text)
            self._kept[text] = self._make(filters, allowed_codes(filters, catalog, self._lookups))
            while len(self._kept) > 1 and (
                len(self._kept) > MOST_FILTERS or sum(map(self._size, self._kept.values())) > self._most
            ):
                self._kept.popitem(last=False)
        self._kept.move_to_end(text)
        return self._kept[text]

    def __len__(self) -> int:
        """Returns the number of kept parts."""
        return len(self._kept)


def allowed_codes(filters: Filters[Any], catalog: RawItemFeatures, lookups: Lookups) -> Flags:
    """Returns True for the items that a filter allows, by encoded id [v]; False for ids outside the catalog."""
    codes = lookups.encode("item_id", catalog.item_ids[allowed_items(filters, catalog)])
    allowed = np.zeros(lookups.size("item_id"), np.bool_)
    allowed[codes[codes >= FIRST_KNOWN]] = True
    return allowed


def allowed_items(filters: Filters[Any], catalog: RawItemFeatures) -> Flags:
    """Returns True for the items of a catalog [c] that a filter allows. Does not read `new_to_user`.

    A catalog without the column `brand` has unknown brands.
    """
    unknown = np.full(len(catalog.item_ids), UNKNOWN_BRAND, np.int32)
    columns = {"brand": unknown} | {name: values[:-1] for name, values in catalog.columns.items()}
    columns["item"] = catalog.item_ids
    allowed: npt.NDArray[np.bool_] = np.ones(len(catalog.item_ids), np.bool_)
    for name, wanted, unwanted in (
        ("item", filters.items, filters.not_items),
        ("category_l1", filters.category_l1, filters.not_category_l1),
        ("category_l2", filters.category_l2, filters.not_category_l2),
        ("brand", filters.brand, filters.not_brand),
    ):
        if wanted is not None:
            allowed &= _is_among(columns[name], wanted)
        if unwanted:
            allowed &= ~_is_among(columns[name], unwanted)
    # In the type of the prices, so that an item of exactly this price is in the range.
    if filters.min_price is not None:
        allowed &= columns["price"] >= np.float32(filters.min_price)
    if filters.max_price is not None:
        allowed &= columns["price"] <= np.float32(filters.max_price)
    return allowed


def _is_among(values: Ids, wanted: list[int]) -> Flags:
    """Returns True for values [n] in a list. Other numbers than theirs would make NumPy sort all values."""
    numbers = np.array(wanted, np.int64)
    near = numbers[(numbers >= values.min(initial=0)) & (numbers <= values.max(initial=0))]
    return np.isin(values, near)
