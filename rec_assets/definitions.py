"""The entry point that Dagster loads (see workspace.yaml)."""

from rec_assets.orchestration.build import build_defs

defs = build_defs()
