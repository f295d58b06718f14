"""Every kind of damage is noticed when a version is read, names its file, and is repaired by publishing again."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.bucket_store import BucketStore
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.integrity import DamageError
from rec_assets.storage.s3 import Bucket, Stored
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.storage.damages import (
    FILE_DAMAGES,
    FOLDER_DAMAGES,
    OBJECT_DAMAGES,
    VERSION_OBJECT_DAMAGES,
    ObjectDamage,
)

DAY = "2025-03-03"
NEXT_STEP = "(?s){}.*rec verify --repair.*materialize rows for 2025-03-03 again"


def write(store: ArtifactStore, number: int = 1) -> Artifact:
    with store.publish("rows", DAY) as draft:
        (draft.path / "part").mkdir()
        (draft.path / "a.txt").write_text(f'{{"rows": {number}}}')
        (draft.path / "part" / "b.txt").write_text(f"{number} other rows")
    return draft.published


def read(store: ArtifactStore) -> tuple[str, str]:
    artifact = store.get("rows", DAY)
    return (artifact / "a.txt").read_text(), (artifact / "part/b.txt").read_text()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def bucket(s3: S3, tmp_path: Path) -> BucketStore:
    return BucketStore(tmp_path / "here", f"s3://{BUCKET}/{uuid4().hex}")


def elsewhere(bucket: BucketStore) -> BucketStore:
    """A store of another machine, with an empty cache, in the same bucket."""
    return BucketStore(bucket.root.parent / uuid4().hex, bucket.bucket.url)


def in_version(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda version: damage(version / "a.txt")


POINTER_DAMAGES = {name: damage for name, damage in FILE_DAMAGES.items() if name != "deleted"}
VERSION_DAMAGES = {**{name: in_version(damage) for name, damage in FILE_DAMAGES.items()}, **FOLDER_DAMAGES}


@pytest.mark.parametrize("damage", VERSION_DAMAGES.values(), ids=VERSION_DAMAGES)
def test_a_damaged_version_is_not_read_and_publishing_again_repairs_it(
    store: ArtifactStore, damage: Callable[[Path], None]
) -> None:
    artifact, before = write(store), read(store)
    damage(artifact.path)
    with pytest.raises(ActionableError, match=NEXT_STEP.format(artifact.digest)):
        read(store)
    assert [one.is_current for one in store.check("rows", DAY)] == [True]
    assert write(store) == artifact and read(store) == before
    assert not list(store.check("rows", DAY)) and not list(artifact.path.parent.glob(".draft-*"))


@pytest.mark.parametrize("damage", POINTER_DAMAGES.values(), ids=POINTER_DAMAGES)
def test_a_damaged_pointer_names_its_file_and_publishing_again_repairs_it(
    store: ArtifactStore, damage: Callable[[Path], None]
) -> None:
    artifact, before = write(store), read(store)
    pointer = store.folder("rows", DAY) / "current.json"
    pointer.write_text(pointer.read_text().replace(artifact.digest, "1" * 64))  # "valid but wrong" is one, too
    damage(pointer)
    with pytest.raises(ActionableError, match=NEXT_STEP.format("(current.json|2222|1111)")):
        read(store)
    assert store.partitions("rows") == [DAY]
    assert any(one.is_current for one in store.check("rows", DAY))
    write(store)
    assert read(store) == before and not list(store.check("rows", DAY))


def test_a_deleted_pointer_is_found_by_a_check(store: ArtifactStore) -> None:
    write(store)
    (store.folder("rows", DAY) / "current.json").unlink()
    assert store.find("rows", DAY) is None
    assert store.stored() == [("rows", DAY)]
    (damage,) = store.check("rows", DAY)
    assert "no current.json" in damage.problem


def test_damage_that_keeps_size_and_time_is_found_by_a_check(store: ArtifactStore) -> None:
    file = write(store).path / "a.txt"
    times = file.stat()
    FILE_DAMAGES["flipped bit"](file)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    read(store)
    assert len(list(store.check("rows", DAY))) == 1
    write(store)
    assert not list(store.check("rows", DAY))


def test_an_unchanged_version_is_read_once(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(store).path / "a.txt"
    monkeypatch.setattr("rec_assets.storage.integrity.digest_of", lambda _: pytest.fail("the files are read again"))
    assert read(store)[0] == file.read_text()


OBJECTS = {**OBJECT_DAMAGES, **VERSION_OBJECT_DAMAGES}


@pytest.mark.parametrize("damage", OBJECTS.values(), ids=OBJECTS)
def test_a_version_that_is_damaged_in_a_bucket_is_not_read_and_publishing_again_repairs_it(
    bucket: BucketStore, damage: ObjectDamage
) -> None:
    artifact, before = write(bucket), read(bucket)
    damage(bucket.bucket, f"versions/rows/{DAY}/{artifact.digest}/", "a.txt")
    other = elsewhere(bucket)
    with pytest.raises(ActionableError, match=NEXT_STEP.format(artifact.digest)):
        read(other)
    assert [path.name for path in other.root.rglob("*.txt")] == []
    assert [one.is_current for one in other.check("rows", DAY)] == [True]
    write(bucket)
    assert read(elsewhere(bucket)) == before
    assert not list(bucket.check("rows", DAY))


@pytest.mark.parametrize("name", ["../../escaped.txt", "/etc/escaped.txt", "part/../../escaped.txt", "a//b.txt"])
def test_an_object_whose_name_leads_out_of_its_folder_is_not_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bucket = Bucket("s3://shop")  # S3 takes such names, unlike the server of these tests
    monkeypatch.setattr(bucket, "objects", lambda key: iter([Stored(key + name, datetime.now(UTC), 1)]))
    with pytest.raises(DamageError, match="has an object with the name"):
        bucket.download("versions/rows/", tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in OBJECT_DAMAGES if kind not in ("deleted", "folder for a file")])
def test_a_damaged_pointer_in_a_bucket_is_named_and_publishing_again_repairs_it(bucket: BucketStore, kind: str) -> None:
    artifact, before = write(bucket), read(bucket)
    key = f"current/rows/{DAY}.json"
    bucket.bucket.write(key, (bucket.bucket.read(key) or "").replace(artifact.digest, "1" * 64))
    OBJECT_DAMAGES[kind](bucket.bucket, "current/rows/", f"{DAY}.json")
    with pytest.raises(ActionableError, match=NEXT_STEP.format(f"({key}|2222|1111)")):
        read(bucket)
    assert any(one.is_current for one in bucket.check("rows", DAY))
    write(bucket)
    assert read(elsewhere(bucket)) == before


@pytest.mark.parametrize("damage", VERSION_DAMAGES.values(), ids=VERSION_DAMAGES)
def test_a_damaged_cache_of_a_bucket_is_downloaded_again(bucket: BucketStore, damage: Callable[[Path], None]) -> None:
    artifact, before = write(bucket), read(bucket)
    damage(artifact.path)
    assert read(bucket) == before


@pytest.mark.parametrize("level", ["asset", "partition"])
def test_nothing_is_written_through_a_link(store: ArtifactStore, tmp_path: Path, level: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = store.folder("rows", DAY)
    link = folder if level == "partition" else folder.parent
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    with pytest.raises(ActionableError, match=r"is a link.*\n.*Replace the link by a folder"):
        write(store)
    assert not list(outside.iterdir())


def test_a_pointer_that_is_a_link_is_replaced_and_its_target_stays(store: ArtifactStore, tmp_path: Path) -> None:
    write(store)
    pointer, outside = store.folder("rows", DAY) / "current.json", tmp_path / "outside.txt"
    outside.write_text("mine")
    pointer.unlink()
    pointer.symlink_to(outside)
    write(store, 2)
    assert outside.read_text() == "mine" and not pointer.is_symlink()


@pytest.mark.parametrize("name", ["..", "../other", "a/b", "", ".draft-1", "/etc"])
def test_a_name_that_leads_out_of_the_store_is_refused(store: ArtifactStore, name: str) -> None:
    for asset, partition in ((name, DAY), ("rows", name)):
        with pytest.raises(ActionableError, match="is not the name of an asset or a partition"):
            store.find(asset, partition)


def test_a_store_that_only_reads_neither_publishes_nor_deletes(store: ArtifactStore) -> None:
    write(store)
    before = read(store)
    store.read_only = True
    with pytest.raises(ActionableError, match=r"(?s)read-only for this process.*REC_STORE_READ_ONLY"):
        write(store, 2)
    with pytest.raises(ActionableError, match="read-only"):
        store.remove("rows", DAY)
    assert read(store) == before
