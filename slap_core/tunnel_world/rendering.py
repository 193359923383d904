"""Pictures of scenes, at any resolution, in batches, on the CPU or a GPU.

Three layers of the same frame:

    observed    background, actors, occluder, extras: what a camera sees
    cut_away    the same with the actors drawn once more, over the occluder: the x-ray truth
    empty       the same without actors: what it would look like if nothing had come
"""

import dataclasses
import functools
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slap_core.tunnel_world import random
from slap_core.tunnel_world.motion import State, state
from slap_core.tunnel_world.names import KINDS, LAYERS, MAX_OBJECTS
from slap_core.tunnel_world.objects import paint_object
from slap_core.tunnel_world.painting import draw, paint_objects, paint_occluders, paint_scenery, shade_ground
from slap_core.tunnel_world.patches import ORDERS
from slap_core.tunnel_world.scenes import Scenes
from slap_core.tunnel_world.visibility import masks_of, visible_pixels

__all__ = ["Rendered", "render"]

_NOISE = 2.2 / 255


@dataclasses.dataclass(frozen=True, eq=False)
class Rendered:
    """Pictures and what is to be seen in them. A layer or a mask that was not asked for is None."""

    observed: Tensor | None
    """(scene, time, height, width, 3), uint8, or float32 from 0 to 1."""
    cut_away: Tensor | None
    empty: Tensor | None
    visible_fraction: Float[Tensor, "scene time object"]
    """Share of the object's whole area (also what lies outside the picture) that is seen in the observed frame."""
    cut_away_fraction: Float[Tensor, "scene time object"]
    """The same in the cut-away."""
    visible_masks: Float[Tensor, "scene time object height width"] | None
    """How much of each pixel shows the object in the observed frame, 0 to 1."""
    amodal_masks: Float[Tensor, "scene time object height width"] | None
    """The same as if nothing stood before it."""
    state: State


@functools.lru_cache(maxsize=8)
def _areas(device: torch.device) -> Tensor:
    """The area of each kind, in squares of its height."""
    pixel = torch.full((1, 1, 1), 1 / 128)
    y = (1 + 24 / 128 - (torch.arange(176) + 0.5) / 128)[None, :, None]
    x = ((torch.arange(320) + 0.5) / 128 - 1.25)[None, None]
    stamps = [paint_object(k, x, y, pixel, torch.zeros(1, 3), torch.zeros(1, 1, 1)) for k in range(len(KINDS))]
    return torch.stack([stamp.cover.sum() / 128**2 for stamp in stamps]).to(device)


def _finish(canvas: Tensor, gain: Tensor, grain: Tensor, dtype: torch.dtype) -> Tensor:
    """Light, vignette, noise and rounding; channels last."""
    h, w = canvas.shape[-2:]
    x = torch.linspace(-1, 1, w, device=canvas.device)
    y = torch.linspace(-1, 1, h, device=canvas.device)
    vignette = 1 - 0.07 * (x.square()[None, :] + y.square()[:, None])
    picture = canvas * gain[:, :, None, None]
    picture.mul_(vignette).add_(grain[:, None]).clamp_(0, 1)
    picture = picture.permute(0, 2, 3, 1)
    if dtype == torch.uint8:
        return picture.mul(255).add_(0.5).to(torch.uint8).contiguous()
    return picture.contiguous()


