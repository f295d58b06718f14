"""Assembles the code location; tests pass other resources through the same seam."""

from collections.abc import Mapping
from typing import Any

from dagster import Definitions, in_process_executor, load_assets_from_package_module

from rec_assets import assets, checks, jobs, schedules, sensors
from rec_assets.resources import ArtifactIOManager, Artifacts
from rec_assets.settings import get_settings


def build_defs(*, resources: Mapping[str, Any] | None = None) -> Definitions:
    """Builds all definitions; `resources` replaces single ones by name."""
    root = str(get_settings().artifacts_dir.absolute())
    return Definitions(
        assets=load_assets_from_package_module(assets),
        asset_checks=checks.ALL,
        jobs=jobs.ALL,
        schedules=schedules.ALL,
        sensors=sensors.ALL,
        # Heavy imports cost 10 to 17 s a process; on a laptop the steps of a run share one.
        executor=in_process_executor,
        resources={"artifacts": Artifacts(root=root), "io_manager": ArtifactIOManager(root=root), **(resources or {})},
    )
