"""SLAP Explorer as a page: python app.py --host 127.0.0.1 --port 7860."""

import argparse
import functools
import importlib.util
import logging
import os
import pathlib
from collections.abc import Iterator

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported: it asks at import

from gradio.utils import get_space

from slap_core.memory import Memory
from slap_core.ui.hardware import borrowed
from slap_core.ui.layout import build_page
from slap_core.ui.limits import KEEP_SECONDS
from slap_core.ui.serving import launch_settings, warm_up
from slap_core.ui.uploads import own_folder, sweep

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE / "assets" / "clips"
FIGURES = HERE / "assets" / "figures"


def steps(*arguments: object, folders: bool, **settings: object) -> Iterator[object]:
    """The steps of the main job, whose heavy imports wait until the page is up."""
    from slap_core.analysis import analyse_steps

    _refuse(folders, settings.get("encoder"))
    yield from analyse_steps(*arguments, **settings)


def ask(*arguments: object, folders: bool, **settings: object) -> Iterator[object]:
    """The steps of an answer, whose heavy imports wait as well."""
    from slap_core.analysis import ask_steps

    _refuse(folders, settings.get("encoder"), settings.get("language"))
    yield from ask_steps(*arguments, **settings)


def _refuse(folders: bool, *names: object) -> None:
    if not folders and any(str(name).startswith("local-dir:") for name in names):
        raise ValueError("Visitors of this server cannot open its folders; choose bundled, or a model on the hub.")


REMEDY = 'pip install "gradio[mcp]"'


def main() -> None:
    """Serve the page until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, or 0.0.0.0 on a Space)")
    parser.add_argument("--port", type=int, help="port to listen on (default: the first free one from 7860)")
    parser.add_argument("--mcp", action="store_true", help="serve the endpoints as tools for language models too (MCP)")
    options = parser.parse_args()
    if options.mcp and importlib.util.find_spec("mcp") is None:
        parser.error(f"--mcp needs the package mcp; get it with: {REMEDY}")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    own_machine = options.host in (None, "127.0.0.1", "localhost", "::1") and get_space() is None
    sweep(own_folder())  # before the page is built: every component remembers it
    memory = Memory(seconds=KEEP_SECONDS)
    job = functools.partial(steps, folders=own_machine, recover=borrowed(), memory=memory)
    asking = functools.partial(ask, folders=own_machine, memory=memory)
    page = build_page(steps=job, ask=asking, examples=EXAMPLES, figures=FIGURES)
    page.launch(
        server_name=options.host,
        server_port=options.port,
        prevent_thread_lock=True,
        mcp_server=options.mcp or None,  # None: as gradio's own variable says
        **launch_settings(EXAMPLES, FIGURES, private=HERE),
    )
    if page.mcp_error:  # gradio would go on without
        page.close()
        parser.error(f"{page.mcp_error}. Another version of the package mcp may be needed: {REMEDY}")
    warm_up()
    page.block_thread()


if __name__ == "__main__":
    main()
