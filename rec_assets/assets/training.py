"""Full trainings, keyed by the as-of day: two towers, what they encode, and the ranker of their candidates."""

from pathlib import Path
from typing import Any

import numpy as np
from dagster import AssetExecutionContext, MaterializeResult, asset

from rec_assets.assets.features import Days
from rec_assets.assets.publishing import OWNERS, only, publish
from rec_assets.op_tags import CPU, GPU, TRAINING_POOL
from rec_assets.partitions import daily
from rec_assets.plots import histogram, line_plot
from rec_assets.resources import Artifacts
from rec_assets.seeds import seed_for
from rec_assets.settings import get_settings
from rec_assets.storage import Artifact

COMMON: dict[str, Any] = {"group_name": "training", "owners": OWNERS, "partitions_def": daily, "code_version": "2"}
TRAINER: dict[str, Any] = {**COMMON, "op_tags": GPU, "pool": TRAINING_POOL}


@asset(**TRAINER, kinds={"tensorflow"})
def two_tower_model(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    training_set: Days,
) -> MaterializeResult[None]:
    """The two-tower retrieval model, trained until validation Recall@300 stops rising; holds the best weights."""
    from rec_assets.models.checkpoints import save_checkpoint
    from rec_assets.models.train_two_tower import TwoTowerConfig, train_two_tower, validation_metric
    from rec_assets.models.training_set import TrainingSet

    settings, day = get_settings(), only(context)
    data = TrainingSet.load(training_set[day].path)

    def write(out: Path, _: str) -> dict[str, Any]:
        seed = seed_for(settings.seed, "two_tower_model", day)
        config = TwoTowerConfig(settings.valid_days, max_epochs=settings.max_epochs, repeats=settings.repeats)
        model, history = train_two_tower(data, config, seed, context.log.info, unfinished(context, training_set[day]))
        save_checkpoint(model, history, out)
        metric = validation_metric(data.items)
        curves = {"training loss": history.loss, f"validation {metric}": history.validation}
        return {
            "rows": len(data.rows["item_id"]),
            "epochs": len(history.loss),
            "best_epoch": history.best_epoch,
            metric: history.best,
            "curves": line_plot(curves, "epoch", f"Two-tower, as of {day}"),
        }

    return publish(context, artifacts, write)


@asset(**TRAINER, kinds={"onnx"})
def query_tower(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    two_tower_model: Days,
    training_set: Days,
) -> MaterializeResult[None]:
    """The query tower as one ONNX model with named inputs: what a request runs."""
    from rec_assets.models.onnx_export import export_onnx
    from rec_assets.models.requests import with_histories
    from rec_assets.models.rows import take
    from rec_assets.models.towers import QUERY_FEATURES
    from rec_assets.models.train_two_tower import TwoTowerConfig, restore_two_tower
    from rec_assets.models.training_set import TrainingSet
    from rec_assets.serving.graph import EMBEDDING_DIM
    from rec_assets.serving.onnx_model import OnnxModel

    day = only(context)
    data = TrainingSet.load(training_set[day].path)

    def write(out: Path, _: str) -> dict[str, Any]:
        model = restore_two_tower(data, TwoTowerConfig(get_settings().valid_days), two_tower_model[day].path)
        known = with_histories(take(data.validation.columns, slice(0, 1024)), data.log)
        example = {name: known[name] for name in QUERY_FEATURES}
        expected = export_onnx(
            lambda columns: model.query_embedding(dict(columns)), example, "query_embedding", out / "model.onnx"
        )
        found = OnnxModel(out / "model.onnx", QUERY_FEATURES, EMBEDDING_DIM)(example)
        return {"largest_difference_from_tensorflow": float(np.abs(found - expected).max())}

    return publish(context, artifacts, write)


@asset(**TRAINER, kinds={"numpy"})
def item_embeddings(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    two_tower_model: Days,
    training_set: Days,
) -> MaterializeResult[None]:
    """The candidate tower's vector of every item of the catalogue, chosen before or not."""
    from rec_assets.models.train_two_tower import TwoTowerConfig, item_vectors, restore_two_tower
    from rec_assets.models.training_set import TrainingSet

    day = only(context)
    data = TrainingSet.load(training_set[day].path)

    def write(out: Path, _: str) -> dict[str, Any]:
        config = TwoTowerConfig(get_settings().valid_days)
        vectors = item_vectors(restore_two_tower(data, config, two_tower_model[day].path), data)
        vectors.save(out / "item_vectors.npz")
        norms = np.linalg.norm(vectors.vectors, axis=1)
        return {
            "items": len(vectors.raw_ids),
            "never_chosen_in_training": int((data.items.counts[data.items.catalogue] == 0).sum()),
            "norms": histogram(norms.tolist(), "length of the item vector", "Item vectors"),
        }

    return publish(context, artifacts, write)


