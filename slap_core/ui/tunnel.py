"""The place *Tunnel test*: choose a scene or be surprised, guess what hides, then see what every method believes.

The scene comes first, and while the visitor guesses the methods are asked and lambda is scanned (`tunnel_run`); their
views stay sealed in the browser until then (static/tunnel.js).

A run carries a ticket that the browser drew: what carries another one is news of a run that was stopped, and is not
shown. The address holds the choices (static/links.js), so that it can be sent to somebody.
"""

import functools
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import gradio as gr

from slap_core.tunnel_world.names import COLOURS, KINDS, OCCLUDERS, OUTCOMES, QUERIES, SPLITS
from slap_core.ui.callbacks import UNEXPECTED
from slap_core.ui.findings import findings
from slap_core.ui.jobs import still_wanted
from slap_core.ui.places import place
from slap_core.ui.tunnel_run import ANY, VIEWS, blank, run, tunnel_test

__all__ = ["LINK", "tunnel_place"]

LENGTHS = [("any", ANY), ("short: up to 10 frames", "short"), ("medium: 11 to 20", "medium"), ("long: over 20", "long")]
ASKED = {
    "true": "what hides there",
    "distractor": "something else",
    "absent": "something the scene never shows",
    "generic": "“an object”",
}
"""The four ways of asking, in words."""
LINK = [
    {"name": "seed", "low": 0, "high": SPLITS["test"][1] - SPLITS["test"][0] - 1, "initial": 0, "always": True},
    *(
        {"name": name, "values": [ANY, *values], "initial": ANY}
        for name, values in (
            *(("outcome", OUTCOMES), ("kind", KINDS), ("colour", COLOURS), ("occluder", OCCLUDERS)),
            ("hidden", [value for _, value in LENGTHS[1:]]),
        )
    ),
    {"name": "query", "values": [*QUERIES], "initial": "generic"},
]
"""What the address holds, in the order of the controls, as `slap.links` reads it."""

OPENING = """
<h1>The tunnel test</h1>
<p class="lead">A car drives into a tunnel. You know that it has not stopped existing; does a method that fills in
missing frames know it too? Watch a clip, guess what is behind the occluder, then see the clip cut open and what each
method believes to be there. The scenes are drawn, so that the truth is known exactly, and no method was trained on
them.</p>
"""
DESCRIPTION = (
    "One scene of the tunnel test: something may hide behind an occluder, and every method says what it believes to be "
    "there in each hidden frame. Returns the scene, the truth, each method's beliefs with accuracy and drift, and the "
    "scan over lambda with its regimes. Everything but the seed may be 'any'; the seed then decides."
)


def tunnel_place(page: gr.Blocks, *, figures: pathlib.Path) -> None:
    """Add the place and its endpoint to a page that is built so far.

    Args:
        page: the page; not inside its context.
        figures: folder with what has been measured.
    """
    private = {"api_visibility": "private"}
    with place(page, "Tunnel test", "/tunnel-test"):
        gr.HTML(OPENING, elem_id="tunnel-opening", elem_classes="place-opening", apply_default_css=False)
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=300, elem_id="tunnel-controls", elem_classes="place-controls"):
                inputs, buttons = _controls()
            with gr.Column(scale=3, min_width=320, elem_id="tunnel-views"):
                shown = _views()
        findings(figures, name="tunnel-findings", unfolded=True)

        begin = functools.partial(_begin, shown, figures)
        how = {"show_progress": "hidden", "trigger_mode": "multiple", "js": "(...v) => slap.tunnel.begin(v)", **private}
        began = buttons["run"].click(begin, inputs, list(shown.values()), **how)
        # The choices are made in the browser, so that a surprise costs no round trip.
        chosen = buttons["surprise"].click(None, None, inputs, js="() => slap.tunnel.surprise()", **private)
        surprised = chosen.then(begin, inputs, list(shown.values()), **how)
        for event in (began, surprised):
            event.failure(None, js="() => slap.tunnel.refused()", **private)
        buttons["stop"].click(
            None, None, None, cancels=[began, surprised], queue=False, js="() => slap.tunnel.stop()", **private
        )
        buttons["link"].click(None, inputs, None, js="(...v) => slap.tunnel.copyLink(v)", **private)
        page.load(None, None, inputs, js=f"() => slap.tunnel.opened({json.dumps(LINK)})", **private)

        def endpoint(
            seed: int,
            outcome: str = ANY,
            kind: str = ANY,
            colour: str = ANY,
            occluder: str = ANY,
            hidden: str = ANY,
            query: str = "generic",
        ) -> dict[str, Any]:
            try:
                return tunnel_test(seed, outcome, kind, colour, occluder, hidden, query, wanted=still_wanted(page))
            except ValueError as error:
                raise gr.Error(str(error), print_exception=False) from error
            except Exception as error:
                raise gr.Error(UNEXPECTED) from error

        # A tool for language models bears the name of the function, and its arguments' words.
        endpoint.__name__, endpoint.__doc__ = tunnel_test.__name__, tunnel_test.__doc__
        gr.api(endpoint, api_name="tunnel_test", api_description=DESCRIPTION)


