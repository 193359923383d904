"""The place *Tunnel test*: choose a scene or be surprised, guess what hides, then see what every method believes.

The scene comes first, and while the visitor guesses the methods are asked and lambda is scanned; their views stay
sealed in the browser until then (static/tunnel.js). Nothing here keeps anything between two calls.
"""

import json
import logging
import uuid
from collections.abc import Iterator
from typing import Any

import gradio as gr

from slap_core.training.queries import QUERIES
from slap_core.tunnel_world import COLOURS, KINDS, OCCLUDERS, OUTCOMES
from slap_core.ui.callbacks import UNEXPECTED
from slap_core.ui.places import place
from slap_core.views.titles import TUNNEL_PROMISES, TUNNEL_TITLES

__all__ = ["run", "tunnel_place", "tunnel_test"]

log = logging.getLogger(__name__)

ANY = "any"
VIEWS = ("guess", "beliefs", "scan")
LENGTHS = [("any", ANY), ("short: up to 10 frames", "short"), ("medium: 11 to 20", "medium"), ("long: over 20", "long")]
ASKED = {
    "true": "what hides there",
    "distractor": "something else",
    "absent": "something the scene never shows",
    "generic": "“an object”",
}
"""The four ways of asking, in words."""

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


def run(seed: float | int | None, *choices: str) -> Iterator[dict[str, str]]:
    """What changes on the page, step by step: JSON by the names of the views, and "status".

    Args:
        seed: number of the scene.
        *choices: outcome, kind, colour, occluder, hidden length and query, as `tunnel_test` takes them.
    """
    ticket = uuid.uuid4().hex
    yield {name: _blank(name, "loading", ticket) for name in VIEWS} | {
        "status": _status("Drawing the scene …", "loading")
    }
    done: set[str] = set()
    try:
        from slap_core.ui import tunnel_views as views  # late: the page is up before torch is

        for name, step in _steps(seed, *choices):
            if name == "scene":
                scene, view = step, views.scene_view(step)
                said = "Your turn: guess. Meanwhile the methods are asked …"
            elif name == "accounts":
                view, said = views.beliefs_view(scene, step), "The methods have answered; λ is being scanned …"
            else:
                view, said = views.scan_view(scene, step), "Everything is there: guess, then reveal."
            done.add(view.name)
            yield {view.name: _marked(view, ticket), "status": _status(said, "ready" if name == "scans" else "loading")}
    except ValueError as error:
        yield _failed(done, str(error))
    except Exception:
        log.exception("A tunnel test failed")
        yield _failed(done, UNEXPECTED)


def tunnel_test(
    seed: int,
    outcome: str = ANY,
    kind: str = ANY,
    colour: str = ANY,
    occluder: str = ANY,
    hidden: str = ANY,
    query: str = "generic",
) -> dict[str, Any]:
    """One scene of the tunnel test in plain numbers and names.

    Args:
        seed: number of the scene, a whole number from 0; what is not chosen is drawn by it.
        outcome: through, stays, emerges, empty, switch, crossing, turns_back, inside, parade, or any.
        kind: car, bus, train, ball, box, cone, bird, boat, person, or any: what goes in first.
        colour: red, orange, yellow, green, blue, purple, white, black, or any: of the same.
        occluder: tunnel, wall, tree, bridge, billboard, house, truck, rock, or any.
        hidden: for how long something hides: short (up to 10 of 48 frames), medium (11 to 20), long, or any.
        query: what the methods are asked for: true, distractor, absent, or generic (an object).

    Raises:
        ValueError: for a choice that there is not, or that no scene meets.
    """
    from slap_core.benchmarks.tunnel.accounts import summary

    found = dict(_steps(seed, outcome, kind, colour, occluder, hidden, query))
    return summary(found["scene"], found["accounts"], found["scans"], query=query)


def _steps(
    seed: float | int | None, outcome: str, kind: str, colour: str, occluder: str, hidden: str, query: str
) -> Iterator[tuple[str, Any]]:
    """The scene, then what the methods say of it, then the scans over lambda."""
    from slap_core.benchmarks.tunnel.accounts import accounts, scans
    from slap_core.benchmarks.tunnel.scene import Choices, draw_scene
    from slap_core.pretrained import load_encoder, load_probe

    whole = int(seed) if isinstance(seed, float) and seed.is_integer() else seed
    choices = Choices(seed=whole, outcome=outcome, kind=kind, colour=colour, occluder=occluder, hidden=hidden)
    if query not in QUERIES:  # before anything is drawn
        raise ValueError(f"There is no query {str(query)[:40]!r} to ask; choose one of: {', '.join(QUERIES)}.")
    encoder, probe = load_encoder(), load_probe()
    scene = draw_scene(encoder, choices, size=160)
    yield "scene", scene
    yield "accounts", accounts(scene, encoder, probe, query=query)
    yield "scans", scans(scene, probe)


