"""The entry point that Dagster loads (see workspace.yaml)."""

import os

from rec_assets.orchestration.build import build_defs
from rec_assets.settings import get_settings

os.umask(0o077)  # artifacts are for their owner only
defs = build_defs(get_settings())
