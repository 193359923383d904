"""Where and when everyone moves: sizes, the occluder's place, and the keys of every path.

An actor's path is a polyline x(t) relative to the occluder's centre, through *stations*:

    -3 out of the picture | -2 in full view | -1 touching the occluder | 0 hidden | +1 touching | +2 in view | +3 out

mirrored by the scene's direction. Its six keys are the stations in `_STATIONS`; the time between two keys is
proportional to their distance plus a pause (`_PAUSES`, of a drawn length).
"""

import dataclasses
from typing import Final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slap_core.tunnel_world import names, random
from slap_core.tunnel_world.names import MAX_OBJECTS, OUTCOMES
from slap_core.tunnel_world.objects import HALF_WIDTH, HEIGHT
from slap_core.tunnel_world.scenes import Scenes

__all__ = ["ACTORS", "EXTRAS_MAX", "Cast", "stage"]

_STATIONS: Final[dict[str, tuple[tuple[int, ...], ...]]] = {
    "through": ((-2, -1, 0, 0, 1, 2),),
    "stays": ((-2, -2, -1, 0, 0, 0),),
    "emerges": ((0, 0, 0, 1, 2, 2),),
    "empty": (),
    "switch": ((-2, -2, -1, 0, 0, 0), (0, 0, 0, 1, 2, 2)),
    "crossing": ((-2, -1, 0, 0, 1, 2), (2, 1, 0, 0, -1, -2)),
    "turns_back": ((-2, -1, 0, 0, -1, -2),),
    "inside": ((-2, -1, 0, 0, 1, 2),),
    "parade": ((-3, -3, 0, 0, 3, 3), (-3, -3, 0, 0, 3, 3), (-3, -3, 0, 0, 3, 3)),
}
_PAUSES: Final[dict[str, tuple[tuple[float, ...], ...]]] = {
    "through": ((0, 0, 0, 0, 0),),
    "stays": ((0.1, 0, 0, 0.4, 0.4),),
    "emerges": ((0.4, 0.4, 0, 0, 0.1),),
    "empty": (),
    "switch": ((0, 0, 0, 0.5, 0.5), (0.5, 0.5, 0, 0, 0)),
    "crossing": ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
    "turns_back": ((0, 0, 0.1, 0, 0),),
    "inside": ((0, 0, 3.0, 0, 0),),
    "parade": ((0, 0, 0, 0, 1.3), (0.65, 0, 0, 0, 0.65), (1.3, 0, 0, 0, 0)),
}
_ONE_SIDED: Final = ("stays", "emerges", "turns_back", "empty")
_TRUCK: Final = names.OCCLUDERS.index("truck")
_KEYS: Final = 6
_OCCLUDER_HALF_MAX: Final = 0.36
_OCCLUDER_TOP_MAX: Final = 0.40
_EXTRA_DEPTH: Final = (0.085, 0.125)


def _template(rows: dict[str, tuple[tuple[float | int, ...], ...]], width: int, device: torch.device) -> Tensor:
    """A table (outcome, object, width), zero where an outcome has fewer actors."""
    table = torch.zeros(len(OUTCOMES), MAX_OBJECTS, width)
    for i, outcome in enumerate(OUTCOMES):
        for j, row in enumerate(rows[outcome]):
            table[i, j] = torch.tensor(row, dtype=torch.float32)
    return table.to(device)


ACTORS: Final = tuple(len(_STATIONS[outcome]) for outcome in OUTCOMES)
"""How many actors each outcome has."""
EXTRAS_MAX: Final = len(_EXTRA_DEPTH)


