"""Daily fine-tunes: each goes on from the newest checkpoint before its day, and never from its own output.

The last full training before a day is its base: its workflows encode, its candidate tower stays. A full training of a
later day is the base of the days after it, so it starts a new chain.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from dagster import AssetDep, AssetExecutionContext, AssetIn, BackfillPolicy, MaterializeResult, asset

from rec_assets.bundles.provenance import codes_of
from rec_assets.common.seeds import holdout_seed, seed_for
from rec_assets.inference.lookups import Lookups
from rec_assets.orchestration.assets.embeddings import VECTORS
from rec_assets.orchestration.assets.features import Days, known_by
from rec_assets.orchestration.assets.preprocessing import ROWS
from rec_assets.orchestration.assets.publishing import OWNERS, publish
from rec_assets.orchestration.assets.upstream import base_of, earlier, lineage_of, parent_of
from rec_assets.orchestration.op_tags import CPU, GPU, TRAINING_POOL
from rec_assets.orchestration.partitions import MODEL_DAYS, daily, model_window, only_day_before, replay_window, window
from rec_assets.orchestration.resources import Artifacts
from rec_assets.settings import get_settings
from rec_assets.storage.artifact_store import Artifact
from rec_assets.storage.frames import write_frame

if TYPE_CHECKING:
    from rec_assets.training.finetune import FinetuneConfig

COMMON: dict[str, Any] = {
    "group_name": "finetuning",
    "owners": OWNERS,
    "partitions_def": daily,
    "code_version": "2",
    # A range of days is one run: each asset takes its days in order, each from what the day before left.
    "backfill_policy": BackfillPolicy.single_run(),
}
TRAINER: dict[str, Any] = {**COMMON, "op_tags": GPU, "pool": TRAINING_POOL}


@asset(
    **COMMON,
    op_tags=CPU,
    kinds={"polars", "parquet"},
    ins={"masked_train_set": AssetIn(partition_mapping=replay_window)},
)
def replay_set(context: AssetExecutionContext, artifacts: Artifacts, masked_train_set: Days) -> MaterializeResult[None]:
    """Rows of the days before, drawn at random: what a fine-tune must not forget."""
    from rec_assets.features.replay import replay_rows

    settings = get_settings()

    def write(out: Path, day: str) -> dict[str, Any]:
        older = [masked_train_set[d] / ROWS for d in window(masked_train_set, day, MODEL_DAYS + 1) if d < day]
        today = pl.read_parquet(masked_train_set[day] / ROWS)
        seed, count = seed_for(settings.seed, "replay_set", day), round(settings.replay_ratio * today.height)
        rows = replay_rows(older, count, seed) if older else today.head(0)
        write_frame(rows, out / ROWS)
        return {"rows": rows.height, "rows_of_the_day": today.height, "days": len(older)}

    return publish(context, artifacts, write)


@asset(
    **COMMON,
    op_tags=CPU,
    kinds={"nvtabular", "parquet"},
    ins={"joined_interactions": AssetIn(partition_mapping=model_window)},
    deps=earlier("nvt_workflows"),
)
def finetune_set(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    replay_set: Days,
    masked_train_set: Days,
    joined_interactions: Days,
    raw_items: Artifact,
    image_embeddings: Artifact,
    text_embeddings: Artifact,
) -> MaterializeResult[None]:
    """The day's rows and older ones in the codes of the last full training; items that came since have codes too."""
    from rec_assets.datasets.finetune_set import LOOKUPS, build_finetune_set
    from rec_assets.features.embeddings import ContentVectors
    from rec_assets.preprocessing.dask_cluster import dask_workers

    settings, store = get_settings(), artifacts.store()

    def write(out: Path, day: str) -> dict[str, Any]:
        base = base_of(store, day)
        workflows = store.get("nvt_workflows", base)
        today = known_by(pl.scan_parquet(raw_items / "items.parquet"), day).collect()
        trained = pl.read_parquet(workflows / "items.parquet")
        # What is no longer sold keeps its code.
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
                [joined_interactions[d] / ROWS for d in window(joined_interactions, day, MODEL_DAYS)],
                settings.holdout_share,
                holdout_seed(settings.seed, day),
            )
        lineage_of(workflows).replace(codes=codes_of(Lookups.load(out / LOOKUPS))).write(out)
        chosen = pl.read_parquet(joined_interactions[day] / ROWS, columns=["user_id", "item_id"])
        users = Lookups.load(out / LOOKUPS).knows("user_id", chosen["user_id"].unique().to_numpy())
        return {
            "full_training": base,
            "rows": len(data.rows["item_id"]),
            "draw_holdout_users": len(data.validation),
            "unknown_judging_users": int(data.validation.cold.sum()),
            "users": len(users),
            "users_since_the_full_training": int((~users).sum()),
            "items_since_the_full_training": catalog.height - trained.height,
            "interactions_with_them": chosen.join(trained, on="item_id", how="anti").height,
        }

    return publish(context, artifacts, write)


