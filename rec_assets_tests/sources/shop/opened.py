"""Opens the source of a mapping, as the asset of raw days does."""

from pathlib import Path

from rec_assets.sources.shop.codes import Codes
from rec_assets.sources.shop.mapping import Shop
from rec_assets.sources.shop.source import ShopSource


def opened(shop: Shop, folder: Path) -> ShopSource:
    source = ShopSource(shop, folder, folder / "cache")
    source.codes = Codes.empty().extended(source.identifiers())
    return source