@dataclasses.dataclass(frozen=True, eq=False)
class Cast:
    """Who plays in each scene; names are indices into the tuples of `names`."""

    outcome: Int64[Tensor, "scene"]
    background: Int64[Tensor, "scene"]
    occluder: Int64[Tensor, "scene"]
    kind: Int64[Tensor, "scene object"]
    colour: Int64[Tensor, "scene object"]
    extras: Int64[Tensor, "scene"]
    """How many stand or pass in front."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Bodies:
    """How large everyone is, in picture heights."""

    height: Float[Tensor, "scene object"]
    half_width: Float[Tensor, "scene object"]
    lift: Float[Tensor, "scene object"]
    bounce: Float[Tensor, "scene object"]


@dataclasses.dataclass(frozen=True, eq=False)
class _Hideout:
    """The occluder, in picture heights, and where an actor comes from."""

    half: Float[Tensor, "scene"]
    top: Float[Tensor, "scene"]
    centre: Float[Tensor, "scene"]
    velocity: Float[Tensor, "scene"]
    direction: Float[Tensor, "scene"]


def _bodies(
    seeds: Int64[Tensor, "scene"], kind: Int64[Tensor, "scene object"], motion: Tensor, size: float | None
) -> _Bodies:
    factor = torch.full_like(kind, 1.0, dtype=torch.float32)
    factor = factor * size if size is not None else 0.80 + 0.30 * random.draw(seeds, "size", MAX_OBJECTS)
    height = torch.tensor(HEIGHT, device=kind.device)[kind] * factor
    flies, ball = kind == names.KINDS.index("bird"), kind == names.KINDS.index("ball")
    hops = (motion == names.MOTIONS.index("bouncing")) & ~flies
    bounce = torch.where(ball, 0.035 + 0.06 * random.draw(seeds, "bounce", MAX_OBJECTS), 0.02)
    return _Bodies(
        height=height,
        half_width=torch.tensor(HALF_WIDTH, device=kind.device)[kind] * height,
        lift=torch.where(flies, 0.03 + 0.07 * random.draw(seeds, "fly", MAX_OBJECTS), 0.0),
        bounce=torch.where(hops, bounce, 0.0),
    )


def _hideout(
    seeds: Int64[Tensor, "scene"], cast: Cast, actor: Bool[Tensor, "scene object"], bodies: _Bodies
) -> _Hideout:
    # The occluder hides the largest actor whole; in empty scenes, the one that does not come.
    hides = actor.clone()
    hides[:, 0] = True
    widest = torch.where(hides, bodies.half_width, 0.0).amax(1)
    tallest = torch.where(hides, bodies.height + bodies.lift + bodies.bounce, 0.0).amax(1)
    half = (widest + 0.045 + 0.10 * random.draw(seeds, "half")[:, 0]).clamp_max(_OCCLUDER_HALF_MAX)
    top = (tallest + 0.065 + 0.06 * random.draw(seeds, "top")[:, 0]).clamp(0.20, _OCCLUDER_TOP_MAX)
    truck = random.draw(seeds, "truck", 2)
    speed = (0.10 + 0.14 * truck[:, 0]) * torch.where(truck[:, 1] < 0.5, -1.0, 1.0)
    velocity = torch.where(cast.occluder == _TRUCK, speed, 0.0)

    # One-sided outcomes need free road on one side only, so that the occluder may stand near the picture's edge.
    direction = torch.where(random.draw(seeds, "direction")[:, 0] < 0.5, -1.0, 1.0)
    one_sided = torch.tensor([name in _ONE_SIDED for name in OUTCOMES], device=seeds.device)[cast.outcome]
    margin = torch.where(one_sided, 0.5 * velocity.abs() + half + 1.4 * widest, (half + 0.75 * widest).clamp_max(0.5))
    near, far = margin - 0.5, torch.where(one_sided, 0.42, 0.5 - margin)
    offset = near + (far - near).clamp_min(0.0) * random.draw(seeds, "centre")[:, 0]
    # The free side is where it comes from (stays, turns_back) or goes to (emerges).
    free = torch.where(cast.outcome == OUTCOMES.index("emerges"), -direction, direction)
    return _Hideout(half, top, 0.5 + free * offset, velocity, direction)


def _actors_keys(
    seeds: Int64[Tensor, "scene"], outcome: Tensor, stops: Bool[Tensor, "scene object"], bodies: _Bodies, at: _Hideout
) -> tuple[Float[Tensor, "scene object key"], Float[Tensor, "scene object key"]]:
    """Positions (mirrored for those that come from the right) and times."""
    half_width, fast = bodies.half_width, at.velocity.abs()
    touch = at.half[:, None] + half_width + 0.012
    deep = (at.half[:, None] - half_width - 0.02).clamp_min(0.0)
    inside = deep * (2 * random.draw(seeds, "hidden", MAX_OBJECTS) - 1) * 0.85
    # "In full view" is in the picture, where the occluder leaves room for it on that side.
    ahead = torch.where(at.direction > 0, 1 - at.centre, at.centre)
    room = torch.stack([1 - ahead, ahead], 1)[:, :, None] - 0.85 * half_width[:, None] - 0.5 * fast[:, None, None]
    view = touch[:, None] + 0.08 + 0.22 * random.draw(seeds, "run", MAX_OBJECTS)[:, None]
    view_before, view_after = torch.maximum(torch.minimum(view, room), touch[:, None]).unbind(1)
    out = 0.5 + (at.centre - 0.5).abs()[:, None] + half_width + 0.03 + fast[:, None]
    out = torch.maximum(out, touch)
    levels = torch.stack([-out, -view_before, -touch, inside, touch, view_after, out], -1)
    stations = _template(_STATIONS, _KEYS, seeds.device)[outcome]
    positions = levels.gather(2, (stations + 3).long())
    pauses = (
        _template(_PAUSES, _KEYS - 1, seeds.device)[outcome] * (0.5 + 0.8 * random.draw(seeds, "pause"))[:, :, None]
    )
    pauses = pauses + 0.25 * stops[:, :, None] * torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0], device=seeds.device)
    travel = positions.diff(dim=-1).abs() + pauses
    times = torch.nn.functional.pad(travel.cumsum(-1), (1, 0)) / travel.sum(-1, keepdim=True).clamp_min(1e-6)
    return positions, times


def _extras_keys(
    seeds: Int64[Tensor, "scene"],
) -> tuple[Float[Tensor, "scene object key"], Float[Tensor, "key"], Float[Tensor, "scene object"]]:
    """Positions, times and where they face: extras stand, or cross part of the picture at constant speed."""
    u = random.draw(seeds, "extra", 3 * MAX_OBJECTS).view(-1, MAX_OBJECTS, 3)
    start = 0.06 + 0.88 * u[:, :, 0]
    end = torch.where(u[:, :, 2] < 0.45, start, 0.06 + 0.88 * u[:, :, 1])
    times = torch.linspace(0, 1, _KEYS, device=seeds.device)
    heading = torch.where(end == start, torch.where(u[:, :, 1] < 0.5, -1.0, 1.0), torch.sign(end - start))
    return start[:, :, None] + (end - start)[:, :, None] * times, times, heading


def _light(seeds: Int64[Tensor, "scene"]) -> Float[Tensor, "scene 4"]:
    light = random.draw(seeds, "light", 4)
    brightness, warmth = 0.94 + 0.13 * light[:, :1], 2 * light[:, 2:3] - 1
    change = 0.10 * (light[:, 1:2] - 0.5)
    return torch.cat([brightness - change, warmth, brightness + change, warmth + 0.4 * (light[:, 3:] - 0.5)], 1)


def stage(seeds: Int64[Tensor, "scene"], cast: Cast, *, size: float | None, frames: int) -> Scenes:
    """The scenes of a cast: a function of seeds and arguments.

    Args:
        seeds: of the scenes.
        cast: who plays.
        size: factor on the typical sizes; drawn if None.
        frames: of a clip.
    """
    device = seeds.device
    slot = torch.arange(MAX_OBJECTS, device=device)
    actors = torch.tensor(ACTORS, device=device)[cast.outcome]
    actor = slot < actors[:, None]
    moves = (random.draw(seeds, "motion", MAX_OBJECTS) * len(names.MOTIONS)).long().clamp_max(len(names.MOTIONS) - 1)
    bodies = _bodies(seeds, cast.kind, moves, size)
    at = _hideout(seeds, cast, actor, bodies)
    ground = 0.72 + 0.08 * random.draw(seeds, "ground")[:, 0]
    depth = torch.tensor(_EXTRA_DEPTH, device=device)[(slot - actors[:, None]).clamp(0, EXTRAS_MAX - 1)]
    stops = (moves == names.MOTIONS.index("stopping")) & actor
    positions, times = _actors_keys(seeds, cast.outcome, stops, bodies, at)
    walk, walk_times, heading = _extras_keys(seeds)
    # Of two that cross, the second comes from the other side.
    back = (cast.outcome == OUTCOMES.index("crossing"))[:, None] & (slot == 1)
    facing = at.direction[:, None] * torch.where(back, -1.0, 1.0)
    return Scenes(
        seed=seeds,
        outcome=cast.outcome,
        background=cast.background,
        occluder=cast.occluder,
        kind=cast.kind,
        colour=cast.colour,
        present=slot < (actors + cast.extras)[:, None],
        actor=actor,
        motion=moves,
        height=bodies.height,
        baseline=torch.where(actor, ground[:, None] - 0.014 * slot, ground[:, None] + depth),
        lift=bodies.lift,
        bounce=bodies.bounce,
        key_times=torch.where(actor[:, :, None], times, walk_times.expand_as(times)),
        key_positions=torch.where(actor[:, :, None], at.direction[:, None, None] * positions, walk),
        direction=torch.where(actor, facing, heading),
        occluder_centre=at.centre,
        occluder_velocity=at.velocity,
        occluder_half=at.half,
        occluder_top=at.top,
        ground=ground,
        camera=0.06 * (random.draw(seeds, "camera")[:, 0] - 0.5),
        light=_light(seeds),
        variation=random.draw(seeds, "variation", 8),
        frames=frames,
    )
