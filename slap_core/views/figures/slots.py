"""Slots: what each slot of the slow branch looks at in the frames, and when each slot of the fast branch attends.

The masks are attention, soft, summing to 1 over the slots. One colour is one slot throughout.
"""

import math

import torch

from slap_core import events
from slap_core.stages import Decoded, Slotted
from slap_core.views.figures.images import bytes_base64, clip_sheet
from slap_core.views.figures.view import View, plain, seconds
from slap_core.views.titles import TITLES

__all__ = ["SLOT_COLOURS", "slot_masks"]

TITLE = TITLES["slots"]
SLOT_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#8c6bb1")
"""Okabe and Ito's seven hues and a violet; later slots begin again."""

EVEN = 1.5
"""Below this many times an even share, the strongest slot of a place hardly stands out."""


def slot_masks(slotted: Slotted, decoded: Decoded) -> View:
    """The slow slots' masks over their frames and the fast slots' attention over time for each cell of the grid."""
    clip = decoded.clip.select(slotted.frames)
    count, slots, height, width = slotted.slow.shape
    cells, length, happens = slotted.fast.shape
    stretch = events.stretches(slotted.fast)
    starts = [0, *((stretch.diff() > 0).nonzero().flatten() + 1).tolist()]
    share = slotted.slow.float().mean((0, 2, 3))
    return View(
        name="slots",
        title=TITLE,
        state="ready",
        headline=_headline(slotted, share, decoded),
        caption=f"{plain(slotted.origin, limit=300)} Above: the attention of each slow slot (objects) over {count} "
        "frames; press a colour to hide or show it. Below, along time: the stretches into which the fast slots "
        "(events) part the clip, and how much of their attention changes from frame to frame; then, for each cell of "
        "the picture, when each of them attends, one row for each slot; choose a cell to see its place. Masks show "
        "where attention goes, which is not always an object.",
        description="Slow slots by share of the attention: "
        + ", ".join(f"slot {i + 1} {100 * float(s):.0f} %" for i, s in enumerate(share))
        + f". Fast slots: {happens} slots over {length} frames in {cells} cells; stretches from "
        + ", ".join(seconds(float(decoded.clip.times[start])) for start in starts if start < len(decoded.clip))
        + ".",
        data={
            "sprite": clip_sheet(clip, longest_side=224),
            "frames": slotted.frames.tolist(),
            "times": [round(t, 4) for t in clip.times.tolist()],
            "kept": torch.isin(slotted.frames, decoded.kept).tolist(),
            "colours": [SLOT_COLOURS[i % len(SLOT_COLOURS)] for i in range(max(slots, happens))],
            "slow": {
                "bytes": bytes_base64(slotted.slow),
                "shape": [count, slots, height, width],
                "box": list(slotted.box),
            },
            "fast": {
                "bytes": bytes_base64(slotted.fast),
                "shape": [cells, length, happens],
                "grid": list(slotted.grid),
            },
            "events": {
                "starts": starts,
                "changes": [round(float(x), 4) for x in events.changes(slotted.fast)],
                "times": [round(t, 4) for t in decoded.clip.times.tolist()],
            },
            "span": [round(float(decoded.clip.times[0]), 4), round(float(decoded.clip.times[-1]), 4)],
        },
    )


def _headline(slotted: Slotted, share: torch.Tensor, decoded: Decoded) -> str:
    slots = len(share)
    largest = int(share.argmax())
    # A small object that shows for a while has little of the attention, and all of it where it is.
    unused = slots - len(slotted.slow.argmax(1).unique())
    part = f"{100 * float(share[largest]):.0f} % of the attention"
    sentence = f"Slot {largest + 1} takes the largest part of the picture, {part}"
    sharpness = slots * float(slotted.slow.float().amax(1).mean())
    if slots > 1 and sharpness < EVEN:
        sentence = "The slow slots share the picture almost evenly: they have told little apart"
    elif unused:
        sentence += f"; {unused} of {slots} slots {'is' if unused == 1 else 'are'} the strongest nowhere"
    change = _strongest_change(slotted)
    if change is not None and len(decoded.clip) == slotted.fast.shape[1]:
        cell, frame = change
        row, column = divmod(cell, slotted.grid[1])
        sentence += (
            f". The events change most at {seconds(float(decoded.clip.times[frame]))}, in row {row + 1}, column "
            f"{column + 1} of the grid"
        )
    return sentence + "."


def _strongest_change(slotted: Slotted) -> tuple[int, int] | None:
    """The cell and the frame at which the fast slots' attention moves most from one frame to the next."""
    if slotted.fast.shape[1] < 2:
        return None
    step = slotted.fast.float().diff(dim=1).abs().sum(-1)
    if not math.isfinite(float(step.max())) or float(step.max()) < 1e-3:
        return None
    cell, frame = divmod(int(step.argmax()), step.shape[1])
    return cell, frame + 1
