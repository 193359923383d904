"""How soon the page is there, beside importing everything that it needs first; each in a process of its own."""

import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

__all__ = ["import_seconds", "measure_start", "startup_seconds"]

APP = pathlib.Path(__file__).resolve().parents[2] / "app.py"
PACKAGES: Final = ("decord", "gradio", "open_clip", "plotly.graph_objects", "torch", "transformers", "umap")
LIMIT_SECONDS: Final = 600.0
ENVIRONMENT: Final = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}


def measure_start(clock: Callable[[], float], *, repeats: int) -> dict[str, float]:
    """Medians of both, in seconds, and their ratio.

    Args:
        clock: one of `clocks.CLOCKS`.
        repeats: rounds.

    Raises:
        ValueError: if the page does not come up.
    """
    rounds = [(startup_seconds(clock), import_seconds(clock)) for _ in range(repeats)]
    startup, importing = (statistics.median(values) for values in zip(*rounds, strict=True))
    return {"startup_seconds": startup, "import_seconds": importing, "import_ratio": startup / importing}


def startup_seconds(clock: Callable[[], float]) -> float:
    """From `python app.py` to the first answer with status 200, and the server's end, which is at once.

    Raises:
        ValueError: if there is none.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as uploads:
        begin, until = clock(), time.monotonic() + LIMIT_SECONDS
        server = subprocess.Popen(
            [sys.executable, APP.name, "--host", "127.0.0.1", "--port", str(port)],
            cwd=APP.parent, env=os.environ | ENVIRONMENT | {"GRADIO_TEMP_DIR": uploads}, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while not (up := _served(f"http://127.0.0.1:{port}/")) and server.poll() is None:
                if time.monotonic() > until:
                    break
                time.sleep(0.05)
        finally:
            server.kill()
            server.wait()  # the CPU's clock counts it only now
        took = clock() - begin
    if up:
        return took
    raise ValueError("The page did not come up; run python app.py by itself to see why.")


def import_seconds(clock: Callable[[], float]) -> float:
    """Of a new interpreter that imports all large libraries at once."""
    begin = clock()
    subprocess.run(
        [sys.executable, "-c", f"import {', '.join(PACKAGES)}"], check=True, env=os.environ | ENVIRONMENT
    )  # fmt: skip
    return clock() - begin


def _served(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
