"""Builds the Dagster code location from the settings and the declarations of assets and checks."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from dagster import Definitions, ExecutorDefinition, in_process_executor

from rec_assets.orchestration import assets, checks
from rec_assets.orchestration.declared import declared_in
from rec_assets.orchestration.delivery import canary_job, delivery_sensor
from rec_assets.orchestration.forgotten.sensor import forget_people_job, forgotten_sensor_of
from rec_assets.orchestration.freshness import freshness_checks, freshness_sensor
from rec_assets.orchestration.jobs import jobs_of
from rec_assets.orchestration.resources import ArtifactIOManager, Artifacts
from rec_assets.orchestration.schedules import schedules_of
from rec_assets.orchestration.sensors import promotion_sensor_of, rules_sensor
from rec_assets.settings import Settings


def build_defs(settings: Settings, *, resources: Mapping[str, Any] | None = None) -> Definitions:
    """Builds all definitions. One process can hold several code locations with different settings.

    Args:
        settings: determine partitions, pod sizes and the executor; assets read them as the resource `settings`.
        resources: resources by name that replace the default `artifacts`, `io_manager` or `settings`.
    """
    modules = [import_module(module.name) for module in walk_packages(assets.__path__, f"{assets.__name__}.")]
    artifacts = Artifacts.of(settings)
    jobs, canary, fresh = jobs_of(settings), canary_job(settings), freshness_checks()
    forget_people = forget_people_job(settings)
    return Definitions(
        assets=[one.build(settings) for module in modules for one in declared_in(module)],
        asset_checks=[*(one.build(settings) for one in declared_in(checks)), *fresh],
        jobs=[*jobs.values(), canary, forget_people],
        schedules=schedules_of(settings, jobs["prune"]),
        sensors=[
            promotion_sensor_of(canary),
            delivery_sensor,
            rules_sensor,
            forgotten_sensor_of(forget_people),
            freshness_sensor(fresh),
        ],
        executor=_executor(settings),
        resources={
            "settings": settings,
            "artifacts": artifacts,
            "io_manager": ArtifactIOManager(artifacts=artifacts),
            **(resources or {}),
        },
    )


def _executor(settings: Settings) -> ExecutorDefinition:
    if settings.executor == "in_process":
        # Heavy imports cost 10 to 17 s per process; on a laptop all steps of a run share one process.
        return in_process_executor
    from dagster_k8s import k8s_job_executor

    return k8s_job_executor
