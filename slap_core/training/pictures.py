"""Pictures of Tunnel World with the facts that they show: what every trainer draws its examples from.

One moment of each scene. Half of the pictures are what a camera sees, half are cut away, so that hidden objects are
drawn over what hides them and an encoder learns what they look like there.
"""

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from slap_core.training.claims import Facts
from slap_core.tunnel_world import Rendered, Scenes, describe, render, sample
from slap_core.tunnel_world import random as counter

__all__ = ["draw_pictures", "facts_of"]

VISIBLE = 0.25
"""The share of an object that must show before it is spoken of."""
_CHANNEL = 1000
"""Of the hash that picks the moment: none of those that `tunnel_world.scenes` uses."""


def facts_of(scenes: Scenes, rendered: Rendered, *, layer: str) -> Facts:
    """What is to be seen in the first rendered moment of each scene, in that layer."""
    truth = describe(scenes, rendered, layer=layer, threshold=VISIBLE)
    return Facts(
        visible=truth.visible[:, 0],
        kind=truth.kind,
        colour=truth.colour,
        place=truth.place[:, 0],
        relation=truth.relation[:, 0],
        background=truth.background,
        occluder=truth.occluder,
    )


def draw_pictures(
    scene_seeds: Int64[Tensor, "image"], *, size: int
) -> tuple[UInt8[Tensor, "image height width 3"], Facts]:
    """One picture of the scene of each seed, and their facts, on the seeds' device.

    A picture is a function of its seed alone: even scenes are observed, odd ones cut away.
    """
    scenes = sample(scene_seeds)
    moment = (counter.uniform(scenes.seed, _CHANNEL) * scenes.frames).long()
    cut = (scenes.seed % 2 == 1).nonzero().squeeze(1)
    seen = (scenes.seed % 2 == 0).nonzero().squeeze(1)
    parts, facts = [], []
    for index, layer in ((seen, "observed"), (cut, "cut_away")):
        if len(index):
            rendered = render(scenes.select(index), moment[index], size=size, layers=(layer,))
            parts.append(getattr(rendered, layer)[:, 0])
            facts.append(facts_of(scenes.select(index), rendered, layer=layer))
    order = torch.cat([seen, cut]).argsort()
    fields = {name: torch.cat([getattr(fact, name) for fact in facts])[order] for name in vars(facts[0])}
    return torch.cat(parts)[order], Facts(**fields)
