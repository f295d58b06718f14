"""The rules of the shop, kept in memory beside the stages and refreshed within a second."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store.item_attributes import NO_ATTRIBUTES, ItemAttributes
from rec_assets.serving.rules.active import ActiveRules, ItemGroups
from rec_assets.serving.rules.rules import Rules
from rec_assets.serving.rules.store import CurrentRules
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.circuit_breaker import valkey_breaker
from rec_assets.serving.stages.followed.attributes import FollowedAttributes, GetAttributes, no_attributes
from rec_assets.serving.stages.followed.follow import follow
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect_for_requests

GetRules = Callable[[], ActiveRules | None]


def no_rules() -> None:
    """Returns no rules, for stages without a shop."""


class FollowedRules:
    """Returns the active rules: a copy of those in the store, made again when they change or a period begins or ends.

    Without rules, the catalog of the bundle is not read.
    """

    def __init__(
        self,
        items: Callable[[ItemAttributes], ItemGroups],
        read_version: Callable[[], bytes | None],
        read_rules: Callable[[], Rules[int]],
        guard: StoreGuard,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        attributes: GetAttributes = no_attributes,
    ) -> None:
        """Creates a copy without rules.

        Args:
            items: returns the items of the bundle with their attributes.
            read_version: returns the version of the store's rules, None without one.
            read_rules: returns the store's rules.
            guard: guard of both reads.
            now: returns the current time with a zone.
            attributes: returns the current attributes of items.
        """
        self._items = items
        self._read_version = read_version
        self._read_rules = read_rules
        self._now = now
        self._version: bytes | None = None
        self._rules: Rules[int] = Rules()
        self._names: set[str] = set()
        self._attributes = attributes
        self._made_with = NO_ATTRIBUTES
        self._active: ActiveRules | None = None
        self.guard = guard

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings, attributes: GetAttributes | None = None) -> "FollowedRules":
        """Reads the rules of the store and follows later ones; Valkey may be unavailable.

        Args:
            bundle: the bundle.
            settings: address of Valkey.
            attributes: returns the current attributes of items; by default they are read and followed.
        """
        store = CurrentRules(connect_for_requests(settings))
        consequence = "The rules of the shop are unavailable, so lists follow those of the last read"
        guard = StoreGuard("shop_rules", consequence, valkey_breaker(settings))
        attributes = attributes or FollowedAttributes.load(settings)
        copy = cls(partial(item_groups, bundle), store.version, store.rules, guard, attributes=attributes)
        copy.refresh()
        follow(copy, "shop_rules")
        return copy

    def refresh(self) -> bool:
        """Reads the rules if they changed, and applies periods and attributes; returns True if it replaced the copy.

        A store that lost its data changes nothing.
        """
        version, rules = self.guard.call(self._read_version), None
        if version not in (None, self._version):
            rules = self.guard.call(self._read_rules)
        now = self._now()
        current = self._rules if rules is None else rules
        names, attributes = {rule.name for _, rule in current.at(now).all()}, self._attributes()
        is_current = attributes is self._made_with or not current.read_attributes
        if rules is None and names == self._names and is_current:
            return False
        version = self._version if rules is None else version
        self._active = ActiveRules.of(current, self._items(attributes), now, version or b"") if names else None
        self._rules, self._names, self._version, self._made_with = current, names, version, attributes
        return True

    def __call__(self) -> ActiveRules | None:
        """Returns the active rules, None without any."""
        return self._active


def item_groups(bundle: Bundle, attributes: ItemAttributes = NO_ATTRIBUTES) -> ItemGroups:
    """Reads the items of a bundle that rules select from, and adds their attributes."""
    import polars as pl

    levels = ["category_l1", "category_l2"]
    catalog = pl.read_parquet(bundle.file("catalogue"), columns=["item_id", *levels]).sort("item_id").cast(pl.Int32)
    categories = {level: catalog[level].fill_null(-1).to_numpy() for level in levels}
    return ItemGroups.of(catalog["item_id"].to_numpy(), categories, bundle.lookups, attributes)
