"""What one frame of each scene is painted from: scenery, objects with their shadows, occluders.

Objects cover a few percent of a picture, so each is painted on a patch of its own and laid over the canvas by index.
All patches of one kind are painted together; nothing is computed for a kind, a background or an occluder that does not
occur.
"""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from slap_core.tunnel_world.backgrounds import paint_background
from slap_core.tunnel_world.motion import State
from slap_core.tunnel_world.names import BACKGROUNDS, KINDS, MAX_OBJECTS, OCCLUDERS
from slap_core.tunnel_world.objects import COLOUR_RGB, HALF_WIDTH, HEIGHT, paint_object
from slap_core.tunnel_world.occluders import EXTRA_HEIGHT, EXTRA_WIDTH, paint_occluder
from slap_core.tunnel_world.patches import ORDERS, Painted, Patches
from slap_core.tunnel_world.scenes import Scenes

__all__ = ["draw", "paint_objects", "paint_occluders", "paint_scenery", "shade_ground"]

_SIZE_FACTOR_MAX = 1.2
_OCCLUDER_FOOT = 0.030
"""How far below the actors' line the occluder's foot is: it stands nearer."""


def _groups(key: Tensor, number: int) -> Iterator[tuple[int, Tensor]]:
    """For each value that occurs in key, the value and where it occurs."""
    order = key.argsort(stable=True)
    start = 0
    for value, count in enumerate(torch.bincount(key, minlength=number).tolist()):
        if count:
            yield value, order[start : start + count]
        start += count


def paint_scenery(scenes: Scenes, now: State, size: tuple[int, int], left: float) -> Tensor:
    """The canvas (frame, 3, height, width) with the background; `left` is the x of its left edge."""
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


def paint_objects(scenes: Scenes, now: State, canvas: Tensor, left: float) -> list[Painted]:
    """The objects that reach into the picture, kind by kind, not yet on the canvas."""
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


def draw(canvas: Tensor, painted: list[Painted], orders: range, shadows: bool = True) -> None:
    """Draws the objects of the given orders, far to near."""
    for order in orders:
        chosen = [(p, p.slices[order]) for p in painted if p.slices[order].stop > p.slices[order].start]
        if shadows:
            for p, part in chosen:
                p.shadow.darken(canvas, p.darkness, part)
        for p, part in chosen:
            p.patches.over(canvas, p.ink, p.cover, part)


def paint_occluders(scenes: Scenes, now: State, canvas: Tensor, left: float) -> list[tuple[Patches, Tensor, Tensor]]:
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


def shade_ground(scenes: Scenes, now: State, canvas: Tensor, left: float) -> None:
    """Darkens the canvas around the occluder's foot."""
    h, w = canvas.shape[-2:]
    rows = slice(int(0.70 * h), min(int(0.90 * h) + 1, h))
    x = (torch.arange(w, device=canvas.device) + 0.5)[None, None] / h + left
    y = (torch.arange(rows.start, rows.stop, device=canvas.device) + 0.5)[None, :, None] / h
    across = (x - now.occluder_x[:, :1, None]).abs() - scenes.occluder_half[:, None, None]
    down = y - scenes.ground[:, None, None] - _OCCLUDER_FOOT
    shade = (1 - across.clamp_min(0) / 0.05).clamp_min(0) * (1 - down.clamp_min(0) / 0.035).clamp_min(0)
    shade = shade * (down > -0.05)
    canvas[:, :, rows].mul_((1 - 0.42 * shade)[:, None])
