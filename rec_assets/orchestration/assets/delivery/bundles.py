"""Combines trained parts into immutable bundles with a record of their inputs."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from dagster import AssetExecutionContext, BackfillPolicy, MaterializeResult

from rec_assets.bundles.bundle import ServingConfig
from rec_assets.bundles.export_report import FILE as EXPORT
from rec_assets.bundles.export_report import MODEL, SAVED_MODEL
from rec_assets.bundles.provenance import FILE as LINEAGE
from rec_assets.common.errors import ActionableError
from rec_assets.datasets.evaluation_set import ITEMS
from rec_assets.orchestration.assets.feature_data.features import Days
from rec_assets.orchestration.assets.publishing import OWNERS, only, publish
from rec_assets.orchestration.assets.quality.evaluation import METRICS_FILE
from rec_assets.orchestration.assets.upstream import UpstreamStore, earlier, lineage_of
from rec_assets.orchestration.declared import On, asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, only_day_before
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.artifact import Artifact

if TYPE_CHECKING:
    from rec_assets.bundles.bundle import Bundle, Manifest

COMMON: dict[str, Any] = {
    "group_name": "serving",
    "owners": OWNERS,
    "op_tags": CPU,
    "partitions_def": daily,
    "kinds": {"onnx", "faiss"},
}


@asset(**COMMON, freshness_policy=WEEKLY_FRESHNESS, code_version="9")
def model_bundle(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    nvt_workflows: Days,
    query_tower: Days,
    faiss_index: Days,
    dlrm_model: Days,
    model_evaluation: Days,
    training_set: Days,
) -> MaterializeResult[None]:
    """All parts that answer requests, in one immutable directory with a manifest of its inputs."""
    day = only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        metrics = pl.read_parquet(model_evaluation[day] / METRICS_FILE).filter(track="all")
        # Without the workflow, because its lookups are a part.
        inputs = BundleInputs(training_set[day], query_tower[day], faiss_index[day], dlrm_model[day])
        manifest = assemble(out, inputs, nvt_workflows[day], day, metrics, None, settings)
        return {"bundle_id": manifest.bundle_id, "parts": manifest.parts}

    return publish(context, artifacts, write)


@asset(
    **COMMON,
    code_version="8",
    backfill_policy=BackfillPolicy.single_run(),
    deps=[*earlier("model_bundle"), On("finetuned_bundle", only_day_before)],
)
def finetuned_bundle(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    finetune_set: Days,
    daily_item_index: Days,
    finetuned_query_tower: Days,
    finetuned_dlrm: Days,
    finetune_evaluation: Days,
) -> MaterializeResult[None]:
    """The day's fine-tuned models as a bundle, with items newer than the full training.

    Its parent is the bundle with the checkpoint that the fine-tune started from.
    """
    from rec_assets.bundles.bundle import Bundle

    store = UpstreamStore.of(context, artifacts)

    def write(out: Path, day: str) -> dict[str, Any]:
        data = finetune_set[day]
        inputs = BundleInputs(data, finetuned_query_tower[day], daily_item_index[day], finetuned_dlrm[day])
        lineage = lineage_of(inputs.ranker)
        parent_day = str(lineage.parent)
        parent = store.find("model_bundle" if parent_day == lineage.base else "finetuned_bundle", parent_day)
        metrics = pl.read_parquet(finetune_evaluation[day] / METRICS_FILE)
        parent_bundle = None if parent is None else Bundle.open(parent.path)
        require_present_ranks(parent_bundle)
        parent_id = None if parent_bundle is None else parent_bundle.bundle_id
        manifest = assemble(out, inputs, data, day, metrics, parent_id, settings)
        return {"bundle_id": manifest.bundle_id, "parent": manifest.parent, "parts": manifest.parts}

    return publish(context, artifacts, write)


def require_present_ranks(parent: "Bundle | None") -> None:
    """Raises ActionableError if the ranker of the parent was trained by a release that computed ranks otherwise."""
    if parent is not None and not parent.manifest.config.ranks_own_apart:
        raise ActionableError(
            f"The ranker of bundle {parent.bundle_id} ({parent.manifest.as_of}) was trained by an earlier release, "
            "which computed the ranks of candidates otherwise. A fine-tune of this ranker would read them wrongly.",
            "Materialize the job full_training, then the fine-tune again.",
        )


class BundleInputs(NamedTuple):
    """The artifacts that a bundle is made from: training or fine-tune set, query tower, item index and ranker."""

    data: Artifact
    tower: Artifact
    item_index: Artifact
    ranker: Artifact


def assemble(
    out: Path,
    inputs: BundleInputs,
    workflow: Artifact,
    day: str,
    metrics: pl.DataFrame,
    parent: str | None,
    settings: Settings,
) -> "Manifest":
    """Writes the bundle of a day. Its metrics are NDCG@10 by method and segment.

    Args:
        out: an empty folder.
        inputs: the models and their data.
        workflow: artifact with the lookups and the catalog.
        day: as-of day.
        metrics: rows with `method`, `segment` and `ndcg@10`.
        parent: id of the parent bundle; None for a full training.
        settings: determine the serving config and the source.
    """
    from rec_assets.bundles.bundle import PART_FILES, write_bundle
    from rec_assets.bundles.signature import sign_bundle
    from rec_assets.datasets.evaluation_set import read_repeats

    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        parts = {
            "workflow": pick(workflow, [PART_FILES["workflow"]], folder / "workflow"),
            "query_tower": pick(inputs.tower, model_files(inputs.tower), folder / "query_tower"),
            "item_index": inputs.item_index.path,
            "dlrm": ranker_part(inputs.ranker, inputs.data, folder / "dlrm"),
            "multimodal": multimodal_part(inputs.data, folder / "multimodal"),
            "signals": signals_part(inputs.data, folder / "signals"),
            "related": related_part(inputs, folder / "related", full=parent is None),
            "catalogue": pick(workflow, [PART_FILES["catalogue"]], folder / "catalogue"),
        }
        manifest = write_bundle(
            out,
            parts,
            as_of=date.fromisoformat(day),
            parent=parent,
            metrics={f"{r['method']} {r['segment']}": r["ndcg@10"] for r in metrics.iter_rows(named=True)},
            config=serving_config(settings, repeats=read_repeats(inputs.data.path)),
            source=settings.source,
            made_from={f"{one.asset} [{one.partition}]": one.digest for one in inputs},
        )
        sign_bundle(out, settings.bundle_key)
        return manifest


def model_files(model: Artifact) -> list[str]:
    """Returns the files of an exported model: ONNX, the report of its export, and the SavedModel if there is one."""
    return [MODEL, EXPORT, *([SAVED_MODEL] if (model.path / SAVED_MODEL).exists() else [])]


def serving_config(settings: Settings, *, repeats: bool) -> ServingConfig:
    """Returns the serving config of the settings and of the training set."""
    return ServingConfig(
        retrieval_topk=settings.retrieval_topk,
        ranking_topk=settings.ranking_topk,
        diversity_mode=settings.diversity_mode,
        repeats=repeats,
        ranks_own_apart=True,
    )


def pick(artifact: Artifact, names: Sequence[str], folder: Path) -> Path:
    """Creates `folder` with links to some files of an artifact and to its lineage; returns `folder`."""
    folder.mkdir()
    for name in (*names, LINEAGE):
        (folder / name).symlink_to(artifact / name)
    return folder


def ranker_part(ranker: Artifact, data: Artifact, folder: Path) -> Path:
    """Adds the factored ranker, with its tables by encoded item id, to the exported ranker."""
    from rec_assets.bundles.bundle import PART_FILES
    from rec_assets.datasets.item_table import ItemTable
    from rec_assets.training.ranking.factored import write_factored_ranker

    pick(ranker, model_files(ranker), folder)
    (folder / LINEAGE).unlink()
    lineage_of(ranker).replace(codes=lineage_of(data).codes).write(folder)
    write_factored_ranker(folder / PART_FILES["dlrm"], ItemTable.load(data / "items.npz").features, folder)
    return folder


def multimodal_part(data: Artifact, folder: Path) -> Path:
    """Writes content vectors by encoded item id: `image` and `text`, float32 [v, 64], zero without an item."""
    from rec_assets.bundles.bundle import PART_FILES
    from rec_assets.datasets.item_table import ItemTable
    from rec_assets.serving.tables.memory_mapped import CONTENT, write_tables

    features = ItemTable.load(data / ITEMS).features
    pick(data, [], folder)
    tables = {"image": features["image_embedding"], "text": features["text_embedding"]}
    write_tables(folder / PART_FILES["multimodal"], CONTENT, tables)
    return folder


def signals_part(data: Artifact, folder: Path) -> Path:
    """Writes the inputs of signals by encoded item id: groups, shares, prices, item signals after the as-of day."""
    from rec_assets.bundles.bundle import PART_FILES
    from rec_assets.datasets.item_table import ItemTable
    from rec_assets.serving.tables.memory_mapped import SIGNALS, write_tables

    items = ItemTable.load(data / ITEMS)
    groups, facts = items.facts.categories, items.facts
    tables = {"group_l1": groups.l1, "group_l2": groups.l2, "share_l1": facts.share_l1, "share_l2": facts.share_l2}
    tables |= {"price": facts.price, **items.signals.last}
    pick(data, [], folder)
    write_tables(folder / PART_FILES["signals"], SIGNALS, tables)
    return folder


def related_part(inputs: BundleInputs, folder: Path, *, full: bool) -> Path:
    """Writes the related items and buy again, from the item index and the log that its neighbors were counted in."""
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.datasets.neighbors.item_neighbors import full_log, log_without_holdout
    from rec_assets.datasets.related.again import AGAIN
    from rec_assets.datasets.related.build import related_items
    from rec_assets.datasets.related.count_again import count_again

    data = EvaluationSet.load(inputs.data.path)
    log = full_log(inputs.data.path) if full else log_without_holdout(data)
    folder.mkdir()
    lineage_of(inputs.item_index).write(folder)
    related_items(inputs.item_index.path, log, data.items.facts.categories.l2).save(folder)
    (folder / AGAIN).mkdir()
    count_again(log, len(data.items.raw_ids)).save(folder / AGAIN)
    return folder
