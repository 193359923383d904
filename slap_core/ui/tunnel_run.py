"""What the tunnel test's Run does: the scene, then the methods, then the scan over lambda, as views step by step.

`run` is a generator, so that a cancel ends the job between two steps; closing it closes the job. Nothing here keeps
anything between two calls.
"""

import contextlib
import dataclasses
import json
import logging
import pathlib
import shlex
import time
from collections.abc import Callable, Iterator
from typing import Any

from slap_core.tunnel_world.names import QUERIES
from slap_core.ui.callbacks import UNEXPECTED
from slap_core.ui.jobs import DEADLINE_SECONDS, paced
from slap_core.views.titles import TUNNEL_PROMISES, TUNNEL_TITLES

__all__ = ["ANY", "STAGES", "VIEWS", "blank", "run", "tunnel_test"]

log = logging.getLogger(__name__)

ANY = "any"
VIEWS = ("guess", "beliefs", "scan")
STAGES = ("scene", "methods", "scan over λ")
"""What each of the views waits for."""
NETWORKS = (
    "encoder", "probe", "potential", "potential_through_solver", "latent_ode", "autoregressive", "regressor",
)  # fmt: skip
"""Folders of the shipped networks that answer, or judge the answers."""


def blank(name: str, state: str = "empty", ticket: str = "", message: str = "") -> str:
    """The JSON of a view without a figure: what it will show, or what went wrong."""
    view = {
        "name": name,
        "title": TUNNEL_TITLES[name],
        "state": state,
        "message": message or TUNNEL_PROMISES[name],
        "run": ticket,
    }
    return json.dumps({**view, "headline": "", "caption": "", "description": "", "notes": []})


def run(
    seed: float | int | None, *choices: str, ticket: str = "", figures: pathlib.Path | None = None
) -> Iterator[dict[str, str]]:
    """What changes on the page, step by step: JSON by the names of the views, and "status"; closing it ends the job.

    Args:
        seed: number of the scene.
        *choices: outcome, kind, colour, occluder, hidden length and query, as `tunnel_test` takes them.
        ticket: what all of it is marked with.
        figures: folder with what has been measured.
    """
    progress = _Progress(ticket)
    yield {name: blank(name, "loading", ticket) for name in VIEWS} | {"status": progress.json("Drawing the scene …")}
    try:
        from slap_core.ui import tunnel_views as views  # late: the page is up before torch is

        said = ""
        with contextlib.closing(paced(_steps(seed, *choices), deadline_seconds=DEADLINE_SECONDS)) as job:
            for found in job:
                name, step = found or ("working", None)
                if name == "working":  # a place to stop
                    yield {"status": progress.json(said)}
                    continue
                if name == "scene":
                    scene, view = step, views.scene_view(step)
                    said = "Your turn: guess. Meanwhile the methods are asked …"
                elif name == "accounts":
                    view = views.beliefs_view(scene, step, views.measured_totals(figures))
                    said = "The methods have answered; λ is being scanned …"
                else:
                    view, said = views.scan_view(scene, step), "Done: the methods have answered, and λ is scanned."
                progress.advance()
                view = dataclasses.replace(view, provenance=_source(scene, choices[-1]))
                yield {view.name: _marked(view, ticket), "status": progress.json(said)}
    except ValueError as error:
        yield _failed(progress, str(error))
    except Exception:
        log.exception("A tunnel test failed")
        yield _failed(progress, UNEXPECTED)


