"""Feast definitions: entities, feature views, and the names and types of features."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rec_assets.features.store.offline import batch_source
from rec_assets.settings import Settings

if TYPE_CHECKING:
    from feast import Entity, FeatureView
    from feast.data_source import DataSource

USER_VIEW = "user_features"
ITEM_VIEW = "item_features"
USER_KEY = "user_id"
ITEM_KEY = "item_id"
TIMESTAMP = "event_timestamp"
# Ages are floats because unknown ages are null, and Feast's integers cannot be null.
USER_FEATURES: dict[str, type[np.generic]] = {"age": np.float32, "gender": np.int32, "top_category": np.int32}
ITEM_FEATURES: dict[str, type[np.generic]] = {
    "price": np.float32,
    "category_l1": np.int32,
    "category_l2": np.int32,
    "item_gender": np.int32,
}
FEATURES_OF = {USER_VIEW: USER_FEATURES, ITEM_VIEW: ITEM_FEATURES}
KEY_OF = {USER_VIEW: USER_KEY, ITEM_VIEW: ITEM_KEY}


def feast_objects(settings: Settings, users: Path, items: Path) -> "list[Entity | FeatureView]":
    """Returns entities and views over two parquet files (or folders of parquet files), or over the Athena tables.

    Args:
        settings: `feast_offline` selects files or tables.
        users: path with user_id, `USER_FEATURES` and event_timestamp (UTC).
        items: path with item_id, `ITEM_FEATURES` and event_timestamp (UTC).
    """
    return [
        *_view(USER_VIEW, USER_KEY, USER_FEATURES, batch_source(settings, USER_VIEW, users, TIMESTAMP)),
        *_view(ITEM_VIEW, ITEM_KEY, ITEM_FEATURES, batch_source(settings, ITEM_VIEW, items, TIMESTAMP)),
    ]


def _view(
    name: str, key: str, features: dict[str, type[np.generic]], source: "DataSource"
) -> "list[Entity | FeatureView]":
    from feast import Entity, FeatureView, Field, ValueType
    from feast.types import Float32, Int32, Int64, PrimitiveFeastType

    dtypes: dict[type[np.generic], PrimitiveFeastType] = {np.float32: Float32, np.int32: Int32}
    entity = Entity(name=key.removesuffix("_id"), join_keys=[key], value_type=ValueType.INT64)
    view = FeatureView(
        name=name,
        entities=[entity],
        schema=[Field(name=key, dtype=Int64), *(Field(name=n, dtype=dtypes[d]) for n, d in features.items())],
        source=source,
        online=True,
    )
    return [entity, view]