@asset(**COMMON, op_tags=CPU, kinds={"faiss"})
def faiss_index(
    context: AssetExecutionContext, artifacts: Artifacts, item_embeddings: Days, training_set: Days
) -> MaterializeResult[None]:
    """The inner-product index over the item vectors: exact for thousands of items, IVF for more than 100,000."""
    from rec_assets.models.item_index import ItemVectors, build_index, recall_against_exact, write_index
    from rec_assets.models.rows import ItemTable
    from rec_assets.serving.stages.retrieval import VECTORS

    day = only(context)
    table = ItemTable.load(training_set[day] / "items.npz")

    def write(out: Path, _: str) -> dict[str, Any]:
        items = ItemVectors.load(item_embeddings[day] / "item_vectors.npz")
        index = build_index(items)
        write_index(index, out / "index.faiss")
        np.save(out / VECTORS, items.by_encoded_id(table.encode(items.raw_ids), len(table.raw_ids)))
        depth = get_settings().retrieval_topk
        return {
            "items": index.ntotal,
            "kind": type(index).__name__,
            f"recall_against_exact@{depth}": recall_against_exact(index, items, items.vectors[:500], depth),
        }

    return publish(context, artifacts, write)


@asset(**TRAINER, kinds={"tensorflow", "onnx"})
def dlrm_model(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    query_tower: Days,
    faiss_index: Days,
    training_set: Days,
) -> MaterializeResult[None]:
    """The DLRM ranker, trained on what retrieval returns and kept only where its list beats the retrieval order."""
    from rec_assets.models.candidates import Candidates
    from rec_assets.models.checkpoints import save_checkpoint
    from rec_assets.models.retrieval import retrieve_for
    from rec_assets.models.rows import Arrays, take
    from rec_assets.models.train_dlrm import METRIC, RankerConfig, export_ranker, train_ranker
    from rec_assets.models.training_set import TrainingSet

    settings, day = get_settings(), only(context)
    data = TrainingSet.load(training_set[day].path)
    tower, index = query_tower[day] / "model.onnx", faiss_index[day].path

    def retrieve(columns: Arrays) -> Candidates:
        depth, repeats = settings.retrieval_topk, settings.repeats
        return retrieve_for(tower, index, columns, data.log, data.items, depth, repeats=repeats)

    def write(out: Path, _: str) -> dict[str, Any]:
        seed = seed_for(settings.seed, "dlrm_model", day)
        config = RankerConfig(settings.valid_days, max_epochs=min(RankerConfig.max_epochs, settings.max_epochs))
        state = unfinished(context, query_tower[day], faiss_index[day], training_set[day])
        model, history = train_ranker(data, retrieve, config, seed, context.log.info, state)
        save_checkpoint(model, history, out)
        difference = export_ranker(
            model, data, retrieve(take(data.validation.columns, slice(0, 4))), out / "model.onnx"
        )
        return {
            f"retrieval order {METRIC}": history.validation[0],
            f"ranked {METRIC}": history.best,
            "best_epoch": history.best_epoch,
            "largest_difference_from_tensorflow": difference,
            "curves": line_plot(
                {"training loss": history.loss, f"validation {METRIC}": history.validation[1:]},
                "epoch",
                f"DLRM, as of {day} (retrieval order: {history.validation[0]:.4f})",
            ),
        }

    return publish(context, artifacts, write)


def unfinished(context: AssetExecutionContext, *inputs: Artifact) -> Path:
    """Where a training keeps its state from epoch to epoch: found again by a rerun on the same inputs and settings."""
    settings = get_settings()
    made_from = "-".join(artifact.path.name[:12] for artifact in inputs)
    name = f"{context.asset_key.path[-1]}-{only(context)}-{made_from}-{settings.seed}-{settings.valid_days}.npz"
    return settings.home / "unfinished" / name
