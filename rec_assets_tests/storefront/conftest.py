"""Serves the storefront and opens it in a browser; uses no network beyond this machine."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from rec_assets.settings import Settings
from rec_assets.storefront.serve import config
from rec_assets_tests.servers import free_port
from rec_assets_tests.tools import require_tool
from rec_assets_tests.waiting import wait_until

Serve = Callable[[Settings], str]
Open = Callable[..., Page]


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(config(settings.model_copy(update={"storefront_port": port})))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


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


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as servers:
        yield lambda settings: servers.enter_context(serving(settings))
