"""One scene of the tunnel test, as somebody chose it: its pictures, its gap, and what hides there.

What is not chosen is drawn by the seed. Seeds count the test scenes, which no network was trained on. Most choices are
met by drawing the seed's own scene accordingly; how long something hides follows from everybody's motion, so for that
(and where the seed's scene shows nothing outside of the gap) other seeds are tried, always the same ones in the same
order. As in the main test nothing stands in front, and the gap, its anchors and its frames are those of `cases`.
"""

import dataclasses
from typing import Final

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from slap_core.benchmarks.tunnel.cases import Case, draw_cases
from slap_core.benchmarks.tunnel.conditions import nothing_in_front
from slap_core.encoders import OpenClipEncoder
from slap_core.training.gap_scenes import stretches
from slap_core.training.hidden_runs import HiddenRun
from slap_core.tunnel_world import (
    COARSE_PLACES,
    COLOURS,
    KINDS,
    OCCLUDERS,
    OUTCOMES,
    PLACES,
    SPLITS,
    Scenes,
    render,
    sample,
)
from slap_core.tunnel_world.wording import with_article

__all__ = ["ANY", "LENGTHS", "SEEDS", "Choices", "Thing", "TunnelScene", "draw_scene"]

ANY: Final = "any"
"""What is left to the seed."""
LENGTHS: Final = {"short": (1, 10), "medium": (11, 20), "long": (21, 48)}
"""For how many of a clip's 48 frames something hides, both ends included."""
SEEDS: Final = SPLITS["test"][1] - SPLITS["test"][0]
"""How many there are."""
MOST: Final = 12
"""Frames of a gap that are asked for, as in the main test."""
_TRIES, _AT_ONCE = 480, 48
_STEP: Final = 0x9E3779B1
"""From one try to the next: odd, so that no seed comes twice, and large, so that neighbours try different ones."""


@dataclasses.dataclass(frozen=True)
class Choices:
    """What somebody chose; everything but the seed may be "any".

    Raises:
        ValueError: if there is no such thing to choose.
    """

    seed: int = 0
    """Number of the test scene."""
    outcome: str = ANY
    """What happens: one of `tunnel_world.OUTCOMES`."""
    kind: str = ANY
    """Of what goes in (of the first, where there are several)."""
    colour: str = ANY
    """Of the same."""
    occluder: str = ANY
    hidden: str = ANY
    """For how long something hides: one of `LENGTHS`."""

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < SEEDS:
            raise ValueError(f"The seed must be a whole number from 0 to {SEEDS - 1}, got {str(self.seed)[:40]!r}.")
        tables = {"outcome": OUTCOMES, "kind": KINDS, "colour": COLOURS, "occluder": OCCLUDERS, "hidden": (*LENGTHS,)}
        for what, table in tables.items():
            chosen = getattr(self, what)
            if chosen not in (ANY, *table):
                raise ValueError(
                    f"There is no {what} {str(chosen)[:40]!r} to choose; choose {ANY} or one of: {', '.join(table)}."
                )

    def drawn(self, seeds: Int64[Tensor, "scene"]) -> Scenes:
        """The scenes of these seeds as they were chosen, but for how long something hides."""
        fixed = {name: getattr(self, name) for name in ("outcome", "kind", "colour", "occluder")}
        return nothing_in_front(sample(seeds, **{name: value for name, value in fixed.items() if value != ANY}))


@dataclasses.dataclass(frozen=True)
class Thing:
    """Something that hides, or is believed to."""

    kind: int
    colour: int
    place: int
    """Of `COARSE_PLACES`: left, middle, right."""

    def __str__(self) -> str:
        where = "in the middle" if COARSE_PLACES[self.place] == "middle" else f"on the {COARSE_PLACES[self.place]}"
        return f"{with_article(f'{COLOURS[self.colour]} {KINDS[self.kind]}')} {where}"

    def as_json(self) -> dict[str, str]:
        """In names."""
        return {"kind": KINDS[self.kind], "colour": COLOURS[self.colour], "place": COARSE_PLACES[self.place]}


