"""Scenes by seed: what is in the picture, where, and how it moves.

A scene has one occluder, up to three *actors* that go behind it as its outcome says, and up to two *extras* in front
of everything, who have nothing to do with the outcome. Slots 0, 1, 2 hold the actors, the next ones the extras.

A picture of a square clip spans [0, 1] in x and in y (down); lengths are in picture heights, clip time runs from 0 to
1. An actor's path is a polyline x(t) relative to the occluder's centre, through *stations*:

    -3 out of the picture | -2 in full view | -1 touching the occluder | 0 hidden | +1 touching | +2 in view | +3 out

mirrored by the scene's direction. Its six keys are the stations in `_STATIONS`; the time between two keys is
proportional to their distance plus a pause (`_PAUSES`, of a drawn length).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slap_core.tunnel_world import names, random
from slap_core.tunnel_world.names import MAX_OBJECTS, OUTCOMES
from slap_core.tunnel_world.objects import HALF_WIDTH, HEIGHT
from slap_core.tunnel_world.splits import HELD_OUT, SPLITS

__all__ = ["Scenes", "sample"]

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
_CHANNELS: Final = {name: i for i, name in enumerate((
    "outcome", "kinds", "same_kind", "colours", "size", "background", "occluder", "extras", "direction", "half", "top",
    "centre", "ground", "run", "hidden", "pause", "motion", "bounce", "light", "camera", "truck", "variation", "extra",
    "fly", "noise",
))}  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes, as tensors with the axis `scene` first; names are indices into the tuples of `names`."""

    seed: Int64[Tensor, "scene"]
    outcome: Int64[Tensor, "scene"]
    background: Int64[Tensor, "scene"]
    occluder: Int64[Tensor, "scene"]
    kind: Int64[Tensor, "scene object"]
    colour: Int64[Tensor, "scene object"]
    present: Bool[Tensor, "scene object"]
    """Whether the slot holds an object at all."""
    actor: Bool[Tensor, "scene object"]
    """Whether the object belongs to the outcome, and passes behind the occluder, or is an extra in front of it."""
    motion: Int64[Tensor, "scene object"]
    height: Float[Tensor, "scene object"]
    """In picture heights."""
    baseline: Float[Tensor, "scene object"]
    """y on which the object stands (over which it flies)."""
    lift: Float[Tensor, "scene object"]
    """Height of flight."""
    bounce: Float[Tensor, "scene object"]
    """Height of bounces."""
    key_times: Float[Tensor, "scene object key"]
    key_positions: Float[Tensor, "scene object key"]
    """x relative to the occluder's centre for actors, of the picture for extras."""
    direction: Float[Tensor, "scene object"]
    """+1 where the object faces right before it has moved."""
    occluder_centre: Float[Tensor, "scene"]
    """At half time."""
    occluder_velocity: Float[Tensor, "scene"]
    """Picture heights per clip; 0 for all occluders that stand."""
    occluder_half: Float[Tensor, "scene"]
    occluder_top: Float[Tensor, "scene"]
    ground: Float[Tensor, "scene"]
    """y of the line on which actors stand."""
    camera: Float[Tensor, "scene"]
    """Drift of the camera to the right, picture heights per clip."""
    light: Float[Tensor, "scene 4"]
    """Brightness and warmth at the start, brightness and warmth at the end."""
    variation: Float[Tensor, "scene 8"]
    """What else differs between backgrounds, uniform on [0, 1)."""
    frames: int
    """Frames in a clip."""

    def __len__(self) -> int:
        return len(self.seed)

    def select(self, index: Int64[Tensor, "chosen"]) -> "Scenes":
        """The scenes at `index`."""
        return self._map(lambda value: value[index])

    def to(self, device: str | torch.device) -> "Scenes":
        """The scenes on another device."""
        return self._map(lambda value: value.to(device))

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Scenes":
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return Scenes(**{name: change(v) if isinstance(v, Tensor) else v for name, v in values.items()})


def _pick(u: Tensor, allowed: Sequence[int]) -> Tensor:
    """One of `allowed` for each uniform number."""
    table = torch.tensor(list(allowed), device=u.device)
    return table[(u * len(allowed)).long().clamp_max(len(allowed) - 1)]


def _permutation(u: Tensor, first: int | None) -> Tensor:
    """A random permutation for each row, starting with `first` where that is given."""
    if first is not None:
        u = u.clone()
        u[:, first] = -1.0
    return u.argsort(dim=1, stable=True)


