"""A home refuses the bucket and the Valkey of another home. New ones take the identity of the first home."""

from pathlib import Path
from uuid import uuid4

import pytest
import redis

from rec_assets.common.errors import ActionableError
from rec_assets.realtime.events import Event
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.worker import Worker
from rec_assets.settings import Settings
from rec_assets.storage import bucket_store
from rec_assets.storage.bucket_store import BucketStore
from rec_assets.storage.home_identity import keep_identity, read_identity
from rec_assets.storage.keys import IDENTITY
from rec_assets.storage.own_valkey import require_own_valkey
from rec_assets_tests.s3 import BUCKET, READER, S3
from rec_assets_tests.servers import free_port


def home_at(valkey: Settings, home: Path) -> Settings:
    return valkey.model_copy(update={"home": home})


def write(store: BucketStore) -> None:
    with store.publish("rows", "2025-03-03") as draft:
        (draft.path / "rows.txt").write_text("rows")


@pytest.fixture
def url(s3: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(bucket_store, "_COMPARED", {})
    return f"s3://{BUCKET}/{uuid4().hex}"


def test_a_valkey_belongs_to_the_first_home_that_uses_it(valkey: Settings, tmp_path: Path) -> None:
    first, second = (home_at(valkey, tmp_path / name) for name in ("first", "second"))
    for _ in range(2):
        require_own_valkey(first)
    with pytest.raises(ActionableError, match=r"(?s)belongs to another home.*REC_VALKEY_PORT or REC_HOME"):
        require_own_valkey(second)
    redis.Redis(valkey.valkey_host, valkey.valkey_port).delete(IDENTITY)
    require_own_valkey(second)


def test_a_valkey_that_does_not_answer_is_not_compared(tmp_path: Path) -> None:
    require_own_valkey(Settings(home=tmp_path, valkey_port=free_port()))


def test_a_worker_takes_no_events_from_the_valkey_of_another_home(valkey: Settings, tmp_path: Path) -> None:
    require_own_valkey(home_at(valkey, tmp_path / "first"))
    stream = EventStream.connect(valkey)
    stream.send([Event(user_id=1, item_id=2, at=1_741_392_000)])
    worker = Worker(home_at(valkey, tmp_path / "second"))
    with pytest.raises(ActionableError, match="belongs to another home"):
        worker.round(wait_ms=1)
    assert stream.state().waiting == 1


def test_a_new_home_takes_the_identity_of_its_bucket_and_another_is_refused(url: str, tmp_path: Path) -> None:
    write(BucketStore(tmp_path / "first" / "artifacts", url))
    assert BucketStore(tmp_path / "new" / "artifacts", url).find("rows", "2025-03-03") is not None
    assert read_identity(tmp_path / "new") == read_identity(tmp_path / "first") is not None
    keep_identity(tmp_path / "other")
    other = BucketStore(tmp_path / "other" / "artifacts", url)
    with pytest.raises(ActionableError, match=r"(?s)belongs to another home.*Correct REC_ARTIFACTS"):
        write(other)
    with pytest.raises(ActionableError, match="belongs to another home"):
        other.find("rows", "2025-03-03")


def test_a_new_bucket_takes_the_identity_of_the_home(url: str, tmp_path: Path) -> None:
    identity = keep_identity(tmp_path / "home")
    store = BucketStore(tmp_path / "home" / "artifacts", url)
    write(store)
    assert store.bucket.read("identity") == identity == store.identity()


def test_of_two_homes_that_use_a_new_bucket_at_once_one_is_its_home(url: str, tmp_path: Path) -> None:
    stores = [BucketStore(tmp_path / name / "artifacts", url) for name in ("one", "two")]
    assert stores[0].bucket.create("identity", "first") == stores[1].bucket.create("identity", "second") == "first"


def test_a_bucket_of_an_earlier_release_is_read_by_a_reader(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BucketStore(tmp_path / "writer" / "artifacts", url)
    write(writer)
    writer.bucket.delete(["identity"])
    for name, value in READER.items():
        monkeypatch.setenv(name, value)
    assert BucketStore(tmp_path / "reader" / "artifacts", url).find("rows", "2025-03-03") is not None
