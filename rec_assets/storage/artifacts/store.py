"""The artifact store: every asset's files as immutable, content-addressed directories behind an atomic pointer.

Layout: `<root>/<asset>/<partition or "all">/<digest>/…`, and beside the digests the pointer `current.json` with the
digest of the current version. A version is written under a temporary name, renamed, and only then made current. So a
killed run leaves the last good version current, and readers never get an incomplete version. A version is compared with
its digest before it is read (`rec_assets.storage.integrity`). Publishing replaces a damaged version.

A store in a bucket is a subclass (`rec_assets.storage.artifacts.bucket_store`). All other code uses local paths.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from rec_assets.common.errors import ActionableError
from rec_assets.common.files import write_atomically
from rec_assets.storage.artifacts.artifact import Artifact, Draft, Pointer, require_names, require_replaced
from rec_assets.storage.artifacts.damage import Damage
from rec_assets.storage.artifacts.drafts import delete_abandoned, new_draft
from rec_assets.storage.artifacts.home_identity import keep_identity
from rec_assets.storage.artifacts.versions import POINTER, UNPARTITIONED, delete_version, place, versions_in
from rec_assets.storage.full_disk import full_disk
from rec_assets.storage.integrity import DamageError, digest_of, require_intact

# The version before the current one stays for runs that still read it.
KEPT_VERSIONS = 2


class ArtifactStore:
    """Publishes and finds artifacts below one root folder.

    Attributes:
        shared: True if other machines can read the published artifacts.
        read_only: True to refuse `publish` and `remove`.
    """

    shared = False

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.read_only = False

    def identity(self) -> str:
        """Returns the identity of the home, the folder above the root; a new home gets a random one."""
        return keep_identity(self.root.parent)

    def folder(self, asset: str, partition: str = UNPARTITIONED) -> Path:
        """Returns the folder that holds all versions of one partition; raises ActionableError for an invalid name."""
        require_names(asset, partition)
        return self.root / asset / partition

    @contextmanager
    def publish(
        self, asset: str, partition: str = UNPARTITIONED, run: str = "", replaces: str | None = None
    ) -> Iterator[Draft]:
        """Yields a draft whose `path` is an empty directory; after a block without error its content becomes current.

        Args:
            asset: the asset's name.
            partition: the partition key, or "all".
            run: id of the publishing run.
            replaces: digest of the version that must be current, or "" for none; any version by default.

        Raises:
            ActionableError: the disk is full, the folder is a link, the store is read-only, or another version than
                `replaces` is current; the current version stays current.
        """
        self._require_writable()
        folder = self._writable_folder(asset, partition)
        with new_draft(folder) as path:
            draft = Draft(path)
            try:
                yield draft
                digest = digest_of(path)
                place(path, folder / digest)
                artifact = Artifact(asset, partition, digest, folder / digest, run)
                self._make_current(artifact, replaces)
                self._prune(folder, digest)
                draft.artifact = artifact
            except Exception as error:
                full = full_disk(self.root, error)  # before the draft is deleted, which frees space
                if full is None:
                    raise
                raise ActionableError(
                    f"No space left on the disk of {full} while writing {asset} [{partition}]. The old version stays.",
                    f"Free space below {full} and materialize {asset} again.",
                ) from error

    def find(self, asset: str, partition: str = UNPARTITIONED) -> Artifact | None:
        """Returns the current version, or None if nothing was published.

        Raises:
            ActionableError: the pointer or the version is damaged; the message names the file or the folder.
        """
        artifact = self.current(asset, partition)
        return None if artifact is None else self.fetch(artifact)

    def current(self, asset: str, partition: str = UNPARTITIONED) -> Artifact | None:
        """Returns the current version without reading it, or None if nothing was published.

        Raises:
            ActionableError: the pointer is damaged.
        """
        return next(iter(self.kept(asset, partition)), None)

    def kept(self, asset: str, partition: str = UNPARTITIONED) -> list[Artifact]:
        """Returns the current version and the earlier ones that are kept, without reading them; raises as `current`."""
        current = self._find(asset, partition)
        if current is None:
            return []
        earlier = [version for version in versions_in(self.folder(asset, partition)) if version != current.path]
        return [current, *(Artifact(asset, partition, version.name, version) for version in earlier)]

    def fetch(self, artifact: Artifact) -> Artifact:
        """Makes a version readable on this machine, and returns it; raises ActionableError if it is damaged."""
        try:
            require_intact(artifact.path)
        except DamageError as error:
            raise _damage_of(artifact, error).error() from error
        return artifact

    def read_text(self, artifact: Artifact, name: str) -> str:
        """Returns the text of one file of a version; raises ActionableError if the file is missing or damaged."""
        return (self.fetch(artifact) / name).read_text()

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
        """Deletes a partition, first its pointer; raises ActionableError if the store is read-only."""
        self._require_writable()
        folder = self.folder(asset, partition)
        (folder / POINTER).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def lease(self, name: str, seconds: float, other: str) -> Iterator[int]:
        """Excludes other machines from the work of the block; yields a number that grows with every holder.

        A store on disk serves one machine, where a lock excludes other processes, and yields 0.

        Args:
            name: name of the work.
            seconds: maximum time to wait for another machine.
            other: name of another holder, at the beginning of a sentence.

        Raises:
            LockHeldError: another machine did not end the work in time.
        """
        yield 0

    def cached(self, asset: str) -> list[str]:
        """Returns the partitions of an asset that have local copies of a bucket's files; none for a store on disk."""
        return []

    def evict(self, asset: str, partition: str) -> None:
        """Deletes the local copies of a partition; a store on disk has none."""

    def check(self, asset: str, partition: str) -> Iterator[Damage]:
        """Reads the pointer and all versions of a partition, and yields their damages."""
        folder, current = self.folder(asset, partition), None
        try:
            current = self._find(asset, partition)
            if current is None and versions_in(folder):
                problem = f"{asset} [{partition}] has versions in {folder}, but no {POINTER}."
                yield Damage(asset, partition, problem)
        except ActionableError as error:
            yield Damage(asset, partition, error.problem)
        digests = {version.name for version in versions_in(folder)} | ({current.digest} if current else set())
        for digest in sorted(digests):
            artifact = Artifact(asset, partition, digest, folder / digest)
            try:
                require_intact(artifact.path, thorough=True)
            except DamageError as error:
                yield _damage_of(artifact, error, is_current=current is not None and current.digest == digest)

    def stored(self) -> list[tuple[str, str]]:
        """Returns asset and partition of every folder with versions or with a pointer, sorted."""
        folders = (folder for folder in self.root.glob("*/*") if folder.is_dir() and any(folder.iterdir()))
        return sorted((folder.parent.name, folder.name) for folder in folders)

    def delete_leftovers(self) -> list[Path]:
        """Deletes the drafts of killed runs, and returns their paths."""
        return [draft for folder in self.root.glob("*/*") for draft in delete_abandoned(folder)]

    def keep_only_current(self, asset: str, partition: str) -> None:
        """Deletes all versions of a partition but the current one; raises ActionableError if the store is read-only."""
        self._require_writable()
        current = self._find(asset, partition)
        for version in versions_in(self.folder(asset, partition)):
            if current is None or version.name != current.digest:
                delete_version(version)

    def delete_earlier(self, damage: Damage) -> None:
        """Deletes a damaged version that is not the current one."""
        delete_version(self.folder(damage.asset, damage.partition) / damage.digest)

    def _find(self, asset: str, partition: str) -> Artifact | None:
        """Returns the version that the pointer names; raises ActionableError if the pointer is damaged."""
        file = self.folder(asset, partition) / POINTER
        try:
            if file.is_symlink():
                raise OSError("it is a link")
            pointer = Pointer.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise Damage.of_pointer(asset, partition, str(file), error).error() from error
        return Artifact(asset, partition, pointer.digest, file.parent / pointer.digest, pointer.run)

    def _require_writable(self) -> None:
        if self.read_only:
            raise ActionableError(
                f"The artifact store {self.root} is read-only for this process.", "Unset REC_STORE_READ_ONLY to write."
            )

    def _writable_folder(self, asset: str, partition: str) -> Path:
        """Returns the folder of a partition, which exists then; raises ActionableError if it is a link."""
        folder = self.folder(asset, partition)
        for path in (folder.parent, folder):
            if path.is_symlink():
                raise ActionableError(
                    f"{path} is a link, and nothing is written through a link.", "Replace the link by a folder."
                )
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _make_current(self, artifact: Artifact, replaces: str | None) -> None:
        if replaces is not None:
            current = self._find(artifact.asset, artifact.partition)
            require_replaced(artifact, replaces, "" if current is None else current.digest)
        file = artifact.path.parent / POINTER
        if file.is_dir() and not file.is_symlink():  # damage; a rename cannot replace a folder by a file
            shutil.rmtree(file)
        with write_atomically(file) as draft:
            draft.write_text(Pointer(digest=artifact.digest, run=artifact.run).model_dump_json())
        artifact.path.touch()

    @staticmethod
    def _prune(folder: Path, current: str) -> None:
        """Deletes versions before the last `KEPT_VERSIONS`, and drafts of killed runs."""
        versions = [version for version in versions_in(folder) if version.name != current]
        versions.sort(key=lambda p: p.lstat().st_mtime, reverse=True)
        for old in versions[KEPT_VERSIONS - 1 :]:
            delete_version(old)
        delete_abandoned(folder)


def _damage_of(artifact: Artifact, error: DamageError, *, is_current: bool = True) -> Damage:
    where = str(artifact.path)
    return Damage.of_version(artifact.asset, artifact.partition, artifact.digest, where, error, is_current=is_current)
