"""Downloads images over HTTP with limits of size, time and redirects; keeps each file by its address."""

import time
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from rec_assets.common.images import MAX_BYTES, open_image
from rec_assets.sources.images.found import Downloads, Progress
from rec_assets.sources.images.pattern import is_address
from rec_assets.sources.images.public_hosts import PrivateHost, public_pool_manager
from rec_assets.sources.images.url_cache import UrlCache

REDIRECTS = 5
CHUNK = 1 << 16  # bytes
TOO_BUSY = frozenset({408, 429, 500, 502, 503, 504})  # statuses worth a second try
MAX_SILENT = 20  # failures of a host in a row, after which its other images are not asked for
HEADERS = {"User-Agent": "rec_assets", "Accept": "image/*", "Accept-Encoding": "identity"}


class _Unavailable(HTTPError):
    """A server that may answer later."""


@dataclass(frozen=True)
class DownloadLimits:
    """Limits of downloads.

    Attributes:
        connections: number of downloads at a time.
        private_hosts: True to allow addresses of private networks and of this machine.
        refresh_days: days after which the server is asked whether a kept file has changed.
        wait_s: seconds without a byte, after which a download fails.
        total_s: seconds for a whole file, redirects included.
        pause_s: seconds before the second try.
    """

    connections: int = 8
    private_hosts: bool = False
    refresh_days: float = 7
    wait_s: float = 10
    total_s: float = 60
    pause_s: float = 1


class Downloader:
    """Fetches images that the cache lacks. Failures are results, not errors."""

    def __init__(self, folder: Path, limits: DownloadLimits | None = None) -> None:
        """Opens the cache of a folder; connects to nothing yet."""
        self.cache = UrlCache(folder)
        self._limits = limits or DownloadLimits()
        connections = self._limits.connections
        private = self._limits.private_hosts
        self._pool = PoolManager(maxsize=connections) if private else public_pool_manager(connections)
        self._silent = Counter[str]()  # failures in a row by host

    def fetch(self, urls: Collection[str], progress: Progress | None = None) -> Downloads:
        """Returns the files of addresses, from the cache or from their servers.

        Args:
            urls: http(s) addresses.
            progress: called after each request with the number of finished and of all requests of this call.
        """
        wanted = list(dict.fromkeys(urls))
        old = [url for url in wanted if not self.cache.is_fresh(url, self._limits.refresh_days)]
        outcomes: dict[str, str | bool] = {}
        with ThreadPoolExecutor(self._limits.connections) as threads:
            for url, outcome in zip(old, threads.map(self._outcome, old), strict=True):
                outcomes[url] = outcome
                if progress is not None:
                    progress(len(outcomes), len(old))
        files = {url: file for url in wanted if (file := self.cache.find(url))}
        failures = {
            url: f"{shown(url)} ({outcomes.get(url, 'deleted meanwhile')})" for url in wanted if url not in files
        }
        return Downloads(files, failures, sum(outcome is True for outcome in outcomes.values()))

    def _outcome(self, url: str) -> str | bool:
        """Returns the reason of a failure; True for a new file, False for one that did not change."""
        host = (urlsplit(url).hostname or "") if _is_valid(url) else ""
        if self._silent[host] >= MAX_SILENT:
            return f"not tried: {host} did not answer {MAX_SILENT} times in a row"
        tries = Retrying(
            stop=stop_after_attempt(2),
            wait=wait_fixed(self._limits.pause_s),
            retry=retry_if_exception(_may_pass),
            reraise=True,
        )
        try:
            is_new = tries(self._download, url)
        except PrivateHost as error:
            return str(error)
        except ValueError as error:
            self._silent[host] = 0
            return str(error)
        except HTTPError as error:
            self._silent[host] += 1
            return _reason(error)
        self._silent[host] = 0
        return is_new

    def _download(self, url: str) -> bool:
        """Writes an image into the cache; returns False if it did not change.

        Raises:
            ValueError: the server has no such image.
            urllib3.exceptions.HTTPError: there is no full answer.
        """
        ends = time.monotonic() + self._limits.total_s
        answer = self._open(url, ends)
        try:
            if answer.status == 304:
                self.cache.confirm(url)
                return False
            if answer.status != 200:
                error = _Unavailable if answer.status in TOO_BUSY else ValueError
                raise error(f"status {answer.status}")
            content = self._body(answer, ends)
            try:
                open_image(content)
            except ValueError as error:
                raise ValueError(f"{error} (content type: {answer.headers.get('Content-Type', 'none')})") from error
            self.cache.store(url, content, answer.headers)
            return True
        finally:
            answer.close()

    def _open(self, url: str, ends: float) -> BaseHTTPResponse:
        """Follows redirects; returns an answer whose body is not read yet."""
        conditions = self.cache.conditions(url)
        for _ in range(REDIRECTS + 1):
            if not is_address(url) or not _is_valid(url):
                raise ValueError("not an address of http or https")
            seconds = max(0.1, min(self._limits.wait_s, ends - time.monotonic()))
            answer = self._pool.request(
                "GET",
                url,
                headers=HEADERS | conditions,
                timeout=Timeout(seconds),
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            location = answer.get_redirect_location()
            if not location:
                return answer
            answer.close()
            url = urljoin(url, location)
        raise ValueError(f"more than {REDIRECTS} redirects")

    def _body(self, answer: BaseHTTPResponse, ends: float) -> bytes:
        if (answer.length_remaining or 0) > MAX_BYTES:
            raise ValueError(f"{answer.length_remaining:,} bytes, more than {MAX_BYTES:,}")
        content = bytearray()
        while chunk := answer.read1(CHUNK):
            content += chunk
            if len(content) > MAX_BYTES:
                raise ValueError(f"more than {MAX_BYTES:,} bytes")
            if time.monotonic() > ends:
                raise ValueError(f"slower than {self._limits.total_s:g} s")
        return bytes(content)


def shown(url: str) -> str:
    """Returns an address for messages: without a password, and without a query, which may hold a signature."""
    if not _is_valid(url):
        return "an invalid address"
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _is_valid(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _may_pass(error: BaseException) -> bool:
    """Returns True for a failure that a second try may not have."""
    return isinstance(error, HTTPError) and not isinstance(error, PrivateHost | ValueError)


def _reason(error: HTTPError) -> str:
    text = str(error)
    if "object at 0x" in text:  # a connection, which differs from run to run
        text = text.rpartition(": ")[2]
    return f"{type(error).__name__.removeprefix('_')}: {text}"
