"""Defaults of settings in a mapping file of a shop. Does not check the file (`rec_assets.sources.shop.mapping`)."""

import re
import tomllib
from pathlib import Path
from typing import Any

SHOP_NAME = r"[a-z0-9][a-z0-9_-]*"  # the name becomes a folder


def defaults_of(file: Path) -> dict[str, Any]:
    """Returns the defaults that a mapping file sets, and its name; nothing for a missing or an invalid file.

    `rec_assets.sources.shop.mapping` checks the file when data are read.
    """
    try:
        shop = tomllib.loads(file.read_text())
        if not re.fullmatch(SHOP_NAME, shop["name"]):
            return {}
        days = shop["days"]
        found = {"start_date": days["first"], "days": days.get("count", 0)}
        found |= {"train_days": days["train"], "valid_days": days["valid"], "name": str(shop["name"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found | {name: shop[name] for name in ("seen_filter", "clicks_teach") if name in shop}
