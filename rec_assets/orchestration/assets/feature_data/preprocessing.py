"""Builds model inputs from raw days: joined rows, masked rows, NVTabular workflows, the training set."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.bundles.provenance import Lineage, codes_of
from rec_assets.common.files import digest_of_file
from rec_assets.common.seeds import holdout_seed, seed_for
from rec_assets.datasets.joined_days import ROWS, history_files, write_joined
from rec_assets.features.joins import join_interactions
from rec_assets.features.masking import mask_rows
from rec_assets.inference.lookups import CATALOG, LOOKUPS, Lookups
from rec_assets.orchestration.assets.feature_data.embeddings import VECTORS
from rec_assets.orchestration.assets.feature_data.features import Days, interactions_before, interactions_of, known_by
from rec_assets.orchestration.assets.publishing import OWNERS, only, publish
from rec_assets.orchestration.assets.upstream import lineage_of
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.metadata_plots import preview
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, model_window, parallel_backfill, training_split, with_day_before
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources.base import RAW_ITEMS, RAW_USERS
from rec_assets.sources.roles import HISTORY, ROLE
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.frames import write_frame

COMMON: dict[str, Any] = {
    "group_name": "preprocessing",
    "owners": OWNERS,
    "partitions_def": daily,
    "code_version": "1",
}


@asset(
    **COMMON,
    kinds={"polars", "parquet"},
    op_tags=CPU,
    backfill_policy=parallel_backfill,
    windows={
        "raw_interactions": with_day_before,
        "behavioral_updates": with_day_before,
    },
)
def joined_interactions(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    raw_interactions: Days,
    behavioral_updates: Days,
    raw_users: Artifact,
    raw_items: Artifact,
) -> MaterializeResult[None]:
    """Each interaction of the day with the features of its user and item as of the moment of the interaction."""

    def write(out: Path, day: str) -> dict[str, Any]:
        rows = join_interactions(
            interactions_of(raw_interactions, behavioral_updates, day),
            interactions_before(raw_interactions, behavioral_updates, day),
            known_by(pl.scan_parquet(raw_users / RAW_USERS), day),
            pl.scan_parquet(raw_items / RAW_ITEMS),
        ).collect(engine="streaming")
        write_joined(rows, out)
        with_category = rows.filter(pl.col("top_category") >= 0).height
        only_history = rows.filter(pl.col(ROLE) == HISTORY).height
        return {
            "rows": rows.height - only_history,
            "rows_that_are_only_history": only_history,
            "rows_with_top_category": with_category,
            "preview": preview(rows),
        }

    return publish(context, artifacts, write)


@asset(**COMMON, kinds={"polars", "parquet"}, op_tags=CPU, backfill_policy=parallel_backfill)
def masked_train_set(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource, joined_interactions: Days
) -> MaterializeResult[None]:
    """Rows of the day, 5 % without user and another 5 % without device, so that models train on cold start."""

    def write(out: Path, day: str) -> dict[str, Any]:
        rows = pl.read_parquet(joined_interactions[day] / ROWS)
        masked = mask_rows(rows, settings.mask_probability, seed_for(settings.seed, "masked_train_set", day))
        write_frame(masked, out / ROWS)
        return {
            "rows": rows.height,
            "anonymous_rows": masked.filter(pl.col("user_id") < 0).height,
            "deviceless_rows": masked.filter(pl.col("device_type") < 0).height,
        }

    return publish(context, artifacts, write)


@asset(
    **{**COMMON, "code_version": "3"},
    freshness_policy=WEEKLY_FRESHNESS,
    kinds={"nvtabular"},
    op_tags=CPU,
    windows={"joined_interactions": model_window},
)
def nvt_workflows(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    joined_interactions: Days,
    raw_items: Artifact,
) -> MaterializeResult[None]:
    """The NVTabular workflow (with parts user, item, context), fitted on the training days, and exported lookups."""
    from rec_assets.preprocessing.dask_cluster import dask_workers
    from rec_assets.preprocessing.fit import fit_workflows

    train_days, _ = training_split(list(joined_interactions), settings)

    def write(out: Path, day: str) -> dict[str, Any]:
        items = known_by(pl.scan_parquet(raw_items / RAW_ITEMS), day).sort("item_id").collect()
        write_frame(items, out / CATALOG)
        with dask_workers(settings.dask_scheduler):
            fitted = fit_workflows([joined_interactions[d] / ROWS for d in train_days], out / CATALOG, out)
        lookups = out / LOOKUPS
        Lineage(base=day, workflow=digest_of_file(lookups), codes=codes_of(Lookups.load(lookups))).write(out)
        sizes = pl.DataFrame([{"column": name, "vocabulary size": len(v)} for name, v in fitted.vocabularies.items()])
        return {
            "train_days": f"{train_days[0]} … {train_days[-1]}",
            "mean_age": fitted.mean_age,
            "vocabularies": preview(sizes, 20),
        }

    only(context)
    return publish(context, artifacts, write)


@asset(
    **{**COMMON, "code_version": "7"},
    freshness_policy=WEEKLY_FRESHNESS,
    kinds={"nvtabular", "parquet"},
    op_tags=CPU,
    windows={
        "masked_train_set": model_window,
        "joined_interactions": model_window,
    },
)
def training_set(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    nvt_workflows: Days,
    masked_train_set: Days,
    joined_interactions: Days,
    image_embeddings: Artifact,
    text_embeddings: Artifact,
) -> MaterializeResult[None]:
    """Input of the trainings: encoded masked rows, the catalog with content vectors, validation queries.

    Does not contain the as-of day's rows of holdout users.
    """
    from rec_assets.datasets.evaluation_set import SCHEMA
    from rec_assets.datasets.holdout_users import holdout_users_of, rows_for_training
    from rec_assets.datasets.training_set import LAST, TRAIN, build_training_set
    from rec_assets.features.embeddings import ContentVectors
    from rec_assets.preprocessing.dask_cluster import dask_workers
    from rec_assets.preprocessing.fit import transform_items, transform_rows
    from rec_assets.preprocessing.merlin_schema import write_schema

    day = only(context)
    train_days, valid_days = training_split(list(joined_interactions), settings)
    workflows = nvt_workflows[day]

    def write(out: Path, _: str) -> dict[str, Any]:
        masked, masked_last = ([masked_train_set[d] / ROWS for d in days] for days in (train_days, valid_days))
        holdout_users = holdout_users_of(
            joined_interactions[day] / ROWS, settings.holdout_share, holdout_seed(settings.seed, day)
        )
        items = transform_items(workflows.path, workflows / CATALOG)
        raw_ids = items["raw_item_id"].to_numpy()
        content = {
            "image_embedding": ContentVectors.load(image_embeddings / VECTORS).gather(raw_ids),
            "text_embedding": ContentVectors.load(text_embeddings / VECTORS).gather(raw_ids),
        }
        train, valid = ([joined_interactions[d] / ROWS for d in days] for days in (train_days, valid_days))
        with TemporaryDirectory() as scratch, dask_workers(settings.dask_scheduler):
            transform_rows(workflows.path, masked, out / TRAIN)
            encoded_valid, masked_last[-1] = Path(scratch) / "valid", Path(scratch) / "last_day.parquet"
            write_frame(rows_for_training(masked_train_set[day] / ROWS, valid[-1], holdout_users), masked_last[-1])
            transform_rows(workflows.path, masked_last, out / LAST)
            transform_rows(workflows.path, [*valid, *history_files(valid)], encoded_valid)
            write_schema(workflows.path, out / SCHEMA)
            lookups = Lookups.load(workflows / LOOKUPS)
            built = build_training_set(
                out, items, content, masked, masked_last, train, valid, encoded_valid, lookups, repeats=settings.repeats
            )
        lineage_of(workflows).write(out)
        return {
            "train_days": f"{train_days[0]} … {train_days[-1]}",
            "validation_days": f"{valid_days[0]} … {valid_days[-1]}",
            "rows": len(built.rows["item_id"]),
            "items": len(built.items.catalog),
            "items_without_rows": int((built.items.counts[built.items.catalog] == 0).sum()),
            "holdout_users": len(holdout_users),
            "validation_users": len(built.validation),
            "cold_validation_users": int(built.validation.cold.sum()),
            "share_of_repeats": built.share_of_repeats,
            "share_of_own_items_chosen_again": built.share_chosen_again,
            "lists_may_repeat_items": built.repeats,
        }

    return publish(context, artifacts, write)
