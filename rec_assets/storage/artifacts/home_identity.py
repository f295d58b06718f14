"""The identity of a home: a file that tells it from other homes. Its bucket and its Valkey carry the same identity."""

from pathlib import Path
from uuid import uuid4

from rec_assets.common.files import write_atomically
from rec_assets.storage.file_lock import exclusive_lock

FILE = "identity"  # in the home, and in the bucket of its artifacts
SHOWN = 8  # hex digits in messages
_PATIENCE_S = 10.0


def new_identity() -> str:
    """Returns a random identity."""
    return uuid4().hex


def read_identity(home: Path) -> str | None:
    """Returns the identity of a home, None for a new home."""
    try:
        return (home / FILE).read_text().strip()
    except FileNotFoundError:
        return None


def keep_identity(home: Path, identity: str | None = None) -> str:
    """Gives a new home an identity; returns the identity that the home has.

    Args:
        home: the home folder.
        identity: identity of a new home; random by default.
    """
    with exclusive_lock(home / f"{FILE}.lock", _PATIENCE_S, "Another process"):
        known = read_identity(home)
        if known is None:
            known = identity or new_identity()
            with write_atomically(home / FILE) as draft:
                draft.write_text(f"{known}\n")
    return known
