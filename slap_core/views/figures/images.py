"""Small pictures for the page: one sprite sheet for all frames of a clip, so that a hover needs no request."""

import base64
import io
import math
import weakref

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from slap_core.types import Clip

__all__ = ["MOST_BYTES", "bytes_base64", "clip_sheet", "sprite_sheet"]

MOST_BYTES = 1_200_000
"""Of a sheet: with it a report of the most and the busiest frames stays below 5 MB, so that it can be mailed."""
SMALLEST_SIDE = 40
_SHEETS: weakref.WeakKeyDictionary[Clip, dict[int, dict[str, object]]] = weakref.WeakKeyDictionary()
"""Of clips, by `longest_side`: a clip that is remembered is drawn again with every run."""


def clip_sheet(clip: Clip, *, longest_side: int = 128) -> dict[str, object]:
    """`sprite_sheet` of all frames of a clip, made once for as long as there is the clip."""
    made = _SHEETS.setdefault(clip, {})
    if longest_side not in made:
        made[longest_side] = sprite_sheet(clip.frames, longest_side=longest_side)
    return made[longest_side]


def sprite_sheet(frames: UInt8[Tensor, "time height width 3"], *, longest_side: int = 128) -> dict[str, object]:
    """One JPEG of all frames, row by row: {src, columns, rows, width, height, count}; width and height of one frame in
    pixels.

    Frames larger than `longest_side` are reduced to it, smaller ones stay as they are; all of them are reduced further
    where the sheet would have more than `MOST_BYTES`.
    """
    count, height, width = frames.shape[:3]
    scale = min(1.0, longest_side / max(height, width))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    columns = max(1, math.ceil(math.sqrt(count * height / width)))
    rows = max(1, math.ceil(count / columns))
    sheet = Image.new("RGB", (columns * width, rows * height))
    for index, frame in enumerate(frames):
        small = Image.fromarray(frame.cpu().numpy()).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        sheet.paste(small, (index % columns * width, index // columns * height))
    buffer = io.BytesIO()
    sheet.save(buffer, format="JPEG", quality=80)
    side = int(0.8 * max(height, width))
    if buffer.tell() > MOST_BYTES and side >= SMALLEST_SIDE:
        return sprite_sheet(frames, longest_side=side)
    source = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"src": source, "columns": columns, "rows": rows, "width": width, "height": height, "count": count}


def bytes_base64(values: Tensor) -> str:
    """Numbers between 0 and 1 as base64 of one byte each, in row-major order."""
    return base64.b64encode((values.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy().tobytes()).decode("ascii")
