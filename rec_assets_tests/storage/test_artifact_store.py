import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.integrity import digest_of


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def write(store: ArtifactStore, text: str, partition: str = "2025-03-03") -> Path:
    with store.publish("rows", partition) as draft:
        (draft.path / "rows.txt").write_text(text)
    return draft.published.path


def test_what_was_published_last_is_current(store: ArtifactStore) -> None:
    write(store, "one")
    write(store, "two")
    assert (store.get("rows", "2025-03-03") / "rows.txt").read_text() == "two"


def test_equal_content_has_equal_digest_and_is_one_version(store: ArtifactStore) -> None:
    first, second = write(store, "same"), write(store, "same")
    assert first == second
    assert store.get("rows", "2025-03-03").digest == digest_of(first)


def test_an_interrupted_write_leaves_the_version_before_and_no_debris(store: ArtifactStore) -> None:
    write(store, "good")
    with pytest.raises(KeyboardInterrupt), store.publish("rows", "2025-03-03") as draft:
        (draft.path / "rows.txt").write_text("half")
        raise KeyboardInterrupt
    assert (store.get("rows", "2025-03-03") / "rows.txt").read_text() == "good"
    assert not list(store.folder("rows", "2025-03-03").glob(".draft-*"))


def test_a_draft_that_a_killed_process_left_is_never_read(store: ArtifactStore) -> None:
    write(store, "good")
    (store.folder("rows", "2025-03-03") / ".draft-killed").mkdir()
    assert (store.get("rows", "2025-03-03") / "rows.txt").read_text() == "good"
    assert store.partitions("rows") == ["2025-03-03"]


def test_a_returning_version_becomes_current_again(store: ArtifactStore) -> None:
    for text in ("one", "two", "one"):
        write(store, text)
    assert (store.get("rows", "2025-03-03") / "rows.txt").read_text() == "one"


def test_the_version_before_is_kept_and_older_ones_go(store: ArtifactStore) -> None:
    paths = [write(store, text) for text in ("one", "two", "three")]
    assert [path.exists() for path in paths] == [False, True, True]


NUMBERS = np.random.default_rng(0).normal(size=1_000_000)


def write_flat_index(vectors: npt.NDArray[np.float64], file: Path) -> None:
    index = faiss.IndexFlatIP(64)
    index.add(vectors.astype(np.float32))
    faiss.write_index(index, str(file))


def write_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE numbers (x REAL)")
        connection.executemany("INSERT INTO numbers VALUES (?)", ((number,) for number in NUMBERS))
        connection.commit()


def wrap_error(file: Path) -> None:
    try:
        file.write_bytes(NUMBERS.tobytes())
    except OSError as error:
        raise ValueError("wrapped") from error


@pytest.mark.parametrize(
    "fill",
    [
        lambda file: pl.DataFrame({"x": NUMBERS}).write_parquet(file),
        lambda file: pl.DataFrame({"x": NUMBERS}).write_ndjson(file),
        lambda file: pd.DataFrame({"x": NUMBERS}).to_parquet(file),
        lambda file: np.save(file, NUMBERS),
        lambda file: write_flat_index(NUMBERS.reshape(-1, 64), file),
        write_table,
        wrap_error,
    ],
    ids=["polars", "polars ndjson", "pandas", "numpy", "faiss", "sqlite", "wrapped"],
)
def test_a_full_disk_says_so_and_leaves_the_version_before(fill: Callable[[Path], object], small_disk: Path) -> None:
    store = ArtifactStore(small_disk / "artifacts")
    write(store, "good")
    with pytest.raises(ActionableError, match="No space left"), store.publish("rows", "2025-03-03") as draft:
        fill(draft.path / "rows.txt")
    assert (store.get("rows", "2025-03-03") / "rows.txt").read_text() == "good"
    write(store, "the failed draft was deleted, so there is space again")


@pytest.mark.parametrize("error", [ZeroDivisionError(), FileNotFoundError(2, "No such file"), NotImplementedError()])
def test_another_error_on_a_full_disk_is_not_translated(error: Exception, small_disk: Path) -> None:
    store = ArtifactStore(small_disk / "artifacts")
    with pytest.raises(type(error)), store.publish("rows", "2025-03-03") as draft:
        with suppress(OSError):
            (draft.path / "rows.txt").write_bytes(NUMBERS.tobytes())
        raise error


def test_another_error_stays_what_it_is(store: ArtifactStore) -> None:
    with pytest.raises(ZeroDivisionError), store.publish("rows", "2025-03-03"):
        1 / 0  # noqa: B018


def test_what_was_never_materialized_is_named_with_the_next_step(store: ArtifactStore) -> None:
    with pytest.raises(ActionableError, match=r"(?s)rows has not been materialized for 2025-03-04\..*Materialize rows"):
        store.get("rows", "2025-03-04")


def test_a_missing_file_of_a_version_is_named(store: ArtifactStore) -> None:
    write(store, "one")
    with pytest.raises(ActionableError, match=r"rows \[2025-03-03\] has no file 'other.txt'"):
        store.get("rows", "2025-03-03") / "other.txt"
