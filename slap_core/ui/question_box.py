"""The question box of Explore: the question, who answers it, and the view that the answer grows in (static/answer.js).

Nothing has to be run before: the video, the query and the settings are those of the controls.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import gradio as gr

from slap_core.ui import ask as asking

__all__ = ["Box", "question_box", "wire"]

EXAMPLES: Final = (
    "how many objects are there at last?",
    "where is the red car halfway?",
    "what is yellow late?",
    "is there an orange ball at last?",
)
"""Questions in the bundled language model's own words."""

HEADING = """
<section class="slap-view"><h2 class="slap-title">Answer</h2>
<p class="slap-caption">Ask about the clip that is chosen. The answer comes from the kept frames and from what is
recovered between them; the dropped frames are never looked at. The bundled language model knows drawn scenes and
their few words, and nothing else.</p></section>
"""


class Box(NamedTuple):
    """The components."""

    inputs: dict[str, gr.Textbox]
    """question and language, which the address holds too."""
    ask: gr.Button
    stop: gr.Button
    view: gr.HTML


def question_box() -> Box:
    """The components, in the present context."""
    gr.HTML(HEADING, elem_id="ask-heading", apply_default_css=False)
    with gr.Row(elem_id="ask-row"):
        question = gr.Textbox(
            value="", label="Question", placeholder=EXAMPLES[1], max_length=200, max_lines=1,
            elem_id="input-question", scale=5, min_width=220,
        )  # fmt: skip
        ask = gr.Button("Ask", variant="primary", elem_id="button-ask", min_width=110)
        stop = gr.Button("Stop", interactive=False, elem_id="button-ask-stop", min_width=80)
    with gr.Accordion("Language model", open=False, elem_id="ask-language"):
        language = gr.Textbox(
            label="Who answers", value="bundled", max_lines=1, max_length=asking.LANGUAGE_CHARACTERS,
            elem_id="input-language",
            info="bundled, or hf-hub:OWNER/NAME, which is downloaded once; on your own machine local-dir:FOLDER too. "
            "One that no projector is trained for reads textual evidence.",
        )  # fmt: skip
    view = gr.HTML(
        json.dumps({"state": "empty", "examples": EXAMPLES, "run": ""}),
        elem_id="view-answer",
        apply_default_css=False,
        html_template='<div class="slap-answer"></div>',
        js_on_load="slap.mountAnswer(element, props, watch)",
    )
    return Box({"question": question, "language": language}, ask, stop, view)


def wire(box: Box, inputs: dict[str, Any], ask: asking.Ask) -> None:
    """Join the box to its handlers.

    Args:
        box: the components.
        inputs: all controls by name, the box's own among them.
        ask: the job, as `slap_core.analysis.ask_steps`.
    """
    names, private = list(inputs), {"api_visibility": "private"}
    wanted = ("video", "question", "query", "language", *asking.SETTINGS)

    def start(*values: Any) -> Iterator[str]:
        *given, ticket = values
        arguments = {name: value for name, value in zip(names, given, strict=True) if name in wanted}
        yield from asking.answer(ask=ask, ticket=str(ticket)[:64], **arguments)

    same = json.dumps([names.index(name) for name in asking.SETTINGS if name != "concepts"])
    event = gr.on(
        [box.ask.click, box.inputs["question"].submit],
        start, [*inputs.values(), gr.Textbox(visible=False)], box.view, show_progress="hidden",
        trigger_mode="multiple", js=f"(...values) => slap.asking.begin(values, {same})", **private,
    )  # fmt: skip
    event.failure(None, js="() => slap.asking.refused()", **private)
    box.stop.click(None, None, None, cancels=[event], queue=False, js="() => slap.asking.stopped()", **private)
