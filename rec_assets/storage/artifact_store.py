"""The artifact store: every asset's files as immutable, content-addressed directories behind an atomic pointer.

Layout: `<root>/<asset>/<partition or "all">/<digest>/…`, and beside the digests `current.json` with the digest of the
current version. A version is written under a temporary name, renamed, and only then made current. So a killed run
leaves the last good version current, and readers never get an incomplete version.

A store in a bucket is a subclass (`rec_assets.storage.bucket_store`). All other code uses local paths.
"""

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rec_assets.common.errors import ActionableError

UNPARTITIONED = "all"
POINTER = "current.json"
# The version before the current one stays for runs that still read it.
KEPT_VERSIONS = 2
_FULL_DISK_FREE = 1 << 20  # maximum free bytes of a full disk: a failed write may free some space


@dataclass(frozen=True)
class Artifact:
    """One version of one partition of one asset.

    Attributes:
        asset: the asset's name.
        partition: the partition key, or "all".
        digest: hex digest of names and contents of all files.
        path: the directory that holds the files.
        run: id of the run that published it; empty if not given.
    """

    asset: str
    partition: str
    digest: str
    path: Path
    run: str = field(default="", compare=False)

    def __truediv__(self, name: str) -> Path:
        """Returns the path of a file of this version; raises ActionableError if the file is missing."""
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
    """Copies a directory of immutable files into a new or an empty one, as hard links where possible."""
    shutil.copytree(source, target, copy_function=link, dirs_exist_ok=True)


def link(source: str | Path, target: str | Path) -> None:
    """Links an immutable file, or copies it where hard links are not possible."""
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without hard links
        shutil.copy2(source, target)


class ArtifactStore:
    """Publishes and finds artifacts below one root folder.

    Attributes:
        shared: True if other machines can read the published artifacts.
    """

    shared = False

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def folder(self, asset: str, partition: str = UNPARTITIONED) -> Path:
        """Returns the folder that holds all versions of one partition."""
        return self.root / asset / partition

    @contextmanager
    def publish(self, asset: str, partition: str = UNPARTITIONED, run: str = "") -> Iterator["Draft"]:
        """Yields a draft whose `path` is an empty directory; after a block without error its content becomes current.

        Args:
            asset: the asset's name.
            partition: the partition key, or "all".
            run: id of the publishing run.

        Raises:
            ActionableError: the disk is full; the current version stays current.
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
                f"No space left on the disk of {full} while writing {asset} [{partition}]; the old version is kept.",
                f"Free space below {full} and materialize {asset} again.",
            ) from error
        finally:
            shutil.rmtree(draft.path, ignore_errors=True)

    def find(self, asset: str, partition: str = UNPARTITIONED) -> Artifact | None:
        """Returns the current version, or None if nothing was published."""
        folder = self.folder(asset, partition)
        try:
            current = json.loads((folder / POINTER).read_text())
        except FileNotFoundError:
            return None
        return Artifact(asset, partition, current["digest"], folder / current["digest"], current.get("run", ""))

    def get(self, asset: str, partition: str = UNPARTITIONED) -> Artifact:
        """Returns the current version; raises ActionableError if nothing was published."""
        artifact = self.find(asset, partition)
        if artifact is None:
            where = "" if partition == UNPARTITIONED else f" for {partition}"
            raise ActionableError(
                f"{asset} has not been materialized{where}.",
                f"Materialize {asset}{where}, or run `make demo` for the whole graph.",
            )
        return artifact

    def partitions(self, asset: str) -> list[str]:
        """Returns the partitions of an asset with a current version, sorted."""
        folder = self.root / asset
        return sorted(p.parent.name for p in folder.glob(f"*/{POINTER}"))

    def assets(self) -> list[str]:
        """Returns the names of all published assets, sorted."""
        return sorted({p.parent.parent.name for p in self.root.glob(f"*/*/{POINTER}")})

    def remove(self, asset: str, partition: str) -> None:
        """Deletes a partition: first its pointer, then its versions."""
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
    """Returns the folder on a full disk that caused an error, `root` or the temporary folder; None for other causes.

    An error with ENOSPC or EDQUOT proves the cause. Many libraries hide this number (see `_may_hide_full_disk`): their
    errors count if less than 1 MiB is free. Exceptions that an error was raised from count, too.
    """
    causes = list(_with_causes(error))
    is_proven = any(isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT) for one in causes)
    if not is_proven and not any(map(_may_hide_full_disk, causes)):
        return None
    folders = (root, Path(tempfile.gettempdir()))
    full = (folder for folder in folders if shutil.disk_usage(folder).free < _FULL_DISK_FREE)
    return next(full, root if is_proven else None)


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _may_hide_full_disk(error: BaseException) -> bool:
    """Returns whether an error without ENOSPC is of a type that libraries raise on a full disk.

    - OSError without a number: NumPy ("1000000 requested and 393216 written"), `shutil.copytree`.
    - RuntimeError itself: FAISS and PyTorch, whose messages differ.
    - sqlite3.OperationalError: SQLite; SQLAlchemy, which Dagster uses, raises its own error from this one.
    - Any error with the system's message: Polars (ComputeError or OSError), TensorFlow, Valkey.
    """
    if isinstance(error, OSError):
        return error.errno is None
    if type(error) is RuntimeError or isinstance(error, sqlite3.OperationalError):
        return True
    return os.strerror(errno.ENOSPC) in str(error)


@dataclass
class Draft:
    """An unpublished version: fill `path`; after the `with` block `artifact` is the published version."""

    path: Path
    artifact: Artifact | None = None

    @property
    def published(self) -> Artifact:
        """Returns the published version; raises RuntimeError inside the `with` block."""
        if self.artifact is None:
            raise RuntimeError("The draft is not published yet. Leave the `with` block first.")
        return self.artifact
