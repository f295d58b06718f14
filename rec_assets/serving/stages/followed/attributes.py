"""The attributes of items (brand, margin, stock), kept in memory beside the stages and refreshed within a second."""

from collections.abc import Callable

from rec_assets.features.store.item_attributes import (
    NO_ATTRIBUTES,
    ItemAttributes,
    StoredItemAttributes,
)
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.circuit_breaker import valkey_breaker
from rec_assets.serving.stages.followed.follow import FollowedCopy, follow
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect_for_requests

GetAttributes = Callable[[], ItemAttributes]


def no_attributes() -> ItemAttributes:
    """Returns no attributes, for stages without a shop."""
    return NO_ATTRIBUTES


class FollowedAttributes(FollowedCopy[ItemAttributes]):
    """Returns the attributes of the store; none until a catalog update was written."""

    @classmethod
    def load(cls, settings: Settings) -> "FollowedAttributes":
        """Reads the attributes and follows later ones; Valkey may be unavailable."""
        store = StoredItemAttributes(connect_for_requests(settings))
        consequence = "The attributes of items are unavailable, so filters and rules read those of the last read"
        guard = StoreGuard("item_attributes", consequence, valkey_breaker(settings))
        copy = cls(NO_ATTRIBUTES, store.version, store.attributes, guard)
        copy.refresh()
        follow(copy, "item_attributes")
        return copy

    def __call__(self) -> ItemAttributes:
        """Returns the current attributes; a new object after each change."""
        return self.value