@dataclasses.dataclass(frozen=True, eq=False)
class TunnelScene:
    """A scene, its clip, and its gap; frame numbers count the clip's frames from 0."""

    choices: Choices
    scenes: Scenes
    """The one."""
    case: Case
    run: HiddenRun
    """From the first to the last frame in which something hides (or, where nothing does, might have)."""
    observed: UInt8[Tensor, "time height width 3"]
    """What the camera saw."""
    cut_away: UInt8[Tensor, "time height width 3"]
    """The same, seen through the occluder."""
    anchors: tuple[int, ...]
    """Frames whose latents the methods are given."""
    scored: tuple[int, ...]
    """Hidden frames that they are asked about."""
    nodes: tuple[int, ...]
    """Where each of those stands among the frames of the case."""

    @property
    def outcome(self) -> str:
        """What happens."""
        return OUTCOMES[self.case.outcome]

    @property
    def occluder(self) -> str:
        """What it hides behind."""
        return OCCLUDERS[int(self.scenes.occluder[0])]

    @property
    def asked(self) -> int:
        """The hidden frame that somebody is to guess about: the middle one."""
        return self.scored[len(self.scored) // 2]

    def truth(self, frame: int) -> tuple[Thing, ...]:
        """What hides in one of the scored frames; nothing where it is empty."""
        case, node = self.case, self.nodes[self.scored.index(frame)]
        return tuple(
            Thing(int(case.kind[j]), int(case.colour[j]), place * len(COARSE_PLACES) // len(PLACES))
            for j, place in enumerate(case.place[node].tolist())
            if place >= 0
        )

    def possible(self) -> tuple[tuple[int, int], ...]:
        """Kinds and colours that somebody might guess, the true ones among others, in an order that tells nothing."""
        case = self.case
        actors = {(int(k), int(c)) for k, c in zip(case.kind, case.colour, strict=True) if k >= 0}
        return tuple(sorted(actors | {pair for pair in case.asked if pair is not None}))


def draw_scene(encoder: OpenClipEncoder, choices: Choices, *, size: int = 128) -> TunnelScene:
    """The scene that was chosen; a function of its arguments.

    Args:
        encoder: of the frames.
        choices: what is fixed, and the seed for the rest.
        size: pixels of a side of the pictures to look at; the encoder gets its own.

    Raises:
        ValueError: if none of the scenes that are tried hides something for so long.
    """
    seed, run = _found(choices)
    scenes = choices.drawn(torch.tensor([seed]))
    outcome = OUTCOMES[int(scenes.outcome[0])]
    (case,) = draw_cases(
        encoder, scenes.seed, outcomes=(outcome,), most=MOST, change=lambda plain: choices.drawn(plain.seed)
    )
    frames = _frames(case, run)
    inner = [frames[float(time)] for time in case.seen.times[1:-1]]
    nodes = sorted(case.scored.nonzero().flatten().tolist(), key=lambda node: frames[float(case.times[node])])
    pictures = render(scenes, size=size, layers=("observed", "cut_away"))
    return TunnelScene(
        choices=choices,
        scenes=scenes,
        case=case,
        run=run,
        observed=pictures.observed[0],
        cut_away=pictures.cut_away[0],
        anchors=tuple(sorted([*run.anchors, *inner])),
        scored=tuple(frames[float(case.times[node])] for node in nodes),
        nodes=tuple(nodes),
    )


def _frames(case: Case, run: HiddenRun) -> dict[float, int]:
    """The frame of each time of the case between its outer anchors."""
    times = torch.cat([case.times, case.seen.times[1:-1]]).sort().values.tolist()
    dropped = run.evenly(MOST).tolist()
    # Before a scene's only anchor time runs backwards: see `gap_scenes`.
    return dict(zip(times, reversed(dropped) if run.left is None else dropped, strict=True))


def _found(choices: Choices) -> tuple[int, HiddenRun]:
    """The first seed tried whose scene meets the choices, and where something hides there."""
    low, high = LENGTHS.get(choices.hidden, (1, 48))
    offsets = torch.arange(_TRIES, dtype=torch.int64) * _STEP
    tries = SPLITS["test"][0] + (choices.seed + offsets) % SEEDS
    for some in (tries[:1], *tries[1:].split(_AT_ONCE)):
        scenes = choices.drawn(some)
        for seed, run in zip(some.tolist(), stretches(scenes), strict=True):
            if run is None or not low <= run.last - run.first + 1 <= high:
                continue
            if any(run.first <= frame <= run.last for frame in run.evenly(MOST).tolist()):  # or there is nothing to ask
                return seed, run
    what = choices.outcome if choices.outcome != ANY else "scene"
    raise ValueError(
        f"None of {_TRIES} scenes was found in which {what!r} hides something for {low} to {high} of 48 frames; choose "
        "another hidden length, outcome or seed."
    )
