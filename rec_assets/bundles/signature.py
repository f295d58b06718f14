"""Signatures of bundles. The manifest has the digests of all parts, so its signature covers the whole bundle."""

import hashlib
import hmac
from pathlib import Path

from rec_assets.bundles.bundle import MANIFEST, Bundle
from rec_assets.common.errors import ActionableError

SIGNATURE = "manifest.sig"


def sign_bundle(folder: Path, key: str) -> None:
    """Writes the HMAC-SHA256 of a written bundle's manifest beside it; does nothing without a key."""
    if key:
        (folder / SIGNATURE).write_text(_signature(folder, key))


def require_signed(bundle: Bundle, key: str) -> None:
    """Verifies the signature of a bundle; accepts any bundle without a key.

    Raises:
        ActionableError: a key is configured, and the bundle has no signature or that of another key.
    """
    if not key:
        return
    try:
        found = (bundle.path / SIGNATURE).read_text().strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if not hmac.compare_digest(found.encode(), _signature(bundle.path, key).encode()):
        problem = "has another signature than that of REC_BUNDLE_KEY" if found else "is not signed"
        raise ActionableError(
            f"Bundle {bundle.bundle_id} in {bundle.path} {problem}.",
            "Set the key that the bundle was made with, or materialize it again with this key.",
        )


def _signature(folder: Path, key: str) -> str:
    return hmac.new(key.encode(), (folder / MANIFEST).read_bytes(), hashlib.sha256).hexdigest()
