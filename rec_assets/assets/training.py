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

COMMON: dict[str, Any] = {"group_name": "training", "owners": OWNERS, "partitions_def": daily, "code_version": "1"}
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
        config = TwoTowerConfig(max_epochs=settings.max_epochs)
        model, history = train_two_tower(data, config, seed, context.log.info)
        save_checkpoint(model, history, out)
        metric = validation_metric(data.items)
        curves = {"training loss": history.loss, f"validation {metric}": history.validation}
        return {
            "rows": len(data.rows["item_id"]),
            "epochs": len(history.loss),
            "best_epoch": history.best_epoch,
            metric: max(history.validation),
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
    from rec_assets.models.rows import USER_FEATURES, take
    from rec_assets.models.train_two_tower import restore_two_tower
    from rec_assets.models.training_set import TrainingSet
    from rec_assets.serving.graph import EMBEDDING_DIM
    from rec_assets.serving.onnx_model import OnnxModel

    day = only(context)
    data = TrainingSet.load(training_set[day].path)

    def write(out: Path, _: str) -> dict[str, Any]:
        model = restore_two_tower(data.schema, data.items, two_tower_model[day].path)
        example = take({name: data.rows[name] for name in USER_FEATURES}, slice(0, 4096))
        expected = export_onnx(model.query, example, "query_embedding", out / "model.onnx")
        found = OnnxModel(out / "model.onnx", USER_FEATURES, EMBEDDING_DIM)(example)
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
    from rec_assets.models.train_two_tower import item_vectors, restore_two_tower
    from rec_assets.models.training_set import TrainingSet

    day = only(context)
    data = TrainingSet.load(training_set[day].path)

    def write(out: Path, _: str) -> dict[str, Any]:
        vectors = item_vectors(restore_two_tower(data.schema, data.items, two_tower_model[day].path), data.items)
        vectors.save(out / "item_vectors.npz")
        norms = np.linalg.norm(vectors.vectors, axis=1)
        return {
            "items": len(vectors.raw_ids),
            "never_chosen_in_training": int((data.items.counts[data.items.catalogue] == 0).sum()),
            "norms": histogram(norms.tolist(), "length of the item vector", "Item vectors"),
        }

    return publish(context, artifacts, write)


@asset(**COMMON, op_tags=CPU, kinds={"faiss"})
def faiss_index(context: AssetExecutionContext, artifacts: Artifacts, item_embeddings: Days) -> MaterializeResult[None]:
    """The inner-product index over the item vectors: exact for thousands of items, IVF for more than 100,000."""
    from rec_assets.models.item_index import ItemVectors, build_index, recall_against_exact, write_index

    day = only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        items = ItemVectors.load(item_embeddings[day] / "item_vectors.npz")
        index = build_index(items)
        write_index(index, out / "index.faiss")
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
    from rec_assets.models.checkpoints import save_checkpoint
    from rec_assets.models.retrieval import retrieve_for
    from rec_assets.models.train_dlrm import METRIC, RankerConfig, export_ranker, train_ranker
    from rec_assets.models.training_set import TrainingSet

    settings, day = get_settings(), only(context)
    data = TrainingSet.load(training_set[day].path)
    tower, index = query_tower[day] / "model.onnx", faiss_index[day] / "index.faiss"

    def write(out: Path, _: str) -> dict[str, Any]:
        seed = seed_for(settings.seed, "dlrm_model", day)
        config = RankerConfig(max_epochs=min(RankerConfig.max_epochs, settings.max_epochs))
        candidates = retrieve_for(tower, index, data.rows, data.items, settings.retrieval_topk)
        valid = retrieve_for(tower, index, data.validation.columns, data.items, settings.retrieval_topk)
        model, history = train_ranker(data, candidates, valid, config, seed, context.log.info)
        save_checkpoint(model, history, out)
        difference = export_ranker(model, data.rows, candidates, data.items, out / "model.onnx")
        return {
            f"retrieval order {METRIC}": history.validation[0],
            f"ranked {METRIC}": max(history.validation),
            "best_epoch": history.best_epoch,
            "largest_difference_from_tensorflow": difference,
            "curves": line_plot(
                {"training loss": history.loss, f"validation {METRIC}": history.validation[1:]},
                "epoch",
                f"DLRM, as of {day} (retrieval order: {history.validation[0]:.4f})",
            ),
        }

    return publish(context, artifacts, write)
