"""The artifact store: every asset's files as immutable, content-addressed directories behind an atomic pointer.

Layout: `<root>/<asset>/<partition or "all">/<digest>/…` and beside the digests `current.json`, which names the one
that is read. A version is written under a temporary name, renamed, and only then pointed at, so a killed run leaves
the last good version current and nothing half-written is ever read.

A store in a bucket is a subclass (`rec_assets.storage.bucket_store`). Everything else sees local paths.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rec_assets.common.errors import ActionableError

UNPARTITIONED = "all"
POINTER = "current.json"
# The version before the current one stays, for runs that read it while the new one was written.
KEPT_VERSIONS = 2
_A_FULL_DISK_HAS = 1 << 20  # bytes at most: what the write that failed may have left


@dataclass(frozen=True)
class Artifact:
    """One version of one partition of one asset.

    Attributes:
        asset: the asset's name.
        partition: the partition key, or "all".
        digest: hex digest of names and contents of all files.
        path: the directory that holds the files.
        run: what published it, where that said who it was.
    """

    asset: str
    partition: str
    digest: str
    path: Path
    run: str = field(default="", compare=False)

    def __truediv__(self, name: str) -> Path:
        """Returns the path of a file of this version; raises ActionableError where there is none."""
        file = self.path / name
        if not file.exists():
            raise ActionableError(
                f"{self.asset} [{self.partition}] has no file '{name}' in {self.path}.",
                f"Materialize {self.asset} for {self.partition} again.",
            )
        return file


def digest_of(directory: Path) -> str:
    """Returns the SHA-256 hex digest over the relative names and contents of all files below `directory`."""
    total = hashlib.sha256()
    for file in sorted(p for p in directory.rglob("*") if p.is_file()):
        total.update(file.relative_to(directory).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def link_tree(source: Path, target: Path) -> None:
    """Copies a directory of files that never change, into an empty one or a new: as hard links where the disk can."""
    shutil.copytree(source, target, copy_function=link, dirs_exist_ok=True)


def link(source: str | Path, target: str | Path) -> None:
    """Puts a file that never changes in a second place."""
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without hard links
        shutil.copy2(source, target)


class ArtifactStore:
    """Publishes and finds artifacts below one root folder.

    Attributes:
        shared: whether other machines find what this one publishes.
    """

    shared = False

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def folder(self, asset: str, partition: str = UNPARTITIONED) -> Path:
        """Returns the folder that holds all versions of one partition."""
        return self.root / asset / partition

    @contextmanager
    def publish(self, asset: str, partition: str = UNPARTITIONED, run: str = "") -> Iterator["Draft"]:
        """Gives a draft whose `path` is an empty directory to fill; on a clean exit its content becomes current.

        Args:
            asset: the asset's name.
            partition: the partition key, or "all".
            run: who publishes, for `Artifact.run`.

        Raises:
            ActionableError: the disk is full; what was current before still is.
        """
        folder = self.folder(asset, partition)
        folder.mkdir(parents=True, exist_ok=True)
        draft = Draft(Path(tempfile.mkdtemp(prefix=".draft-", dir=folder)))
        try:
            yield draft
            digest = digest_of(draft.path)
            version = folder / digest
            if not version.exists():
                draft.path.chmod(0o755)
                draft.path.rename(version)
            artifact = Artifact(asset, partition, digest, version, run)
            self._make_current(artifact)
            self._prune(folder, digest)
            draft.artifact = artifact
        except Exception as error:
            full = full_disk(self.root, error)
            if full is None:
                raise
            raise ActionableError(
                f"No space left on the disk of {full} while writing {asset} [{partition}]; the version before is "
                "untouched.",
                f"Free space below {full} and materialize it again.",
            ) from error
        finally:
            shutil.rmtree(draft.path, ignore_errors=True)

    def find(self, asset: str, partition: str = UNPARTITIONED) -> Artifact | None:
        """Returns the current version, or None where nothing was ever published."""
        folder = self.folder(asset, partition)
        try:
            current = json.loads((folder / POINTER).read_text())
        except FileNotFoundError:
            return None
        return Artifact(asset, partition, current["digest"], folder / current["digest"], current.get("run", ""))

    def get(self, asset: str, partition: str = UNPARTITIONED) -> Artifact:
        """Returns the current version; raises ActionableError where nothing was ever published."""
        artifact = self.find(asset, partition)
        if artifact is None:
            where = "" if partition == UNPARTITIONED else f" for {partition}"
            raise ActionableError(
                f"{asset} has not been materialized{where}.",
                f"Materialize {asset}{where}, or run `make demo` for the whole graph.",
            )
        return artifact

    def partitions(self, asset: str) -> list[str]:
        """Returns the partitions of an asset that have a current version, sorted."""
        folder = self.root / asset
        return sorted(p.parent.name for p in folder.glob(f"*/{POINTER}"))

    def assets(self) -> list[str]:
        """Returns the names of all assets that were ever published, sorted."""
        return sorted({p.parent.parent.name for p in self.root.glob(f"*/*/{POINTER}")})

    def remove(self, asset: str, partition: str) -> None:
        """Forgets a partition: first what points at it, then its versions."""
        folder = self.folder(asset, partition)
        (folder / POINTER).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def _make_current(self, artifact: Artifact) -> None:
        folder = artifact.path.parent
        staged = folder / f".{POINTER}-{os.getpid()}"
        staged.write_text(json.dumps({"digest": artifact.digest, "run": artifact.run}))
        staged.replace(folder / POINTER)
        artifact.path.touch()

    @staticmethod
    def _prune(folder: Path, current: str) -> None:
        versions = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".") and p.name != current]
        versions.sort(key=lambda p: p.stat().st_mtime, reverse=True)
        for old in versions[KEPT_VERSIONS - 1 :]:
            shutil.rmtree(old, ignore_errors=True)


def full_disk(root: Path, error: BaseException) -> Path | None:
    """Returns what lies on a full disk, a folder or that of scratch files; None where the error has another cause.

    Only some libraries raise what the system said: Polars, NumPy, FAISS and SQLite have errors of their own for it.
    """
    told = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    full = (place for place in (root, Path(tempfile.gettempdir())) if shutil.disk_usage(place).free < _A_FULL_DISK_HAS)
    return next(full, root if told else None)


@dataclass
class Draft:
    """A version being written: fill `path`; after the `with` block `artifact` is the published version."""

    path: Path
    artifact: Artifact | None = None

    @property
    def published(self) -> Artifact:
        """Returns the published version; raises RuntimeError inside the `with` block."""
        if self.artifact is None:
            raise RuntimeError("the draft is not published yet")
        return self.artifact
