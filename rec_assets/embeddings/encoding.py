"""Encodes pictures and texts in batches, each content once in the life of its cache folder."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.embeddings.cache import VectorCache, content_key
from rec_assets.embeddings.encoder import Encoder

BATCH = 64
DECODING_THREADS = 4
# How many unreadable files are named where a person reads the report.
_NAMED = 20

Progress = Callable[[int], None]
Source = Path | str | None


@dataclass
class EncodingReport:
    """What became of each source; the four counts add up to their number.

    Attributes:
        encoded: contents that the encoder has just seen.
        from_cache: sources whose content it had seen before, in an earlier run or under another id.
        missing: sources without content: None, no such file, a blank text.
        unreadable: the files that are there but are no pictures, with the reason, in order.
        explained_variance: share of the vectors' variance that the 64 components keep, once they are reduced.
    """

    encoded: int = 0
    from_cache: int = 0
    missing: int = 0
    unreadable: list[str] = field(default_factory=list)
    explained_variance: float | None = None

    def as_dict(self) -> dict[str, int | float | str]:
        """Returns counts and, where there are any, the first unreadable files, as flat metadata."""
        metadata: dict[str, int | float | str] = {
            "encoded": self.encoded,
            "from_cache": self.from_cache,
            "missing": self.missing,
            "unreadable": len(self.unreadable),
        }
        if self.unreadable:
            metadata["unreadable_files"] = ", ".join(self.unreadable[:_NAMED])
        if self.explained_variance is not None:
            metadata["explained_variance"] = self.explained_variance
        return metadata


@dataclass(frozen=True)
class Encoded:
    """vectors float32 [n, dim] in the order of the sources, zero where `present` bool [n] is False."""

    vectors: npt.NDArray[np.float32]
    present: npt.NDArray[np.bool_]
    report: EncodingReport


@dataclass(frozen=True)
class _Content:
    """A source read: its key, and what the encoder takes where the key is not in the cache."""

    key: bytes
    prepared: Any


@dataclass(frozen=True)
class _Unreadable:
    reason: str


def encode_cached(
    encoder: Encoder, sources: Sequence[Source], cache_dir: Path, progress: Progress | None = None
) -> Encoded:
    """Looks every content up in the cache and encodes only the new ones.

    Args:
        encoder: from `rec_assets.embeddings.encoder`.
        sources: a Path is a file to read, a str is the content itself, None has no content.
        cache_dir: holds one folder an encoder.
        progress: called after each batch with the number of sources done.

    Returns:
        Vectors as the cache keeps them, so that a second run returns the same bits.
    """
    cache = VectorCache(cache_dir / encoder.identity)
    vectors = np.zeros((len(sources), cache.dim or encoder.dim), np.float32)
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
        cache.flush()  # an interrupted run keeps what it has encoded
    return Encoded(vectors, present, report)


def _read_ahead(
    encoder: Encoder, sources: Sequence[Source], cache: VectorCache, report: EncodingReport
) -> Iterator[tuple[int, list[_Content | None]]]:
    """Yields (first row, contents) a batch, while threads read and decode the next one."""

    def read(source: Source) -> _Content | _Unreadable | None:
        try:
            content = source.read_bytes() if isinstance(source, Path) else (source or "").strip().encode()
            if not content and not isinstance(source, Path):
                return None
            key = content_key(content)
            return _Content(key, None if key in cache else encoder.prepare(content))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            return _Unreadable(str(error))

    with ThreadPoolExecutor(DECODING_THREADS) as threads:

        def submit(start: int) -> list[Future[_Content | _Unreadable | None]]:
            return [threads.submit(read, source) for source in sources[start : start + BATCH]]

        ahead = submit(0)
        for start in range(0, len(sources), BATCH):
            batch, ahead = ahead, submit(start + BATCH)
            results = [future.result() for future in batch]
            report.missing += sum(result is None for result in results)
            report.unreadable += [
                f"{source} ({result.reason})"
                for source, result in zip(sources[start : start + BATCH], results, strict=True)
                if isinstance(result, _Unreadable)
            ]
            yield start, [result if isinstance(result, _Content) else None for result in results]
