"""Daily fine-tunes. Each starts from the newest checkpoint before its day, never from its own output.

The base of a day is the last full training before the day. The workflows of the base encode the rows of the day, and
its candidate tower stays frozen. A later full training is the base of the days after it, so it starts a new chain.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from dagster import AssetExecutionContext, BackfillPolicy, MaterializeResult

from rec_assets.bundles.export_report import MODEL
from rec_assets.bundles.provenance import codes_of
from rec_assets.common.seeds import holdout_seed, seed_for
from rec_assets.datasets.joined_days import ROWS
from rec_assets.inference.item_vectors import ALL_VECTORS
from rec_assets.inference.lookups import CATALOG, LOOKUPS, Lookups
from rec_assets.orchestration.assets.feature_data.embeddings import VECTORS
from rec_assets.orchestration.assets.feature_data.features import Days, known_by
from rec_assets.orchestration.assets.publishing import OWNERS, publish
from rec_assets.orchestration.assets.upstream import UpstreamStore, base_of, earlier, lineage_of, parent_of
from rec_assets.orchestration.declared import On, asset
from rec_assets.orchestration.op_tags import CPU, GPU, TRAINING_POOL
from rec_assets.orchestration.partitions import daily, model_days, model_window, only_day_before, replay_window, window
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.settings import Settings
from rec_assets.sources.base import RAW_ITEMS
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.frames import write_frame

if TYPE_CHECKING:
    from rec_assets.training.finetune import FinetuneConfig

COMMON: dict[str, Any] = {
    "group_name": "finetuning",
    "owners": OWNERS,
    "partitions_def": daily,
    "code_version": "3",
    # One run for a range of days: each asset builds its days in order, because each day needs the day before.
    "backfill_policy": BackfillPolicy.single_run(),
}
TRAINER: dict[str, Any] = {**COMMON, "op_tags": GPU, "pool": TRAINING_POOL}


@asset(
    **COMMON,
    op_tags=CPU,
    kinds={"polars", "parquet"},
    windows={"masked_train_set": replay_window},
)
def replay_set(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource, masked_train_set: Days
) -> MaterializeResult[None]:
    """Random rows of earlier days, which a fine-tune adds to the day's rows to limit forgetting."""
    from rec_assets.features.replay import replay_rows

    def write(out: Path, day: str) -> dict[str, Any]:
        older = [masked_train_set[d] / ROWS for d in window(masked_train_set, day, model_days(settings) + 1) if d < day]
        today = pl.read_parquet(masked_train_set[day] / ROWS)
        seed, count = seed_for(settings.seed, "replay_set", day), round(settings.replay_ratio * today.height)
        rows = replay_rows(older, count, seed) if older else today.head(0)
        write_frame(rows, out / ROWS)
        return {"rows": rows.height, "rows_of_the_day": today.height, "days": len(older)}

    return publish(context, artifacts, write)


