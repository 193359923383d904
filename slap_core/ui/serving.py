"""How the page is served: what the browser may fetch, the limits, and what is warmed up while a person reads."""

import html
import logging
import pathlib
import threading
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from slap_core.ui import learn, precomputed
from slap_core.ui.limits import UPLOAD_MEGABYTES
from slap_core.ui.theme import theme
from slap_core.ui.uploads import Bounded, own_folder, refuse_addresses
from slap_core.views import browser

__all__ = ["launch_settings", "warm_up"]

log = logging.getLogger(__name__)

STATIC = pathlib.Path(__file__).parent / "static"
STYLES = ("page", "answer", "tunnel", "learn", "about")
SCRIPTS = (
    *("links", "keep", "takeaway", "compare", "page", "uploads", "answer", "asking", "tunnel", "tunnel_answer"),
    *learn.SCRIPTS,
)
"""Of all places, in the order in which they are read."""


def launch_settings(examples: pathlib.Path, figures: pathlib.Path, *, private: pathlib.Path) -> dict[str, Any]:
    """Arguments of `Blocks.launch`; the browser may fetch plotly's library, what was made beforehand, two folders.

    Args:
        examples: folder of the bundled clips.
        figures: folder of the figures that the page shows.
        private: folder of the program, from which nothing but these two may be served.
    """
    library = browser.plotly_library()
    refuse_addresses()
    gr.set_static_paths([library, examples, figures, learn.CLIP, precomputed.SAMPLE])
    program = [path for path in private.resolve().iterdir() if path.name != "assets"]
    return {
        "theme": theme(),
        "head": _head(library),
        "allowed_paths": [str(examples), str(figures)],
        "blocked_paths": [str(path) for path in program],
        "app_kwargs": {"middleware": [Middleware(Bounded, folder=own_folder())]},
        "max_file_size": f"{UPLOAD_MEGABYTES}mb",
        "show_error": False,
        "ssr_mode": False,
        "enable_monitoring": False,
        "strict_cors": True,
        "share": False,
        "footer_links": ["api"],
    }


def _head(library: pathlib.Path) -> str:
    style = browser.style() + "".join(_read(f"{name}.css") for name in STYLES)
    script = browser.script() + "".join(_read(f"{name}.js") for name in SCRIPTS)
    metas = "".join(
        f"<meta name='slap-{name}' content='{html.escape(f'gradio_api/file={file.as_posix()}')}'>"
        for name, file in (("plotly", library), ("lesson", learn.CLIP), ("sample", precomputed.SAMPLE))
    )
    return f"{metas}\n<style>\n{style}\n</style>\n<script>\n{script}\n</script>"


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def warm_up() -> threading.Thread:
    """A background thread that imports what a first run needs, loads the bundled encoder and compiles UMAP's loops."""

    def work() -> None:
        try:
            import torch

            from slap_core import sphere
            from slap_core.analysis import analyse_steps  # noqa: F401  the import is the point
            from slap_core.pretrained import kept_encoder
            from slap_core.types import Latents
            from slap_core.ui import tunnel_views  # noqa: F401
            from slap_core.views import figures  # noqa: F401
            from slap_core.views.projection import project

            kept_encoder("bundled")
            points = sphere.normalize(torch.randn(40, 8, generator=torch.Generator().manual_seed(0)))
            latents = Latents(points, torch.arange(40.0))
            # A query and a scan: what is placed on a map is compiled by itself, and takes as long.
            project(latents, latents, {}, points[0], method="UMAP", scan=points[None, :8])
        except Exception:
            # The page works without: the first run then waits longer, or says itself what is missing.
            log.exception("Warming up failed")

    thread = threading.Thread(target=work, name="warm-up", daemon=True)
    thread.start()
    return thread
