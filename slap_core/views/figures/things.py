"""The things of Tunnel World as small pictures, to stand for a belief: drawn by the same strokes as in its scenes."""

import base64
import functools
import io

import torch
from PIL import Image

from slap_core.tunnel_world.objects import COLOUR_RGB, HALF_WIDTH, paint_object

__all__ = ["thing_picture"]

_MARGIN = 0.12
"""Around it, in heights of the thing."""


@functools.lru_cache(maxsize=128)
def thing_picture(kind: int, colour: int, *, width: int = 64, height: int = 44) -> str:
    """A PNG with a transparent ground as a data address.

    Args:
        kind: index into `tunnel_world.KINDS`.
        colour: index into `tunnel_world.COLOURS`.
        width: in pixels.
        height: in pixels.
    """
    # The thing is 1 high and stands on 0; the scale lets it fit both ways.
    scale = min(height / (1 + 2 * _MARGIN), width / (2 * HALF_WIDTH[kind] + 2 * _MARGIN))
    x = ((torch.arange(width) + 0.5 - width / 2) / scale)[None, None]
    y = (0.5 + (height / 2 - torch.arange(height) - 0.5) / scale)[None, :, None]
    pixel = torch.full((1, 1, 1), 1 / scale)
    stamp = paint_object(kind, x, y, pixel, torch.tensor([COLOUR_RGB[colour]]), torch.zeros(1, 1, 1))
    picture = torch.cat([stamp.ink[0], stamp.cover], 0).clamp(0, 1).permute(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray((picture * 255).round().to(torch.uint8).numpy(), "RGBA").save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
