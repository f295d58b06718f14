"""The artifact store in a bucket: uploads complete versions, makes them current, and reads through a local cache.

Layout: immutable `<url>/versions/<asset>/<partition>/<digest>/…`, and the pointer
`<url>/current/<asset>/<partition>.json`, which is written last. A version is downloaded once, under a temporary name,
and enters the cache after its digest was verified.
"""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rec_assets.common.errors import ActionableError
from rec_assets.storage.artifact_store import KEPT_VERSIONS, UNPARTITIONED, Artifact, ArtifactStore, digest_of
from rec_assets.storage.s3 import Bucket, Stored

# Lifetime of versions without a pointer: another run may still upload or read them.
GRACE = timedelta(days=1)


@dataclass(frozen=True)
class _Current:
    """Content of a pointer.

    Attributes:
        versions: digests of the current version and of the kept earlier ones, newest first.
        run: id of the run that published the current version.
    """

    versions: list[str] = field(default_factory=list)
    run: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


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

    def find(self, asset: str, partition: str = UNPARTITIONED) -> Artifact | None:
        """Downloads and returns the current version; returns None if nothing was published.

        Raises:
            ActionableError: the bucket cannot be read, or the version was changed after publishing.
        """
        current = self._current(asset, partition)
        if not current.versions:
            return None
        digest = current.versions[0]
        artifact = Artifact(asset, partition, digest, self.folder(asset, partition) / digest, current.run)
        if not artifact.path.is_dir():
            self._download(artifact)
        return artifact

    def partitions(self, asset: str) -> list[str]:
        """Returns the partitions of an asset with a current version, sorted."""
        return sorted(Path(found.key).stem for found in self.bucket.objects(f"current/{asset}/"))

    def assets(self) -> list[str]:
        """Returns the names of all published assets, sorted."""
        return sorted({Path(found.key).parent.name for found in self.bucket.objects("current/")})

    def remove(self, asset: str, partition: str) -> None:
        """Deletes a partition in bucket and cache: first the pointers, then the versions."""
        versions = [found.key for found in self.bucket.objects(f"versions/{asset}/{partition}/")]
        self.bucket.delete([_pointer(asset, partition)])
        if versions:
            self.bucket.delete(versions)
        super().remove(asset, partition)

    def _make_current(self, artifact: Artifact) -> None:
        kept = self._current(artifact.asset, artifact.partition).versions
        if artifact.digest not in kept:
            # Uploads even an existing version, because an interrupted upload may have left it incomplete.
            self.bucket.upload(artifact.path, _key(artifact))
        artifact.path.touch()
        newest = [artifact.digest, *(digest for digest in kept if digest != artifact.digest)][:KEPT_VERSIONS]
        self.bucket.write(_pointer(artifact.asset, artifact.partition), _Current(newest, artifact.run).to_json())
        self._clear(artifact, newest)

    def _current(self, asset: str, partition: str) -> "_Current":
        text = self.bucket.read(_pointer(asset, partition))
        return _Current() if text is None else _Current(**json.loads(text))

    def _download(self, artifact: Artifact) -> None:
        folder = artifact.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder))
        try:
            self.bucket.download(_key(artifact), draft)
            if digest_of(draft) != artifact.digest:
                raise ActionableError(
                    f"{artifact.asset} [{artifact.partition}] in {self.bucket.url} was changed after publishing: its "
                    f"digest is not {artifact.digest[:12]}.",
                    f"Materialize {artifact.asset} for {artifact.partition} again.",
                )
            draft.chmod(0o755)
            try:
                draft.rename(artifact.path)
            except OSError:
                if not artifact.path.is_dir():  # else another process downloaded it first
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
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