def tunnel_test(
    seed: int,
    outcome: str = ANY,
    kind: str = ANY,
    colour: str = ANY,
    occluder: str = ANY,
    hidden: str = ANY,
    query: str = "generic",
    *,
    wanted: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """One scene of the tunnel test in plain numbers and names.

    It ends early where `wanted`, asked twice a second, says that nobody waits.

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

    steps = _steps(seed, outcome, kind, colour, occluder, hidden, query)
    with contextlib.closing(paced(steps, deadline_seconds=DEADLINE_SECONDS, wanted=wanted)) as job:
        found = dict(filter(None, job))
    return summary(found["scene"], found["accounts"], found["scans"], query=query)


def _steps(
    seed: float | int | None, outcome: str, kind: str, colour: str, occluder: str, hidden: str, query: str
) -> Iterator[tuple[str, Any]]:
    """The scene, then what the methods say of it, then the scans over lambda; "working" wherever one may stop."""
    from slap_core.benchmarks.tunnel.accounts import each_account, scan_chunks
    from slap_core.benchmarks.tunnel.scene import Choices, draw_scene
    from slap_core.pretrained import load_encoder, load_probe

    whole = int(seed) if isinstance(seed, float) and seed.is_integer() else seed
    choices = Choices(seed=whole, outcome=outcome, kind=kind, colour=colour, occluder=occluder, hidden=hidden)
    if query not in QUERIES:  # before anything is drawn
        raise ValueError(f"There is no query {str(query)[:40]!r} to ask; choose one of: {', '.join(QUERIES)}.")
    encoder, probe = load_encoder(), load_probe()
    scene = draw_scene(encoder, choices, size=160)
    yield "scene", scene
    found = {}
    for account in each_account(scene, encoder, probe, query=query):
        found[account.method] = account
        yield "working", None
    yield "accounts", found
    scanned = {}
    for chunk in scan_chunks(scene, probe):
        scanned = chunk
        yield "working", None
    yield "scans", scanned


def _source(scene: Any, query: str) -> dict[str, str]:
    """Where the views of a scene come from, by heading: the command that computes their numbers, seeds, networks."""
    from slap_core.provenance import surroundings

    chosen = [(f.name, getattr(scene.choices, f.name)) for f in dataclasses.fields(scene.choices)]
    given = [*((name, value) for name, value in chosen if value != ANY), ("query", query)]
    call = ", ".join(f"{name}={json.dumps(value)}" for name, value in given)
    code = f"from slap_core.ui.tunnel_run import tunnel_test; print(tunnel_test({call}))"
    return {
        "Command": shlex.join(["python", "-c", code]),
        "Over all test scenes": "python -m slap_core.benchmarks.tunnel --full --out runs/tunnel",
        "Seed": f"{scene.choices.seed} of the test scenes; the scene that meets the choices has seed "
        f"{int(scene.scenes.seed[0])} of the drawn world",
        **surroundings(NETWORKS),
    }


def _marked(view: Any, ticket: str) -> str:
    return dataclasses.replace(view, run=ticket).to_json()


class _Progress:
    """The stages done, the one being done, and their seconds."""

    def __init__(self, ticket: str) -> None:
        self.ticket = ticket
        self.seconds: list[float] = []
        self._last = time.monotonic()

    def advance(self) -> None:
        now = time.monotonic()
        self.seconds.append(now - self._last)
        self._last = now

    def json(self, sentence: str, *, failed: bool = False) -> str:
        done = len(self.seconds)
        stages = []
        for index, name in enumerate(STAGES):
            state = "done" if index < done else "waiting" if index > done else "failed" if failed else "active"
            seconds = f"{self.seconds[index]:.2g} s" if index < done else ""
            stages.append({"name": name, "state": state, "seconds": seconds})
        state = "failed" if failed else "ready" if done == len(STAGES) else "loading"
        return json.dumps({"state": state, "stages": stages, "sentence": sentence, "fraction": 0, "run": self.ticket})


def _failed(progress: _Progress, sentence: str) -> dict[str, str]:
    """The first view that had not come says what went wrong."""
    waiting = VIEWS[len(progress.seconds) :]
    views = {name: blank(name, "failed", progress.ticket, sentence) for name in waiting[:1]}
    views |= {name: blank(name, ticket=progress.ticket) for name in waiting[1:]}
    return views | {"status": progress.json(sentence, failed=True)}
