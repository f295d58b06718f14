"""The identity of a home and its bucket, so that no home writes to the bucket of another."""

from pathlib import Path

from rec_assets.common.errors import ActionableError
from rec_assets.storage.artifacts.home_identity import FILE, SHOWN, keep_identity, new_identity, read_identity
from rec_assets.storage.s3 import Bucket

_COMPARED: dict[tuple[Path, str], str] = {}  # identity by home and URL: stores are opened for every read


def common_identity(home: Path, bucket: Bucket) -> str | None:
    """Returns the identity of home and bucket, None for a new bucket. A new home takes that of the bucket.

    Each process compares only once.

    Raises:
        ActionableError: the bucket belongs to another home, or cannot be read.
    """
    known = _COMPARED.get((home, bucket.url))
    if known is not None:
        return known
    found = bucket.read(FILE)
    return None if found is None else _compared(home, bucket, found)


def give_identity(home: Path, bucket: Bucket) -> str:
    """Gives a new bucket the identity of the home, and returns it; raises as `common_identity`."""
    return _compared(home, bucket, bucket.create(FILE, read_identity(home) or new_identity()))


def _compared(home: Path, bucket: Bucket, found: str) -> str:
    own = keep_identity(home, found)
    if own != found:
        raise ActionableError(
            f"{bucket.url} belongs to another home (identity {found[:SHOWN]}, but {home} has {own[:SHOWN]}).",
            f"Correct REC_ARTIFACTS or REC_HOME. To use this bucket with a new home, delete {home}.",
        )
    _COMPARED[home, bucket.url] = own
    return own
