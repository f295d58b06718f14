"""Vectors of images and descriptions. A cache avoids encoding the same content twice."""

from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.orchestration.assets.publishing import OWNERS, progress_logger, publish
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.metadata_plots import scatter
from rec_assets.orchestration.op_tags import GPU, TRAINING_POOL
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources.base import RAW_ITEMS
from rec_assets.storage.artifacts.artifact import Artifact

COMMON: dict[str, Any] = {
    "group_name": "embeddings",
    "owners": OWNERS,
    "op_tags": GPU,
    "pool": TRAINING_POOL,
    "code_version": "1",
    "freshness_policy": WEEKLY_FRESHNESS,
}
VECTORS = "embeddings.npz"


@asset(**COMMON, kinds={"onnx", "scikitlearn"})
def image_embeddings(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource, raw_items: Artifact
) -> MaterializeResult[None]:
    """A 64-dimensional vector of each item's image: image encoder, then PCA. Zero without an image."""
    from rec_assets.features.embeddings import image_vectors

    items = pl.read_parquet(raw_items / RAW_ITEMS).sort("item_id")
    folder = raw_items / "item_images"
    progress = progress_logger(context, "images read")
    images = {i: file if (file := folder / f"{i}.jpg").exists() else None for i in items["item_id"]}

    def write(out: Path, _: str) -> dict[str, Any]:
        vectors, report = image_vectors(
            images, settings.image_encoder, settings.home / "cache", lambda done: progress(done, len(images))
        )
        vectors.save(out / VECTORS)
        return {**report.as_dict(), **_diagnosis(vectors, items)}

    return publish(context, artifacts, write)


@asset(**COMMON, kinds={"huggingface", "scikitlearn"})
def text_embeddings(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource, raw_items: Artifact
) -> MaterializeResult[None]:
    """A 64-dimensional vector of each item's description: Sentence-BERT, then PCA. Zero without a description."""
    from rec_assets.features.embeddings import text_vectors

    items = pl.read_parquet(raw_items / RAW_ITEMS).sort("item_id")
    progress = progress_logger(context, "descriptions read")

    def write(out: Path, _: str) -> dict[str, Any]:
        vectors, report = text_vectors(
            items["item_id"].to_list(),
            items["product_description"].to_list(),
            settings.text_encoder,
            settings.home / "cache",
            lambda done: progress(done, items.height),
        )
        vectors.save(out / VECTORS)
        return {**report.as_dict(), **_diagnosis(vectors, items)}

    return publish(context, artifacts, write)


def _diagnosis(vectors: Any, items: pl.DataFrame) -> dict[str, Any]:
    from rec_assets.features.embeddings import category_nearest_neighbor_accuracy

    present = vectors.vectors[vectors.present]
    labels = items["category_l1"].to_numpy()[vectors.present]
    if len(present) < 2:
        return {}
    return {
        "nearest_neighbor_shares_category": category_nearest_neighbor_accuracy(present, labels),
        "map": scatter(present[:, :2].tolist(), labels.tolist(), "First two components, colored by category"),
    }
