"""What has been measured, on the page: the verdict of the tunnel test in words, with its figures.

The words and the figures are those of README, from `assets/figures`: findings.md, and an SVG for each figure that it is
shown with.
"""

import html
import pathlib

import gradio as gr

__all__ = ["FIGURES", "findings"]

FIGURES = {
    "tunnel_methods.svg": "Accuracy of every method in the tunnel test with 95 % intervals: over all outcomes, over "
    "the four basic ones, and for the worst one. The numbers stand in README's table.",
    "tunnel_resonance.svg": "Accuracy and drift over lambda from 0 to 10, for the potential by the paper's recipe and "
    "for the one that is shaped through the solver, lambda* of each marked; the five accuracies that the paper reports "
    "for data of its own stand beside them as open diamonds.",
}
"""Files, and what they show in words."""


def findings(folder: pathlib.Path, *, name: str = "findings", unfolded: bool = False) -> None:
    """Add the section to the place that is being built; nothing where its text is not there.

    Args:
        folder: with findings.md and the figures, which the browser may fetch.
        name: the section's id.
        unfolded: whether it shows at once.
    """
    text = folder / "findings.md"
    if not text.is_file():
        return
    with gr.Accordion("What has been measured: the tunnel test", open=unfolded, elem_id=name, elem_classes="findings"):
        gr.Markdown(text.read_text(encoding="utf-8"))
        gr.HTML("".join(_figure(folder / name, words) for name, words in FIGURES.items()), apply_default_css=False)


def _figure(file: pathlib.Path, words: str) -> str:
    if not file.is_file():
        return ""
    address = html.escape(f"gradio_api/file={file.resolve().as_posix()}")
    return f'<img class="finding" loading="lazy" src="{address}" alt="{html.escape(words)}">'
