"""A store as release 0.1 left it: artifacts of the session's pipeline, rewritten to the files and names of 0.1.

The changelog lists what the present code still reads. It refuses the workflows and the ranker.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rec_assets.bundles.bundle import LATER_PARTS, MANIFEST, PART_FILES, Bundle
from rec_assets.bundles.gate_results import GATES
from rec_assets.datasets.training_set import LAST, REQUEST_KEYS, TRAIN
from rec_assets.serving.tables.memory_mapped import content_tables, signal_tables
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.integrity import digest_of

OLD_GATES = {"lookups_match_nvtabular": "workflow_equals_nvtabular", "index_recall": "index_finds_what_is_nearest"}
# The artifacts that a fine-tune reads and that 0.1 wrote as today: of every day, and of the last day.
EVERY_DAY = (
    *("id_codes", "raw_items", "raw_users", "image_embeddings", "text_embeddings"),
    *("joined_interactions", "masked_train_set"),
)
LAST_DAY = (
    *("raw_interactions", "behavioral_updates"),
    *("two_tower_model", "query_tower", "item_embeddings", "faiss_index", "dlrm_model"),
)


@contextmanager
def copied(source: ArtifactStore, store: ArtifactStore, asset: str, partition: str) -> Iterator[Path]:
    """Publishes an artifact of another store, after the block has changed its files."""
    with store.publish(asset, partition) as draft:
        shutil.copytree(source.get(asset, partition).path, draft.path, dirs_exist_ok=True)
        yield draft.path


def copy_artifact(source: ArtifactStore, store: ArtifactStore, asset: str, partition: str) -> None:
    """Publishes an artifact of another store, in place of a second training."""
    with copied(source, store, asset, partition):
        pass


def fill(store: ArtifactStore, source: ArtifactStore, day: str) -> Bundle:
    """Publishes the full training of a day as 0.1 wrote it, with all that it was made from.

    Returns the bundle, which passed its gates.
    """
    for asset in EVERY_DAY:
        for partition in source.partitions(asset):
            if partition == "all" or partition <= day:
                copy_artifact(source, store, asset, partition)
    for asset in LAST_DAY:
        copy_artifact(source, store, asset, day)
    with copied(source, store, "nvt_workflows", day) as folder:
        (folder / "workflow" / "fitted.json").unlink()  # 0.1 had pickles of NVTabular instead
    with copied(source, store, "training_set", day) as folder:
        for part in (TRAIN, LAST):
            rename_arrays(folder / part / REQUEST_KEYS, {"request_user_id": "asked_by"})
    with store.publish("model_bundle", day) as draft:
        write_bundle(draft.path, Bundle.open(source.get("model_bundle", day).path))
    bundle = Bundle.open(store.get("model_bundle", day).path)
    gates = [{"name": OLD_GATES.get(name, name), "passed": True, "told": "fine"} for name in GATES]
    with store.publish("bundle_verdicts", bundle.bundle_id) as draft:
        (draft.path / "verdict.json").write_text(json.dumps({"bundle_id": bundle.bundle_id, "gates": gates}))
    return bundle


def rename_arrays(file: Path, names: Mapping[str, str]) -> None:
    with np.load(file) as arrays:
        renamed = {names.get(name, name): arrays[name] for name in arrays.files}
    assert set(names.values()) <= set(renamed)
    np.savez(file, **renamed)


def write_bundle(folder: Path, bundle: Bundle) -> None:
    """Writes a bundle without the parts, files, columns and settings that came after 0.1."""
    for part in PART_FILES:
        shutil.copytree(bundle.path / part, folder / part)
    for part, tables in (("multimodal", content_tables(bundle)), ("signals", signal_tables(bundle))):
        file = folder / part / PART_FILES[part]
        np.savez(file.with_suffix(".npz"), **tables)
        file.unlink()
    for file in [*(folder / "dlrm").glob("*.onnx"), *(folder / "dlrm").glob("*.npy")]:  # of the factored ranker
        if file.name != PART_FILES["dlrm"]:
            file.unlink()
    catalog = folder / "catalogue" / PART_FILES["catalogue"]
    pl.read_parquet(catalog).drop("available").write_parquet(catalog)
    manifest: dict[str, Any] = bundle.manifest.model_dump(mode="json")
    manifest["parts"] = {part: digest_of(folder / part) for part in sorted(PART_FILES)}
    assert set(bundle.manifest.parts) - set(manifest["parts"]) == set(LATER_PARTS)
    manifest["bundle_id"] = hashlib.sha256(json.dumps(manifest["parts"]).encode()).hexdigest()[:16]
    manifest["code_version"] = "0.1.0"
    del manifest["config"]["ranks_own_apart"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
