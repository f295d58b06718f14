"""Serves the storefront with its API and opens it in a browser; uses no network beyond this machine."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from rec_assets.serving.api.app import api_server
from rec_assets.settings import Settings
from rec_assets.storefront.app import storefront_server
from rec_assets_tests.servers import free_port, in_thread
from rec_assets_tests.tools import require_tool

Serve = Callable[[Settings], str]
Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = require_tool("chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Returns a function that opens a page and waits for its list; errors of its scripts fail the test."""
    errors: list[str] = []
    with ExitStack() as pages:

        def opened(url: str, width: int = 1280, *, expect_errors: bool = False) -> Page:
            page = browser.new_page(viewport={"width": width, "height": 900})
            pages.callback(page.close)
            if not expect_errors:
                page.on("pageerror", lambda error: errors.append(str(error)))
                page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
            page.goto(url)
            settled(page)
            return page

        yield opened
    assert errors == []


def settled(page: Page) -> None:
    """Waits until the list and the trending items are loaded."""
    page.wait_for_selector("#list[aria-busy=false]", timeout=20_000)
    page.wait_for_selector("#trending > *", timeout=20_000)


@contextmanager
def storefront_and_api(settings: Settings) -> Iterator[str]:
    """Serves the storefront and the API that it calls with a key; yields the storefront's address."""
    ports = {"api_port": free_port(), "storefront_port": free_port()}
    given = settings.model_copy(update={**ports, "api_keys": "key"})
    with in_thread(api_server(given)), in_thread(storefront_server(given)) as address:
        yield f"http://{address}"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Returns a function that serves a storefront with its API until the test ends."""
    with ExitStack() as servers:
        yield lambda settings: servers.enter_context(storefront_and_api(settings))