def tunnel_place(page: gr.Blocks) -> None:
    """Add the place and its endpoint to a page that is built so far.

    Args:
        page: the page; not inside its context.
    """
    private = {"api_visibility": "private"}
    with place(page, "Tunnel test", "/tunnel-test"):
        gr.HTML(OPENING, elem_id="tunnel-opening", elem_classes="place-opening", apply_default_css=False)
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=300, elem_id="tunnel-controls", elem_classes="place-controls"):
                inputs, start, surprise = _controls()
            with gr.Column(scale=3, min_width=320, elem_id="tunnel-views"):
                shown = _views()

        def begin(*values: Any) -> Iterator[dict[Any, Any]]:
            for changes in run(*values):
                yield {shown[name]: value for name, value in changes.items()}

        how = {"show_progress": "hidden", "trigger_mode": "once", **private}
        began = start.click(begin, inputs, list(shown.values()), js="(...v) => { slap.sealTunnel(); return v; }", **how)
        # The choices are made in the browser, so that a surprise costs no round trip.
        chosen = surprise.click(None, None, inputs, js="() => slap.surprise()", **private)
        surprised = chosen.then(begin, inputs, list(shown.values()), **how)
        for event in (began, surprised):
            event.failure(None, js="() => slap.tunnelRefused()", **private)
        page.load(None, js="() => slap.opened()", **private)

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
                return tunnel_test(seed, outcome, kind, colour, occluder, hidden, query)
            except ValueError as error:
                raise gr.Error(str(error), print_exception=False) from error

        endpoint.__doc__ = tunnel_test.__doc__
        gr.api(endpoint, api_name="tunnel_test", api_description=DESCRIPTION)


def _controls() -> tuple[list[Any], gr.Button, gr.Button]:
    seed = gr.Number(
        0, label="Seed", precision=0, minimum=0, elem_id="tunnel-seed",
        info="The same seed and choices, the same scene; none was used in training.",
    )  # fmt: skip
    with gr.Row():
        start = gr.Button("Run", variant="primary", elem_id="button-tunnel-run", min_width=100)
        surprise = gr.Button("Surprise me", elem_id="button-surprise", min_width=120)

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
    return [seed, outcome, kind, colour, occluder, hidden, query], start, surprise


def _views() -> dict[str, gr.HTML]:
    status = gr.HTML(
        "", elem_id="tunnel-status", apply_default_css=False, html_template='<div class="slap-status"></div>',
        js_on_load="slap.mountStatus(element, props, watch)",
    )  # fmt: skip
    views = {
        name: gr.HTML(
            _blank(name), elem_id=f"view-{name}", apply_default_css=False,
            html_template='<div class="slap-host"></div>',
            js_on_load=f"slap.{'mount' if name == 'guess' else 'mountAnswer'}(element, props, watch, 'view-{name}')",
        )
        for name in VIEWS
    }  # fmt: skip
    return {"status": status, **views}


def _blank(name: str, state: str = "empty", ticket: str = "", message: str = "") -> str:
    view = {
        "name": name,
        "title": TUNNEL_TITLES[name],
        "state": state,
        "message": message or TUNNEL_PROMISES[name],
        "run": ticket,
    }
    return json.dumps({**view, "headline": "", "caption": "", "description": "", "notes": []})


def _marked(view: Any, ticket: str) -> str:
    import dataclasses

    return dataclasses.replace(view, run=ticket).to_json()


def _status(sentence: str, state: str) -> str:
    return json.dumps({"state": state, "stages": [], "sentence": sentence, "fraction": 0, "run": uuid.uuid4().hex})


def _failed(done: set[str], sentence: str) -> dict[str, str]:
    """The first view that had not come says what went wrong."""
    waiting = [name for name in VIEWS if name not in done]
    views = {name: _blank(name, "failed", uuid.uuid4().hex, sentence) for name in waiting[:1]}
    views |= {name: _blank(name, ticket=uuid.uuid4().hex) for name in waiting[1:]}
    return views | {"status": _status(sentence, "failed")}
