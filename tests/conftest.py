"""Shape checks at run time, and nothing that reaches for a network.

jaxtyping's annotations are checked by beartype in every function of slap_core while the tests run. The library's own
errors for wrong shapes and types would be hidden by that: their tests take the fixture `unhooked`.
"""

import asyncio
import concurrent.futures
import os

# Before torch is imported. Small tensors gain nothing by more threads, which on a busy machine wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import jaxtyping
import pytest
from servers import Server

jaxtyping.install_import_hook("slap_core", "beartype.beartype")

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


@pytest.fixture
def unhooked() -> Iterator[None]:
    """No shape checks inside this test: what a user of the library sees."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def awaited() -> Iterator[Callable[[Coroutine], Any]]:
    """What a coroutine returns, run in a thread of its own: the browser's tests keep a running loop in this one."""
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        yield lambda asked: beside.submit(asyncio.run, asked).result()


@pytest.fixture
def looked_at(monkeypatch) -> dict[str, int]:
    """How often files were read, and pictures looked at."""
    from slap_core import analysis
    from slap_core.pretrained import load_encoder
    from slap_core.video import read_clip

    counts = {"read": 0, "pictures": 0}
    encoder = type(load_encoder("bundled"))
    look = encoder._looked_at

    def read(*arguments, **options):
        counts["read"] += 1
        return read_clip(*arguments, **options)

    def looked(self, images):
        counts["pictures"] += len(images)
        return look(self, images)

    monkeypatch.setattr(analysis, "read_clip", read)
    monkeypatch.setattr(encoder, "_looked_at", looked)
    return counts


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """`python app.py`, which is ended afterwards."""
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()
