"""Tests of cached encoding: each content is encoded once, and every source is counted."""

import logging
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rec_assets.common.errors import ActionableError
from rec_assets.features.embeddings import cache as cache_module
from rec_assets.features.embeddings import preprocess_pool
from rec_assets.features.embeddings.cache import VectorCache, content_key
from rec_assets.features.embeddings.encode_cached import AHEAD, BATCH, encode_cached
from rec_assets_tests.features.embeddings.conftest import HashingEncoder

SOURCES = st.lists(st.one_of(st.none(), st.sampled_from(["", "  ", "bad", "a", "b", "c"]), st.text()), max_size=200)


@given(sources=SOURCES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_source_is_counted_once_and_absent_ones_are_zero(
    sources: list[str | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    result = encode_cached(HashingEncoder(), sources, folder)
    report = result.report
    assert report.encoded + report.from_cache + report.missing + len(report.unreadable) == len(sources)
    assert result.present.sum() == report.encoded + report.from_cache
    assert result.vectors.shape == (len(sources), 80) and result.vectors.dtype == np.float16
    assert (result.vectors.any(axis=1) == result.present).all()
    assert report.encoded == len({s.strip() for s in sources if s and s.strip() and s != "bad"} - {"bad"})


def test_vectors_keep_the_order_of_their_sources(tmp_path: Path, encoder: HashingEncoder) -> None:
    words = [f"word {i}" for i in range(2 * BATCH + 5)]
    vectors = encode_cached(encoder, words, tmp_path).vectors
    np.testing.assert_allclose(vectors, encoder.encode([w.encode() for w in words]), atol=5e-4)


def test_a_second_run_encodes_nothing_and_returns_the_same_bits(tmp_path: Path, encoder: HashingEncoder) -> None:
    words = [f"word {i}" for i in range(100)]
    first = encode_cached(encoder, words, tmp_path)
    fresh = HashingEncoder()
    second = encode_cached(fresh, words[::-1], tmp_path)
    assert fresh.encoded == [] and second.report.from_cache == 100
    np.testing.assert_array_equal(second.vectors[::-1], first.vectors)


def test_only_new_contents_are_encoded(tmp_path: Path, encoder: HashingEncoder) -> None:
    encode_cached(encoder, ["a", "b"], tmp_path)
    result = encode_cached(encoder, ["b", "c", "c", "a"], tmp_path)
    assert encoder.encoded == [b"a", b"b", b"c"]
    assert (result.report.encoded, result.report.from_cache) == (1, 3)


def test_another_encoder_shares_nothing(tmp_path: Path, encoder: HashingEncoder) -> None:
    encode_cached(encoder, ["a"], tmp_path)
    other = HashingEncoder("other")
    encode_cached(other, ["a"], tmp_path)
    assert other.encoded == [b"a"]


def test_files_are_cached_by_content_and_broken_files_are_reported(tmp_path: Path, encoder: HashingEncoder) -> None:
    for name, content in {"one": b"x", "same": b"x", "broken": b"bad"}.items():
        (tmp_path / name).write_bytes(content)
    names = ("one", "same", "broken", "absent")
    result = encode_cached(encoder, [tmp_path / name for name in names] + [tmp_path], tmp_path / "cache")
    assert result.present.tolist() == [True, True, False, False, False]
    assert result.report.missing == 1
    assert [entry.split(" (")[0] for entry in result.report.unreadable] == [str(tmp_path / "broken"), str(tmp_path)]
    assert "broken (bad content)" in str(result.report.as_dict()["unreadable_files"])


def test_progress_counts_up_to_all_sources(tmp_path: Path, encoder: HashingEncoder) -> None:
    done: list[int] = []
    encode_cached(encoder, ["a"] * (BATCH + 1), tmp_path, done.append)
    assert done == [BATCH, BATCH + 1]


@pytest.mark.parametrize("damage", [b"", b"garbage", None], ids=["emptied", "overwritten", "cut short"])
def test_a_damaged_shard_is_logged_and_rebuilt(
    damage: bytes | None, tmp_path: Path, encoder: HashingEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    first = encode_cached(encoder, ["a", "b"], tmp_path)
    (shard,) = tmp_path.rglob("*.npy")
    shard.write_bytes(shard.read_bytes()[:-1] if damage is None else damage)
    with caplog.at_level(logging.WARNING):
        second = encode_cached(encoder, ["a", "b"], tmp_path)
    assert "damaged" in caplog.text and second.report.encoded == 2
    np.testing.assert_array_equal(second.vectors, first.vectors)
    assert encode_cached(encoder, ["a", "b"], tmp_path).report.from_cache == 2


def test_an_interrupted_run_keeps_what_it_encoded(tmp_path: Path, encoder: HashingEncoder) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    words = [f"word {i}" for i in range(3 * BATCH)]
    with pytest.raises(KeyboardInterrupt):
        encode_cached(encoder, words, tmp_path, stop)
    assert encode_cached(encoder, words, tmp_path).report.from_cache == BATCH


def test_full_shards_are_mapped_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "SHARD_ROWS", 3)
    monkeypatch.setattr(cache_module, "_MAPPED_BYTES", 0)
    vectors = np.arange(28, dtype=np.float32).reshape(7, 4)
    cache = VectorCache(tmp_path)
    for i, vector in enumerate(vectors):
        cache.add(content_key(bytes([i])), vector)
    cache.flush()
    assert len(list(tmp_path.glob("*.npy"))) == 3 and not list(tmp_path.glob("tmp*"))
    reopened = VectorCache(tmp_path)
    for i, vector in enumerate(vectors):
        for reader in (cache, reopened):
            np.testing.assert_array_equal(reader[content_key(bytes([i]))], vector)


def test_images_prepared_in_processes_give_the_same_vectors(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / f"{number}" for number in range(20)]
    for number, file in enumerate(files):
        file.write_bytes(b"bad" if number == 7 else b"%d" % number)
    in_threads = encode_cached(encoder, files, tmp_path / "threads")
    monkeypatch.setattr(preprocess_pool, "MANY_CORES", 1)
    in_processes = encode_cached(encoder, files, tmp_path / "processes")
    np.testing.assert_array_equal(in_threads.vectors, in_processes.vectors)
    assert in_processes.report == in_threads.report
    assert in_processes.report.unreadable == [f"{files[7]} (bad content)"]


def test_a_killed_process_raises_and_keeps_the_encoded_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(HashingEncoder):
        prepare = staticmethod(killed_by_bad)

    last = (AHEAD + 1) * BATCH
    files = [tmp_path / f"{number}" for number in range(last + 1)]
    for number, file in enumerate(files):
        file.write_bytes(b"bad" if number == last else b"%d" % number)
    monkeypatch.setattr(preprocess_pool, "MANY_CORES", 1)
    with pytest.raises(ActionableError, match="more memory"):
        encode_cached(Killed(), files, tmp_path / "cache")
    assert encode_cached(HashingEncoder(), files, tmp_path / "cache").report.from_cache >= BATCH


def killed_by_bad(content: bytes) -> bytes:
    if content == b"bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return content
