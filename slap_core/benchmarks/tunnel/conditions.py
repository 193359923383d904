"""What the networks were not trained on: the same test under other conditions, for generalisation.

    plain               nothing in front of what hides: the main test
    in front            as the seeds draw them: in half of the scenes something stands or passes in front
    pairs, occluder, background    colour-kind pairs, an occluder, a background that no training scene shows
    hidden 1/2, x 2, x 4           the way behind the occluder takes so many times as long, the rest of the way less
    slivers             anchors need not show more than a fifth of the actor (in the main test they show it whole)
    4 frames, 32 frames            so many dropped frames are asked for, evenly (12 otherwise)

One gap is one unit of time for every method: what changes with its length is the motion in it.
"""

import dataclasses
import functools
from typing import Any, Final

import torch

from slap_core.tunnel_world import Scenes
from slap_core.tunnel_world.objects import HALF_WIDTH

__all__ = ["CONDITIONS", "hidden_longer", "nothing_in_front"]

_MARGIN = 0.013
"""Of an actor that touches the occluder, in picture heights."""


def nothing_in_front(scenes: Scenes) -> Scenes:
    """The scenes with their actors alone."""
    return dataclasses.replace(scenes, present=scenes.present & scenes.actor)


def hidden_longer(scenes: Scenes, *, factor: float) -> Scenes:
    """The actors alone, who take `factor` times as long behind the occluder, relative to the rest of their way."""
    width = torch.tensor(HALF_WIDTH, device=scenes.seed.device)[scenes.kind] * scenes.height
    touch = scenes.occluder_half[:, None] + width + _MARGIN
    behind = scenes.key_positions.abs() <= touch[..., None]
    steps = scenes.key_times.diff(dim=-1)
    steps = torch.where(behind[..., 1:] & behind[..., :-1], factor * steps, steps)
    times = torch.nn.functional.pad(steps.cumsum(-1), (1, 0)) / steps.sum(-1, keepdim=True).clamp_min(1e-6)
    moves = scenes.actor[..., None]
    return dataclasses.replace(nothing_in_front(scenes), key_times=torch.where(moves, times, scenes.key_times))


CONDITIONS: Final[dict[str, dict[str, Any]]] = {
    "plain": {"change": nothing_in_front},
    "in front": {},
    **{name: {"change": nothing_in_front, "held_out": name} for name in ("pairs", "occluder", "background")},
    **{
        f"hidden {name}": {"change": functools.partial(hidden_longer, factor=factor)}
        for name, factor in (("1/2", 0.5), ("x 2", 2.0), ("x 4", 4.0))
    },
    "slivers": {"change": nothing_in_front, "parts": 1.0},
    **{f"{most} frames": {"change": nothing_in_front, "most": most} for most in (4, 32)},
}
"""How `cases.draw_cases` draws them."""