def _template(rows: dict[str, tuple[tuple[float | int, ...], ...]], width: int, device: torch.device) -> Tensor:
    """A table (outcome, object, width), zero where an outcome has fewer actors."""
    table = torch.zeros(len(OUTCOMES), MAX_OBJECTS, width)
    for i, outcome in enumerate(OUTCOMES):
        for j, row in enumerate(rows[outcome]):
            table[i, j] = torch.tensor(row, dtype=torch.float32)
    return table.to(device)


def sample(
    seeds: Int64[Tensor, "scene"],
    *,
    outcome: int | str | None = None,
    kind: int | str | None = None,
    colour: int | str | None = None,
    background: int | str | None = None,
    occluder: int | str | None = None,
    extras: int | None = None,
    size: float | None = None,
    held_out: str = "none",
    frames: int = 48,
    device: str | torch.device | None = None,
) -> Scenes:
    """The scenes of `seeds`; what is not fixed by an argument is drawn by the seed alone.

    Args:
        seeds: In [0, 2^32); see `SPLITS` and `seeds`.
        outcome: One of `OUTCOMES`.
        kind: One of `KINDS`: of the first object.
        colour: One of `COLOURS`: of the first object.
        background: One of `BACKGROUNDS`.
        occluder: One of `OCCLUDERS`.
        extras: Objects in front of the occluder that have nothing to do with the outcome, 0 to 2.
        size: Factor on the objects' typical sizes, 0.6 to 1.2; drawn from 0.8 to 1.1 by default.
        held_out: One of `HELD_OUT`: shows, instead of what training scenes may show, colour-kind pairs, the occluder
            or the background that they never do.
        frames: Length of a clip, at least 2.
        device: Where to put them; by default where the seeds are.

    Raises:
        ValueError: if an argument is out of range, or training seeds are asked for what is held out from training.
    """
    choose = names.index_of
    fixed_outcome = None if outcome is None else choose(outcome, OUTCOMES, "outcome")
    fixed_kind = None if kind is None else choose(kind, names.KINDS, "kind")
    fixed_colour = None if colour is None else choose(colour, names.COLOURS, "colour")
    fixed_background = None if background is None else choose(background, names.BACKGROUNDS, "background")
    fixed_occluder = None if occluder is None else choose(occluder, names.OCCLUDERS, "occluder")
    choose(held_out, HELD_OUT, "held_out")
    if frames < 2:
        raise ValueError(f"a clip has at least 2 frames, got frames={frames}.")
    if size is not None and not 0.6 <= size <= 1.2:
        raise ValueError(f"size is a factor from 0.6 to 1.2 on the typical size, got {size}.")
    if extras is not None and not 0 <= extras <= len(_EXTRA_DEPTH):
        raise ValueError(f"there are {len(_EXTRA_DEPTH)} lanes for extras: choose 0, 1 or 2, got {extras}.")
    if extras and fixed_outcome is not None and len(_STATIONS[OUTCOMES[fixed_outcome]]) + extras > MAX_OBJECTS:
        most = MAX_OBJECTS - len(_STATIONS[OUTCOMES[fixed_outcome]])
        raise ValueError(f"a scene holds {MAX_OBJECTS} objects: {outcome} leaves room for {most} extras, got {extras}.")
    if seeds.dtype != torch.int64 or seeds.ndim != 1:
        raise ValueError(f"seeds are an int64 tensor with one axis, got {seeds.dtype} {tuple(seeds.shape)}.")
    if len(seeds):
        low, high = seeds.aminmax()
        if low < 0 or high >= 2**32:
            raise ValueError(f"seeds lie in [0, {2**32}), got {int(low)} to {int(high)}.")
        shows_held_out = (
            held_out != "none"
            or fixed_background == names.HELD_OUT_BACKGROUND
            or fixed_occluder == names.HELD_OUT_OCCLUDER
            or (fixed_kind is not None and fixed_colour == names.HELD_OUT_COLOUR[fixed_kind])
        )
        if shows_held_out and low < SPLITS["train"][1]:
            raise ValueError(
                "training scenes never show the colour-kind pairs, the occluder and the background that are held out: "
                f"choose other names, or a seed of at least {SPLITS['validation'][0]} (validation or test)."
            )

    seeds = seeds.to(device) if device is not None else seeds
    count, device = len(seeds), seeds.device

    def draw(channel: str, n: int = 1) -> Tensor:
        return random.uniform(seeds, _CHANNELS[channel], n)

    def table(values: Sequence[float | int]) -> Tensor:
        return torch.tensor(values, device=device)

    def choice(channel: str, fixed: int | None, number: int, held: int, held_name: str) -> Tensor:
        if fixed is None and held_out == held_name:
            fixed = held
        if fixed is not None:
            return torch.full((count,), fixed, device=device)
        return _pick(draw(channel)[:, 0], [i for i in range(number) if i != held])

    outcomes = choice("outcome", fixed_outcome, len(OUTCOMES), -1, "")
    backgrounds = choice(
        "background", fixed_background, len(names.BACKGROUNDS), names.HELD_OUT_BACKGROUND, "background"
    )
    occluders = choice("occluder", fixed_occluder, len(names.OCCLUDERS), names.HELD_OUT_OCCLUDER, "occluder")

    # Colours are all different; kinds are all different, or, in three scenes of ten, all the same.
    kinds = _permutation(draw("kinds", len(names.KINDS)), fixed_kind)[:, :MAX_OBJECTS]
    kinds = torch.where(draw("same_kind") < 0.3, kinds[:, :1], kinds)
    order = _permutation(draw("colours", len(names.COLOURS)), fixed_colour)
    held_colour = table(names.HELD_OUT_COLOUR)[kinds]
    colours = order[:, :MAX_OBJECTS]
    colours = torch.where(colours == held_colour, order[:, MAX_OBJECTS:], colours)
    if held_out == "pairs" and fixed_colour is None:
        colours = held_colour
    elif held_out == "pairs" and fixed_kind is None:
        matching = table([i for i, c in enumerate(names.HELD_OUT_COLOUR) if c == fixed_colour])
        kinds = matching[(draw("kinds")[:, 0] * len(matching)).long()][:, None].expand(-1, MAX_OBJECTS)
        colours = order[:, :MAX_OBJECTS]
    if fixed_colour is not None:
        colours = torch.cat([torch.full((count, 1), fixed_colour, device=device), colours[:, 1:]], 1)

    actors = table([len(_STATIONS[name]) for name in OUTCOMES])[outcomes]
    if extras is None:
        number = (draw("extras")[:, 0] > 0.5).long() + (draw("extras")[:, 0] > 0.85).long()
    else:
        number = torch.full((count,), extras, device=device)
    slot = torch.arange(MAX_OBJECTS, device=device)
    actor = slot < actors[:, None]
    present = slot < (actors + number)[:, None]

    factor = 0.80 + 0.30 * draw("size", MAX_OBJECTS) if size is None else torch.full((count, MAX_OBJECTS), float(size))
    height = table(HEIGHT)[kinds] * factor.to(device)
    half_width = table(HALF_WIDTH)[kinds] * height
    motion = _pick(draw("motion", MAX_OBJECTS), range(len(names.MOTIONS)))
    flies = kinds == names.KINDS.index("bird")
    hops = (motion == names.MOTIONS.index("bouncing")) & ~flies
    ball = kinds == names.KINDS.index("ball")
    bounce = torch.where(hops, torch.where(ball, 0.035 + 0.06 * draw("bounce", MAX_OBJECTS), 0.02), 0.0)
    lift = torch.where(flies, 0.03 + 0.07 * draw("fly", MAX_OBJECTS), 0.0)

    # The occluder hides the largest actor whole; in empty scenes, the one that does not come.
    hides = actor | ((actors == 0)[:, None] & (slot == 0))
    widest = torch.where(hides, half_width, 0.0).amax(1)
    tallest = torch.where(hides, height + lift + bounce, 0.0).amax(1)
    half = (widest + 0.045 + 0.10 * draw("half")[:, 0]).clamp_max(_OCCLUDER_HALF_MAX)
    top = (tallest + 0.065 + 0.06 * draw("top")[:, 0]).clamp(0.20, _OCCLUDER_TOP_MAX)

    # One-sided outcomes need free road on one side only, so that the occluder may stand near the picture's edge.
    direction = torch.where(draw("direction")[:, 0] < 0.5, -1.0, 1.0)
    one_sided = table([name in _ONE_SIDED for name in OUTCOMES])[outcomes]
    truck = draw("truck", 2)
    velocity = torch.where(
        occluders == _TRUCK,
        (0.10 + 0.14 * truck[:, 0]) * torch.where(truck[:, 1] < 0.5, -1.0, 1.0),
        0.0,
    )
    margin = torch.where(one_sided, 0.5 * velocity.abs() + half + 1.4 * widest, (half + 0.75 * widest).clamp_max(0.5))
    near, far = margin - 0.5, torch.where(one_sided, 0.42, 0.5 - margin)
    offset = near + (far - near).clamp_min(0.0) * draw("centre")[:, 0]
    # The free side is where it comes from (stays, turns_back) or goes to (emerges).
    free = torch.where(outcomes == OUTCOMES.index("emerges"), -direction, direction)
    centre = 0.5 + free * offset

    ground = 0.72 + 0.08 * draw("ground")[:, 0]
    behind = ground[:, None] - 0.014 * slot
    rank = (slot - actors[:, None]).clamp(0, len(_EXTRA_DEPTH) - 1)
    baseline = torch.where(actor, behind, ground[:, None] + table(_EXTRA_DEPTH)[rank])

    # Stations in picture heights, then keys.
    touch = half[:, None] + half_width + 0.012
    inside = ((half[:, None] - half_width - 0.02).clamp_min(0.0)) * (2 * draw("hidden", MAX_OBJECTS) - 1) * 0.85
    # "In full view" is in the picture, where the occluder leaves room for it on that side.
    ahead = torch.where(direction > 0, 1 - centre, centre)
    room = (
        torch.stack([1 - ahead, ahead], 1)[:, :, None]
        - 0.85 * half_width[:, None]
        - 0.5 * velocity.abs()[:, None, None]
    )
    view = touch[:, None] + 0.08 + 0.22 * draw("run", MAX_OBJECTS)[:, None]
    view_before, view_after = torch.maximum(torch.minimum(view, room), touch[:, None]).unbind(1)
    out = 0.5 + (centre - 0.5).abs()[:, None] + half_width + 0.03 + velocity.abs()[:, None]
    out = torch.maximum(out, touch)
    levels = torch.stack([-out, -view_before, -touch, inside, touch, view_after, out], -1)
    stations = _template(_STATIONS, _KEYS, device)[outcomes]
    positions = levels.gather(2, (stations + 3).long())
    pauses = _template(_PAUSES, _KEYS - 1, device)[outcomes] * (0.5 + 0.8 * draw("pause"))[:, :, None]
    stops = motion == names.MOTIONS.index("stopping")
    pauses = pauses + 0.25 * (stops & actor)[:, :, None] * table([0.0, 0.0, 1.0, 0.0, 0.0])
    travel = positions.diff(dim=-1).abs() + pauses
    times = torch.nn.functional.pad(travel.cumsum(-1), (1, 0)) / travel.sum(-1, keepdim=True).clamp_min(1e-6)

    # Extras stand, or cross part of the picture at constant speed.
    u = draw("extra", 3 * MAX_OBJECTS).view(count, MAX_OBJECTS, 3)
    start = 0.06 + 0.88 * u[:, :, 0]
    end = torch.where(u[:, :, 2] < 0.45, start, 0.06 + 0.88 * u[:, :, 1])
    fraction = torch.linspace(0, 1, _KEYS, device=device)
    walk = start[:, :, None] + (end - start)[:, :, None] * fraction
    heading = torch.where(end == start, torch.where(u[:, :, 1] < 0.5, -1.0, 1.0), torch.sign(end - start))
    reverse = torch.zeros(len(OUTCOMES), MAX_OBJECTS, device=device)
    reverse[OUTCOMES.index("crossing"), 1] = 1.0
    key_positions = torch.where(actor[:, :, None], direction[:, None, None] * positions, walk)
    key_times = torch.where(actor[:, :, None], times, fraction.expand_as(times))
    facing = torch.where(actor, direction[:, None] * (1 - 2 * reverse[outcomes]), heading)

    light = draw("light", 4)
    brightness = 0.94 + 0.13 * light[:, :1]
    change = 0.10 * (light[:, 1:2] - 0.5)
    warmth = 2 * light[:, 2:3] - 1
    return Scenes(
        seed=seeds,
        outcome=outcomes,
        background=backgrounds,
        occluder=occluders,
        kind=kinds,
        colour=colours,
        present=present,
        actor=actor,
        motion=motion,
        height=height,
        baseline=baseline,
        lift=lift,
        bounce=bounce,
        key_times=key_times,
        key_positions=key_positions,
        direction=facing,
        occluder_centre=centre,
        occluder_velocity=velocity,
        occluder_half=half,
        occluder_top=top,
        ground=ground,
        camera=0.06 * (draw("camera")[:, 0] - 0.5),
        light=torch.cat([brightness - change, warmth, brightness + change, warmth + 0.4 * (light[:, 3:] - 0.5)], 1),
        variation=draw("variation", 8),
        frames=frames,
    )
