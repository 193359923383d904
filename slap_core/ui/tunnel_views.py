"""What the tunnel test's place shows of one scene, as views: the clip and the question, the beliefs, the scan.

`scene_view` tells nothing of the answer; the other two are drawn once the visitor has guessed. The script of the same
names (static/tunnel.js) draws their data.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from slap_core.benchmarks.tunnel.accounts import Account, Statement, is_right
from slap_core.benchmarks.tunnel.scene import Thing, TunnelScene
from slap_core.benchmarks.tunnel.sweep import Sweep
from slap_core.benchmarks.tunnel.tables import PAPER
from slap_core.tunnel_world import COARSE_PLACES, COLOURS, KINDS, OUTCOMES
from slap_core.tunnel_world.wording import with_article
from slap_core.views.figures.images import sprite_sheet
from slap_core.views.figures.things import thing_picture
from slap_core.views.figures.tunnel import scan_figure
from slap_core.views.figures.view import Table, View, amount
from slap_core.views.titles import TUNNEL_TITLES

__all__ = ["beliefs_view", "measured_totals", "scan_view", "scene_view"]

STORIES = {
    "through": "{} goes in and comes out again.",
    "stays": "{} goes in and is still inside at the end.",
    "emerges": "{} was inside from the start and comes out.",
    "empty": "Nothing ever goes in.",
    "switch": "{} goes in, and {} comes out.",
    "crossing": "{} and {} go through in opposite directions.",
    "turns_back": "{} goes in, turns round, and comes out where it went in.",
    "inside": "{} goes through, and spends most of the clip hidden.",
    "parade": "{}, {} and {} go through, one after the other.",
}
"""What happens in each outcome, to be filled with those who act."""
NAMES = {
    "zoh": "ZOH",
    "lerp": "LERP",
    "slerp": "SLERP",
    "latent_ode": "Latent ODE",
    "autoregressive": "Autoregressive",
    "regressor": "Direct regressor",
    "slap_paper": "SLAP, paper’s recipe",
    "slap": "SLAP, through the solver",
    "oracle": "Oracle",
}
LEGEND = (
    "Each cell is what the recovered latent of that frame says by the encoder’s own prompts: the thing, the third of "
    "the picture that it is in (dark bar), ✓ right or ✗ wrong (thing and place both count), and in percent how sure it "
    "is that something, or nothing, is there."
)
TOTALS = "tunnel_totals.json"
"""What the tunnel test measured over many scenes, among the figures."""
FRAMES_PER_SECOND = 12
_EVERY = 6
"""Of the frames outside of the gap, the strip shows one in so many."""


def scene_view(scene: TunnelScene) -> View:
    """The clip as the camera saw it, and what may be guessed."""
    count, run, occluder = len(scene.observed), scene.run, scene.occluder
    hidden = range(run.first, run.last + 1)
    shown = {frame for frame in range(0, count, _EVERY) if frame not in hidden}
    shown |= {*scene.anchors, *scene.scored}
    given = " and ".join(str(frame) for frame in scene.anchors)
    things = [
        {"kind": kind, "colour": colour, "name": _named(kind, colour), "picture": thing_picture(kind, colour)}
        for kind, colour in scene.possible()
    ]
    guesses = [Thing(one["kind"], one["colour"], place) for one in things for place in range(len(COARSE_PLACES))]
    return View(
        name="guess",
        title=TUNNEL_TITLES["guess"],
        state="ready",
        headline=f"Frames {run.first} to {run.last} of {count} keep a secret. What is behind the {occluder} in frame "
        f"{scene.asked}?",
        caption=f"You see the whole clip. The methods see only what is marked “given” (frame {given}), as latents of "
        "the encoder, and are asked for the latents of the hidden frames.",
        description=f"{count} frames with a {occluder}. Given to the methods: frame {given}. What may be behind the "
        f"{occluder} does not show in frames {run.first} to {run.last}; {len(scene.scored)} of these are asked about.",
        data={
            "sprite": sprite_sheet(scene.observed, longest_side=160),
            "fps": FRAMES_PER_SECOND,
            "frames": sorted(shown),
            "anchors": list(scene.anchors),
            "hidden": [run.first, run.last],
            "asked": scene.asked,
            "occluder": occluder,
            "things": things,
            "places": list(COARSE_PLACES),
            "right": [*(is_right(scene, scene.asked, one) for one in guesses), is_right(scene, scene.asked, None)],
        },
    )


def measured_totals(figures: pathlib.Path | None) -> dict[str, Any]:
    """What the tunnel test measured (`benchmarks.tunnel.tables.totals`); empty where nothing is told.

    Args:
        figures: folder with what has been measured.
    """
    file = None if figures is None else figures / TOTALS
    return json.loads(file.read_text(encoding="utf-8")) if file is not None and file.is_file() else {}


def beliefs_view(scene: TunnelScene, found: Mapping[str, Account], measured: Mapping[str, Any]) -> View:
    """The clip seen through, what each method says of each hidden frame, and its scores.

    Args:
        scene: the scene.
        found: what each method says.
        measured: of `measured_totals`.
    """
    rows = [
        {
            "name": NAMES[name],
            "own": name.startswith("slap"),
            "summary": f"{_count(account)} right, drift {amount(account.drift)}"
            + ("" if account.converged else ", not converged"),
            "cells": [_cell(one) for one in account.statements],
        }
        for name, account in found.items()
    ]
    truth = [[_seen(thing) for thing in scene.truth(frame)] for frame in scene.scored]
    here = scene.scored.index(scene.asked)
    judged = [account for name, account in found.items() if name != "oracle"]
    able = sum(account.statements[here].right for account in judged)
    return View(
        name="beliefs",
        title=TUNNEL_TITLES["beliefs"],
        state="ready",
        headline=f"{_story(scene)} {_verdict(found)}",
        caption="Latent ODE, autoregressive, regressor and “through the solver” were trained on other drawn scenes "
        "with their answers; the others never saw an answer. The oracle reads the true latents: where it errs, the "
        "encoder does. Right: kind, colour and place, or rightly “nothing”; permanence, 1 to 5: how much of what hides "
        "is in the recovered latents; drift: 1 − cos to the true ones. * The paper’s figures, for data and a "
        "protocol of its own that are not public; its autoregressive method is Video-LLaMA 3, and its Stable Video "
        "Diffusion (71.4 %, 3.5, 0.28) has no counterpart here.",
        description=" ".join(
            f"{NAMES[name]}: "
            + "; ".join(f"frame {frame} {_words(one)}" for frame, one in _by_frame(scene, account))
            + "."
            for name, account in found.items()
        ),
        data={
            "sprite": sprite_sheet(scene.cut_away, longest_side=160),
            "fps": FRAMES_PER_SECOND,
            "frames": list(scene.scored),
            "asked": scene.asked,
            "truth": truth,
            "rows": rows,
            "legend": LEGEND,
            "others": f"In frame {scene.asked}, {able} of {len(judged)} methods are right.",
        },
        table=_table(found, measured),
    )


def scan_view(scene: TunnelScene, scanned: Mapping[str, Sweep]) -> View:
    """Accuracy and drift over lambda on this scene, the regimes of SLAP through the solver shaded."""
    one = scanned["slap"]
    star = amount(one.couplings[one.best])
    best, first = (f"{100 * float(one.accuracy[k, 0]):.0f}\u00a0%" for k in (one.best, 0))
    if float(one.accuracy[one.best, 0]) > float(one.accuracy[0, 0]) + 1e-9:
        headline = (
            f"Shaped through the solver, SLAP is best on this scene at λ* = {star}: right in {best} of "
            f"the hidden frames, against {first} without a pull (λ = 0, which is SLERP)."
        )
    else:
        headline = f"No pull helps on this scene: without one (λ = 0) {first} is right, and never more."
    regimes = list(dict.fromkeys(regime.value for regime in one.regimes))
    figure = scan_figure({name: sweep.as_json() for name, sweep in scanned.items()}, shaded="slap", paper=False)
    figure.update_yaxes(range=[-0.03, 1.04], row=1, col=1)
    return View(
        name="scan",
        title=TUNNEL_TITLES["scan"],
        state="ready",
        headline=headline,
        caption="Every point solves the gap anew, asked in four ways (what hides, something else, something absent, "
        "“an object”), which weigh the same. Bands are the regimes of SLAP through the solver by accuracy: ballistic "
        "(at most a tenth of the possible gain), weak, resonance (95 % of it or more), strong, chaos (the gain is "
        "lost, or paths are not found). One scene makes coarse steps; the means over many stand below, "
        "under “What has been measured”.",
        description=f"Accuracy and drift for {len(one.couplings)} values of λ from {amount(one.couplings[0])} to "
        f"{amount(one.couplings[-1])}. Regimes in order: {', '.join(regimes)}.",
        figure=figure,
    )


def _named(kind: int, colour: int) -> str:
    return with_article(f"{COLOURS[colour]} {KINDS[kind]}")


def _story(scene: TunnelScene) -> str:
    """What happened, with those who act by name."""
    pairs = zip(scene.case.kind.tolist(), scene.case.colour.tolist(), strict=True)
    sentence = STORIES[scene.outcome].format(*(_named(*pair) for pair in pairs if pair[0] >= 0))
    return sentence[0].upper() + sentence[1:]


def _count(account: Account) -> str:
    return f"{sum(one.right for one in account.statements)} of {len(account.statements)}"


def _verdict(found: Mapping[str, Account]) -> str:
    """How the method of this project compares with the straight line and with the best of the others."""
    own, line = found["slap"], found["slerp"]
    sentence = f"SLAP through the solver is right in {_count(own)} hidden frames, SLERP in {_count(line)}"
    rivals = {name: one for name, one in found.items() if name not in ("slap", "slerp", "oracle")}
    most = max(one.accuracy for one in rivals.values())
    if most > max(own.accuracy, line.accuracy):
        better = [NAMES[name] for name, one in rivals.items() if one.accuracy == most]
        return f"{sentence}; most are right by {' and '.join(better)} ({_count(found[_key(better[0])])})."
    return sentence + "."


def _key(title: str) -> str:
    return next(name for name, shown in NAMES.items() if shown == title)


def _seen(thing: Thing) -> dict[str, Any]:
    return {"picture": thing_picture(thing.kind, thing.colour), "place": thing.place, "words": str(thing)}


def _cell(one: Statement) -> dict[str, Any]:
    seen = _seen(one.thing) if one.thing else {"picture": "", "place": -1, "words": "nothing"}
    return {**seen, "sure": _percent(one.sure), "right": one.right, "words": _words(one)}


def _words(one: Statement) -> str:
    there = "something is there" if one.thing else "nothing is there"
    return f"{one.thing or 'nothing'}, {'right' if one.right else 'wrong'} ({_percent(one.sure)} % sure that {there})"


def _percent(share: float) -> str:
    """A probability that is never called certain."""
    return ">99" if share > 0.99 else f"{100 * share:.0f}"


def _by_frame(scene: TunnelScene, account: Account) -> list[tuple[int, Statement]]:
    return list(zip(scene.scored, account.statements, strict=True))


def _table(found: Mapping[str, Account], measured: Mapping[str, Any]) -> Table:
    """Scores on this scene, over many, and the paper's, each group marked."""
    groups = [("", 1), ("this scene", 2), ("the paper’s*", 3)]
    columns = ["method", "right", "drift", "right*", "permanence*", "drift*"]
    if measured:
        groups.insert(2, (f"{measured['scenes']} test scenes (95 % interval)", 3))
        columns[3:3] = ["right", "permanence", "drift"]
    rows = []
    for name, account in found.items():
        cells = [NAMES[name], f"{100 * account.accuracy:.0f}\u00a0%", amount(account.drift)]
        if measured:
            ours = measured["methods"][name]
            value, low, high = (100 * share for share in ours["accuracy"])
            cells += [
                f"{value:.1f}\u00a0% ({low:.0f}–{high:.0f})",
                f"{ours['permanence'][0]:.2f}",
                amount(ours["drift"][0]),
            ]
        paper = zip(PAPER.get(name, (None,) * 3), ("\u00a0%*", "*", "*"), strict=True)
        rows.append([*cells, *("–" if value is None else f"{value:g}{mark}" for value, mark in paper)])
    return Table(columns, rows, "Scores", groups=groups)


assert set(STORIES) == set(OUTCOMES)
