"""Encodes images and texts in batches; each content is encoded once per cache folder."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.embeddings.cache import VectorCache, content_key
from rec_assets.features.embeddings.encoder import Encoder
from rec_assets.features.embeddings.preprocess_pool import PrepareAll, preparing, reading_threads

# Large enough for a GPU. An encoder on a CPU splits the batch.
BATCH = 256
# Contents per call of a thread or process, to reduce the number of messages between them.
READ_TOGETHER = 16
# Batches read ahead while one batch is encoded: 40 MB of pixels each.
AHEAD = 4
# Maximum number of unreadable files listed in the metadata.
_MAX_LISTED = 20

Progress = Callable[[int], None]
Source = Path | str | None


@dataclass
class EncodingReport:
    """Counts of the outcomes of all sources. The four counts add up to the number of sources.

    Attributes:
        encoded: contents that this run encoded.
        from_cache: sources whose content was encoded before, in an earlier run or under another id.
        missing: sources without content: None, a file that does not exist, or a blank text.
        unreadable: existing files that are not images, each with the reason, in order.
        explained_variance: share of the vectors' variance in the 64 components; None before the reduction.
    """

    encoded: int = 0
    from_cache: int = 0
    missing: int = 0
    unreadable: list[str] = field(default_factory=list)
    explained_variance: float | None = None

    def as_dict(self) -> dict[str, int | float | str]:
        """Returns the counts and the first unreadable files, if any, as flat metadata."""
        metadata: dict[str, int | float | str] = {
            "encoded": self.encoded,
            "from_cache": self.from_cache,
            "missing": self.missing,
            "unreadable": len(self.unreadable),
        }
        if self.unreadable:
            metadata["unreadable_files"] = ", ".join(self.unreadable[:_MAX_LISTED])
        if self.explained_variance is not None:
            metadata["explained_variance"] = self.explained_variance
        return metadata


@dataclass(frozen=True)
class Encoded:
    """Vectors of n sources.

    Attributes:
        vectors: float16 [n, dim] as in the cache, zero where `present` is False.
        present: bool [n], True for sources with a readable content.
        report: counts of the outcomes.
    """

    vectors: npt.NDArray[np.float16]
    present: npt.NDArray[np.bool_]
    report: EncodingReport


@dataclass(frozen=True)
class _Content:
    """A readable source: its cache key, and the prepared content if the key is not in the cache."""

    key: bytes
    prepared: Any


@dataclass(frozen=True)
class _Unreadable:
    reason: str


_Read = _Content | _Unreadable | None


def encode_cached(
    encoder: Encoder, sources: Sequence[Source], cache_dir: Path, progress: Progress | None = None
) -> Encoded:
    """Looks up every content in the cache and encodes only new contents.

    Args:
        encoder: an encoder of `rec_assets.features.embeddings.load_encoder`.
        sources: file path, text, or None for no content.
        cache_dir: parent folder of one cache folder per encoder.
        progress: called after each batch with the number of processed sources.

    Returns:
        Vectors in the precision of the cache, so that a second run returns the same bits.
    """
    cache = VectorCache(cache_dir / encoder.identity)
    vectors = np.zeros((len(sources), cache.dim or encoder.dim), np.float16)
    present = np.zeros(len(sources), bool)
    report = EncodingReport()
    try:
        for start, contents in _read_ahead(encoder, sources, cache, report):
            new = {c.key: c.prepared for c in contents if c is not None and c.key not in cache}
            if new:
                for key, vector in zip(new, encoder.encode(list(new.values())), strict=True):
                    cache.add(key, vector)
            for row, content in enumerate(contents, start):
                if content is not None:
                    vectors[row] = cache[content.key]
                    present[row] = True
            report.encoded += len(new)
            report.from_cache += sum(c is not None for c in contents) - len(new)
            if progress is not None:
                progress(start + len(contents))
    finally:
        cache.flush()  # also after an interrupt, so that no encoded vector is lost
    return Encoded(vectors, present, report)


def _read_ahead(
    encoder: Encoder, sources: Sequence[Source], cache: VectorCache, report: EncodingReport
) -> Iterator[tuple[int, list[_Content | None]]]:
    """Yields (first row, contents) per batch while threads read and decode the next batches."""
    are_images = any(isinstance(source, Path) for source in sources)
    with preparing(encoder.prepare, are_images) as prepare, ThreadPoolExecutor(reading_threads()) as threads:

        def submit(start: int) -> list[Future[list[_Read]]]:
            firsts = range(start, min(start + BATCH, len(sources)), READ_TOGETHER)
            return [threads.submit(_read, sources[first : first + READ_TOGETHER], cache, prepare) for first in firsts]

        ahead = deque(submit(batch * BATCH) for batch in range(AHEAD))
        for start in range(0, len(sources), BATCH):
            results = [result for future in ahead.popleft() for result in future.result()]
            ahead.append(submit(start + AHEAD * BATCH))
            report.missing += sum(result is None for result in results)
            report.unreadable += [
                f"{source} ({result.reason})"
                for source, result in zip(sources[start : start + BATCH], results, strict=True)
                if isinstance(result, _Unreadable)
            ]
            yield start, [result if isinstance(result, _Content) else None for result in results]


def _read(sources: Sequence[Source], cache: VectorCache, prepare: PrepareAll) -> list[_Read]:
    """Returns the outcome of each source; prepares only contents that are not in the cache."""
    contents = [_bytes_of(source) for source in sources]
    keys = [content_key(content) if isinstance(content, bytes) else b"" for content in contents]
    new = {
        key: content
        for key, content in zip(keys, contents, strict=True)
        if isinstance(content, bytes) and key not in cache
    }
    prepared = dict(zip(new, prepare(list(new.values())), strict=True))

    def outcome(key: bytes, content: bytes | _Unreadable | None) -> _Read:
        if not isinstance(content, bytes):
            return content
        result = prepared.get(key)
        return _Unreadable(str(result)) if isinstance(result, ValueError) else _Content(key, result)

    return [outcome(key, content) for key, content in zip(keys, contents, strict=True)]


def _bytes_of(source: Source) -> bytes | _Unreadable | None:
    if not isinstance(source, Path):
        return (source or "").strip().encode() or None
    try:
        return source.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return _Unreadable(str(error))
