"""Shape checks at run time, and nothing that reaches for a network.

jaxtyping's annotations are checked by beartype in every function of slap_core while the tests run. The library's own
errors for wrong shapes and types would be hidden by that: their tests take the fixture `unhooked`.
"""

import os
from collections.abc import Iterator

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


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """`python app.py`, which is ended afterwards."""
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()