@asset(**COMMON, op_tags=CPU, kinds={"faiss"}, deps=earlier("two_tower_model", "item_embeddings", "training_set"))
def daily_item_index(
    context: AssetExecutionContext, artifacts: Artifacts, finetune_set: Days
) -> MaterializeResult[None]:
    """The index of the full training, and in it the items that came since, placed by its frozen candidate tower."""
    from rec_assets.datasets.item_table import ItemTable
    from rec_assets.datasets.training_set import TrainingSet
    from rec_assets.inference.item_vectors import ItemVectors
    from rec_assets.training.finetune import later_item_vectors
    from rec_assets.training.retrieval.encode import write_item_index

    store = artifacts.store()

    def write(out: Path, day: str) -> dict[str, Any]:
        known = lineage_of(finetune_set[day])
        items = ItemTable.load(finetune_set[day] / "items.npz")
        towers = store.get("two_tower_model", known.base)
        trained = ItemVectors.load(store.get("item_embeddings", known.base) / "item_vectors.npz")
        full = TrainingSet.load(store.get("training_set", known.base).path)
        vectors, later = later_item_vectors(full, towers.path, trained, items)
        write_item_index(vectors, items, out)
        lineage_of(towers).replace(codes=known.codes).write(out)
        return {"full_training": known.base, "items": len(vectors.raw_ids), "items_since_the_full_training": later}

    return publish(context, artifacts, write)


@asset(
    **TRAINER,
    kinds={"tensorflow", "onnx"},
    deps=[
        *earlier("two_tower_model", "training_set"),
        AssetDep("finetuned_query_tower", partition_mapping=only_day_before),
    ],
)
def finetuned_query_tower(
    context: AssetExecutionContext, artifacts: Artifacts, finetune_set: Days, daily_item_index: Days
) -> MaterializeResult[None]:
    """The query tower after the day: restored from the newest checkpoint before it, with the items where they were."""
    import numpy as np

    from rec_assets.bundles.export_report import write_difference
    from rec_assets.datasets.training_set import TrainingSet
    from rec_assets.inference.item_vectors import VECTORS as ITEM_VECTORS
    from rec_assets.training.finetune import finetune_query_tower
    from rec_assets.training.loop.checkpoints import save_checkpoint
    from rec_assets.training.loop.early_stopping import TrainingHistory
    from rec_assets.training.retrieval.encode import TOWER, export_query_tower

    settings, store = get_settings(), artifacts.store()

    def write(out: Path, day: str) -> dict[str, Any]:
        base = lineage_of(finetune_set[day]).base
        parent = parent_of(store, "finetuned_query_tower", "two_tower_model", day, base)
        full = TrainingSet.load(store.get("training_set", base).path)
        data = TrainingSet.load(finetune_set[day].path)
        vectors = np.load(daily_item_index[day] / ITEM_VECTORS)
        seed = seed_for(settings.seed, "finetuned_query_tower", day)
        model, loss = finetune_query_tower(full, parent.path, data, vectors, finetune_config(), seed)
        save_checkpoint(model, TrainingHistory(loss), out)
        lineage_of(parent).replace(parent=parent.partition, codes=None).write(out)
        difference = export_query_tower(model, full, out / TOWER, saved_model=settings.saved_models)
        return {
            "full_training": base,
            "goes_on_from": parent.partition,
            "loss": loss[-1] if loss else "no rows, nothing changed",
            **write_difference(out, difference),
        }

    return publish(context, artifacts, write)


@asset(
    **{**TRAINER, "code_version": "3"},
    kinds={"tensorflow", "onnx"},
    deps=[*earlier("dlrm_model", "training_set"), AssetDep("finetuned_dlrm", partition_mapping=only_day_before)],
)
def finetuned_dlrm(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    finetune_set: Days,
    daily_item_index: Days,
    finetuned_query_tower: Days,
) -> MaterializeResult[None]:
    """The ranker after the day: restored from the newest checkpoint before it; all of it learns, at a reduced rate."""
    from rec_assets.bundles.export_report import write_difference
    from rec_assets.datasets.candidates import Candidates
    from rec_assets.datasets.retrieve import retrieve_for
    from rec_assets.datasets.rows import Arrays, take
    from rec_assets.datasets.training_set import TrainingSet
    from rec_assets.training.finetune import finetune_ranker
    from rec_assets.training.loop.checkpoints import save_checkpoint
    from rec_assets.training.loop.early_stopping import TrainingHistory
    from rec_assets.training.ranking.train import export_ranker
    from rec_assets.training.retrieval.encode import TOWER

    settings, store = get_settings(), artifacts.store()

    def write(out: Path, day: str) -> dict[str, Any]:
        base = lineage_of(finetune_set[day]).base
        parent = parent_of(store, "finetuned_dlrm", "dlrm_model", day, base)
        full = TrainingSet.load(store.get("training_set", base).path)
        data = TrainingSet.load(finetune_set[day].path)

        def retrieve(columns: Arrays) -> Candidates:
            tower, index = finetuned_query_tower[day] / TOWER, daily_item_index[day].path
            depth, repeats = settings.retrieval_topk, settings.repeats
            return retrieve_for(tower, index, columns, data.log, data.items, depth, repeats=repeats)

        seed = seed_for(settings.seed, "finetuned_dlrm", day)
        model, loss = finetune_ranker(full, parent.path, data, retrieve, finetune_config(), seed)
        save_checkpoint(model, TrainingHistory(loss), out)
        lineage_of(parent).replace(parent=parent.partition).write(out)
        asked = replace(full, items=data.items, log=data.log)
        example = retrieve(take(full.validation.columns, slice(0, 4)))
        difference = export_ranker(model, asked, example, out / "model.onnx", saved_model=settings.saved_models)
        return {
            "full_training": base,
            "goes_on_from": parent.partition,
            "loss": loss[-1] if loss else "no lists, nothing changed",
            **write_difference(out, difference),
        }

    return publish(context, artifacts, write)


def finetune_config() -> "FinetuneConfig":
    """The recipe of the settings."""
    from rec_assets.training.finetune import FinetuneConfig

    settings = get_settings()
    return FinetuneConfig(settings.valid_days, settings.finetune_epochs, settings.finetune_learning_rate)
