"""From trained parts to what Triton may serve: immutable bundles that say what they were made from."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from dagster import AssetExecutionContext, BackfillPolicy, MaterializeResult, asset

from rec_assets.bundles.bundle import ServingConfig
from rec_assets.bundles.export_report import FILE as EXPORT
from rec_assets.bundles.provenance import FILE as LINEAGE
from rec_assets.orchestration.assets.evaluation import METRICS_FILE
from rec_assets.orchestration.assets.features import Days
from rec_assets.orchestration.assets.publishing import OWNERS, only, publish
from rec_assets.orchestration.assets.upstream import earlier, lineage_of
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily
from rec_assets.orchestration.resources import Artifacts
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifact_store import Artifact

if TYPE_CHECKING:
    from rec_assets.bundles.bundle import Manifest

COMMON: dict[str, Any] = {
    "group_name": "serving",
    "owners": OWNERS,
    "op_tags": CPU,
    "partitions_def": daily,
    "kinds": {"onnx", "faiss"},
}
RANKER_FILES = ("model.onnx", EXPORT)


@asset(**COMMON, code_version="3")
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
    day = only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        known, workflows = training_set[day], nvt_workflows[day]
        metrics = pl.read_parquet(model_evaluation[day] / METRICS_FILE).filter(track="all")
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            parts = {
                "workflow": pick(workflows, ["lookups.npz"], folder / "workflow"),
                "query_tower": query_tower[day].path,
                "item_index": faiss_index[day].path,
                "dlrm": pick(dlrm_model[day], RANKER_FILES, folder / "dlrm"),
                "multimodal": multimodal_part(known, folder / "multimodal"),
                "signals": signals_part(known, folder / "signals"),
                "catalogue": pick(workflows, ["items.parquet"], folder / "catalogue"),
            }
            # Not the workflows: NVTabular pickles them to other bytes each time, and what they fitted is a part.
            made_from = (known, query_tower[day], faiss_index[day], dlrm_model[day])
            manifest = assemble(out, parts, day, metrics, made_from, parent=None)
        return {"bundle_id": manifest.bundle_id, "parts": manifest.parts}

    return publish(context, artifacts, write)


@asset(**COMMON, code_version="2", backfill_policy=BackfillPolicy.single_run(), deps=earlier("model_bundle"))
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
    from rec_assets.bundles.bundle import Bundle
    from rec_assets.datasets.finetune_set import CATALOG, LOOKUPS
    from rec_assets.training.retrieval.encode import TOWER

    store = artifacts.store()

    def write(out: Path, day: str) -> dict[str, Any]:
        known, tower, ranker = finetune_set[day], finetuned_query_tower[day], finetuned_dlrm[day]
        lineage = lineage_of(ranker)
        before = str(lineage.parent)
        parent = store.find("model_bundle" if before == lineage.base else "finetuned_bundle", before)
        metrics = pl.read_parquet(finetune_evaluation[day] / METRICS_FILE)
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            parts = {
                "workflow": pick(known, [LOOKUPS], folder / "workflow"),
                "query_tower": pick(tower, [TOWER, EXPORT], folder / "query_tower"),
                "item_index": daily_item_index[day].path,
                "dlrm": pick(ranker, RANKER_FILES, folder / "dlrm"),
                "multimodal": multimodal_part(known, folder / "multimodal"),
                "signals": signals_part(known, folder / "signals"),
                "catalogue": pick(known, [CATALOG], folder / "catalogue"),
            }
            made_from = (known, daily_item_index[day], tower, ranker)
            parent_id = None if parent is None else Bundle.open(parent.path).bundle_id
            manifest = assemble(out, parts, day, metrics, made_from, parent_id)
        return {"bundle_id": manifest.bundle_id, "parent": manifest.parent, "parts": manifest.parts}

    return publish(context, artifacts, write)


def assemble(
    out: Path,
    parts: dict[str, Path],
    day: str,
    metrics: pl.DataFrame,
    made_from: Sequence[Artifact],
    parent: str | None,
) -> "Manifest":
    """Writes the bundle of a day, with NDCG@10 by method and segment as its metrics."""
    from rec_assets.bundles.bundle import write_bundle

    settings = get_settings()
    return write_bundle(
        out,
        parts,
        as_of=date.fromisoformat(day),
        parent=parent,
        metrics={f"{r['method']} {r['segment']}": r["ndcg@10"] for r in metrics.iter_rows(named=True)},
        config=serving_config(settings),
        source=settings.source,
        made_from={f"{one.asset} [{one.partition}]": one.digest for one in made_from},
    )


def serving_config(settings: Settings) -> ServingConfig:
    """Returns the serving policy of the settings."""
    return ServingConfig(
        retrieval_topk=settings.retrieval_topk,
        ranking_topk=settings.ranking_topk,
        diversity_mode=settings.diversity_mode,
        repeats=settings.repeats,
    )


def pick(artifact: Artifact, names: Sequence[str], folder: Path) -> Path:
    """Puts some files of an artifact and its lineage into a folder of their own, as links."""
    folder.mkdir()
    for name in (*names, LINEAGE):
        (folder / name).symlink_to(artifact / name)
    return folder


def multimodal_part(known: Artifact, folder: Path) -> Path:
    """Writes the content vectors by encoded item id: `image` and `text`, float32 [v, 64], zero for no item."""
    from rec_assets.datasets.item_table import ItemTable

    features = ItemTable.load(known / "items.npz").features
    pick(known, [], folder)
    np.savez(folder / "embeddings.npz", image=features["image_embedding"], text=features["text_embedding"])
    return folder


def signals_part(known: Artifact, folder: Path) -> Path:
    """Writes what ties candidates to histories, by encoded item id: its categories, its popularity now."""
    from rec_assets.datasets.item_table import ItemTable

    items = ItemTable.load(known / "items.npz")
    popularity = {name: table[-1] for name, table in items.popularity.items()}
    pick(known, [], folder)
    np.savez(folder / "signals.npz", category_l1=items.categories.l1, category_l2=items.categories.l2, **popularity)
    return folder
