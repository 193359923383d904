"""The place *About*: what the program claims and what it does not, and every network that it brings along.

Cards, sizes and hashes are read from `assets/weights`, the citation from `CITATION.cff`, the endpoints from the page
itself. Limits and the versions of libraries are read when the place is opened: where they are defined, torch is
imported, for which the page does not wait.
"""

import html
import json
import pathlib
from collections.abc import Iterable
from typing import Any, Final

import gradio as gr
import yaml

from slap_core.cards import weights_folder
from slap_core.ui import limits
from slap_core.ui.places import place

__all__ = ["CITATION", "about_place", "cards", "endpoints"]

CITATION: Final = pathlib.Path(__file__).resolve().parents[2] / "CITATION.cff"
LIBRARIES: Final = (
    *("torch", "torchvision", "open_clip_torch", "transformers", "gradio", "plotly", "umap-learn", "scikit-learn"),
    *("scipy", "numpy", "torchdiffeq", "decord", "av", "safetensors", "huggingface_hub"),
)
"""Of whose versions the results may depend; those that are not installed are not shown."""
FIRST: Final = ("encoder", "potential", "potential_through_solver", "slots", "probe")
"""The networks that the page itself uses; rivals and ablations follow."""

OPENING = """
<h1>About, and the models</h1>
<p class="lead">An instrument to see one idea at work: that a missing stretch of video can be recovered in an encoder’s
latent space by the principle of least action. It shows where that helps and where it does not, and keeps its numbers
beside the commands that made them.</p>
"""
CLAIMS = """
<div><h3>Theirs</h3>
<p>The principle, from SLAP: a gap between known latents is a boundary value problem, solved by the path of least
action, kinetic energy minus λ times a learned potential. Its recipe for that potential, the tunnel test and the names
of the five regimes. From Slot-VLM: slow slots for objects, fast slots for events. Neither paper has
public code.</p></div>
<div><h3>Ours</h3>
<p>Everything that runs here: the solver on Gauss nodes and its certificate, the drawn world with its exact truth, all
networks below and their training, the potential that is shaped through the solver, the rivals, the measure of every
regime, and each figure that is not marked as a paper’s.</p></div>
<div><h3>Not claimed</h3>
<p>That the papers’ figures are reproduced: their data are not public, and how some of their scores are computed is not
told. That the bundled encoder understands real video: it has seen drawn scenes only. That a path of least action is
what really happened: it is the path that moves least and agrees with your words, and on the page you see how far it is
from the truth, because the frames were dropped here.</p></div>
"""


def about_place(page: gr.Blocks, *, citation: pathlib.Path = CITATION) -> None:
    """Add the place to a page whose other places, and so its endpoints, are built.

    Args:
        page: the page; not inside its context.
        citation: the file that says how to cite; without it the section is left out.
    """
    offered = endpoints(page)
    with place(page, "About", "/about"):
        gr.HTML(OPENING, elem_id="about-opening", elem_classes="place-opening", apply_default_css=False)
        _section("claims", "What is claimed, and what is not", f'<div class="about-columns">{CLAIMS}</div>')
        _section("models", "The networks", _models(cards(weights_folder("encoder").parent)))
        shown = [_section(name, title, "") for name, title in (("limits", "Limits"), ("versions", "Versions"))]
        _section("privacy", "Your video", f"<p>{html.escape(limits.PRIVACY)}</p>")
        _section("endpoints", "From a program", _endpoints(offered))
        if citation.is_file():
            _section("citing", "How to cite", _citing(yaml.safe_load(citation.read_text(encoding="utf-8"))))
        _section(
            "onward",
            "Go on",
            '<p>Never heard of least action? <a href="learn">The lesson</a> takes you there in five steps. Want to see '
            'every method fail and succeed? <a href="tunnel-test">Take the tunnel test</a>.</p>',
        )
        page.load(_facts, None, shown, queue=False, show_progress="hidden", api_visibility="private")


def cards(folder: pathlib.Path) -> list[dict[str, Any]]:
    """The cards of the networks in a folder, those that the page uses first, each with `name` and `bytes` of its files.

    Args:
        folder: with a folder for each network.
    """
    found = []
    for file in sorted(folder.glob("*/card.json")):
        card = json.loads(file.read_text(encoding="utf-8"))
        size = sum((file.parent / name).stat().st_size for name in card["sha256"])
        found.append({**card, "name": file.parent.name, "bytes": size})
    return sorted(found, key=lambda card: FIRST.index(card["name"]) if card["name"] in FIRST else len(FIRST))


def endpoints(page: gr.Blocks) -> list[tuple[str, str, str]]:
    """Name, description and place (its path without a slash) of what programs may call."""
    public = [block for block in page.fns.values() if block.api_visibility == "public" and block.api_name]
    return [(str(block.api_name), str(block.api_description or ""), block.page) for block in public]


