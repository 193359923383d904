"""The page in a real browser: `python app.py` on a free port, and a Chromium that may talk to this machine only."""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
]


def _missing(reason: str) -> None:
    """Skip, or fail where a browser is required."""
    if os.environ.get("SLAP_REQUIRE_BROWSER") == "1":
        pytest.fail(f"SLAP_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        _missing("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def address(browser, server) -> str:
    """The address of a running page. After `browser`: without one nothing is started."""
    return server.url


class Watch:
    """What a page did that it should not have done."""

    def __init__(self) -> None:
        self.elsewhere: list[str] = []
        self.errors: list[str] = []


@pytest.fixture
def page(browser, address) -> Iterator[object]:
    """A fresh tab on the page; `page.watch` records requests to elsewhere (which are aborted) and console errors."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(180_000)
    tab.watch = Watch()

    def route(handler: object) -> None:
        parts = urlsplit(handler.request.url)
        if parts.scheme in ("data", "blob") or parts.hostname in ("127.0.0.1", "localhost"):
            handler.continue_()
        else:
            tab.watch.elsewhere.append(handler.request.url)
            handler.abort()

    tab.route("**/*", route)
    tab.on("console", lambda m: tab.watch.errors.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda error: tab.watch.errors.append(str(error)))
    tab.on("dialog", lambda dialog: (tab.watch.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    tab.goto(address)
    tab.wait_for_selector("#view-certificate[data-state=sample]")
    yield tab
    context.close()
