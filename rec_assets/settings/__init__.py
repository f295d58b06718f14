"""All settings of the project, read once from `REC_*` environment variables. No other module reads these variables."""

from rec_assets.settings.data import DEFAULT_HOME, DEFAULT_SOURCE, SHOP_FILE
from rec_assets.settings.settings import MAPPINGS, RENAMED, Settings, get_settings, table

__all__ = ["DEFAULT_HOME", "DEFAULT_SOURCE", "MAPPINGS", "RENAMED", "SHOP_FILE", "Settings", "get_settings", "table"]