def _section(name: str, title: str, body: str) -> gr.HTML:
    return gr.HTML(
        _titled(title, body), elem_id=f"about-{name}", elem_classes="about", apply_default_css=False,
        js_on_load="slap.glossIn(element)",
    )  # fmt: skip


def _titled(title: str, body: str) -> str:
    return f"<h2>{html.escape(title)}</h2>{body}"


def _facts() -> tuple[str, str]:
    """Limits and versions, from where they are defined."""
    from slap_core.provenance import versions
    from slap_core.stages import QUERY_CHARACTERS, Settings
    from slap_core.ui.callbacks import DEADLINE_SECONDS
    from slap_core.video.limits import MAX_DURATION_SECONDS, MAX_FRAME_PIXELS

    rows = [
        ("upload", f"{limits.UPLOAD_MEGABYTES} MB"),
        ("length of a clip", f"{MAX_DURATION_SECONDS / 3600:g} hours"),
        ("one frame", f"{MAX_FRAME_PIXELS / 1e6:g} megapixels"),
        ("frames taken", f"{Settings.max_frames} unless you say otherwise, evenly over the clip"),
        ("query", f"{QUERY_CHARACTERS} characters"),
        ("one run", f"{DEADLINE_SECONDS / 60:g} minutes"),
    ]
    return _titled("Limits", _rows(rows)), _titled("Versions", _rows(versions(LIBRARIES).items()))


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<div><dt>{html.escape(a)}</dt><dd>{html.escape(b)}</dd></div>" for a, b in rows)
    return f'<dl class="about-rows">{items}</dl>'


def _models(found: list[dict[str, Any]]) -> str:
    total = sum(card["bytes"] for card in found) / 1e6
    return (
        f"<p>{len(found)} networks, {total:.1f} MB together, all trained by this project on scenes that it draws "
        "itself; none is downloaded. A file whose hash is not that of its card is refused.</p>"
        f'<div class="about-models">{"".join(map(_model, found))}</div>'
    )


def _model(card: dict[str, Any]) -> str:
    weights = next(digest for name, digest in card["sha256"].items() if name.endswith(".safetensors"))
    rows = [
        ("trained on", card["trained_on"]),
        ("seed", str(card["seed"])),
        ("size", f"{card['bytes'] / 1e6:.2g} MB"),
        ("licence", card["licence"]),
        ("SHA-256", f"{weights[:12]}…"),
    ]
    notes = "".join(f'<p class="about-note">{html.escape(note)}</p>' for note in card.get("notes", ()))
    scores = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{_number(value)}</td></tr>'
        for name, value in card["scores"].items()
    )
    return (
        f'<article id="model-{html.escape(card["name"])}"><h3>{html.escape(card["title"])} '
        f"<code>{html.escape(card['name'])}</code></h3><p>{html.escape(card['what'])}</p>{notes}{_rows(rows)}"
        f'<pre class="about-command"><code>{html.escape(card["command"])}</code></pre>'
        f"<details><summary>{len(card['scores'])} scores</summary>"
        f"<table>{scores}</table></details></article>"
    )


def _number(value: float | int) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _endpoints(offered: list[tuple[str, str, str]]) -> str:
    items = "".join(
        f'<div><dt><a href="./{html.escape(where)}#api"><code>/{html.escape(name)}</code></a></dt>'
        f"<dd>{html.escape(description)}</dd></div>"
        for name, description, where in offered
    )
    return (
        "<p>What can be asked for without a browser. Each link leads to gradio’s description of its parameters, with "
        f'examples in Python, JavaScript and the shell.</p><dl class="about-endpoints">{items}</dl>'
    )


def _citing(cff: dict[str, Any]) -> str:
    """The program and what it builds on, one line each."""
    lines = "".join(f"<li>{_reference(work)}</li>" for work in (cff, *cff.get("references", ())))
    return f'<p>{html.escape(cff["message"])} The same stands in CITATION.cff.</p><ul class="about-works">{lines}</ul>'


def _reference(work: dict[str, Any]) -> str:
    people = [author.get("name") or author["family-names"] for author in work["authors"]]
    names = people[0] if len(people) == 1 else f"{', '.join(people[:-1])} and {people[-1]}"
    where = [
        work.get("conference", {}).get("name", ""),
        *(identifier["value"] for identifier in work.get("identifiers", ())),
        f"version {work['version']}" if "version" in work else "",
        str(work.get("license", "")),
    ]
    rest = ", ".join(html.escape(part) for part in where if part)
    return f"{html.escape(names)}: <cite>{html.escape(work['title'])}</cite>, {rest}."
