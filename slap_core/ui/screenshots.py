"""Pictures of every place of the page, for README, taken of the running program.

    python -m slap_core.ui.screenshots --out assets/figures

starts the page, opens each place in a headless Chromium, and saves page.webp (Explore, after a run), page_dark.webp,
page_phone.webp, tunnel_test.webp, learn.webp and about.webp. It needs the packages of tests/requirements.txt and a
Chromium.
"""

import argparse
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["main", "served", "shoot"]

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
QUALITY = 82
SECONDS = 240.0
"""For the page to come up, and for a run to end."""


@contextmanager
def served() -> Iterator[str]:
    """The address of the page, which runs as long as this context.

    Raises:
        RuntimeError: if it does not come up.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as uploads:
        server = subprocess.Popen(
            [sys.executable, "app.py", "--host", "127.0.0.1", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | {"GRADIO_TEMP_DIR": uploads},
            stdout=subprocess.DEVNULL,
        )
        try:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end and server.poll() is None:
                try:
                    with urllib.request.urlopen(address, timeout=5):
                        yield address
                        return
                except (urllib.error.URLError, OSError):
                    time.sleep(0.5)
            raise RuntimeError("The page did not come up; see what python app.py says.")
        finally:
            server.terminate()
            server.wait(20)


def shoot(address: str, out: pathlib.Path) -> list[pathlib.Path]:
    """The pictures, taken of a running page.

    Args:
        address: of the page.
        out: folder for the pictures, which is there.

    Raises:
        RuntimeError: if there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise RuntimeError("There is no Chromium on this machine; install one, such as by apt-get install chromium.")
    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)

        def save(page: Any, name: str) -> None:
            page.wait_for_timeout(1500)  # figures settle
            taken.append(_compressed(page.screenshot(), out / f"{name}.webp"))

        explore = _open(browser, address)
        _run_example(explore)
        explore.locator("#run-status").scroll_into_view_if_needed()
        explore.evaluate("() => { document.querySelector('#controls').scrollTop = 0; }")
        explore.evaluate("() => scrollBy(0, document.querySelector('#run-status').getBoundingClientRect().top - 20)")
        save(explore, "page")
        dark = _open(browser, f"{address}?__theme=dark", theme="dark")
        dark.wait_for_selector("#view-map[data-state=sample]")
        dark.evaluate("() => document.querySelector('#view-map').scrollIntoView()")
        save(dark, "page_dark")
        phone = _open(browser, address, size=(390, 844))
        phone.wait_for_selector("#view-map[data-state=sample]")
        save(phone, "page_phone")
        lesson = _open(browser, f"{address}learn")
        lesson.wait_for_selector("#learn-ball svg")
        lesson.evaluate("() => document.querySelector('#learn-ball').scrollIntoView()")
        save(lesson, "learn")
        about = _open(browser, f"{address}about")
        about.wait_for_selector("h1")
        save(about, "about")
        tunnel = _open(browser, f"{address}tunnel-test")
        tunnel.click("#button-tunnel-run")
        tunnel.wait_for_selector("#view-guess[data-state=ready]")
        tunnel.locator("input[name=what][value='-1']").check()
        tunnel.click("#button-reveal")
        tunnel.wait_for_selector("#view-scan[data-state=ready]")
        tunnel.evaluate("() => document.querySelector('#view-beliefs').scrollIntoView()")
        save(tunnel, "tunnel_test")
        browser.close()
    return taken


def _open(browser: Any, address: str, *, theme: str = "light", size: tuple[int, int] = (1280, 900)) -> Any:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
    page.set_default_timeout(SECONDS * 1e3)
    page.goto(address)
    return page


def _run_example(page: Any) -> None:
    page.click("#example-0")
    page.wait_for_selector("#input-video video")
    page.click("#button-run:not([disabled])")
    page.wait_for_selector("#view-certificate[data-state=ready]")
    page.wait_for_selector(".slap-takeaway[data-state=ready]")


def _compressed(picture: bytes, path: pathlib.Path) -> pathlib.Path:
    import io

    from PIL import Image

    Image.open(io.BytesIO(picture)).convert("RGB").save(path, quality=QUALITY, method=6)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Take pictures of every place of the page.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the pictures")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    with served() as address:
        for path in shoot(address, options.out):
            print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