@asset(
    **{**COMMON, "code_version": "5"},
    op_tags=CPU,
    kinds={"nvtabular", "parquet"},
    windows={"joined_interactions": model_window},
    deps=earlier("nvt_workflows", "training_set", "dlrm_model"),
)
def finetune_set(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    replay_set: Days,
    masked_train_set: Days,
    joined_interactions: Days,
    raw_items: Artifact,
    image_embeddings: Artifact,
    text_embeddings: Artifact,
) -> MaterializeResult[None]:
    """Rows of the day and of the replay set in the codes of the last full training. Newer items get new codes."""
    from rec_assets.datasets.evaluation_set import read_repeats
    from rec_assets.datasets.finetune_set import build_finetune_set
    from rec_assets.features.embeddings import ContentVectors
    from rec_assets.preprocessing.dask_cluster import dask_workers

    store = UpstreamStore.of(context, artifacts)

    def write(out: Path, day: str) -> dict[str, Any]:
        base = base_of(store, day)
        workflows = store.get("nvt_workflows", base)
        today = known_by(pl.scan_parquet(raw_items / RAW_ITEMS), day).collect()
        trained = pl.read_parquet(workflows / CATALOG)
        # Items that left the catalog keep their code.
        catalog = pl.concat([today, trained.join(today, on="item_id", how="anti")]).sort("item_id")
        raw_ids = catalog["item_id"].to_numpy()
        with dask_workers(settings.dask_scheduler):
            data = build_finetune_set(
                out,
                workflows.path,
                catalog,
                {
                    "image_embedding": ContentVectors.load(image_embeddings / VECTORS).gather(raw_ids),
                    "text_embedding": ContentVectors.load(text_embeddings / VECTORS).gather(raw_ids),
                },
                masked_train_set[day] / ROWS,
                replay_set[day] / ROWS,
                [joined_interactions[d] / ROWS for d in window(joined_interactions, day, model_days(settings))],
                settings.holdout_share,
                holdout_seed(settings.seed, day),
                repeats=read_repeats(store.get("training_set", base).path),
            )
        lineage_of(workflows).replace(codes=codes_of(Lookups.load(out / LOOKUPS))).write(out)
        interactions = pl.read_parquet(joined_interactions[day] / ROWS, columns=["user_id", "item_id"])
        in_training = Lookups.load(out / LOOKUPS).is_known("user_id", interactions["user_id"].unique().to_numpy())
        return {
            "full_training": base,
            "rows": len(data.rows["item_id"]),
            "holdout_users": len(data.validation),
            "cold_holdout_users": int(data.validation.cold.sum()),
            "users": len(in_training),
            "users_since_the_full_training": int((~in_training).sum()),
            "items_since_the_full_training": catalog.height - trained.height,
            "interactions_with_these_items": interactions.join(trained, on="item_id", how="anti").height,
        }

    return publish(context, artifacts, write)


@asset(
    **{**COMMON, "code_version": "4"},
    op_tags=CPU,
    kinds={"faiss"},
    deps=earlier("two_tower_model", "item_embeddings", "training_set"),
)
def daily_item_index(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    finetune_set: Days,
    raw_items: Artifact,
) -> MaterializeResult[None]:
    """The item index of the full training with newer items added and withdrawn items removed.

    The frozen candidate tower encodes the newer items. An item without a vector is not retrieved, not repeated from a
    history, and does not fill a list.
    """
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.datasets.neighbors.item_neighbors import log_without_holdout
    from rec_assets.inference.item_vectors import ItemVectors
    from rec_assets.training.finetune import later_item_vectors
    from rec_assets.training.retrieval.encode import write_item_index

    store = UpstreamStore.of(context, artifacts)

    def write(out: Path, day: str) -> dict[str, Any]:
        lineage = lineage_of(finetune_set[day])
        data = EvaluationSet.load(finetune_set[day].path)
        towers = store.get("two_tower_model", lineage.base)
        trained = ItemVectors.load(store.get("item_embeddings", lineage.base) / ALL_VECTORS)
        full = EvaluationSet.load(store.get("training_set", lineage.base).path)
        placed, later = later_item_vectors(full, towers.path, trained, data.items)
        today = known_by(pl.scan_parquet(raw_items / RAW_ITEMS), day).select("item_id").collect()["item_id"]
        vectors = placed.only(today.to_numpy())
        write_item_index(vectors, data.items, log_without_holdout(data), out)
        lineage_of(towers).replace(codes=lineage.codes).write(out)
        return {
            "full_training": lineage.base,
            "items": len(vectors.raw_ids),
            "items_since_the_full_training": later,
            "withdrawn_items": len(placed.raw_ids) - len(vectors.raw_ids),
        }

    return publish(context, artifacts, write)