def _render_frames(
    scenes: Scenes, index: Tensor, size: tuple[int, int], layers: Sequence[str], masks: bool, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Renders one frame of each scene; `index` (scene) are the frame numbers."""
    now = state(scenes, index[:, None])
    h, w = size
    left = 0.5 - 0.5 * w / h
    canvas = paint_scenery(scenes, now, size, left)
    painted = paint_objects(scenes, now, canvas, left)
    occluders = paint_occluders(scenes, now, canvas, left)
    shade_ground(scenes, now, canvas, left)

    actors, extras = range(MAX_OBJECTS), range(MAX_OBJECTS, ORDERS)
    grain = random.noise(scenes.seed * 131071 + index * 8191 + 17, h * w).view(-1, h, w) * _NOISE
    out: dict[str, Tensor] = {}
    empty = canvas.clone() if "empty" in layers else None
    if "observed" in layers or "cut_away" in layers:
        draw(canvas, painted, actors)
        for patches, ink, cover in occluders:
            patches.over(canvas, ink, cover)
        if "cut_away" in layers:
            cut_away = canvas.clone() if "observed" in layers else canvas
            draw(cut_away, painted, actors, shadows=False)
            draw(cut_away, painted, extras)
            out["cut_away"] = _finish(cut_away, now.gain[:, 0], grain, dtype)
        if "observed" in layers:
            draw(canvas, painted, extras)
            out["observed"] = _finish(canvas, now.gain[:, 0], grain, dtype)
    if empty is not None:
        for patches, ink, cover in occluders:
            patches.over(empty, ink, cover)
        draw(empty, painted, extras)
        out["empty"] = _finish(empty, now.gain[:, 0], grain, dtype)

    area = _areas(canvas.device)[scenes.kind] * scenes.height.square() * (h * h)
    seen, cut = visible_pixels(canvas, painted, occluders)
    out["visible_fraction"] = (seen.view_as(area) / area).clamp(0, 1)
    out["cut_away_fraction"] = (cut.view_as(area) / area).clamp(0, 1)
    if masks:
        out["visible_masks"], out["amodal_masks"] = masks_of(canvas, scenes, painted, occluders)
    return out


def render(
    scenes: Scenes,
    frames: Int64[Tensor, "scene time"] | None = None,
    *,
    size: int | tuple[int, int] = 96,
    layers: Sequence[str] = ("observed",),
    masks: bool = False,
    dtype: torch.dtype = torch.uint8,
    pixels_at_once: int | None = None,
) -> Rendered:
    """Pictures of the scenes at the given frame numbers.

    Args:
        scenes: What to show.
        frames: Frame numbers in [0, scenes.frames), possibly different ones for each scene; all of them if None.
        size: Height and width in pixels (one number: square), 16 to 2048. Wider pictures show more at the sides.
        layers: Some of `LAYERS`.
        masks: Whether to return masks.
        dtype: torch.uint8, or torch.float32 for 0 to 1.
        pixels_at_once: Bounds the memory (about 100 bytes each); by default 2^19 on the CPU and 2^24 on a GPU.

    Raises:
        ValueError: if a layer, size or dtype does not exist, or a frame number is outside the clip.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if not (16 <= height <= 2048 and 16 <= width <= 2048):
        raise ValueError(f"height and width lie in 16 to 2048 pixels, got {height} and {width}.")
    for layer in layers:
        if layer not in LAYERS:
            raise ValueError(f"unknown layer {layer!r}: choose some of {', '.join(LAYERS)}.")
    if dtype not in (torch.uint8, torch.float32):
        raise ValueError(f"pictures are torch.uint8 or torch.float32, got {dtype}.")
    device = scenes.seed.device
    if frames is None:
        frames = torch.arange(scenes.frames, device=device).expand(len(scenes), -1)
    now = state(scenes, frames)
    count, times = frames.shape
    which = torch.arange(count, device=device)[:, None].expand(-1, times).flatten()
    index = frames.flatten()
    budget = pixels_at_once or (2**24 if device.type == "cuda" else 2**19)
    step = max(budget // (height * width), 1)

    collected: dict[str, Tensor] = {}
    for start in range(0, len(index), step):
        part = slice(start, start + step)
        out = _render_frames(scenes.select(which[part]), index[part], (height, width), layers, masks, dtype)
        for name, value in out.items():
            if name not in collected:
                collected[name] = value.new_empty(len(index), *value.shape[1:]) if step < len(index) else value
            if step < len(index):
                collected[name][part] = value
    shaped = {name: value.view(count, times, *value.shape[1:]) for name, value in collected.items()}
    nothing = torch.zeros(count, times, MAX_OBJECTS, device=device)
    return Rendered(
        observed=shaped.get("observed"),
        cut_away=shaped.get("cut_away"),
        empty=shaped.get("empty"),
        visible_fraction=shaped.get("visible_fraction", nothing),
        cut_away_fraction=shaped.get("cut_away_fraction", nothing),
        visible_masks=shaped.get("visible_masks"),
        amodal_masks=shaped.get("amodal_masks"),
        state=now,
    )
