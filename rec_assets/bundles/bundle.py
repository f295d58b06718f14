"""A bundle: all parts that serving needs, as one immutable directory with a manifest of their origin."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from rec_assets.bundles.export_report import MODEL
from rec_assets.bundles.provenance import Lineage, require_same
from rec_assets.common.errors import ActionableError
from rec_assets.inference.lookups import CATALOG, LOOKUPS, Lookups
from rec_assets.storage.integrity import DamageError, digest_of

if TYPE_CHECKING:
    import polars as pl  # 0.3 s in each of 14 serving processes, which never call `catalog`

MANIFEST = "manifest.json"
# Assets that write bundles: of a full training, of a fine-tune.
ASSETS = ("model_bundle", "finetuned_bundle")
PART_FILES = {
    "workflow": LOOKUPS,
    "query_tower": MODEL,
    "item_index": "index.faiss",
    "dlrm": MODEL,
    "multimodal": "embeddings.npy",
    "catalogue": CATALOG,
    "signals": "signals.npy",
}
# Parts that bundles of earlier releases lack, with one of their files.
LATER_PARTS = {"related": "similar/neighbors.npy"}
# Parts that release 0.1 wrote as `.npz`; supported until the next release.
_ARCHIVES = ("multimodal", "signals")
_FILES = PART_FILES | LATER_PARTS
_NAME = r"^[\w-]+$"  # of a bundle or a part, which are also names of folders
_ID_LENGTH = 16  # of 64 hex digits: short, and still unique in a project


class ServingConfig(BaseModel):
    """Serving settings that the bundle was evaluated with.

    Attributes:
        ranks_own_apart: whether the ranker reads ranks as of `signals.history_signals.retrieval_rank`; rankers of
            earlier bundles read positions in the whole list.
    """

    model_config = ConfigDict(frozen=True)

    retrieval_topk: int = 300
    ranking_topk: int = 100
    diversity_mode: bool = False
    repeats: bool = True
    ranks_own_apart: bool = False


class Manifest(BaseModel):
    """The manifest of a bundle.

    Attributes:
        base: as-of day of the full training that the bundle descends from.
        parts: part names to the SHA-256 of the names and contents of their files.
        made_from: assets with their partitions ("query_tower [2025-03-14]") to the digests of the versions used.
        code_version: version of this package.
    """

    model_config = ConfigDict(frozen=True)

    bundle_id: str = Field(pattern=_NAME)
    as_of: date
    base: date
    parent: str | None
    parts: dict[Annotated[str, Field(pattern=_NAME)], str]
    made_from: dict[str, str]
    code_version: str
    metrics: dict[str, JsonValue]
    config: ServingConfig
    source: str

    @property
    def models_id(self) -> str:
        """Hash of the parts: equal for two bundles that differ only in their serving settings."""
        return hashlib.sha256(json.dumps(self.parts, sort_keys=True).encode()).hexdigest()[:_ID_LENGTH]


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: paths of its parts, and readers of the small parts."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path, *, verify: bool = False) -> "Bundle":
        """Opens a bundle directory.

        Args:
            path: the directory that holds `manifest.json`.
            verify: also compare the digest of every part with the manifest, and the lineages of the parts.

        Raises:
            ActionableError: the manifest is missing or unreadable, or a part is missing. With `verify`, also if a part
                was changed or its lineage differs from the other parts.
        """
        again = "Materialize model_bundle again."
        try:
            manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
        except FileNotFoundError as error:
            raise ActionableError(f"{path} is not a bundle ({MANIFEST} is missing).", again) from error
        except (OSError, ValidationError) as error:
            raise ActionableError(f"{path / MANIFEST} cannot be read ({error}).", again) from error
        bundle = cls(path.absolute(), manifest)
        for part in (*PART_FILES, *(part for part in LATER_PARTS if part in manifest.parts)):
            if part not in manifest.parts or not bundle.file(part).is_file():
                raise ActionableError(f"Bundle {manifest.bundle_id} lacks {part}/{_FILES[part]} in {path}.", again)
        if verify:
            changed = [part for part, digest in manifest.parts.items() if not _has_digest(path / part, digest)]
            if changed:
                raise ActionableError(
                    f"Bundle {manifest.bundle_id} in {path} was changed after it was written: {', '.join(changed)}.",
                    again,
                )
            require_same(bundle.lineages)
        return bundle

    @property
    def bundle_id(self) -> str:
        """Returns the bundle id: 16 hex digits of a hash of the content."""
        return self.manifest.bundle_id

    def file(self, part: str) -> Path:
        """Returns the path of the file of a part."""
        file = self.path / part / _FILES[part]
        return file if part not in _ARCHIVES or file.exists() else file.with_suffix(".npz")

    @property
    def lineages(self) -> dict[str, Lineage]:
        """Returns the lineage of each part."""
        return {part: Lineage.read(self.path / part) for part in self.manifest.parts}

    @cached_property
    def lookups(self) -> Lookups:
        """Returns the lookups of the fitted workflow."""
        return Lookups.load(self.file("workflow"))

    def catalog(self) -> "pl.DataFrame":
        """Returns one row per item by item_id: item_id, title, price, category_l1, category_l2, item_gender."""
        import polars as pl

        return pl.read_parquet(self.file("catalogue")).sort("item_id")


def _has_digest(part: Path, digest: str) -> bool:
    try:
        return digest_of(part) == digest
    except DamageError:
        return False


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
    """Copies parts into `target` and writes the manifest. Equal parts, day, source and config give an equal bundle id.

    Args:
        target: an empty or new directory; callers pass a temporary one and rename it.
        parts: part name to the folder with its file (`PART_FILES`) and its lineage; other files are copied too.
        as_of: last day of the training data.
        parent: id of the bundle it descends from, None for the first bundle.
        metrics: results of the evaluation.
        config: serving settings of the evaluation.
        source: name of the raw-data source.
        made_from: digests of the asset versions behind the parts.

    Raises:
        ActionableError: a part or its file is missing, or the lineages of two parts differ.
    """
    for part, name in PART_FILES.items():
        if part not in parts or not (parts[part] / name).is_file():
            where = parts.get(part, "the given parts")
            raise ActionableError(f"The bundle part {part}/{name} is missing in {where}.", f"Materialize {part} again.")
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
