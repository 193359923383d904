"""Learn: the least-action idea as a lesson of five steps, each of which asks first and shows then.

The words are in `lesson_steps`; what moves is in `static/learn_physics.js` (pure functions), `learn.js` (questions,
controls), `learn_stage.js` (pictures, nodes that can be dragged) and `learn_steps.js`, `learn_race.js`,
`learn_turn.js`, `learn_clip.js` (the steps). `worksheet.html` is the same lesson on paper, which `learn_worksheet.js`
fills in. All of it runs in the browser. An answer is never canned: it is computed from the paths on the screen, or from
the same equations.
"""

import html
import pathlib
from typing import Final

import gradio as gr

from slap_core.ui.lesson_steps import STEPS, Step
from slap_core.ui.places import place

__all__ = ["CLIP", "SCRIPTS", "learn_place"]

CLIP: Final = pathlib.Path(__file__).resolve().parents[2] / "assets" / "lesson" / "clip.json"
"""The last step's clip, written by `slap_core.ui.lesson_clip`."""
SCRIPTS: Final = (
    "learn_physics", "learn", "learn_stage", "learn_steps", "learn_race", "learn_turn", "learn_clip", "learn_worksheet",
)  # fmt: skip
"""The lesson's scripts in `static`, in the order in which they are loaded."""
WORKSHEET: Final = pathlib.Path(__file__).parent / "static" / "worksheet.html"
"""What the worksheet says beside the lesson's own words and answers."""

OPENING = """
<h1>Learn the idea in five steps</h1>
<p class="lead">Nature crosses a gap along the path of least action, and so does this program. Each step asks you first:
make a guess, then try it, and check. Everything here is computed in your browser while you drag.</p>
<p class="learn-sheet"><button type="button">Worksheet (print)</button> <span>The same five questions on paper, with
two experiments and a page for the teacher.</span></p>
"""

CLOSING = """
<h2>And now with a video</h2>
<p>On <a href="./">Explore</a> the same equation crosses the gaps of a whole clip, one of ours or your own. In the
<a href="tunnel-test">Tunnel test</a> you guess what hides behind something, and see what each method believes.</p>
"""


def learn_place(page: gr.Blocks) -> None:
    """Add the place to a page that is built so far.

    Args:
        page: the page; not inside its context.
    """
    with place(page, "Learn", "/learn"):
        contents = "".join(
            f'<li><button type="button" data-step="{step.name}">{html.escape(step.title)}</button></li>'
            for step in STEPS
        )
        gr.HTML(
            f'{OPENING}<ol class="learn-contents">{contents}</ol>'
            f"<template>{WORKSHEET.read_text(encoding='utf-8')}</template>",
            elem_id="learn-opening",
            apply_default_css=False,
            js_on_load="slap.learn.contents(element); slap.learn.worksheet(element)",
        )
        for number, step in enumerate(STEPS, 1):
            _step(number, step)
        gr.HTML(CLOSING, elem_id="learn-closing", apply_default_css=False)


def _step(number: int, step: Step) -> None:
    with gr.Row(elem_id=f"learn-{step.name}", elem_classes="learn-step", equal_height=False):
        with gr.Column(scale=2, min_width=300, elem_classes="learn-words"):
            gr.HTML(
                f'<p class="learn-number">Step {number} of {len(STEPS)}</p><h2>{html.escape(step.title)}</h2>'
                f"<p>{step.lead}</p>",
                apply_default_css=False,
            )
            gr.Markdown(_formulas(step), latex_delimiters=LATEX, elem_classes="learn-terms")
        with gr.Column(scale=3, min_width=300):
            gr.HTML(_laboratory(step), apply_default_css=False, js_on_load=f"slap.learn.mount(element, '{step.name}')")


LATEX: Final = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]  # fmt: skip


def _formulas(step: Step) -> str:
    return "\n\n".join([step.equation, *(f"**{term}**  \n{definition}" for term, definition in step.terms)])


def _laboratory(step: Step) -> str:
    """The question, the places that the script fills in, and the caption."""
    choices = "".join(
        f'<label><input type="radio" name="learn-{step.name}" value="{value}"> {html.escape(words)}</label>'
        for value, words in step.choices
    )
    return (
        f'<section class="learn-lab" aria-label="{html.escape(step.title)}" data-formula="{html.escape(step.plain)}">'
        f"<fieldset><legend><span>Predict</span> {html.escape(step.question)}</legend>{choices}</fieldset>"
        '<div class="learn-picture"></div><dl class="learn-numbers"></dl><div class="learn-controls"></div>'
        '<p class="learn-says" aria-live="polite"></p>'
        f'<p class="learn-caption">{html.escape(step.caption)}</p>'
        '<div class="learn-check"><button type="button" disabled>Check my prediction</button>'
        '<p class="learn-answer" aria-live="polite">Choose a prediction first.</p></div></section>'
    )
