"""Feast entities and views of `rec_assets.features.store.views`, based on the newest feature files."""

from pathlib import Path

from rec_assets.common.errors import ActionableError
from rec_assets.features.store.views import feast_objects
from rec_assets.settings import get_settings
from rec_assets.storage.artifacts.stores import open_store


def _newest(asset: str) -> Path:
    store = open_store(get_settings())
    partitions = store.partitions(asset)
    if not partitions:
        raise ActionableError(f"{asset} has not been materialized.", f"Materialize {asset}, or run `make demo`.")
    return store.get(asset, partitions[-1]).path


user, user_features, item, item_features = feast_objects(
    get_settings(), _newest("user_features"), _newest("item_features")
)
