import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.storage.artifacts import bucket_store
from rec_assets.storage.artifacts.bucket_store import BucketStore
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import open_store
from rec_assets.storage.integrity import digest_of
from rec_assets_tests.s3 import BUCKET, OWNER, READER, S3, SLOW_DOWN, Way

DAY = "2025-03-03"


@pytest.fixture
def url(s3: S3) -> str:
    return f"s3://{BUCKET}/{uuid4().hex}"


@pytest.fixture
def store(url: str, tmp_path: Path) -> BucketStore:
    return BucketStore(tmp_path / "here", url)


@pytest.fixture
def elsewhere(url: str, tmp_path: Path) -> BucketStore:
    """A store of another machine in the same bucket."""
    return BucketStore(tmp_path / "elsewhere", url)


def write(store: ArtifactStore, text: str, partition: str = DAY) -> str:
    with store.publish("rows", partition) as draft:
        (draft.path / "part").mkdir()
        (draft.path / "part" / "rows.txt").write_text(text)
        (draft.path / "empty.txt").touch()
    return draft.published.digest


def read(store: ArtifactStore, partition: str = DAY) -> str:
    return (store.get("rows", partition) / "part/rows.txt").read_text()


@pytest.fixture
def cut(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A connection that breaks after 3 MB and stays broken."""
    way = Way(s3, 3_000_000)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{way.port}")
    yield
    way.close()


def test_the_settings_choose_the_store(url: str, tmp_path: Path) -> None:
    assert type(open_store(Settings(home=tmp_path))) is ArtifactStore
    assert isinstance(open_store(Settings(home=tmp_path, artifacts=url)), BucketStore)


def test_another_machine_reads_what_was_published(store: BucketStore, elsewhere: BucketStore) -> None:
    assert elsewhere.find("rows", DAY) is None
    digest = write(store, "one")
    assert read(elsewhere) == "one"
    artifact = elsewhere.get("rows", DAY)
    assert artifact.digest == digest == digest_of(artifact.path)
    assert sorted(p.name for p in artifact.path.iterdir()) == ["empty.txt", "part"]
    write(store, "two")
    assert read(elsewhere) == "two"


def test_large_files_travel_in_parts(store: BucketStore, elsewhere: BucketStore) -> None:
    content = bytes(range(256)) * 4096 * 40  # 40 MB, three parts
    with store.publish("model") as draft:
        (draft.path / "weights").write_bytes(content)
    assert (elsewhere.get("model") / "weights").read_bytes() == content
    etag = store.bucket._client.head_object(
        Bucket=BUCKET, Key=f"{store.bucket._prefix}versions/model/all/{draft.published.digest}/weights"
    )["ETag"]
    assert etag.strip('"').endswith("-3")


def test_partitions_are_those_that_have_a_current_version(store: BucketStore, elsewhere: BucketStore) -> None:
    for day in ("2025-03-04", DAY):
        write(store, day, day)
    store.bucket.write("versions/rows/2025-03-05/abc/rows.txt", "an interrupted upload")
    assert elsewhere.partitions("rows") == [DAY, "2025-03-04"]


def test_a_bucket_and_a_folder_give_the_same_versions(store: BucketStore, tmp_path: Path) -> None:
    folder = ArtifactStore(tmp_path / "folder")
    assert write(store, "same") == write(folder, "same")
    with pytest.raises(ActionableError) as of_bucket:
        store.get("rows", "2025-03-09")
    with pytest.raises(ActionableError) as of_folder:
        folder.get("rows", "2025-03-09")
    assert str(of_bucket.value) == str(of_folder.value)


def test_a_broken_upload_leaves_the_version_before_and_is_mended_by_the_next(
    store: BucketStore, elsewhere: BucketStore, tmp_path: Path, cut: None, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, "good")
    half = BucketStore(tmp_path / "here", store.bucket.url)  # its client is not connected yet
    with (
        pytest.raises(ActionableError, match=r"Could not upload versions/rows/2025-03-03"),
        half.publish("rows", DAY) as draft,
    ):
        for number in range(8):
            (draft.path / f"{number}.bin").write_bytes(number.to_bytes() * 1_000_000)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{s3.port}")
    assert read(elsewhere) == "good"
    again = BucketStore(tmp_path / "here", store.bucket.url)
    with again.publish("rows", DAY) as draft:
        for number in range(8):
            (draft.path / f"{number}.bin").write_bytes(number.to_bytes() * 1_000_000)
    assert len(list(elsewhere.get("rows", DAY).path.iterdir())) == 8


def test_a_download_that_breaks_off_leaves_nothing_to_read(
    store: BucketStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = write(store, "one")
    monkeypatch.setattr(bucket_store, "digest_of", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    half = BucketStore(tmp_path / "half", store.bucket.url)
    with pytest.raises(KeyboardInterrupt):
        half.get("rows", DAY)
    assert list(half.folder("rows", DAY).iterdir()) == []
    monkeypatch.undo()
    assert digest not in [p.name for p in half.folder("rows", DAY).iterdir()]


def test_what_was_changed_in_the_bucket_is_not_read(store: BucketStore, elsewhere: BucketStore) -> None:
    digest = write(store, "one")
    store.bucket.write(f"versions/rows/{DAY}/{digest}/part/rows.txt", "another")
    with pytest.raises(ActionableError, match="were changed after publishing"):
        elsewhere.get("rows", DAY)
    assert list(elsewhere.folder("rows", DAY).iterdir()) == []


def test_a_publisher_that_was_killed_leaves_the_version_before(store: BucketStore, elsewhere: BucketStore) -> None:
    write(store, "good")
    code = f"""
from pathlib import Path
import os, signal
from rec_assets.storage.s3 import Bucket
from rec_assets.storage.artifacts.bucket_store import BucketStore
class Killed(Bucket):
    def write(self, key, text): os.kill(os.getpid(), signal.SIGKILL)
store = BucketStore(Path({str(store.root)!r}), {store.bucket.url!r})
store.bucket.__class__ = Killed
with store.publish("rows", {DAY!r}) as draft:
    (draft.path / "rows.txt").write_text("new")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert read(elsewhere) == "good" == read(store)


def test_old_versions_go_after_a_day_and_a_returning_one_is_whole(
    store: BucketStore, elsewhere: BucketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [write(store, text) for text in ("one", "two", "three")]
    below = f"versions/rows/{DAY}/"
    assert len(list(store.bucket.objects(below))) == 6  # another run may still read them
    monkeypatch.setattr(bucket_store, "GRACE", timedelta(0))
    write(store, "four")
    kept = {found.key.removeprefix(below).partition("/")[0] for found in store.bucket.objects(below)}
    assert digests[0] not in kept and digests[2] in kept and len(kept) == 2
    write(store, "one")
    assert read(elsewhere) == "one"


def test_two_publishers_at_once_leave_one_whole_version(store: BucketStore, elsewhere: BucketStore) -> None:
    stores = [BucketStore(store.root.parent / f"{n}", store.bucket.url) for n in range(4)]
    threads = [threading.Thread(target=write, args=(one, f"text {n}")) for n, one in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(elsewhere).startswith("text ")


@pytest.mark.parametrize(
    ("credentials", "problem", "step"),
    [
        (OWNER | {"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch", "correct the AWS credentials"),
        ({"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "x"}, "InvalidAccessKeyId", "correct the AWS"),
        (READER, "AccessDenied", "Allow this role s3:ListBucket on shop"),
    ],
)
def test_who_may_not_write_is_told_what_to_change(
    store: BucketStore, credentials: dict[str, str], problem: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ActionableError, match=rf"(?s){problem}.*{step}"):
        write(store, "one")


def test_a_reader_reads(store: BucketStore, elsewhere: BucketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write(store, "one")
    for name, value in READER.items():
        monkeypatch.setenv(name, value)
    assert read(elsewhere) == "one"


def test_no_credentials_at_all_are_named(
    elsewhere: BucketStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OWNER:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ActionableError, match=r"(?s)Unable to locate credentials.*Give the pod a role"):
        elsewhere.find("rows")


def test_a_bucket_that_does_not_exist_is_named(s3: S3, tmp_path: Path) -> None:
    missing = BucketStore(tmp_path, "s3://nowhere/artifacts")
    with pytest.raises(ActionableError, match=r"(?s)NoSuchBucket.*Create the bucket nowhere, or correct REC_ARTIFACTS"):
        missing.find("rows")


@pytest.mark.parametrize("url", ["shop/artifacts", "s3://", "https://shop"])
def test_what_is_no_address_is_refused_at_once(url: str, tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match="Write it as s3://bucket/prefix"):
        BucketStore(tmp_path, url)


def test_a_server_that_slows_down_is_named_after_some_tries(
    store: BucketStore, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Way(s3, 0, SLOW_DOWN)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{way.port}")
    with pytest.raises(ActionableError, match=r"(?s)SlowDown.*S3 throttles this prefix"):
        store.find("rows")
    way.close()


def test_the_pointer_names_the_versions_that_stay(store: BucketStore) -> None:
    first, second = write(store, "one"), write(store, "two")
    assert json.loads(store.bucket.read(f"current/rows/{DAY}.json") or "") == {"versions": [second, first], "run": ""}
    write(store, "two")
    assert json.loads(store.bucket.read(f"current/rows/{DAY}.json") or "") == {"versions": [second, first], "run": ""}


def test_a_day_that_goes_is_gone_for_everyone(store: BucketStore, elsewhere: BucketStore) -> None:
    for day in (DAY, "2025-03-04"):
        write(store, day, day)
    assert read(elsewhere) == DAY and elsewhere.assets() == ["rows"]
    store.remove("rows", DAY)
    assert elsewhere.partitions("rows") == ["2025-03-04"] and elsewhere.find("rows", DAY) is None
    assert {Path(found.key).parts[2] for found in store.bucket.objects("versions/rows/")} == {"2025-03-04"}
    store.remove("rows", DAY)  # a second removal is no error
    assert read(elsewhere, "2025-03-04") == "2025-03-04"


def test_only_the_current_version_is_kept(store: BucketStore, elsewhere: BucketStore) -> None:
    write(store, "before")
    digest = write(store, "now")
    assert len({one.key.split("/")[3] for one in store.bucket.objects("versions/rows/")}) == 2
    store.keep_only_current("rows", DAY)
    assert {one.key.split("/")[3] for one in store.bucket.objects("versions/rows/")} == {digest}
    assert [path.name for path in store.folder("rows", DAY).iterdir() if path.is_dir()] == [digest]
    assert elsewhere.get("rows", DAY).digest == digest
