"""The page: what stands where, and which callback each control calls."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import gradio as gr

from slap_core.cards import chosen_coupling
from slap_core.ui import ask as asking
from slap_core.ui import callbacks, limits, question_box, takeaway
from slap_core.ui.about import about_place
from slap_core.ui.examples import gallery_of, read_examples
from slap_core.ui.findings import findings
from slap_core.ui.jobs import still_wanted
from slap_core.ui.learn import learn_place
from slap_core.ui.places import bar
from slap_core.ui.tunnel import tunnel_place
from slap_core.views.titles import TITLES
from slap_core.words import MAX_CONCEPTS

__all__ = ["build_page"]

OPENING = """
<h1>SLAP Explorer</h1>
<p class="lead">Take most of the frames out of a video. To an image encoder each frame is a point on a sphere, and the
video is a path from point to point; now the path has holes. How should it cross them? As nature would: along the path
of <em>least action</em>. Moving costs; agreeing with your words pays. Below you see the missing stretch being
recovered that way, and how close it comes to the frames that were really there.</p>
"""

EQUATION = r"$$S[z] \;=\; \sum_i \frac{\mu}{2h_i}\, d(z_i, z_{i+1})^2 \;-\; \lambda \sum_i w_i\, P(z_i, q)$$"

TERMS = """
<dl>
<div><dt>S, the action</dt><dd>What the recovered path makes as small as it can: the sum of T minus λ times the sum of
P.</dd></div>
<div><dt>T, kinetic energy</dt><dd>The cost of moving: the angle d from one latent z to the next, squared, over the
time h between them, times the mass μ.</dd></div>
<div><dt>P, potential</dt><dd>How well a latent z agrees with your query q, over its share w of the time. The path
bends towards high P and lingers there, as a thrown ball lingers at the top of its arc.</dd></div>
<div><dt>λ, the coupling</dt><dd>How hard the query pulls. At λ = 0 the path is SLERP, the straight line of the sphere;
λ is about the radians of bending at the middle of a gap.</dd></div>
</dl>
"""

VIEW = '<div class="slap-host"></div>'


def build_page(
    *, steps: callbacks.Steps, examples: pathlib.Path, figures: pathlib.Path, ask: asking.Ask | None = None
) -> gr.Blocks:
    """The page, not yet launched.

    Args:
        steps: the main job, as `slap_core.analysis.analyse_steps`.
        examples: folder with the bundled clips and their `clips.json`.
        figures: folder with what has been measured (see `findings`).
        ask: answers questions, as `slap_core.analysis.ask_steps`; None: the page takes none.
    """
    clips = read_examples(examples)
    kept = (limits.CHECK_SECONDS, limits.KEEP_SECONDS)
    with gr.Blocks(title="SLAP Explorer", analytics_enabled=False, delete_cache=kept) as page:
        bar()
        with gr.Row(elem_id="top"):
            with gr.Column(scale=3, min_width=320):
                gr.HTML(OPENING, elem_id="opening", apply_default_css=False)
            with gr.Column(scale=2, min_width=300):
                gr.Markdown(
                    EQUATION, elem_id="equation", latex_delimiters=[{"left": "$$", "right": "$$", "display": True}]
                )
        gr.HTML(TERMS, elem_id="terms", apply_default_css=False)
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=300, elem_id="controls"):
                inputs, buttons, gallery = _controls(clips)
            with gr.Column(scale=3, min_width=320, elem_id="views"):
                shown, box = _views(asked=ask is not None)
        gr.HTML(
            '<div class="slap-compare"></div>',
            elem_id="compare",
            apply_default_css=False,
            js_on_load="slap.mountCompare(element)",
        )
        findings(figures)
        own = tuple(inputs)
        if box is not None and ask is not None:
            inputs |= box.inputs
            question_box.wire(box, inputs, ask)
        _wire(page, inputs, buttons, gallery, shown, clips, steps, own)
    tunnel_place(page, figures=figures)
    learn_place(page)
    about_place(page)
    return page.queue(default_concurrency_limit=1, max_size=20)


def _controls(clips: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any], gr.HTML]:
    video = gr.Video(label="Video", sources=["upload"], elem_id="input-video", height=220, autoplay=False)
    gr.HTML(
        f'<p id="limits" data-megabytes="{limits.UPLOAD_MEGABYTES}" data-hours="4">Up to {limits.UPLOAD_MEGABYTES} MB, '
        "4 hours, and 500,000 frames of 36 megapixels; MP4, MOV, MKV, WebM, AVI, FLV, Ogg, GIF or MPEG-TS. Of a long "
        'video frames are taken evenly, as many as “frames at most” says.</p><div id="upload-said" '
        'aria-live="polite"></div>',
        apply_default_css=False,
        js_on_load="slap.mountUpload(element)",
    )
    gallery = gr.HTML(
        gallery_of(clips),
        elem_id="examples",
        apply_default_css=False,
        visible=bool(clips),
        js_on_load="slap.mountExamples(element, (choice) => trigger('pick', choice))",
    )
    query = gr.Textbox(
        label="Query: what to look for", placeholder="a red car", max_length=200, max_lines=2, elem_id="input-query"
    )
    concepts = gr.Textbox(
        value="", label="Concepts to track", placeholder="a red car, a blue ball, a tunnel", max_length=400,
        max_lines=2, info=f"Beside the query; up to {MAX_CONCEPTS}, commas between them. They do not pull.",
        elem_id="input-concepts",
    )  # fmt: skip
    keep_every = gr.Slider(
        1, 32, value=4, step=1, label="Keep 1 frame in", info="The others are taken away.", elem_id="input-keep-every"
    )
    sampling = gr.Radio(
        [("evenly", "even"), ("at random", "random")], value="even", label="Which frames stay", elem_id="input-sampling"
    )
    kept = gr.Textbox(
        value="", label="Or exactly these frames", placeholder="0, 5, 12-14", max_lines=2, max_length=4000,
        info="Counted from 0; the film strip lets you click them.", elem_id="input-kept",
    )  # fmt: skip
    coupling = gr.Slider(
        0, 10, value=0.05, step=0.01, label="λ, pull of the query", info="0 is SLERP.", elem_id="input-coupling"
    )
    until = gr.Slider(
        0, 600, value=0, step=1, label="Only the first seconds", info="0 takes all of the video.", elem_id="input-until"
    )
    with gr.Row(elem_id="run-row"):
        run = gr.Button("Run", variant="primary", elem_id="button-run", min_width=120)
        stop = gr.Button("Stop", interactive=False, elem_id="button-stop", min_width=80)
    with gr.Accordion("Advanced", open=False):
        mass = gr.Slider(0.1, 10, value=1, step=0.1, label="μ, mass", info="Inertia; only λ/μ matters for the path.")
        potential = gr.Dropdown(
            [("learned if there is one", "auto"), ("learned: towards what you ask for", "learned"),
             (f"learned: towards what is hidden (made for λ = {chosen_coupling('solver'):g})", "hidden"),
             ("fitted to this clip", "fitted"),
             ("static: cosine to the query", "static"), ("off", "off")],
            value="auto", label="P, potential",
        )  # fmt: skip
        encoder = gr.Textbox(
            label="Encoder", value="bundled", max_lines=1, max_length=200,
            info="bundled, an open_clip model (ViT-B-32/laion2b_s34b_b79k) or hf-hub:owner/name; others than the "
            "bundled one are downloaded once.",
        )  # fmt: skip
        max_frames = gr.Slider(
            2, 512, value=64, step=1, label="Frames at most", info="Taken evenly over the video.",
            elem_id="input-max-frames",
        )  # fmt: skip
    link = gr.Button("Copy link", elem_id="button-link", min_width=100)
    gr.HTML('<p class="note" aria-live="polite"></p>', elem_id="link-copied", apply_default_css=False)
    gr.HTML(f'<p id="privacy">{limits.PRIVACY}</p>', apply_default_css=False)
    settings = {
        "keep_every": keep_every, "coupling": coupling, "mass": mass, "potential": potential, "encoder": encoder,
        "max_frames": max_frames, "concepts": concepts, "sampling": sampling, "kept": kept,
        "until_seconds": until,
    }  # fmt: skip
    return {"video": video, "query": query, **settings}, {"run": run, "stop": stop, "link": link}, gallery


def _link(inputs: dict[str, Any], examples: int) -> list[dict[str, Any]]:
    """What the address holds, in the order of the controls, as `slap.links` reads it; for the video, which example."""
    rows: list[dict[str, Any]] = [{"name": "example", "initial": "", "values": list(map(str, range(examples)))}]
    for name, control in list(inputs.items())[1:]:
        row = {"name": name, "initial": control.value}
        if isinstance(control, gr.Slider):
            row |= {"low": control.minimum, "high": control.maximum, "step": control.step}
        elif isinstance(control, gr.Dropdown | gr.Radio):
            row |= {"values": [value for _, value in control.choices]}
        else:
            row |= {"initial": control.value or "", "longest": control.max_length}
        if name in ("question", "language"):
            row["asks"] = True  # no part of a run
        rows.append(row)
    return rows


def _views(*, asked: bool) -> tuple[dict[str, gr.HTML], question_box.Box | None]:
    """The status line and the views, by name, and among them the question box where questions are taken."""
    status = gr.HTML(
        "",
        elem_id="run-status",
        apply_default_css=False,
        html_template='<div class="slap-status"></div>',
        js_on_load="slap.mountStatus(element, props, watch)",
    )
    views, box = {}, None
    for name in TITLES:
        if name == "certificate" and asked:
            box = question_box.question_box()
        views[name] = gr.HTML(
            callbacks.blank(name),
            elem_id=f"view-{name}",
            apply_default_css=False,
            html_template=VIEW,
            js_on_load=f"slap.mount(element, props, watch, 'view-{name}')",
        )
    files = gr.HTML(
        takeaway.waiting("empty"),
        elem_id="takeaway",
        apply_default_css=False,
        html_template='<div class="slap-takeaway"></div>',
        js_on_load="slap.mountTakeaway(element, props, watch)",
    )
    return {"status": status, **views, "takeaway": files}, box


def _wire(
    page: gr.Blocks,
    inputs: dict[str, Any],
    buttons: dict[str, Any],
    gallery: gr.HTML,
    shown: dict[str, gr.HTML],
    clips: list[dict[str, Any]],
    steps: callbacks.Steps,
    own: tuple[str, ...],
) -> None:
    """Join everything but the question box to its callbacks; `own` names the inputs that a run takes."""
    names, private = list(inputs), {"api_visibility": "private"}
    run, stop = buttons["run"], buttons["stop"]
    publish = shown["takeaway"].move_resource_to_block_cache

    def start(*values: object) -> Iterator[dict[Any, Any]]:
        given = dict(zip(names, values, strict=True))
        arguments = {name: given[name] for name in own}
        first = {run: gr.Button(interactive=False), stop: gr.Button(interactive=True)}
        for changes in callbacks.run(steps=steps, publish=publish, **arguments):
            yield {shown[name]: value for name, value in changes.items()} | first
            first = {}
        yield {run: gr.Button(interactive=True), stop: gr.Button(interactive=False)}

    def pick(event: gr.EventData) -> tuple[Any, ...]:
        index = getattr(event, "index", None)
        if not isinstance(index, int) or not 0 <= index < len(clips):
            raise gr.Error("There is no such example.")
        if getattr(event, "linked", False):  # the link says the rest
            return str(clips[index]["path"]), gr.skip(), gr.skip(), gr.skip()
        return str(clips[index]["path"]), clips[index]["query"], int(clips[index].get("keep_every", 4)), ""

    def analyse(
        video: str | None,
        query: str,
        keep_every: float = 4,
        coupling: float = 0.05,
        concepts: str = "",
        sampling: str = "even",
        kept: str = "",
    ) -> dict[str, Any]:
        settings = {"keep_every": keep_every, "coupling": coupling, "concepts": concepts}
        settings |= {"sampling": sampling, "kept": kept}
        try:
            return callbacks.summarise(video, query, steps=steps, wanted=still_wanted(page), **settings)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            raise gr.Error(callbacks.UNEXPECTED) from error

    analyse.__doc__ = callbacks.ENDPOINT  # a tool for language models has its arguments' words
    everything = [*shown.values(), run, stop]
    event = gr.on(
        [run.click, inputs["query"].submit],
        start, list(inputs.values()), everything, show_progress="hidden", trigger_mode="multiple",
        js="(...values) => { slap.queued(values); return values; }", **private,
    )  # fmt: skip
    event.failure(None, js="() => slap.refused()", **private)
    # The buttons change in the browser: the server's answer to a cancel can come after the next run has begun.
    stop.click(None, None, None, cancels=[event], queue=False, js="() => slap.stopped()", **private)
    picked = gallery.pick(
        pick,
        None,
        [inputs["video"], inputs["query"], inputs["keep_every"], inputs["kept"]],
        show_progress="hidden",
        queue=False,
        **private,
    )
    picked.then(None, js="() => slap.picked()", **private)
    gr.Button(visible=False).click(
        analyse,
        [inputs[name] for name in ("video", "query", "keep_every", "coupling", "concepts", "sampling", "kept")],
        gr.JSON(visible=False),
        api_name="analyse",
        api_description="Recover the dropped frames of a video in latent space. Returns settings, versions, drift of "
        "every method, lambda*, the scan over lambda, the scores of the query and of the concepts (words with commas "
        "between them), and the certificate.",
    )
    given = list(inputs.values())
    table = json.dumps(_link(inputs, len(clips)))
    page.load(None, given, given, js=f"(...values) => slap.explore.opened(values, {table})", **private)
    buttons["link"].click(None, given, None, js="(...values) => slap.explore.copyLink(values)", **private)
