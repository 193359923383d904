"""The backgrounds: sky, far things, ground and the road on which everything happens.

Each function paints on a `Canvas`. What varies between scenes of one background comes from its `u`, eight numbers for
each frame, uniform on [0, 1).
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from slap_core.tunnel_world.canvas import TABLE, Canvas, lookup
from slap_core.tunnel_world.names import BACKGROUNDS
from slap_core.tunnel_world.shapes import repeat

__all__ = ["paint_background"]


def _street(c: Canvas) -> None:
    c.gradient((0.0, (0.42, 0.66, 0.90)), (0.5, (0.84, 0.92, 0.96)), (0.6, (0.80, 0.80, 0.76)))
    c.clouds((1.0, 1.0, 1.0), 0.85, c.u[0])
    c.skyline(0.60, 0.16, 0.36, 0.115, 0.25, 11, (0.66, 0.72, 0.79), (0.86, 0.92, 0.96), 0.7)
    c.skyline(0.62, 0.08, 0.24, 0.170, 0.45, 23, (0.77, 0.64, 0.54), (0.93, 0.90, 0.80), 0.8)
    c.trees(0.645, 0.050, 0.21, 0.7, (0.36, 0.55, 0.32))
    c.lay(c.under(0.64, c.rows(0.6, 1.0)).expand(-1, -1, c.width), (0.78, 0.76, 0.71), c.rows(0.6, 1.0))
    c.road((0.42, 0.43, 0.46), (0.88, 0.87, 0.82), 0.85, 0.10)


def _field(c: Canvas) -> None:
    c.gradient((0.0, (0.36, 0.64, 0.93)), (0.5, (0.88, 0.95, 0.96)))
    c.disc(0.15 + 0.7 * c.u[1], 0.10 + 0.08 * c.u[2], 0.045, (1.0, 0.96, 0.78), 0.5)
    c.clouds((1.0, 1.0, 1.0), 0.95, c.u[0])
    c.lay(c.under(c.hills(0.50, 0.035, 5.0, 0.2, c.u[3]), c.rows(0.4, 1.0)), (0.60, 0.76, 0.72), c.rows(0.4, 1.0))
    c.lay(c.under(c.hills(0.56, 0.022, 7.0, 0.4, c.u[4]), c.rows(0.48, 1.0)), (0.52, 0.72, 0.42), c.rows(0.48, 1.0))
    c.trees(0.60, 0.030, 0.13, 0.5, (0.27, 0.50, 0.29))
    c.lay(c.under(c.hills(0.61, 0.008, 4.0, 0.8, c.u[5]), c.rows(0.55, 1.0)), (0.56, 0.75, 0.36), c.rows(0.55, 1.0))
    c.grain(c.rows(0.63, 1.0), 0.16, 1.0, 1.0)
    c.road((0.78, 0.67, 0.50), (0.62, 0.66, 0.36), 0.0, 0.10)


def _sea(c: Canvas) -> None:
    c.gradient(
        (0.0, (0.30, 0.62, 0.90)), (0.45, (0.90, 0.95, 0.94)), (0.455, (0.10, 0.44, 0.62)), (0.66, (0.28, 0.70, 0.74))
    )
    c.disc(0.15 + 0.7 * c.u[1], 0.12 + 0.10 * c.u[2], 0.05, (1.0, 0.97, 0.82), 0.6)
    c.clouds((1.0, 1.0, 1.0), 0.8, c.u[0])
    island = c.hills(0.455, 0.03, 4.0, 0.15, c.u[3])
    c.lay(c.under(island, c.rows(0.36, 0.45)), (0.48, 0.62, 0.64), c.rows(0.36, 0.45))
    rows = c.rows(0.46, 0.68)
    y = c.y[:, rows]
    depth = 1 / (y - 0.43)
    wave = torch.sin((c.x + 0.6 * c.shift) * (2.2 * depth) + 37 * c.u[4] + 90 * y) + torch.sin(
        260 * y + 9 * c.x + 6 * c.u[5]
    )
    c.lay((wave - 1.05).clamp(0, 0.6), (0.93, 0.98, 0.97), rows)
    rows = c.rows(0.62, 1.0)
    c.lay(c.under(c.hills(0.665, 0.006, 9.0, 0.9, c.u[5]), rows), (0.97, 0.98, 0.95), rows)
    c.lay(c.under(c.hills(0.68, 0.006, 9.0, 0.9, c.u[5]), rows), (0.94, 0.85, 0.64), rows)
    c.grain(rows, 0.06)
    c.road((0.72, 0.56, 0.40), (0.52, 0.38, 0.27), 0.0, 0.05)
    rows = c.rows(0.62, 1.0)
    y = c.y[:, rows]
    plank = (repeat(c.x + c.shift, 0.075).abs() - 0.0035) / c.pixel
    on = ((y > c.ground - 0.05) & (y < c.ground + 0.16)).float()
    c.lay((0.5 - plank).clamp(0, 1) * on * 0.55, (0.42, 0.31, 0.22), rows)


def _night(c: Canvas) -> None:
    c.gradient((0.0, (0.04, 0.06, 0.17)), (0.55, (0.20, 0.20, 0.40)), (0.62, (0.28, 0.24, 0.40)))
    rows = c.rows(0.0, 0.45)
    star_x = torch.floor((c.x + 0.05 * c.shift + c.u[0]) * 64).to(torch.int64)
    star_y = torch.floor(c.y[:, rows] * 64).to(torch.int64)
    value = lookup(str(c.rgb.device))[(star_x * 197 + star_y * 389).remainder(TABLE)]
    fx = repeat((c.x + 0.05 * c.shift + c.u[0]) * 64 - 0.5, 1.0)
    fy = repeat(c.y[:, rows] * 64 - 0.5, 1.0)
    spot = (1 - (fx.square() + fy.square()) * 12).clamp_min(0) if c.height >= 128 else 0.6
    c.lay((value > 0.975).float() * spot * (value - 0.9) * 9, (1.0, 0.98, 0.90), rows)
    c.disc(0.15 + 0.7 * c.u[1], 0.12 + 0.08 * c.u[2], 0.045, (0.98, 0.96, 0.86), 0.35)
    c.skyline(0.62, 0.18, 0.42, 0.105, 0.25, 11, (0.13, 0.14, 0.27), (0.98, 0.84, 0.50), 0.35)
    c.skyline(0.64, 0.08, 0.26, 0.160, 0.45, 29, (0.09, 0.09, 0.18), (1.0, 0.88, 0.55), 0.45)
    c.lay(c.under(0.64, c.rows(0.6, 1.0)).expand(-1, -1, c.width), (0.23, 0.22, 0.30), c.rows(0.6, 1.0))
    c.road((0.27, 0.27, 0.35), (0.52, 0.50, 0.56), 0.6, 0.10)
    rows = c.rows(0.58, 1.0)
    pool = (
        (repeat(c.x + c.shift, 0.5, 0.1).square() * 14 + (c.y[:, rows] - c.ground).square() * 60)
        .neg()
        .add(1)
        .clamp_min(0)
    )
    c.lay(pool * 0.42, (1.0, 0.86, 0.58), rows)


def _snow(c: Canvas) -> None:
    c.gradient((0.0, (0.52, 0.68, 0.86)), (0.5, (0.91, 0.94, 0.97)))
    c.clouds((0.98, 0.98, 1.0), 0.7, c.u[0])
    rows = c.rows(0.1, 1.0)
    ridge = c.peaks(0.36, 0.11, 1.5, 0.12, c.u[3])
    c.lay(c.under(ridge, rows), (0.56, 0.66, 0.78), rows)
    snow = c.under(ridge, rows) * (1 - c.under(ridge + 0.055 + 0.02 * torch.sin(70 * c.x), rows))
    c.lay(snow, (0.97, 0.98, 1.0), rows)
    c.lay(c.under(c.hills(0.56, 0.020, 6.0, 0.3, c.u[4]), c.rows(0.48, 1.0)), (0.82, 0.88, 0.95), c.rows(0.48, 1.0))
    value, inside = c.columns(0.085, 0.6, 3)
    rows = c.rows(0.42, 0.66)
    y = c.y[:, rows]
    tall = 0.08 + 0.09 * value
    top = 0.645 - tall
    fringe = repeat(y - top, 0.036).add(0.018) * 0.35
    fir = (inside - 0.5).abs() * 0.085 - ((y - top) * 0.30 + fringe - 0.006).clamp_min(0)
    tree = (0.5 - fir / c.pixel).clamp(0, 1) * ((y > top) & (y < 0.645) & (value > 0.3)).float()
    c.lay(tree, c.colour(0.22, 0.38, 0.38) * (0.85 + 0.3 * value)[:, None], rows)
    rows = c.rows(0.6, 1.0)
    c.lay(c.under(c.hills(0.635, 0.006, 5.0, 0.8, c.u[5]), rows), (0.95, 0.97, 1.0), rows)
    c.grain(rows, 0.035)
    c.road((0.74, 0.78, 0.85), (0.98, 0.99, 1.0), 0.0, 0.06)


def _sunset(c: Canvas) -> None:
    c.gradient(
        (0.0, (0.29, 0.24, 0.50)), (0.28, (0.86, 0.44, 0.48)), (0.52, (1.0, 0.78, 0.48)), (0.6, (0.90, 0.60, 0.46))
    )
    c.disc(0.15 + 0.7 * c.u[1], 0.40 + 0.08 * c.u[2], 0.075, (1.0, 0.90, 0.62), 0.6)
    c.clouds((0.98, 0.66, 0.56), 0.7, c.u[0])
    c.lay(c.under(c.hills(0.50, 0.03, 4.5, 0.15, c.u[3]), c.rows(0.38, 1.0)), (0.62, 0.38, 0.48), c.rows(0.38, 1.0))
    c.lay(c.under(c.hills(0.55, 0.025, 6.5, 0.3, c.u[4]), c.rows(0.45, 1.0)), (0.44, 0.28, 0.42), c.rows(0.45, 1.0))
    c.trees(0.645, 0.042, 0.24, 0.6, (0.27, 0.20, 0.32))
    rows = c.rows(0.6, 1.0)
    c.lay(c.under(c.hills(0.63, 0.008, 5.0, 0.8, c.u[5]), rows), (0.60, 0.46, 0.42), rows)
    c.grain(rows, 0.12, 1.0, 1.0)
    c.road((0.52, 0.43, 0.47), (0.86, 0.68, 0.54), 0.5, 0.08)


def _desert(c: Canvas) -> None:
    c.gradient((0.0, (0.30, 0.60, 0.86)), (0.5, (0.97, 0.90, 0.76)))
    c.disc(0.15 + 0.7 * c.u[1], 0.12 + 0.08 * c.u[2], 0.05, (1.0, 0.95, 0.75), 0.6)
    value, inside = c.columns(0.36, 0.15, 7)
    rows = c.rows(0.25, 0.6)
    side = (inside - 0.5).abs() * 2
    mesa = 0.56 - (0.07 + 0.15 * value) * ((0.80 - side) * 6).clamp(0, 1) * (value > 0.25)
    c.lay(c.under(mesa, rows), (0.80, 0.50, 0.38), rows)
    c.lay(c.under(mesa, rows) * (repeat(c.y[:, rows], 0.045).abs() < 0.008).float() * 0.35, (0.62, 0.34, 0.28), rows)
    c.lay(c.under(c.hills(0.55, 0.02, 5.0, 0.4, c.u[4]), c.rows(0.48, 1.0)), (0.93, 0.74, 0.48), c.rows(0.48, 1.0))
    c.lay(c.under(c.hills(0.61, 0.015, 3.5, 0.8, c.u[5]), c.rows(0.55, 1.0)), (0.97, 0.82, 0.57), c.rows(0.55, 1.0))
    c.grain(c.rows(0.58, 1.0), 0.08, 1.0, 1.0)
    c.road((0.80, 0.65, 0.47), (0.90, 0.78, 0.58), 0.0, 0.09)


_PAINT: Final[dict[str, Callable[[Canvas], None]]] = {
    "street": _street,
    "field": _field,
    "sea": _sea,
    "night": _night,
    "snow": _snow,
    "sunset": _sunset,
    "desert": _desert,
}


def paint_background(
    background: int, size: tuple[int, int], *, shift: Tensor, variation: Tensor, ground: Tensor, left: float
) -> Tensor:
    """Pictures of one background, (frame, 3, height, width), 0 to 1.

    Args:
        background: Index into `BACKGROUNDS`.
        size: Height and width in pixels.
        shift: (frame) camera position, in picture heights.
        variation: (frame, 8) uniform on [0, 1): what differs between scenes.
        ground: (frame) y of the line on which objects stand.
        left: x of the picture's left edge.
    """
    canvas = torch.empty(len(shift), 3, *size, device=shift.device)
    _PAINT[BACKGROUNDS[background]](Canvas(canvas, shift, variation, ground, left))
    return canvas
