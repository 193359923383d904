"""What a drawn world adds to reconstruction: its own masks.

Small objects are a hundredth of the picture, and hardly matter to the error of reconstructed tokens: slots that learn
from it alone divide the background. In a drawn world it is known which tokens show which object, and

    loss = mean over objects, and for each over its tokens, of -log(attention of the object's slot)

asks that each object has a slot of its own in all frames in which it shows; what shows none shall belong to any of the
other slots, a mean over tokens that counts three times as much. Which slot stands for which object is decided anew in
each step, by the assignment of the largest overlap. Two objects in one slot is the error that is left in the end:
`shared` is the mean over pairs of -log(1 - a . b), a and b being how objects divide between the slots.

Nothing keeps the other slots from leaving all that shows no object to one of them. They divide it evenly, and each
token to one, where they tell much of the token: `uneven` is what their mutual information lacks of the most there can
be, as a share of it.

Events of a cell are the stretches of time in which the same objects show in it (`events`): each shall have a slot.

Source: the assignment is that of Carion et al., DETR, 2020; mutual information as an objective of clusters is that of
Krause et al., Discriminative Clustering by Regularized Information Maximization, 2010.
"""

import dataclasses

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

__all__ = ["Told", "events", "owned", "told"]

SHARE = 0.2
"""A token belongs to an object that covers this share of it: the encoder's tokens see further than their place."""
CELL_SHARE = 0.02
"""An object shows in a cell of which it covers this share."""
OBJECTS = 0.25
"""How much objects count in the loss, against what shows none."""
SMALLEST = 1e-6
"""Attention whose logarithm is taken is at least this."""


@dataclasses.dataclass(frozen=True, eq=False)
class Told:
    """How far attention is from the masks of a drawn world."""

    loss: Float[Tensor, ""]
    """The loss above, 0 at best."""
    shared: Float[Tensor, ""]
    """How far objects share slots, 0 at best."""
    uneven: Float[Tensor, ""]
    """What the other slots leave untold of the tokens without an object: 0 where each has an equal share of its own, 1
    where one has all or each has a part of every token."""


def owned(cover: Float[Tensor, "*batch object token"]) -> Float[Tensor, "*batch object token"]:
    """How far each token belongs to each object, at most 1 in all, from the share that the object covers of it."""
    part = cover / SHARE
    return part / part.sum(-2, keepdim=True).clamp_min(1)


def events(cover: Float[Tensor, "clip time object height width"], grid: int) -> Float[Tensor, "clip_cell event time"]:
    """1 where a cell is in the event, cells in rows, clip after clip; cells with fewer events than others have zeros.

    Args:
        cover: which share of each token each object covers.
        grid: rows, and columns, of cells.
    """
    clips = len(cover)
    pooled = F.adaptive_avg_pool2d(rearrange(cover, "c t o h w -> (c t) o h w"), grid)
    shows = rearrange(pooled > CELL_SHARE, "(c t) o h w -> (c h w) t o", c=clips)
    changes = (shows[:, 1:] != shows[:, :-1]).any(-1).long()
    return F.one_hot(F.pad(changes.cumsum(1), (1, 0))).mT.float()


def told(attention: Float[Tensor, "set slot token"], own: Float[Tensor, "set object token"]) -> Told:
    """How far attention is from masks.

    Args:
        attention: of all frames of each clip, or of each cell; sums to 1 over the slots.
        own: how far each token belongs to each object, or event.
    """
    nothing = (1 - own.sum(1)).clamp_min(0)
    used = _assigned(attention.detach(), own)
    log = attention.clamp_min(SMALLEST).log()
    size = own.sum(-1)
    counts = used.any(1).to(log)
    number = counts.sum(-1)
    each = torch.einsum("bso,bst,bot->bo", used.to(log), log, own) / size.clamp_min(SMALLEST)
    objects = -(each * counts).sum(-1) / number.clamp_min(1)
    spare = ~used.any(-1)
    left = attention * spare[..., None]
    total = left.sum(1)
    weight = nothing / nothing.sum(-1, keepdim=True).clamp_min(SMALLEST)
    empty = -(weight * total.clamp_min(SMALLEST).log()).sum(-1)
    parts = OBJECTS * (number > 0), (1 - OBJECTS) * (weight.sum(-1) > 0.5)
    loss = (parts[0] * objects + parts[1] * empty) / (parts[0] + parts[1])
    share = left / total.clamp_min(SMALLEST)[:, None]
    evenly = _entropy((share * weight[:, None]).sum(-1)) - (_entropy(share.mT) * weight).sum(-1)
    most = spare.sum(-1).clamp_min(2).to(log).log()
    divided = torch.einsum("bst,bot->bos", attention, own) / size.clamp_min(SMALLEST)[..., None]
    pairs = (counts[:, :, None] * counts[:, None]).triu(1)
    apart = -(1 - divided @ divided.mT).clamp_min(SMALLEST).log()
    shared = (apart * pairs).sum() / pairs.sum().clamp_min(1)
    return Told(loss.mean(), shared, (1 - evenly / most).mean())


def _assigned(
    attention: Float[Tensor, "set slot token"], own: Float[Tensor, "set object token"]
) -> Bool[Tensor, "set slot object"]:
    """Which slot stands for which object: the assignment of the largest overlap (Dice), of objects that show."""
    overlap = 2 * attention @ own.mT / (attention.sum(-1)[:, :, None] + own.sum(-1)[:, None] + 1)
    found = torch.zeros(overlap.shape, dtype=torch.bool)
    for one, of, shows in zip(found, overlap.cpu().numpy(), (own.amax(-1) > 0).cpu(), strict=True):
        one[linear_sum_assignment(of, maximize=True)] = True
        one &= shows
    return found.to(attention.device)


def _entropy(share: Float[Tensor, "*batch slot"]) -> Float[Tensor, "*batch"]:
    return -(share * share.clamp_min(SMALLEST).log()).sum(-1)
