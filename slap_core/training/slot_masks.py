"""What a drawn world adds to reconstruction: its own masks.

Small objects are a hundredth of the picture, and hardly matter to the error of reconstructed tokens: slots that learn
from it alone divide the background. In a drawn world it is known which tokens show which object, and

    loss = weighted mean over tokens of -log(attention of the object's slot)

asks that each object has a slot of its own in all frames in which it shows; what shows none shall belong to any of the
other slots. Which slot stands for which object is decided anew in each step, by the assignment of the largest overlap.

Source: the assignment is that of Carion et al., DETR, 2020.
"""

import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

__all__ = ["mask_loss", "owned"]

SHARE = 0.2
"""A token belongs to an object that covers this share of it: the encoder's tokens see further than their place."""
OBJECTS = 4.0
"""How much a token of an object counts, one of the background being 1."""
SMALLEST = 1e-6
"""Attention whose logarithm is taken is at least this."""


def owned(cover: Float[Tensor, "*batch object token"]) -> Float[Tensor, "*batch object token"]:
    """How far each token belongs to each object, at most 1 in all, from the share that the object covers of it."""
    part = cover / SHARE
    return part / part.sum(-2, keepdim=True).clamp_min(1)


def mask_loss(
    attention: Float[Tensor, "clip slot token"], cover: Float[Tensor, "clip object token"]
) -> Float[Tensor, ""]:
    """The loss above, 0 at best.

    Args:
        attention: of all frames of each clip; sums to 1 over the slots.
        cover: which share of each token each object covers.
    """
    own = owned(cover)
    nothing = (1 - own.sum(1)).clamp_min(0)
    with torch.no_grad():
        common = attention @ own.mT
        overlap = 2 * common / (attention.sum(-1)[:, :, None] + own.sum(-1)[:, None] + 1)
        shown = own.amax((2,)) > 0
    losses = []
    for clip in range(len(attention)):
        objects = shown[clip].nonzero().flatten()
        slot, which = linear_sum_assignment(overlap[clip][:, objects].cpu().numpy(), maximize=True)
        slot, objects = torch.from_numpy(slot).to(objects), objects[torch.from_numpy(which).to(objects)]
        spare = torch.ones_like(attention[clip, :, 0], dtype=torch.bool)
        spare[slot] = False
        right = attention[clip].clamp_min(SMALLEST).log()
        empty = attention[clip, spare].sum(0).clamp_min(SMALLEST).log()
        weight = OBJECTS * own[clip, objects]
        gained = (weight * right[slot]).sum() + (nothing[clip] * empty).sum()
        losses.append(-gained / (weight.sum() + nothing[clip].sum()))
    return torch.stack(losses).mean()
