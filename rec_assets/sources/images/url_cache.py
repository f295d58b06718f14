"""Downloaded files on disk by their addresses. Safe to share between processes and to delete."""

import hashlib
import json
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from rec_assets.common.files import write_atomically
from rec_assets.common.units import DAY_SECONDS

UNUSED_DAYS = 30  # that a file is kept, because a column may be empty by mistake for a day
# Headers of an answer, and those of the next request that the server compares them with.
_VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}


class UrlCache:
    """A folder of downloaded files. The time of a file is that of its last comparison with the server."""

    def __init__(self, folder: Path) -> None:
        """Opens the cache; the folder need not exist."""
        self._folder = folder

    def find(self, url: str) -> Path | None:
        """Returns the file of an address, None for an address that was not downloaded."""
        file = self._file(url)
        return file if file.exists() else None

    def is_fresh(self, url: str, days: float) -> bool:
        """Returns True if the file of an address was compared with the server in the last days."""
        file = self.find(url)
        return file is not None and time.time() - file.stat().st_mtime < days * DAY_SECONDS

    def conditions(self, url: str) -> dict[str, str]:
        """Returns headers with which a server answers 304 if its file did not change; empty for a new address."""
        try:
            kept = json.loads(self._headers(url).read_text()) if self.find(url) else {}
        except (OSError, ValueError):
            return {}
        return {_VALIDATORS[name]: value for name, value in kept.items() if name in _VALIDATORS}

    def confirm(self, url: str) -> None:
        """Records that the server still has the same file."""
        os.utime(self._file(url))

    def store(self, url: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Writes a file, first under another name.

        Args:
            url: the address.
            content: the file.
            headers: headers of the answer, whatever the case of their names.
        """
        found = {name.lower(): value for name, value in headers.items()}
        kept = {name: found[name] for name in _VALIDATORS if name in found}
        self._headers(url).unlink(missing_ok=True)  # never headers of another content
        with write_atomically(self._file(url)) as draft:
            draft.write_bytes(content)
        if kept:
            with write_atomically(self._headers(url)) as draft:
                draft.write_text(json.dumps(kept))

    def delete_unused(self, used: Collection[str]) -> None:
        """Deletes the files of other addresses than `used`, if they were not downloaded or compared lately."""
        kept = {file for url in used for file in (self._file(url), self._headers(url))}
        oldest = time.time() - UNUSED_DAYS * DAY_SECONDS
        for file in self._folder.glob("??/*"):
            if file not in kept and not file.is_dir() and file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)

    def _file(self, url: str) -> Path:
        digest = hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()
        return self._folder / digest[:2] / digest

    def _headers(self, url: str) -> Path:
        return self._file(url).with_suffix(".json")
