"""The items that the current rules block, for processes without a bundle: from the catalog in Valkey."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from rec_assets.features.store.item_attributes import NO_ATTRIBUTES, ItemAttributes, StoredItemAttributes
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import ITEM_VIEW
from rec_assets.serving.rules.active import ItemGroups
from rec_assets.serving.rules.store import CurrentRules
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect

Ids = npt.NDArray[np.int32]


class BlockedItems:
    """Reads the rules at each call; reads the categories of items only if a rule blocks some."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Stores the address of Valkey; `now` returns the current time with a zone."""
        client = connect(settings)
        self._rules, self._attributes = CurrentRules(client), StoredItemAttributes(client)
        self._read_items = OnlineReader(settings, ITEM_VIEW, client)
        self._now = now
        self._copy: tuple[bytes | None, ItemAttributes] = None, NO_ATTRIBUTES

    def __call__(self, items: Ids) -> npt.NDArray[np.bool_]:
        """Returns True for the blocked ones of raw ids [n]; raises RedisError."""
        rules, blocked = self._rules.rules().at(self._now()), np.zeros(len(items), np.bool_)
        if not rules.block or not len(items):
            return blocked
        stored = self._read_items(items).columns
        categories = {level: stored[level] for level in ("category_l1", "category_l2")}
        groups = ItemGroups(items, items, categories, 0)
        if any(rule.brand for rule in rules.block):
            groups = groups.with_attributes(self._current_attributes())
        for rule in rules.block:
            blocked |= groups.selected(rule)
        return blocked

    def _current_attributes(self) -> ItemAttributes:
        """Returns the attributes of the store, which are read again after a change."""
        version = self._attributes.version()
        if version != self._copy[0]:
            self._copy = version, self._attributes.attributes()
        return self._copy[1]
