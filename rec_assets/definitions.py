"""The entry point that Dagster loads (see workspace.yaml)."""

from rec_assets.orchestration.build import build_defs
from rec_assets.settings import get_settings

defs = build_defs(get_settings())
