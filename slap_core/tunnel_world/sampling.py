"""Who plays in which scene, by seed: outcome, background, occluder, kinds and colours.

What is not asked for is drawn from the seed alone; each of these draws has a channel of its own, so that fixing one
leaves the others as they were.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from slap_core.tunnel_world import choreography, names, random
from slap_core.tunnel_world.names import MAX_OBJECTS, OUTCOMES
from slap_core.tunnel_world.scenes import Scenes
from slap_core.tunnel_world.splits import HELD_OUT, SPLITS

__all__ = ["sample"]


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


def _check_extras(extras: int | None, outcome: int | None) -> None:
    if extras is None:
        return
    lanes = choreography.EXTRAS_MAX
    if not 0 <= extras <= lanes:
        raise ValueError(f"there are {lanes} lanes for extras: choose 0, 1 or 2, got {extras}.")
    if outcome is not None and choreography.ACTORS[outcome] + extras > MAX_OBJECTS:
        most = MAX_OBJECTS - choreography.ACTORS[outcome]
        raise ValueError(
            f"a scene holds {MAX_OBJECTS} objects: {OUTCOMES[outcome]} leaves room for {most} in front, "
            f"got extras={extras}."
        )


def _check_seeds(seeds: Int64[Tensor, "scene"], shows_held_out: bool) -> None:
    if seeds.dtype != torch.int64 or seeds.ndim != 1:
        raise ValueError(f"seeds are an int64 tensor with one axis, got {seeds.dtype} {tuple(seeds.shape)}.")
    if not len(seeds):
        return
    low, high = seeds.aminmax()
    if low < 0 or high >= 2**32:
        raise ValueError(f"seeds lie in [0, {2**32}), got {int(low)} to {int(high)}.")
    if shows_held_out and low < SPLITS["train"][1]:
        raise ValueError(
            "training scenes never show the colour-kind pairs, the occluder and the background that are held out: "
            f"choose other names, or a seed of at least {SPLITS['validation'][0]} (validation or test)."
        )


def _cast_of(
    seeds: Int64[Tensor, "scene"], kind: int | None, colour: int | None, held_out_pairs: bool
) -> tuple[Int64[Tensor, "scene object"], Int64[Tensor, "scene object"]]:
    """Kinds and colours. Colours are all different; kinds are too, or, in three scenes of ten, all the same."""
    held = torch.tensor(names.HELD_OUT_COLOUR, device=seeds.device)
    kinds = _permutation(random.draw(seeds, "kinds", len(names.KINDS)), kind)[:, :MAX_OBJECTS]
    kinds = torch.where(random.draw(seeds, "same_kind") < 0.3, kinds[:, :1], kinds)
    order = _permutation(random.draw(seeds, "colours", len(names.COLOURS)), colour)
    colours = order[:, :MAX_OBJECTS]
    if held_out_pairs and colour is None:
        return kinds, held[kinds]
    if held_out_pairs and kind is None:
        matching = (held == colour).nonzero().squeeze(1)
        kinds = matching[(random.draw(seeds, "kinds")[:, 0] * len(matching)).long()][:, None].expand(-1, MAX_OBJECTS)
    else:
        colours = torch.where(colours == held[kinds], order[:, MAX_OBJECTS:], colours)
    if colour is not None:
        colours = torch.cat([torch.full_like(colours[:, :1], colour), colours[:, 1:]], 1)
    return kinds, colours


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
    _check_extras(extras, fixed_outcome)
    pair_held_out = fixed_kind is not None and fixed_colour == names.HELD_OUT_COLOUR[fixed_kind]
    _check_seeds(
        seeds,
        held_out != "none"
        or fixed_background == names.HELD_OUT_BACKGROUND
        or fixed_occluder == names.HELD_OUT_OCCLUDER
        or pair_held_out,
    )
    seeds = seeds.to(device) if device is not None else seeds

    def choice(channel: str, fixed: int | None, number: int, held: int | None) -> Int64[Tensor, "scene"]:
        if fixed is None and held is not None and held_out == channel:
            fixed = held
        if fixed is not None:
            return torch.full_like(seeds, fixed)
        return _pick(random.draw(seeds, channel)[:, 0], [i for i in range(number) if i != held])

    kinds, colours = _cast_of(seeds, fixed_kind, fixed_colour, held_out == "pairs")
    u = random.draw(seeds, "extras")[:, 0]
    cast = choreography.Cast(
        outcome=choice("outcome", fixed_outcome, len(OUTCOMES), None),
        background=choice("background", fixed_background, len(names.BACKGROUNDS), names.HELD_OUT_BACKGROUND),
        occluder=choice("occluder", fixed_occluder, len(names.OCCLUDERS), names.HELD_OUT_OCCLUDER),
        kind=kinds,
        colour=colours,
        extras=(u > 0.5).long() + (u > 0.85).long() if extras is None else torch.full_like(seeds, extras),
    )
    return choreography.stage(seeds, cast, size=size, frames=frames)
