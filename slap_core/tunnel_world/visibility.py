"""How much of each object is to be seen: what is painted over it, counted from near to far."""

import torch
from torch import Tensor

from slap_core.tunnel_world.names import MAX_OBJECTS
from slap_core.tunnel_world.patches import ORDERS, Painted, Patches
from slap_core.tunnel_world.scenes import Scenes

__all__ = ["masks_of", "visible_pixels"]


def visible_pixels(
    canvas: Tensor, painted: list[Painted], occluders: list[tuple[Patches, Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """How many pixels show each object (frame * object), with the occluder and without it (in the cut-away).

    From near to far, each object takes what is still clear of the nearer ones and leaves the rest to the farther.
    """
    count, _, h, w = canvas.shape
    with_occluder = torch.ones(count, h, w, device=canvas.device)
    without = torch.ones_like(with_occluder)
    seen = torch.zeros(count * MAX_OBJECTS, device=canvas.device)
    cut = torch.zeros_like(seen)
    for order in reversed(range(ORDERS)):
        if order == MAX_OBJECTS - 1:  # the occluder stands between extras and actors
            for patches, _, cover in occluders:
                patches.take(with_occluder, cover)
        for p in painted:
            part = p.slices[order]
            if part.stop > part.start:
                seen[p.plane[part]] = p.patches.take(with_occluder, p.cover, part)
                cut[p.plane[part]] = p.patches.take(without, p.cover, part)
    return seen, cut


def masks_of(
    canvas: Tensor, scenes: Scenes, painted: list[Painted], occluders: list[tuple[Patches, Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Visible and amodal masks, (frame, object, height, width)."""
    count, _, h, w = canvas.shape
    amodal = torch.zeros(count * MAX_OBJECTS, h, w, device=canvas.device)
    for p in painted:
        p.patches.put(amodal, p.plane, p.cover)
    amodal = amodal.view(count, MAX_OBJECTS, h, w)
    hidden = torch.zeros(count, h, w, device=canvas.device)
    for patches, _, cover in occluders:
        patches.put(hidden, patches.frame, cover)
    actor = scenes.actor.to(amodal.dtype)[:, :, None, None]
    extras, actors = amodal * (1 - actor), amodal * actor
    visible = torch.empty_like(amodal)
    clear = torch.ones_like(hidden)
    for slot in reversed(range(MAX_OBJECTS)):  # extras, near to far
        visible[:, slot] = extras[:, slot] * clear
        clear = clear * (1 - extras[:, slot])
    clear = clear * (1 - hidden)
    for slot in range(MAX_OBJECTS):  # actors, near to far
        visible[:, slot] += actors[:, slot] * clear
        clear = clear * (1 - actors[:, slot])
    return visible, amodal
