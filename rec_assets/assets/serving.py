"""From trained parts to what Triton serves: an immutable bundle, and the model versions that run it."""

import json
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from dagster import AssetExecutionContext, MaterializeResult, asset

from rec_assets.assets.evaluation import METRICS_FILE
from rec_assets.assets.features import Days
from rec_assets.assets.lineage import base_in, earlier, parent_in
from rec_assets.assets.publishing import OWNERS, only, publish
from rec_assets.op_tags import CPU
from rec_assets.partitions import daily
from rec_assets.resources import Artifacts
from rec_assets.serving.bundle import ServingConfig
from rec_assets.settings import Settings, get_settings
from rec_assets.storage import KEPT_VERSIONS, Artifact

COMMON: dict[str, Any] = {
    "group_name": "serving",
    "owners": OWNERS,
    "op_tags": CPU,
    "partitions_def": daily,
    "code_version": "2",
}


@asset(**COMMON, kinds={"onnx", "faiss"})
def model_bundle(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    nvt_workflows: Days,
    query_tower: Days,
    faiss_index: Days,
    dlrm_model: Days,
    model_evaluation: Days,
    training_set: Days,
) -> MaterializeResult[None]:
    """Everything that answers a request, as one immutable directory that says what it was made from."""
    from rec_assets.serving.bundle import write_bundle

    settings, day = get_settings(), only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        metrics = pl.read_parquet(model_evaluation[day] / METRICS_FILE).filter(track="all")
        with TemporaryDirectory() as scratch:
            parts = {
                "workflow": pick(nvt_workflows[day] / "lookups.npz", Path(scratch) / "workflow"),
                "query_tower": query_tower[day].path,
                "item_index": faiss_index[day].path,
                "dlrm": pick(dlrm_model[day] / "model.onnx", Path(scratch) / "dlrm"),
                "multimodal": multimodal_part(training_set[day], Path(scratch) / "multimodal"),
                "signals": signals_part(training_set[day], Path(scratch) / "signals"),
                "catalogue": pick(nvt_workflows[day] / "items.parquet", Path(scratch) / "catalogue"),
            }
            manifest = write_bundle(
                out,
                parts,
                as_of=date.fromisoformat(day),
                parent=None,
                metrics={f"{r['method']} {r['segment']}": r["ndcg@10"] for r in metrics.iter_rows(named=True)},
                config=serving_config(settings),
                source=settings.source,
            )
        return {"bundle_id": manifest.bundle_id, "parts": manifest.parts}

    return publish(context, artifacts, write)


@asset(**{**COMMON, "code_version": "1"}, kinds={"onnx", "faiss"}, deps=earlier("model_bundle"))
def finetuned_bundle(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    finetune_set: Days,
    daily_item_index: Days,
    finetuned_query_tower: Days,
    finetuned_dlrm: Days,
    finetune_evaluation: Days,
) -> MaterializeResult[None]:
    """The day's models as a bundle, with items that came since; its parent is the bundle that they go on from."""
    from rec_assets.models.finetune_set import CATALOGUE, LOOKUPS
    from rec_assets.models.tower_vectors import TOWER
    from rec_assets.serving.bundle import Bundle, write_bundle

    settings, day, store = get_settings(), only(context), artifacts.store()
    base, before = base_in(finetuned_dlrm[day]), parent_in(finetuned_dlrm[day])
    parent = store.find("model_bundle" if before == base else "finetuned_bundle", before)

    def write(out: Path, _: str) -> dict[str, Any]:
        known = finetune_set[day]
        metrics = pl.read_parquet(finetune_evaluation[day] / METRICS_FILE)
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            parts = {
                "workflow": pick(known / LOOKUPS, folder / "workflow"),
                "query_tower": pick(finetuned_query_tower[day] / TOWER, folder / "query_tower"),
                "item_index": daily_item_index[day].path,
                "dlrm": pick(finetuned_dlrm[day] / "model.onnx", folder / "dlrm"),
                "multimodal": multimodal_part(known, folder / "multimodal"),
                "signals": signals_part(known, folder / "signals"),
                "catalogue": pick(known / CATALOGUE, folder / "catalogue"),
            }
            manifest = write_bundle(
                out,
                parts,
                as_of=date.fromisoformat(day),
                parent=None if parent is None else Bundle.open(parent.path).bundle_id,
                metrics={f"{r['method']} {r['segment']}": r["ndcg@10"] for r in metrics.iter_rows(named=True)},
                config=serving_config(settings),
                source=settings.source,
            )
        return {"bundle_id": manifest.bundle_id, "parent": manifest.parent, "parts": manifest.parts}

    return publish(context, artifacts, write)


@asset(**COMMON, kinds={"triton"})
def triton_versions(
    context: AssetExecutionContext, artifacts: Artifacts, model_bundle: Days
) -> MaterializeResult[None]:
    """The bundle as a new version of every Triton model; a running server loads it beside the old and switches."""
    from rec_assets.serving import control, repository
    from rec_assets.serving.bundle import Bundle

    settings, day = get_settings(), only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        bundle = Bundle.open(model_bundle[day].path)
        folder = repository.repository_path(settings)
        version = repository.publish(bundle, folder, settings=settings)
        running = control.is_ready(settings)
        if running:
            control.go_live(settings, version)
        else:
            repository.switch(folder, version)
        pruned = repository.prune(folder, KEPT_VERSIONS)
        (out / "version.json").write_text(json.dumps({"version": version, "bundle_id": bundle.bundle_id}))
        return {
            "version": version,
            "bundle_id": bundle.bundle_id,
            "loaded_by_running_server": running,
            "repository": str(folder),
            "pruned_versions": str(pruned),
        }

    return publish(context, artifacts, write)


def serving_config(settings: Settings) -> ServingConfig:
    """How bundles of these settings are meant to be served."""
    return ServingConfig(
        retrieval_topk=settings.retrieval_topk,
        ranking_topk=settings.ranking_topk,
        diversity_mode=settings.diversity_mode,
        repeats=settings.repeats,
    )


def pick(file: Path, folder: Path) -> Path:
    """Puts one file of an artifact into a folder of its own, without copying its bytes where links work."""
    folder.mkdir()
    (folder / file.name).symlink_to(file)
    return folder


def multimodal_part(training_set: Artifact, folder: Path) -> Path:
    """Writes the content vectors by encoded item id: `image` and `text`, float32 [v, 64], zero for no item."""
    from rec_assets.models.rows import ItemTable

    features = ItemTable.load(training_set / "items.npz").features
    folder.mkdir()
    np.savez(folder / "embeddings.npz", image=features["image_embedding"], text=features["text_embedding"])
    return folder


def signals_part(training_set: Artifact, folder: Path) -> Path:
    """Writes what ties candidates to histories, by encoded item id: its categories, its popularity now."""
    from rec_assets.models.rows import ItemTable

    items = ItemTable.load(training_set / "items.npz")
    popularity = {name: table[-1] for name, table in items.popularity.items()}
    folder.mkdir()
    np.savez(folder / "signals.npz", category_l1=items.categories.l1, category_l2=items.categories.l2, **popularity)
    return folder