def _begin(shown: dict[str, gr.HTML], figures: pathlib.Path, *values: Any) -> Iterator[dict[gr.HTML, str]]:
    *given, ticket = values
    for changes in run(*given, ticket=str(ticket)[:64], figures=figures):
        yield {shown[name]: value for name, value in changes.items()}


def _controls() -> tuple[list[Any], dict[str, gr.Button]]:
    seed = gr.Number(
        0, label="Seed", precision=0, minimum=0, elem_id="tunnel-seed",
        info="The same seed and choices, the same scene; none was used in training.",
    )  # fmt: skip
    with gr.Row(elem_id="tunnel-buttons"):
        buttons = {
            "run": gr.Button("Run", variant="primary", elem_id="button-tunnel-run", min_width=100),
            "surprise": gr.Button("Surprise me", elem_id="button-surprise", min_width=120),
            "stop": gr.Button("Stop", interactive=False, elem_id="button-tunnel-stop", min_width=100),
            "link": gr.Button("Copy link", elem_id="button-tunnel-link", min_width=120),
        }
    gr.HTML('<p class="slap-unit" aria-live="polite"></p>', elem_id="tunnel-copied", apply_default_css=False)

    def choice(label: str, names: tuple[str, ...], info: str | None = None) -> gr.Dropdown:
        offered = [(ANY, ANY), *((name.replace("_", " "), name) for name in names)]
        return gr.Dropdown(offered, value=ANY, label=label, info=info, elem_id=f"tunnel-{label.lower()}")

    outcome = choice("Outcome", OUTCOMES, "What happens. Leave it at “any”, or you know the answer.")
    kind, colour = choice("Object", KINDS), choice("Colour", COLOURS)
    occluder = choice("Occluder", OCCLUDERS)
    hidden = gr.Dropdown(LENGTHS, value=ANY, label="Hidden for", elem_id="tunnel-hidden")
    query = gr.Dropdown(
        [(ASKED[name], name) for name in QUERIES], value="generic", label="The methods are asked for",
        elem_id="tunnel-query", info="“An object” gives nothing away: what is recovered comes from the frames.",
    )  # fmt: skip
    ticket = gr.Textbox(visible=False)
    return [seed, outcome, kind, colour, occluder, hidden, query, ticket], buttons


def _views() -> dict[str, gr.HTML]:
    status = gr.HTML(
        "", elem_id="tunnel-status", apply_default_css=False, html_template='<div class="slap-status"></div>',
        js_on_load="slap.tunnel.mountStatus(element, props, watch)",
    )  # fmt: skip
    views = {
        name: gr.HTML(
            blank(name), elem_id=f"view-{name}", apply_default_css=False,
            html_template='<div class="slap-host"></div>',
            js_on_load=f"slap.tunnel.mount(element, props, watch, 'view-{name}', {str(name != 'guess').lower()})",
        )
        for name in VIEWS
    }  # fmt: skip
    return {"status": status, **views}
