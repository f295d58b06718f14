"""Tests of downloads on a real server: what is kept, what is refused, and which servers are asked again."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rec_assets.sources.images import public_hosts
from rec_assets.sources.images.download import MAX_SILENT, Downloader, DownloadLimits, shown
from rec_assets.sources.images.public_hosts import is_public
from rec_assets_tests.sources.images.image_server import ImageServer, image_of, running_image_server

LIMITS = DownloadLimits(private_hosts=True, wait_s=0.2, total_s=0.4, pause_s=0)
PUBLIC = DownloadLimits(wait_s=5, pause_s=0)


@pytest.fixture
def site() -> Iterator[ImageServer]:
    with running_image_server() as site:
        site.images["/good.png"] = image_of("red")
        site.redirects |= {"/moved": "/good.png", "/loop": "/loop", "/local": "file:///etc/hostname"}
        yield site


def failure(downloader: Downloader, url: str) -> str:
    """Returns the reason of the only, failing download."""
    downloads = downloader.fetch([url])
    assert not downloads.files
    return downloads.failures[url]


def test_a_second_run_downloads_nothing_and_a_new_image_alone_is_fetched(site: ImageServer, tmp_path: Path) -> None:
    first, second = f"{site.address}/good.png", f"{site.address}/moved"
    downloads = Downloader(tmp_path, LIMITS).fetch([first, first])
    assert downloads.files[first].read_bytes() == image_of("red") and downloads.new == 1
    finished: list[tuple[int, int]] = []
    downloads = Downloader(tmp_path, LIMITS).fetch([first, second], lambda *counts: finished.append(counts))
    assert downloads.files[second].read_bytes() == image_of("red") and downloads.new == 1
    assert finished == [(1, 1)]
    assert site.requests == {"/good.png": 2, "/moved": 1}


def test_an_old_file_is_fetched_again_only_if_it_changed(site: ImageServer, tmp_path: Path) -> None:
    url, downloader = f"{site.address}/good.png", Downloader(tmp_path, LIMITS)
    file = downloader.fetch([url]).files[url]
    for content, new in ((image_of("red"), 0), (image_of("blue"), 1)):
        site.images["/good.png"] = content
        os.utime(file, (0, 0))
        downloads = downloader.fetch([url])
        assert (downloads.new, file.read_bytes()) == (new, content)
        assert file.stat().st_mtime > 0
    del site.images["/good.png"]
    os.utime(file, (0, 0))
    assert downloader.fetch([url]).files[url].read_bytes() == image_of("blue"), "an image that is gone is kept"


def test_old_files_of_addresses_that_are_not_used_any_more_are_deleted(site: ImageServer, tmp_path: Path) -> None:
    urls, downloader = [f"{site.address}/good.png?{n}" for n in range(3)], Downloader(tmp_path, LIMITS)
    files = downloader.fetch(urls).files
    for file in tmp_path.rglob("*"):
        if not file.is_relative_to(files[urls[0]].parent):
            os.utime(file, (0, 0))
    downloader.cache.delete_unused(urls[1:2])
    assert [files[url].exists() for url in urls] == [True, True, False]
    assert sum(file.is_file() for file in tmp_path.rglob("*")) == 4, "each file has its headers beside it"


@pytest.mark.parametrize(
    ("path", "reason", "requests"),
    [
        ("nowhere", "status 404", 1),
        ("loop", "more than 5 redirects", 6),
        ("local", "not an address of http or https", 1),
        ("page", r"not a readable image.*text/html", 1),
        ("truncated", "IncompleteRead", 2),
        ("announced", "20,000,001 bytes, more than", 1),
        ("endless", "more than 20,000,000 bytes|slower than", 1),
        ("slow", "slower than 0.4 s", 1),
        ("silent", "ReadTimeoutError", 2),
    ],
)
def test_a_download_that_fails_has_a_reason_and_is_not_kept(
    site: ImageServer, tmp_path: Path, path: str, reason: str, requests: int
) -> None:
    url = f"{site.address}/{path}?secret=1"
    found = failure(Downloader(tmp_path, LIMITS), url)
    assert found.startswith(f"{site.address}/{path} (") and "secret" not in found
    assert re.search(reason, found)
    assert site.requests[f"/{path}"] == requests
    assert not list(tmp_path.rglob("*.*"))


def test_a_busy_server_is_asked_a_second_time(site: ImageServer, tmp_path: Path) -> None:
    url = f"{site.address}/busy"
    assert Downloader(tmp_path, LIMITS).fetch([url]).files[url].read_bytes() == image_of("blue")
    assert site.requests["/busy"] == 2


def test_a_host_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with running_image_server() as gone:
        urls = [f"{gone.address}/{n}.png" for n in range(MAX_SILENT + 30)]
    failures = Downloader(tmp_path, LIMITS).fetch(urls).failures
    assert len(failures) == len(urls)
    assert "did not answer 20 times in a row" in failures[urls[-1]]
    assert "NewConnectionError" in failures[urls[0]] and "0x" not in failures[urls[0]]


def test_an_invalid_address_is_a_failure(tmp_path: Path) -> None:
    urls = ["http://[::1", "https://", "ftp://host/a.png", "http://h:99999/a.png", "http://ü\udc80/a.png"]
    assert Downloader(tmp_path, LIMITS).fetch(urls).failures.keys() == set(urls)


def test_private_addresses_are_refused_without_a_request(site: ImageServer, tmp_path: Path) -> None:
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"):
        url = f"{site.address.replace('127.0.0.1', host)}/good.png"
        assert "private address" in failure(Downloader(tmp_path, PUBLIC), url)
        assert "private address" in failure(Downloader(tmp_path, PUBLIC), url.replace("http:", "https:"))
    assert not site.requests


def test_a_redirect_to_a_private_address_is_refused(
    site: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_hosts, "is_public", lambda address: address == "127.0.0.1")
    with running_image_server("127.0.0.2") as private:
        private.images["/good.png"] = image_of("red")
        site.redirects["/inside"] = f"{private.address}/good.png"
        assert "private address 127.0.0.2" in failure(Downloader(tmp_path, PUBLIC), f"{site.address}/inside")
        assert not private.requests
    url = f"{site.address}/good.png"
    assert Downloader(tmp_path, PUBLIC).fetch([url]).files


def test_a_name_that_changes_its_address_after_the_test_is_refused(
    site: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([True, False])
    monkeypatch.setattr(public_hosts, "is_public", lambda _: next(answers))
    assert "private address" in failure(Downloader(tmp_path, PUBLIC), f"{site.address}/good.png")
    assert not site.requests


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:8.8.8.8", True), ("64:ff9b::808:808", True)]
    + [(private, False) for private in ("10.1.2.3", "172.16.0.1", "192.168.0.1", "127.0.0.1", "169.254.169.254")]
    + [(private, False) for private in ("100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1", "fd00:ec2::254")]
    + [(private, False) for private in ("::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::")],
)
def test_private_networks_are_known_also_inside_ipv6(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_messages_hide_passwords_and_signatures() -> None:
    assert shown("https://me:secret@cdn.example:8443/a.jpg?sig=x#y") == "https://cdn.example:8443/a.jpg"
