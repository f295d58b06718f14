"""The artifact store in a bucket: uploads complete versions, makes them current, and reads through a local cache.

Layout: immutable `<url>/versions/<asset>/<partition>/<digest>/…`, and the pointer
`<url>/current/<asset>/<partition>.json`, which is written last. A version is downloaded once, under a temporary name,
and enters the cache after its digest was verified.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rec_assets.common.errors import ActionableError
from rec_assets.storage.artifacts.artifact import Artifact, Digest, Draft, require_replaced
from rec_assets.storage.artifacts.bucket_identity import common_identity, give_identity
from rec_assets.storage.artifacts.damage import Damage
from rec_assets.storage.artifacts.drafts import new_draft
from rec_assets.storage.artifacts.lease import held_lease
from rec_assets.storage.artifacts.store import KEPT_VERSIONS, ArtifactStore
from rec_assets.storage.artifacts.versions import UNPARTITIONED, delete_version, place, versions_in
from rec_assets.storage.integrity import DamageError, digest_of, require_intact
from rec_assets.storage.s3 import Bucket, Stored, Tagged

# Lifetime of versions without a pointer: another run may still upload or read them.
GRACE = timedelta(days=1)


class _Current(BaseModel):
    """Content of a pointer.

    Attributes:
        versions: digests of the current version and of the kept earlier ones, newest first.
        run: id of the run that published the current version.
    """

    model_config = ConfigDict(frozen=True)

    versions: list[Digest] = Field(min_length=1)
    run: str = ""


_NOTHING = _Current.model_construct(versions=[])  # before the first publish


class BucketStore(ArtifactStore):
    """Publishes artifacts to a bucket and finds them there; `root` is the local cache."""

    shared = True

    def __init__(self, root: Path, url: str) -> None:
        """Opens the store; raises ActionableError for an invalid bucket URL.

        Args:
            root: folder of the cache.
            url: `s3://bucket/prefix`.
        """
        super().__init__(root)
        self.bucket = Bucket(url)

    def identity(self) -> str:
        """Returns the identity of home and bucket. A new home takes that of the bucket, and a new bucket the home's.

        Raises:
            ActionableError: the bucket belongs to another home, or cannot be read.
        """
        known = common_identity(self._home, self.bucket)
        if known is not None:
            return known
        self._require_writable()
        return give_identity(self._home, self.bucket)

    @property
    def _home(self) -> Path:
        return self.root.parent

    @contextmanager
    def publish(
        self, asset: str, partition: str = UNPARTITIONED, run: str = "", replaces: str | None = None
    ) -> Iterator[Draft]:
        """Publishes like a store on disk; also raises ActionableError if the bucket belongs to another home."""
        self._require_writable()
        self.identity()
        with super().publish(asset, partition, run, replaces) as draft:
            yield draft

    def kept(self, asset: str, partition: str = UNPARTITIONED) -> list[Artifact]:
        """Returns the versions that the pointer names, without downloading them; raises as `current`."""
        current = self._current(asset, partition)
        if current.versions:
            common_identity(self._home, self.bucket)
        return [self._artifact(asset, partition, digest, current.run) for digest in current.versions]

    def fetch(self, artifact: Artifact) -> Artifact:
        """Downloads a version into the cache, unless it is there; raises ActionableError if it is damaged."""
        try:
            require_intact(artifact.path)
        except DamageError:  # not in the cache, or damaged there
            self._download(artifact)
        return artifact

    def read_text(self, artifact: Artifact, name: str) -> str:
        """Returns the text of one file of a version, without downloading the others or comparing digests."""
        if (artifact.path / name).is_file():
            return super().read_text(artifact, name)
        text = self.bucket.read(_key(artifact) + name)
        if text is None:
            raise self._damage_of(artifact, DamageError(f"it has no file '{name}'")).error()
        return text

    def partitions(self, asset: str) -> list[str]:
        """Returns the partitions of an asset with a current version, sorted."""
        return sorted(Path(found.key).stem for found in self.bucket.objects(f"current/{asset}/"))

    def assets(self) -> list[str]:
        """Returns the names of all published assets, sorted."""
        return sorted({Path(found.key).parent.name for found in self.bucket.objects("current/")})

    def remove(self, asset: str, partition: str) -> None:
        """Deletes a partition in bucket and cache: first the pointers, then the versions; raises as on disk."""
        self._require_writable()
        versions = [found.key for found in self.bucket.objects(f"versions/{asset}/{partition}/")]
        self.bucket.delete([_pointer(asset, partition)])
        if versions:
            self.bucket.delete(versions)
        super().remove(asset, partition)

    @contextmanager
    def lease(self, name: str, seconds: float, other: str) -> Iterator[int]:
        """Holds a lease in the bucket; see `ArtifactStore.lease`."""
        with held_lease(self.bucket, f"leases/{name}.json", seconds, other) as token:
            yield token

    def cached(self, asset: str) -> list[str]:
        """Returns the partitions of an asset with files in the cache, sorted."""
        return sorted(folder.name for folder in (self.root / asset).glob("*"))

    def evict(self, asset: str, partition: str) -> None:
        """Deletes a partition from the cache; the next `find` downloads it again."""
        for version in versions_in(self.folder(asset, partition)):
            delete_version(version)

    def check(self, asset: str, partition: str) -> Iterator[Damage]:
        """Reads the pointer and its versions in the bucket, and yields their damages."""
        try:
            versions = self._current(asset, partition).versions
        except ActionableError as error:
            yield Damage(asset, partition, error.problem)
            return
        for digest in versions:
            artifact = self._artifact(asset, partition, digest)
            try:
                self._require_intact(artifact)
            except DamageError as error:
                yield self._damage_of(artifact, error, is_current=digest == versions[0])

    def stored(self) -> list[tuple[str, str]]:
        """Returns asset and partition of every pointer, sorted."""
        keys = (Path(found.key) for found in self.bucket.objects("current/"))
        return sorted((key.parent.name, key.stem) for key in keys)

    def keep_only_current(self, asset: str, partition: str) -> None:
        """Deletes all versions but the current one, in bucket and cache; raises as on disk."""
        self._require_writable()
        pointer = self._current(asset, partition)
        kept = pointer.versions[:1]
        if kept:
            only = _Current(versions=kept, run=pointer.run)
            self.bucket.write(_pointer(asset, partition), only.model_dump_json())
        below = f"versions/{asset}/{partition}/"
        gone = [
            found.key
            for found in self.bucket.objects(below)
            if found.key.removeprefix(below).partition("/")[0] not in kept
        ]
        if gone:
            self.bucket.delete(gone)
        for version in versions_in(self.folder(asset, partition)):
            if version.name not in kept:
                delete_version(version)

    def delete_earlier(self, damage: Damage) -> None:
        """Removes a damaged version from the pointer; a later publish deletes its files."""
        current = self._current(damage.asset, damage.partition)
        versions = [digest for digest in current.versions if digest != damage.digest]
        pointer = _Current(versions=versions, run=current.run)
        self.bucket.write(_pointer(damage.asset, damage.partition), pointer.model_dump_json())

    def _artifact(self, asset: str, partition: str, digest: str, run: str = "") -> Artifact:
        return Artifact(asset, partition, digest, self.folder(asset, partition) / digest, run)

    def _make_current(self, artifact: Artifact, replaces: str | None) -> None:
        pointer = _pointer(artifact.asset, artifact.partition)
        before = self.bucket.read_tagged(pointer)
        try:
            kept = self._current(artifact.asset, artifact.partition).versions
        except ActionableError:  # a damaged pointer, which is replaced below
            kept = []
        if artifact.digest not in kept or not self._is_intact(artifact):
            # Uploads even an existing version, because an interrupted upload may have left it incomplete.
            self.bucket.upload(artifact.path, _key(artifact))
            self._delete_others(artifact)
        artifact.path.touch()
        newest = [artifact.digest, *(digest for digest in kept if digest != artifact.digest)][:KEPT_VERSIONS]
        text = _Current(versions=newest, run=artifact.run).model_dump_json()
        if replaces is None:
            self.bucket.write(pointer, text)
        else:
            require_replaced(artifact, replaces, next(iter(kept), ""))
            # The pointer must not have changed since it was read above.
            if not self.bucket.replace(pointer, Tagged(text, None if before is None else before.tag)):
                require_replaced(artifact, replaces, "another one")
        self._clear(artifact, newest)

    def _delete_others(self, artifact: Artifact) -> None:
        """Deletes objects of an uploaded version that its folder does not have."""
        below = _key(artifact)
        others = [
            found.key
            for found in self.bucket.objects(below)
            if not (artifact.path / found.key.removeprefix(below)).is_file()
        ]
        if others:
            self.bucket.delete(others)

    def _current(self, asset: str, partition: str) -> "_Current":
        self.folder(asset, partition)  # refuses invalid names
        text = self.bucket.read(_pointer(asset, partition))
        try:
            return _NOTHING if text is None else _Current.model_validate_json(text)
        except ValidationError as error:
            raise Damage.of_pointer(
                asset, partition, f"{self.bucket.url}/{_pointer(asset, partition)}", error
            ).error() from error

    def _is_intact(self, artifact: Artifact) -> bool:
        try:
            self._require_intact(artifact)
        except DamageError:
            return False
        return True

    def _require_intact(self, artifact: Artifact) -> None:
        """Reads a version in the bucket; raises DamageError if it is not what was published."""
        if self.bucket.digest_of(_key(artifact)) != artifact.digest:
            raise DamageError("its files were changed after publishing")

    def _damage_of(self, artifact: Artifact, error: DamageError, *, is_current: bool = True) -> Damage:
        where = f"{self.bucket.url}/{_key(artifact).rstrip('/')}"
        return Damage.of_version(
            artifact.asset, artifact.partition, artifact.digest, where, error, is_current=is_current
        )

    def _download(self, artifact: Artifact) -> None:
        """Downloads a version into the cache; raises ActionableError if it is damaged in the bucket."""
        folder = self._writable_folder(artifact.asset, artifact.partition)
        with new_draft(folder) as draft:
            try:
                self.bucket.download(_key(artifact), draft)
                if digest_of(draft) != artifact.digest:
                    raise DamageError("its files were changed after publishing")
            except DamageError as error:
                raise self._damage_of(artifact, error).error() from error
            place(draft, artifact.path)
        self._prune(folder, artifact.digest)

    def _clear(self, artifact: Artifact, kept: list[str]) -> None:
        """Deletes versions without a pointer whose newest file is a day old, incomplete uploads included."""
        below = _key(artifact).removesuffix(f"{artifact.digest}/")
        versions: dict[str, list[Stored]] = {}
        for found in self.bucket.objects(below):
            versions.setdefault(found.key.removeprefix(below).partition("/")[0], []).append(found)
        ripe = datetime.now(UTC) - GRACE
        gone = [
            found.key
            for digest, files in versions.items()
            if digest not in kept and max(found.written for found in files) < ripe
            for found in files
        ]
        if gone:
            self.bucket.delete(gone)


def _key(artifact: Artifact) -> str:
    return f"versions/{artifact.asset}/{artifact.partition}/{artifact.digest}/"


def _pointer(asset: str, partition: str) -> str:
    return f"current/{asset}/{partition}.json"
