"""The places of the page: Explore is the page itself, each of the others has an address of its own beside it."""

import contextlib
from collections.abc import Iterator

import gradio as gr

__all__ = ["MAIN_PAGE", "bar", "place"]

MAIN_PAGE = "Explore"


def bar() -> None:
    """The bar on top of the place that is being built, with links to all of them."""
    gr.Navbar(main_page_name=MAIN_PAGE)


@contextlib.contextmanager
def place(page: gr.Blocks, name: str, address: str) -> Iterator[None]:
    """Build a place inside.

    Args:
        page: the page; not inside its context.
        name: what the bar calls it.
        address: its path, such as "/learn".
    """
    with page.route(name, address):
        bar()
        yield
