"""A bundle: everything that answers a request, as one immutable directory with a manifest of where it came from."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from rec_assets.bundles.provenance import Lineage, require_same
from rec_assets.common.errors import ActionableError
from rec_assets.inference.lookups import Lookups
from rec_assets.storage.artifact_store import digest_of

if TYPE_CHECKING:
    import polars as pl  # 0.3 s in each of 14 processes, of which none reads the catalog this way

MANIFEST = "manifest.json"
# What makes bundles: a full training, a fine-tune.
ASSETS = ("model_bundle", "finetuned_bundle")
PART_FILES = {
    "workflow": "lookups.npz",
    "query_tower": "model.onnx",
    "item_index": "index.faiss",
    "dlrm": "model.onnx",
    "multimodal": "embeddings.npz",
    "catalogue": "items.parquet",
    "signals": "signals.npz",
}
_ID_LENGTH = 16  # of 64 hex digits: short enough to say aloud, and no two of a project's bundles will share it


class ServingConfig(BaseModel):
    """The serving policy that the bundle was evaluated with."""

    model_config = ConfigDict(frozen=True)

    retrieval_topk: int = 300
    ranking_topk: int = 100
    diversity_mode: bool = False
    repeats: bool = True


class Manifest(BaseModel):
    """The manifest of a bundle.

    `parts` maps part names to the SHA-256 of names and contents of their files, `made_from` assets and their
    partitions ("query_tower [2025-03-14]") to the digests of the versions that were taken; `base` is the as-of day of
    the full training behind it, `code_version` that of this package.
    """

    model_config = ConfigDict(frozen=True)

    bundle_id: str
    as_of: date
    base: date
    parent: str | None
    parts: dict[str, str]
    made_from: dict[str, str]
    code_version: str
    metrics: dict[str, JsonValue]
    config: ServingConfig
    source: str


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: paths of its parts, and the small ones read."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path, *, verify: bool = False) -> "Bundle":
        """Opens a bundle directory.

        Args:
            path: the directory that holds `manifest.json`.
            verify: also read every part, compare its digest with the manifest's, and the parts' lineages.

        Raises:
            ActionableError: there is no readable manifest, a part is missing, or (with `verify`) was changed or does
                not belong to the others.
        """
        again = "Materialize model_bundle again."
        try:
            manifest = Manifest.model_validate_json((path / MANIFEST).read_text())
        except FileNotFoundError as error:
            raise ActionableError(f"{path} is no bundle: it has no {MANIFEST}.", again) from error
        except (OSError, ValidationError) as error:
            raise ActionableError(f"{path / MANIFEST} cannot be read: {error}", again) from error
        bundle = cls(path.absolute(), manifest)
        for part in PART_FILES:
            if part not in manifest.parts or not bundle.file(part).is_file():
                raise ActionableError(f"Bundle {manifest.bundle_id} lacks {part}/{PART_FILES[part]} in {path}.", again)
        if verify:
            changed = [part for part, digest in manifest.parts.items() if digest_of(path / part) != digest]
            if changed:
                raise ActionableError(
                    f"Bundle {manifest.bundle_id} in {path} was changed after it was written: {', '.join(changed)}.",
                    again,
                )
            require_same(bundle.lineages)
        return bundle

    @property
    def bundle_id(self) -> str:
        """The hex name of this content."""
        return self.manifest.bundle_id

    def file(self, part: str) -> Path:
        """Returns the path of a part's file."""
        return self.path / part / PART_FILES[part]

    @property
    def lineages(self) -> dict[str, Lineage]:
        """Returns the lineage of each part."""
        return {part: Lineage.read(self.path / part) for part in self.manifest.parts}

    @cached_property
    def lookups(self) -> Lookups:
        """The fitted workflow."""
        return Lookups.load(self.file("workflow"))

    def catalog(self) -> "pl.DataFrame":
        """Returns one row an item, by item_id: item_id, title, price, category_l1, category_l2, item_gender."""
        import polars as pl

        return pl.read_parquet(self.file("catalogue")).sort("item_id")


def write_bundle(
    target: Path,
    parts: Mapping[str, Path],
    *,
    as_of: date,
    parent: str | None,
    metrics: Mapping[str, JsonValue],
    config: ServingConfig,
    source: str,
    made_from: Mapping[str, str],
) -> Manifest:
    """Copies parts into `target` and writes their manifest; equal content, day and config give an equal bundle id.

    Args:
        target: an empty or new directory; the caller gives a temporary one and renames it.
        parts: part name to the folder that holds its file (`PART_FILES`) and its lineage; further files come along.
        as_of: the day the parts were trained on.
        parent: bundle id of the one it descends from, None for the first.
        metrics: what the evaluation measured.
        config: how it is meant to be served.
        source: the name of the raw-data source.
        made_from: the versions of the assets behind the parts.

    Raises:
        ActionableError: a part is missing, its folder lacks its file, or two parts do not belong together.
    """
    for part, name in PART_FILES.items():
        if part not in parts or not (parts[part] / name).is_file():
            where = parts.get(part, "the given parts")
            raise ActionableError(f"A bundle needs {part}/{name}, which {where} lacks.", f"Materialize {part} again.")
    lineages = {part: Lineage.read(folder) for part, folder in parts.items()}
    require_same(lineages)
    for part, folder in parts.items():
        shutil.copytree(folder, target / part)
    digests = {part: digest_of(target / part) for part in sorted(parts)}
    identity = json.dumps([as_of.isoformat(), source, digests, config.model_dump()], sort_keys=True)
    manifest = Manifest(
        bundle_id=hashlib.sha256(identity.encode()).hexdigest()[:_ID_LENGTH],
        as_of=as_of,
        base=date.fromisoformat(lineages["query_tower"].base),
        parent=parent,
        parts=digests,
        made_from=dict(made_from),
        code_version=version("rec_assets"),
        metrics=dict(metrics),
        config=config,
        source=source,
    )
    (target / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
    return manifest
