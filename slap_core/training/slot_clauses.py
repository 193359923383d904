"""What the tokens of slots should say: the clause of the thing that each of them looks at, where it looks at one.

A drawn world knows what covers each token. A slow slot that holds most of a thing, in the frame that is nearest to a
moment of the language, says what there is to say of it at that moment; a fast slot, of the thing that it sees most of
in its cell at a moment. Others say nothing: what they see belongs to no moment, and would contradict those who know.
The language model has learned to read such clauses (see `clause_targets`).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from slap_core.evidence import nearest_frames
from slap_core.slots import SlowFast
from slap_core.tunnel_world import Story
from slap_core.tunnel_world.clip_asking import FRACTIONS, clause, nearest

__all__ = ["slot_clauses"]

MOST = 0.5
"""A slow slot holds a thing of which it has this share."""
SHOWS = 0.2
"""A thing is to be seen where it covers this many tokens."""
WHOLE = (0.0, 1.0)
"""A clip in fractions of itself."""
CELL_SHARE = 0.05
"""A fast slot tells of a thing that covers this share of its cell, times the slot's attention."""


def slot_clauses(
    found: SlowFast,
    when: Float[Tensor, "time"],
    masks: Float[Tensor, "time object height width"],
    things: Sequence[tuple[int, int]],
    story: Story,
) -> dict[str, tuple[str, ...]]:
    """By branch, the words of each slot, in the order of `slot_evidence`; empty where it is to say nothing.

    Args:
        found: slots of the frames of one scene.
        when: of the frames, as fractions of the clip.
        masks: how much of each pixel shows each object.
        things: kind and colour of each object.
        story: of the scene.
    """
    said = [[_words(story, pair, moment) for pair in things] for moment in range(len(FRACTIONS))]
    return {"slow": _slow(found, when, masks, said), "fast": _fast(found, when, masks, said)}


def _slow(found: SlowFast, when: Tensor, masks: Tensor, said: Sequence[Sequence[str]]) -> tuple[str, ...]:
    attention = found.slow_attention
    cover = F.adaptive_avg_pool2d(masks[found.frames], attention.shape[-2:])
    inside = torch.einsum("fshw,fohw->fso", attention, cover)
    whole = cover.sum((2, 3))
    holds = (inside > MOST * whole[:, None]) & (whole > SHOWS)[:, None]
    most, which = inside.where(holds, -1).max(-1)
    times = when[found.frames]
    speaks = set(nearest_frames(times, WHOLE).tolist())
    moments = [nearest(float(time)) if k in speaks else None for k, time in enumerate(times)]
    return tuple(
        said[moment][thing] if moment is not None and size > 0 else ""
        for moment, sizes, objects in zip(moments, most.tolist(), which.tolist(), strict=True)
        for size, thing in zip(sizes, objects, strict=True)
    )


def _fast(found: SlowFast, when: Tensor, masks: Tensor, said: Sequence[Sequence[str]]) -> tuple[str, ...]:
    attention = found.fast_attention.mT  # (cell, slot, time)
    grid = round(len(attention) ** 0.5)
    cover = F.adaptive_avg_pool2d(masks, grid).flatten(2)  # (time, object, cell)
    near = nearest_frames(when, WHOLE)
    seen = torch.einsum("csm,moc->csmo", attention[..., near], cover[near])
    most, which = seen.flatten(2).max(-1)
    rows = zip(most.flatten().tolist(), which.flatten().tolist(), strict=True)
    return tuple(
        said[index // cover.shape[1]][index % cover.shape[1]] if share > CELL_SHARE else "" for share, index in rows
    )


def _words(story: Story, pair: tuple[int, int], moment: int) -> str:
    """What there is to say of a thing at a moment; nothing where it is not in the picture."""
    row = story.cut_away[story.frame(moment)]
    thing = next((thing for thing in row.things if (thing.kind, thing.colour) == pair), None)
    return "" if thing is None else " ".join(clause(moment, thing, row.occluder))
