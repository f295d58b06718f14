"""The rules that are active at one moment, as arrays over the items of one bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.id_set import IdSet
from rec_assets.features.store.item_attributes import NO_ATTRIBUTES, UNKNOWN_BRAND, ItemAttributes
from rec_assets.inference.lookups import FIRST_KNOWN, Lookups
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.rules.order import NO_GROUP, CandidateCap, Keys, Positions, list_order
from rec_assets.serving.rules.rules import Attribute, Boost, Bury, Rules, Selection, Weigh

Ids = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class ItemGroups:
    """The items of a bundle's catalog that rules select from.

    Attributes:
        item_ids: raw, ascending, int32 [c].
        codes: encoded ids, int32 [c].
        categories: raw `category_l1` and `category_l2`, and `brand` where it is known, int32 [c] each.
        size: number of encoded ids.
        numbers: `margin` and `stock` where they are known, NaN for items without, float32 [c] each.
    """

    item_ids: Ids
    codes: Ids
    categories: Mapping[str, Ids]
    size: int
    numbers: Mapping[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        item_ids: Ids,
        categories: Mapping[str, Ids],
        lookups: Lookups,
        attributes: ItemAttributes = NO_ATTRIBUTES,
    ) -> "ItemGroups":
        """Returns the items of a catalog, raw ids ascending [n], that have an encoded id."""
        codes = lookups.encode("item_id", item_ids)
        known = codes >= FIRST_KNOWN
        kept = {level: values[known] for level, values in categories.items()}
        return cls(item_ids[known], codes[known], kept, lookups.size("item_id")).with_attributes(attributes)

    def with_attributes(self, attributes: ItemAttributes) -> "ItemGroups":
        """Returns the same items with brands, margins and stocks."""
        found = attributes.at(self.item_ids)
        numbers = {"margin": found.margin, "stock": found.stock}
        return replace(self, categories={**self.categories, "brand": found.brand}, numbers=numbers)

    def attribute(self, name: Attribute) -> npt.NDArray[Any]:
        """Returns brand int32, or margin or stock float32, by encoded id [v]; -1 or NaN outside the catalog."""
        unknown, values = (UNKNOWN_BRAND, self.categories[name]) if name == "brand" else (np.nan, self.numbers[name])
        by_code = np.full(self.size, unknown, values.dtype)
        by_code[self.codes] = values
        return by_code

    def selected(self, rule: Selection[int]) -> npt.NDArray[np.bool_]:
        """Returns True for the items [c] that a rule selects."""
        mask = np.isin(self.item_ids, rule.items)
        for level, values in self.categories.items():
            if wanted := getattr(rule, level):
                mask |= np.isin(values, wanted)
        return mask


def factors_of(rule: Weigh, values: Floats) -> Floats:
    """Returns the factors of values [n] by a rule, 1 for NaN."""
    factors = np.interp(values, rule.values, rule.factors)
    return np.where(np.isnan(values), 1, factors).astype(np.float32)


@dataclass(frozen=True)
class ActivePin:
    """A pinned item, raw and encoded, its position from 0, and the categories and brands that a list stays within."""

    item_id: int
    code: int
    position: int
    within: Mapping[str, frozenset[int]]

    def is_for(self, filters: Filters[int] | None) -> bool:
        """Returns True if the pin acts in the list of a request with this filter, None without one."""
        wanted = {level: getattr(filters, level, None) or () for level in self.within}
        return all(wanted[level] and categories.issuperset(wanted[level]) for level, categories in self.within.items())


@dataclass(frozen=True)
class ActiveRules:
    """Rules as arrays by encoded id [v].

    Attributes:
        blocked: raw ids of items that no list may have.
        factors: factor of each item, float32 [v]; None if no item has one.
        caps: groups by encoded id [v], and their limits.
        attributes: those that a rule reads, of brand int32, margin and stock float32, by encoded id [v].
        pins: in the order of the file; the first pin of an item or of a position counts.
        version: digest of the rules that these are part of, as hexadecimal digits; empty if they have no version.
        at: the time at which they were active, in unix microseconds.
    """

    blocked: IdSet
    factors: Floats | None
    caps: tuple[CandidateCap, ...]
    pins: tuple[ActivePin, ...]
    attributes: Mapping[Attribute, npt.NDArray[Any]] = field(default_factory=dict)
    version: str = ""
    at: int = 0

    @classmethod
    def of(cls, rules: Rules[int], items: ItemGroups, at: datetime, version: bytes = b"") -> "ActiveRules | None":
        """Returns the rules that are active at a time, or None if none is."""
        rules = rules.at(at)
        if not any(rules.all()):
            return None
        named = [item for rule in rules.block for item in rule.items]  # also items outside the catalog
        masks = [items.item_ids[items.selected(rule)] for rule in rules.block]
        blocked = IdSet(np.concatenate([np.array(named, np.int32), *masks]))
        factors = np.ones(items.size, np.float32)
        weights: list[Boost[int] | Bury[int]] = [*rules.boost, *rules.bury]
        for weight in weights:
            factors[items.codes[items.selected(weight)]] *= np.float32(weight.factor)
        for weigh in rules.weigh:
            factors[items.codes] *= factors_of(weigh, items.numbers[weigh.by])
        codes = dict(zip(items.item_ids.tolist(), items.codes.tolist(), strict=True)) if rules.pin else {}
        pins = tuple(
            ActivePin(
                pin.item,
                codes[pin.item],
                pin.position - 1,
                {level: frozenset(getattr(pin, level)) for level in items.categories if getattr(pin, level)},
            )
            for pin in rules.pin
            if pin.item in codes
        )
        caps = []
        for cap in rules.cap:
            groups = np.full(items.size, NO_GROUP, np.int32)
            groups[items.codes] = items.categories[cap.each] if cap.each else items.selected(cap).astype(np.int32) - 1
            caps.append(CandidateCap(groups, cap.at_most))
        kept_factors = factors if (factors != 1).any() else None
        attributes = {name: items.attribute(name) for name in rules.read_attributes}
        microseconds = (at - EPOCH) // timedelta(microseconds=1)
        return cls(blocked, kept_factors, tuple(caps), pins, attributes, version.hex(), microseconds)

    def factored(self, scores: npt.NDArray[Any], codes: Ids) -> npt.NDArray[Any]:
        """Returns probabilities [n] times the factors of their items (encoded ids [n])."""
        return scores if self.factors is None else scores * self.factors[codes]

    @cached_property
    def open_pins(self) -> list[ActivePin]:
        """Returns the pins that act in the lists of requests without a filter."""
        return self.pins_for(None)

    def pins_for(self, filters: Filters[int] | None) -> list[ActivePin]:
        """Returns the pins that act in the list of a request with this filter, None without one."""
        found: list[ActivePin] = []
        for pin in self.pins:
            if pin.is_for(filters) and not any(pin.code == one.code or pin.position == one.position for one in found):
                found.append(pin)
        return found

    def order(self, codes: Ids, keys: Keys, length: int, pins: Sequence[ActivePin] = ()) -> Positions:
        """Returns the positions of a list's candidates in order, as `list_order`.

        Args:
            codes: encoded ids of the candidates [n].
            keys: sort keys [n], made of factored probabilities.
            length: maximum length of the list.
            pins: of `pins_for`; those of absent items and of positions beyond the list have no effect.
        """
        placed = [
            (int(found[0]), pin.position)
            for pin in pins
            if pin.position < length and len(found := np.flatnonzero(codes == pin.code))
        ]
        return list_order(keys, length, [CandidateCap(cap.groups[codes], cap.at_most) for cap in self.caps], placed)
