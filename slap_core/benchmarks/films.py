"""Video files that benchmarks read: scenes of Tunnel World, drawn once and filmed for as long as is asked for.

Drawing is slow and encoding is not: 48 small frames are drawn, enlarged and repeated, and each time around the camera
stands a little further to the right. So no two frames are equal, and nothing that is remembered of one serves another.
"""

import pathlib

import torch
import torch.nn.functional as F

from slap_core.tunnel_world import film, render, sample, seeds
from slap_core.video import write_clip

__all__ = ["write_film"]

DRAWN = (48, 90, 160)
"""Frames, height, width."""
STEP = 7
"""Pixels by which the camera stands further in each round."""


def write_film(path: pathlib.Path, *, seconds: float, height: int, fps: float) -> pathlib.Path:
    """The path of the video file that was written, 16:9.

    Args:
        path: where to write.
        seconds: how long it lasts.
        height: of the pictures in pixels.
        fps: frames per second.
    """
    frames, *drawn = DRAWN
    count, width = max(2, round(seconds * fps)), 2 * round(height * drawn[1] / drawn[0] / 2)
    # All of one pass at once would take several times the memory of the film itself.
    small = render(sample(seeds("test", 1), frames=min(frames, count)), size=tuple(drawn)).observed[0]
    pictures = torch.empty(count, height, width, 3, dtype=torch.uint8)
    for at in range(count):
        once = small[at % len(small)].movedim(-1, 0)[None].float()
        large = F.interpolate(once, (height, width), mode="bilinear").round().to(torch.uint8)[0]
        pictures[at] = large.movedim(0, -1).roll(STEP * (at // len(small)), 1)
    return write_clip(path, film(pictures, fps), fps=fps)
