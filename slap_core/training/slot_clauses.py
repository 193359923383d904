"""What the tokens of slots should say: the clause of the thing that each of them looks at, where it looks at one.

A drawn world knows what covers each token. A slow slot that holds most of a thing says what there is to say of it in
its frame; a fast slot, what shows most in its cell while it looks there. Others say nothing. The language model has
learned to read such clauses (see `clause_targets`).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from slap_core.slots import SlowFast
from slap_core.tunnel_world import Description, Thing
from slap_core.tunnel_world.clip_asking import clause, nearest

__all__ = ["slot_clauses"]

MOST = 0.5
"""A slow slot holds a thing of which it has this share."""
SHOWS = 0.2
"""A thing is to be seen where it covers this many tokens."""
CELL_SHARE = 0.05
"""A fast slot tells of a thing that covers this share of its cell while it looks."""


def slot_clauses(
    found: SlowFast, when: Float[Tensor, "time"], masks: Float[Tensor, "time object height width"], told: Description
) -> dict[str, tuple[str, ...]]:
    """By branch, the words of each slot, in the order of `slot_evidence`; empty where it is to say nothing.

    Args:
        found: slots of the frames of one scene.
        when: of the frames, as fractions of the clip.
        masks: how much of each pixel shows each object.
        told: what is to be seen in these frames.
    """
    return {"slow": _slow(found, when, masks, told), "fast": _fast(found, when, masks, told)}


def _slow(found: SlowFast, when: Tensor, masks: Tensor, told: Description) -> tuple[str, ...]:
    attention = found.slow_attention
    cover = F.adaptive_avg_pool2d(masks[found.frames], attention.shape[-2:])
    inside = torch.einsum("fshw,fohw->fso", attention, cover)
    whole = cover.sum((2, 3))
    holds = (inside > MOST * whole[:, None]) & (whole > SHOWS)[:, None]
    most, which = inside.where(holds, -1).max(-1)
    return tuple(
        _words(told, frame, thing, float(when[frame])) if size > 0 else ""
        for frame, sizes, things in zip(found.frames.tolist(), most.tolist(), which.tolist(), strict=True)
        for size, thing in zip(sizes, things, strict=True)
    )


def _fast(found: SlowFast, when: Tensor, masks: Tensor, told: Description) -> tuple[str, ...]:
    attention = found.fast_attention.mT  # (cell, slot, time)
    grid = round(len(attention) ** 0.5)
    cover = F.adaptive_avg_pool2d(masks, grid).flatten(2)  # (time, object, cell)
    seen = torch.einsum("cst,toc->csot", attention, cover)
    amount = seen.sum(-1)
    share = amount / attention.sum(-1)[..., None].clamp_min(1e-6)
    mean = (seen * when.to(seen)).sum(-1) / amount.clamp_min(1e-6)
    most, which = share.max(-1)
    times = mean.gather(-1, which[..., None]).squeeze(-1)
    frames = (times[..., None] - when.to(times)).abs().argmin(-1)
    columns = (found.flatten().tolist() for found in (most, which, frames, times))
    rows = zip(*columns, strict=True)
    return tuple(_words(told, at, thing, time) if size > CELL_SHARE else "" for size, thing, at, time in rows)


def _words(told: Description, frame: int, index: int, time: float) -> str:
    thing = Thing(
        int(told.kind[0, index]),
        int(told.colour[0, index]),
        int(told.place[0, frame, index]),
        int(told.relation[0, frame, index]),
    )
    return " ".join(clause(nearest(time), thing, int(told.occluder[0])))
