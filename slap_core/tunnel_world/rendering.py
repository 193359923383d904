"""Pictures of scenes, at any resolution, in batches, on the CPU or a GPU.

Three layers of the same frame:

    observed    background, actors, occluder, extras: what a camera sees
    cut_away    the same with the actors drawn once more, over the occluder: the x-ray truth
    empty       the same without actors: what it would look like if nothing had come

Objects cover a few percent of a picture, so each is painted on a patch of its own and laid over the canvas by index.
All patches of one kind are painted together; nothing is computed for a kind, a background or an occluder that does not
occur.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slap_core.tunnel_world import random
from slap_core.tunnel_world.backgrounds import paint_background
from slap_core.tunnel_world.motion import State, state
from slap_core.tunnel_world.names import BACKGROUNDS, KINDS, LAYERS, MAX_OBJECTS, OCCLUDERS
from slap_core.tunnel_world.objects import COLOUR_RGB, HALF_WIDTH, HEIGHT, paint_object
from slap_core.tunnel_world.occluders import EXTRA_HEIGHT, EXTRA_WIDTH, paint_occluder
from slap_core.tunnel_world.patches import ORDERS, Painted, Patches
from slap_core.tunnel_world.scenes import Scenes
from slap_core.tunnel_world.visibility import masks_of, visible_pixels

__all__ = ["Rendered", "render"]

_NOISE = 2.2 / 255
_SIZE_FACTOR_MAX = 1.2
_OCCLUDER_FOOT = 0.030
"""How far below the actors' line the occluder's foot is: it stands nearer."""


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


def _groups(key: Tensor, number: int) -> Iterator[tuple[int, Tensor]]:
    """For each value that occurs in key, the value and where it occurs."""
    order = key.argsort(stable=True)
    start = 0
    for value, count in enumerate(torch.bincount(key, minlength=number).tolist()):
        if count:
            yield value, order[start : start + count]
        start += count


def _background(scenes: Scenes, now: State, size: tuple[int, int], left: float) -> Tensor:
    groups = list(_groups(scenes.background, len(BACKGROUNDS)))
    pictures = [
        paint_background(
            value,
            size,
            shift=now.camera[at, 0],
            variation=scenes.variation[at],
            ground=scenes.ground[at],
            left=left,
        )
        for value, at in groups
    ]
    if len(pictures) == 1:
        return pictures[0]
    canvas = torch.empty(len(scenes), 3, *size, device=scenes.seed.device)
    for (_, at), picture in zip(groups, pictures, strict=True):
        canvas[at] = picture
    return canvas


def _objects(scenes: Scenes, now: State, canvas: Tensor, left: float) -> list[Painted]:
    device = canvas.device
    right = left + canvas.shape[-1] / canvas.shape[-2]
    half = torch.tensor(HALF_WIDTH, device=device)[scenes.kind] * scenes.height + 0.05
    x = now.x[:, 0]
    seen = scenes.present & (x + half > left) & (x - half < right)
    item = seen.flatten().nonzero().squeeze(1)
    if not len(item):
        return []
    kind = scenes.kind.flatten()[item]
    slot = item % MAX_OBJECTS
    # Actors from the last to the first, then extras from the first to the last: from far to near.
    order = torch.where(scenes.actor.flatten()[item], MAX_OBJECTS - 1 - slot, MAX_OBJECTS + slot)
    key = kind * ORDERS + order
    item = item[key.argsort(stable=True)]
    counts = torch.bincount(key, minlength=len(KINDS) * ORDERS).view(len(KINDS), ORDERS).tolist()
    palette = torch.tensor(COLOUR_RGB, device=device)

    painted, start = [], 0
    for value, row in enumerate(counts):
        total = sum(row)
        if not total:
            continue
        at = item[start : start + total]
        start += total
        frame = at // MAX_OBJECTS
        height, cx = scenes.height.flatten()[at], x.flatten()[at]
        foot, facing = now.y[:, 0].flatten()[at], now.facing[:, 0].flatten()[at]
        tall = HEIGHT[value] * _SIZE_FACTOR_MAX
        patches = Patches(canvas, frame, cx, foot - 0.5 * height, 2.1 * HALF_WIDTH[value] * tall, 1.16 * tall, left)
        scale = (1 / height)[:, None, None]
        stamp = paint_object(
            value,
            (patches.x - cx[:, None, None]) * (scale * facing[:, None, None]),
            (foot[:, None, None] - patches.y) * scale,
            patches.pixel * scale,
            palette[scenes.colour.flatten()[at]],
            now.phase[:, 0].flatten()[at][:, None, None],
        )
        ground = scenes.baseline.flatten()[at]
        width = HALF_WIDTH[value] * height
        shadow = Patches(canvas, frame, cx, ground + 0.002, 2.6 * HALF_WIDTH[value] * tall, 0.075, left)
        reach = (1 + 2.5 * (ground - foot))[:, None, None]
        dx = (shadow.x - cx[:, None, None]) / (1.12 * width[:, None, None] * reach)
        dy = (shadow.y - ground[:, None, None] - 0.002) / 0.030
        darkness = (1 - dx.square() - dy.square()).clamp_min(0) * (0.62 / reach.square())
        ends = torch.tensor([0, *row]).cumsum(0).tolist()
        slices = tuple(slice(a, b) for a, b in itertools.pairwise(ends))
        painted.append(Painted(patches, stamp.ink.clamp_(0, 1), stamp.cover, at, shadow, darkness, slices))
    return painted


def _draw(canvas: Tensor, painted: list[Painted], orders: range, shadows: bool = True) -> None:
    """Draws the objects of the given orders, far to near."""
    for order in orders:
        chosen = [(p, p.slices[order]) for p in painted if p.slices[order].stop > p.slices[order].start]
        if shadows:
            for p, part in chosen:
                p.shadow.darken(canvas, p.darkness, part)
        for p, part in chosen:
            p.patches.over(canvas, p.ink, p.cover, part)


def _occluders(scenes: Scenes, now: State, canvas: Tensor, left: float) -> list[tuple[Patches, Tensor, Tensor]]:
    """(patches, ink, cover) of each kind of occluder."""
    done = []
    for value, at in _groups(scenes.occluder, len(OCCLUDERS)):
        half, top = scenes.occluder_half[at], scenes.occluder_top[at]
        foot, cx = scenes.ground[at] + _OCCLUDER_FOOT, now.occluder_x[at, 0]
        # One patch size for the group; read from the scenes, so that small occluders have small patches.
        half_max, top_max = torch.stack([half.max(), top.max()]).tolist()
        width, height = 2 * (half_max + EXTRA_WIDTH[value]), top_max + 2 * EXTRA_HEIGHT[value] + 0.04
        patches = Patches(canvas, at, cx, foot - 0.5 * top, width, height, left)
        facing = torch.where(scenes.occluder_velocity[at] < 0, -1.0, 1.0)[:, None, None]
        stamp = paint_occluder(
            value,
            (patches.x - cx[:, None, None]) * facing,
            foot[:, None, None] - patches.y,
            torch.full_like(facing, patches.pixel),
            half[:, None, None],
            top[:, None, None],
        )
        above = stamp.coverage(-stamp.y)  # nothing reaches below the foot
        done.append((patches, stamp.ink.clamp_(0, 1), stamp.cover * above))
    return done


def _occluder_shadow(scenes: Scenes, now: State, canvas: Tensor, left: float) -> None:
    h, w = canvas.shape[-2:]
    rows = slice(int(0.70 * h), min(int(0.90 * h) + 1, h))
    x = (torch.arange(w, device=canvas.device) + 0.5)[None, None] / h + left
    y = (torch.arange(rows.start, rows.stop, device=canvas.device) + 0.5)[None, :, None] / h
    across = (x - now.occluder_x[:, :1, None]).abs() - scenes.occluder_half[:, None, None]
    down = y - scenes.ground[:, None, None] - _OCCLUDER_FOOT
    shade = (1 - across.clamp_min(0) / 0.05).clamp_min(0) * (1 - down.clamp_min(0) / 0.035).clamp_min(0)
    shade = shade * (down > -0.05)
    canvas[:, :, rows].mul_((1 - 0.42 * shade)[:, None])


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
    canvas = _background(scenes, now, size, left)
    painted = _objects(scenes, now, canvas, left)
    occluders = _occluders(scenes, now, canvas, left)
    _occluder_shadow(scenes, now, canvas, left)

    actors, extras = range(MAX_OBJECTS), range(MAX_OBJECTS, ORDERS)
    grain = random.noise(scenes.seed * 131071 + index * 8191 + 17, h * w).view(-1, h, w) * _NOISE
    out: dict[str, Tensor] = {}
    empty = canvas.clone() if "empty" in layers else None
    if "observed" in layers or "cut_away" in layers:
        _draw(canvas, painted, actors)
        for patches, ink, cover in occluders:
            patches.over(canvas, ink, cover)
        if "cut_away" in layers:
            cut_away = canvas.clone() if "observed" in layers else canvas
            _draw(cut_away, painted, actors, shadows=False)
            _draw(cut_away, painted, extras)
            out["cut_away"] = _finish(cut_away, now.gain[:, 0], grain, dtype)
        if "observed" in layers:
            _draw(canvas, painted, extras)
            out["observed"] = _finish(canvas, now.gain[:, 0], grain, dtype)
    if empty is not None:
        for patches, ink, cover in occluders:
            patches.over(empty, ink, cover)
        _draw(empty, painted, extras)
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