@asset(
    **TRAINER,
    kinds={"tensorflow", "onnx"},
    deps=[
        *earlier("two_tower_model", "training_set"),
        On("finetuned_query_tower", only_day_before),
    ],
)
def finetuned_query_tower(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    finetune_set: Days,
    daily_item_index: Days,
) -> MaterializeResult[None]:
    """The query tower, fine-tuned on the day from the newest earlier checkpoint. Item vectors stay fixed."""
    import numpy as np

    from rec_assets.bundles.export_report import write_difference
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.datasets.training_set import TrainingSet
    from rec_assets.inference.item_vectors import VECTORS as ITEM_VECTORS
    from rec_assets.training.finetune import finetune_query_tower
    from rec_assets.training.loop.checkpoints import save_checkpoint
    from rec_assets.training.loop.early_stopping import TrainingHistory
    from rec_assets.training.retrieval.encode import export_query_tower

    store = UpstreamStore.of(context, artifacts)

    def write(out: Path, day: str) -> dict[str, Any]:
        base = lineage_of(finetune_set[day]).base
        parent = parent_of(store, "finetuned_query_tower", "two_tower_model", day, base)
        full = EvaluationSet.load(store.get("training_set", base).path)
        data = TrainingSet.load(finetune_set[day].path)
        vectors = np.load(daily_item_index[day] / ITEM_VECTORS)
        seed = seed_for(settings.seed, "finetuned_query_tower", day)
        model, loss = finetune_query_tower(full, parent.path, data, vectors, finetune_config(settings), seed)
        save_checkpoint(model, TrainingHistory(loss), out)
        lineage_of(parent).replace(parent=parent.partition, codes=None).write(out)
        difference = export_query_tower(model, full, out / MODEL, saved_model=settings.saved_models)
        return {
            "full_training": base,
            "starts_from": parent.partition,
            "loss": loss[-1] if loss else "no rows, weights unchanged",
            **write_difference(out, difference),
        }

    return publish(context, artifacts, write)


@asset(
    **{**TRAINER, "code_version": "9"},
    kinds={"tensorflow", "onnx"},
    deps=[*earlier("dlrm_model", "training_set"), On("finetuned_dlrm", only_day_before)],
)
def finetuned_dlrm(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    finetune_set: Days,
    daily_item_index: Days,
    finetuned_query_tower: Days,
) -> MaterializeResult[None]:
    """The ranker, fine-tuned on the day from the newest earlier checkpoint. All weights train, at a reduced rate."""
    from rec_assets.bundles.export_report import write_difference
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.datasets.retrieve import Retrieval
    from rec_assets.datasets.training_set import TrainingSet
    from rec_assets.training.finetune import finetune_ranker
    from rec_assets.training.loop.checkpoints import save_checkpoint
    from rec_assets.training.loop.early_stopping import TrainingHistory
    from rec_assets.training.ranking.train import export_ranker

    store = UpstreamStore.of(context, artifacts)

    def write(out: Path, day: str) -> dict[str, Any]:
        base = lineage_of(finetune_set[day]).base
        parent = parent_of(store, "finetuned_dlrm", "dlrm_model", day, base)
        full = EvaluationSet.load(store.get("training_set", base).path)
        data = TrainingSet.load(finetune_set[day].path)
        tower, index = finetuned_query_tower[day] / MODEL, daily_item_index[day].path
        retrieval = Retrieval(tower, index, data.items, data.log, data.repeats)
        seed = seed_for(settings.seed, "finetuned_dlrm", day)
        model, loss = finetune_ranker(full, parent.path, data, retrieval, finetune_config(settings), seed)
        save_checkpoint(model, TrainingHistory(loss), out)
        lineage_of(parent).replace(parent=parent.partition).write(out)
        difference = export_ranker(model, full, retrieval, out / MODEL, saved_model=settings.saved_models)
        return {
            "full_training": base,
            "starts_from": parent.partition,
            "loss": loss[-1] if loss else "no lists, weights unchanged",
            **write_difference(out, difference),
        }

    return publish(context, artifacts, write)


def finetune_config(settings: Settings) -> "FinetuneConfig":
    """Returns the fine-tune config of the settings."""
    from rec_assets.training.finetune import FinetuneConfig

    return FinetuneConfig(
        settings.valid_days, settings.retrieval_topk, settings.finetune_epochs, settings.finetune_learning_rate
    )
