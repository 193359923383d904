"""How each occluder is drawn.

Local coordinates: x from the occluder's centre, positive to the right (a truck: to its front), y up from its foot, the
unit is the picture's height. `half` (patch, 1, 1) is half the width of the part that hides, `top` (patch, 1, 1) its
height: inside |x| < half, 0 < y < top every occluder is opaque.
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from slap_core.tunnel_world.names import OCCLUDERS
from slap_core.tunnel_world.shapes import Rgb, Stamp, box, circle, ellipse, ramp, repeat

__all__ = ["EXTRA_HEIGHT", "EXTRA_WIDTH", "paint_occluder"]

EXTRA_WIDTH: Final = (0.05, 0.03, 0.06, 1.2, 0.03, 0.05, 0.19, 0.07)
"""How far each occluder's picture reaches beyond `half`, on either side."""
EXTRA_HEIGHT: Final = (0.09, 0.03, 0.16, 0.06, 0.06, 0.17, 0.03, 0.11)
"""How far each occluder's picture reaches above `top`."""


def _bricks(s: Stamp, within: Tensor, height: float, length: float, rgb: Rgb, opacity: float) -> None:
    """Joints between bricks; they fade out where a brick is only a few pixels."""
    row = torch.floor(s.y / height)
    across = repeat(s.x + row.remainder(2) * (length / 2), length).abs() - 0.0022
    joint = torch.minimum(repeat(s.y, height).abs() - 0.0022, across)
    fade = ((height * s.inverse - 2.0) / 4.0).clamp(0.25, 1)
    s.mark(torch.maximum(joint, within), rgb, fade * opacity)


def _tunnel(s: Stamp, half: Tensor, top: Tensor) -> None:
    s.paint(ellipse(s.x, s.y, 0.0, 0.0, half + 0.04, top * 1.42), (0.40, 0.58, 0.30))
    body = box(s.x, s.y, 0.0, 0.0, half, top * 1.0)
    s.paint(body, (0.63, 0.60, 0.57))
    s.shade(0.20 * ramp(s.y, 0.0, 0.4) - 0.10)
    _bricks(s, body, 0.042, 0.095, (0.46, 0.44, 0.43), 0.75)
    s.paint(box(s.x, s.y, 0.0, top, half + 0.018, 0.016), (0.76, 0.73, 0.69))
    grass = (s.y - top) - 0.040 - 0.012 * torch.sin(60 * s.x) - 0.008 * torch.sin(143 * s.x)
    s.paint(torch.maximum(grass, torch.maximum(top - s.y + 0.008, s.x.abs() - half - 0.01)), (0.42, 0.62, 0.32))
    for side in (-1.0, 1.0):
        s.paint(box(s.x, s.y, side * (half - 0.002), top * 0.5, 0.024, top * 0.5 + 0.008), (0.72, 0.69, 0.65))
        s.mark(box(s.x, s.y, side * (half + 0.016), top * 0.5, 0.005, top * 0.5), (0.40, 0.38, 0.37), 0.6)
    # A blind arch with its ring of stones says "tunnel" from the side.
    radius = torch.minimum(half * 0.62, top * 0.50)
    arch = torch.minimum(circle(s.x, s.y, 0.0, top * 0.42, radius), box(s.x, s.y, 0.0, top * 0.21, radius, top * 0.21))
    s.mark(arch - 0.022, (0.78, 0.75, 0.70))
    s.mark(arch, (0.17, 0.16, 0.19))
    s.mark(arch + 0.02 + 0.25 * ramp(s.y, 0.0, 0.3) * radius, (0.09, 0.08, 0.11))


def _wall(s: Stamp, half: Tensor, top: Tensor) -> None:
    body = box(s.x, s.y, 0.0, top * 0.5, half, top * 0.5)
    s.paint(body, (0.73, 0.42, 0.34))
    row = torch.floor(s.y / 0.036)
    tint = torch.sin(torch.floor((s.x + row.remainder(2) * 0.045) / 0.09) * 12.9 + row * 7.7)
    s.shade(0.05 * tint + 0.10 * ramp(s.y, 0.0, 0.4) - 0.06)
    _bricks(s, body, 0.036, 0.09, (0.88, 0.80, 0.73), 0.85)
    s.paint(box(s.x, s.y, 0.0, top + 0.008, half + 0.018, 0.014, 0.005), (0.84, 0.81, 0.76))
    s.mark(box(s.x, s.y, 0.0, top - 0.010, half, 0.005), (0.30, 0.16, 0.14), 0.5)
    s.mark(box(s.x, s.y, 0.0, 0.012, half, 0.014), (0.40, 0.25, 0.22), 0.55)


def _tree(s: Stamp, half: Tensor, top: Tensor) -> None:
    bush = box(s.x, s.y, 0.0, top * 0.5, half + 0.012, top * 0.5, 0.03)
    wave = 0.014 * torch.sin(58 * s.x + 40 * s.y) + 0.010 * torch.sin(91 * s.y - 33 * s.x)
    crown = ellipse(s.x, s.y, 0.0, 0.0, half + 0.02, top + 0.0)
    d = torch.minimum(bush, circle(s.x, s.y, 0.0, top, half * 0.66))
    d = torch.minimum(d, circle(s.x.abs(), s.y, half * 0.55, top * 0.92, half * 0.46))
    s.paint(torch.minimum(torch.minimum(d, d - 0.012 - wave), crown), (0.25, 0.47, 0.25))
    s.mark(circle(s.x, s.y, -half * 0.22, top * 1.02, half * 0.44) - wave, (0.38, 0.62, 0.31))
    s.mark(circle(s.x, s.y, half * 0.45, top * 0.80, half * 0.34) - wave, (0.33, 0.57, 0.28))
    s.mark(circle(s.x, s.y, -half * 0.55, top * 0.62, half * 0.34) - wave, (0.31, 0.54, 0.27))
    leaves = torch.sin(117 * s.x + 31 * s.y) * torch.sin(103 * s.y - 27 * s.x)
    s.shade(0.13 * leaves + 0.26 * ramp(s.y, 0.0, 0.5) - 0.14)
    s.mark(box(s.x, s.y, 0.0, 0.055, 0.030, 0.060, 0.012), (0.38, 0.26, 0.17))


def _bridge(s: Stamp, half: Tensor, top: Tensor) -> None:
    pier = box(s.x, s.y, 0.0, top * 0.5, half, top * 0.5)
    s.paint(pier, (0.70, 0.66, 0.60))
    deck = torch.maximum((s.y - top + 0.012).abs() - 0.030, s.x.abs() - 9.0)
    bracket = torch.maximum(top - 0.035 - s.y, -circle(s.x.abs(), s.y, half + 0.09, top - 0.115, 0.09))
    bracket = torch.maximum(torch.maximum(bracket, s.y - top), s.x.abs() - half - 0.09)
    s.paint(torch.minimum(deck, bracket), (0.74, 0.70, 0.64))
    s.shade(0.16 * ramp(s.y, 0.0, 0.4) - 0.08)
    _bricks(s, torch.minimum(pier, bracket), 0.046, 0.11, (0.52, 0.48, 0.44), 0.7)
    s.mark(torch.maximum((s.y - top + 0.040).abs() - 0.004, s.x.abs() - 9.0), (0.45, 0.42, 0.39), 0.7)
    rail = torch.minimum(
        (s.y - top - 0.050).abs() - 0.006,
        torch.maximum(repeat(s.x, 0.05).abs() - 0.004, (s.y - top - 0.03).abs() - 0.022),
    )
    s.paint(rail.expand_as(s.cover), (0.33, 0.38, 0.42))
    for side in (-1.0, 1.0):
        s.mark(box(s.x, s.y, side * (half - 0.014), top * 0.44, 0.014, top * 0.44), (0.80, 0.76, 0.70))


def _billboard(s: Stamp, half: Tensor, top: Tensor) -> None:
    s.paint(box(s.x, s.y, 0.0, top * 0.5, half, top * 0.5, 0.008), (0.30, 0.33, 0.38))
    poster = box(s.x, s.y, 0.0, top * 0.56, half - 0.016, top * 0.44 - 0.016)
    s.mark(poster, (0.96, 0.88, 0.72))
    s.mark(torch.maximum(poster, circle(s.x, s.y, -half * 0.30, top * 0.62, top * 0.20)), (0.93, 0.50, 0.36))
    s.mark(torch.maximum(poster, s.y - top * 0.36 - 0.05 * torch.sin(9 * s.x / half * 0.5)), (0.30, 0.56, 0.60))
    s.mark(torch.maximum(poster, s.y - top * 0.27 - 0.04 * torch.sin(11 * s.x / half * 0.5 + 2.0)), (0.17, 0.38, 0.47))
    for level in (0.72, 0.62):
        s.mark(box(s.x, s.y, half * 0.42, top * level, half * 0.36, top * 0.022), (0.30, 0.33, 0.38))
    s.mark(box(s.x, s.y, 0.0, top * 0.055, half, top * 0.055), (0.24, 0.26, 0.30))
    s.mark(repeat(s.x, 0.05).abs() - 0.004 + (s.y - top * 0.1).clamp_min(0) * 50, (0.15, 0.17, 0.20), 0.7)
    for place in (-0.6, 0.0, 0.6):
        s.paint(box(s.x, s.y, half * place, top + 0.018, 0.004, 0.022), (0.30, 0.33, 0.38))
        s.paint(box(s.x, s.y, half * place, top + 0.040, 0.022, 0.008, 0.004), (0.98, 0.93, 0.70))


def _house(s: Stamp, half: Tensor, top: Tensor) -> None:
    s.paint(box(s.x, s.y, half * 0.55, top + 0.09, 0.026, 0.065), (0.62, 0.40, 0.34))
    slope = (s.y - top) - 0.13 * (1 - s.x.abs() / (half + 0.035)) / 0.75
    roof = torch.maximum(torch.maximum(slope, s.y - top - 0.105), top - 0.012 - s.y)
    s.paint(box(s.x, s.y, 0.0, top * 0.5, half, top * 0.5), (0.95, 0.91, 0.82))
    s.shade(0.10 * ramp(s.y, 0.0, 0.4) - 0.06)
    s.mark((s.y - 0.025).expand_as(s.cover), (0.66, 0.62, 0.58))
    s.paint(roof, (0.52, 0.31, 0.29))
    s.mark(torch.maximum(roof, repeat(s.y, 0.026).abs() - 0.003), (0.40, 0.23, 0.22), 0.7)
    s.mark(box(s.x, s.y, 0.0, top - 0.018, half, 0.006), (0.55, 0.50, 0.44), 0.6)
    s.mark(box(s.x, s.y, half * 0.05, 0.072, 0.038, 0.075), (0.42, 0.30, 0.24))
    s.mark(circle(s.x, s.y, half * 0.05 + 0.022, 0.075, 0.006), (0.92, 0.82, 0.45))
    for place in (-0.58, 0.62):
        s.mark(box(s.x, s.y, half * place, top * 0.58, 0.052, 0.058), (1.0, 1.0, 0.98))
        s.mark(box(s.x, s.y, half * place, top * 0.58, 0.044, 0.050), (0.42, 0.56, 0.66))
        s.mark(
            torch.minimum((s.x - half * place).abs(), (s.y - top * 0.58).abs())
            - 0.004
            + (torch.maximum((s.x - half * place).abs() - 0.044, (s.y - top * 0.58).abs() - 0.05)).clamp_min(0) * 99,
            (1.0, 1.0, 0.98),
        )
        s.mark(box(s.x, s.y, half * place, top * 0.58 - 0.066, 0.056, 0.010), (0.76, 0.42, 0.36))


def _truck(s: Stamp, half: Tensor, top: Tensor) -> None:
    cab = box(s.x, s.y, half + 0.085, 0.115, 0.082, 0.115, 0.03)
    s.paint(cab, (0.30, 0.52, 0.55))
    s.paint(box(s.x, s.y, half + 0.01, 0.05, 0.06, 0.018), (0.2, 0.2, 0.22))
    s.paint(box(s.x, s.y, 0.0, top * 0.5, half, top * 0.5, 0.0), (0.90, 0.89, 0.85))
    s.shade(0.14 * ramp(s.y, 0.0, 0.4) - 0.08)
    load = box(s.x, s.y, 0.0, top * 0.5, half, top * 0.5)
    s.mark(torch.maximum(load, repeat(s.x, 0.055).abs() - 0.003), (0.72, 0.72, 0.70), 0.7)
    s.mark(box(s.x, s.y, 0.0, top * 0.60, half, top * 0.085), (0.30, 0.52, 0.55))
    s.mark(box(s.x, s.y, 0.0, top - 0.008, half, 0.008), (0.66, 0.66, 0.66))
    s.mark(box(s.x, s.y, 0.0, 0.035, half, 0.038), (0.28, 0.30, 0.33))
    s.mark(box(s.x, s.y, half + 0.115, 0.155, 0.045, 0.045, 0.012), (0.68, 0.85, 0.92))
    s.mark(box(s.x, s.y, half + 0.158, 0.055, 0.010, 0.014), (1.0, 0.93, 0.6))
    for cx in (-half * 0.72, -half * 0.72 + 0.075, half + 0.075):
        s.paint(circle(s.x, s.y, cx, 0.034, 0.036), (0.10, 0.10, 0.11))
        s.mark(circle(s.x, s.y, cx, 0.034, 0.018), (0.70, 0.72, 0.75))


def _rock(s: Stamp, half: Tensor, top: Tensor) -> None:
    jag = 0.010 * torch.sin(23 * s.x + 17 * s.y) + 0.006 * torch.sin(61 * s.x + 40 * s.y)
    wide, tall = half * 1.12 + 0.015, top * 1.20
    round_ = (((s.x / wide).square().square() + (s.y / tall).square().square()).sqrt().sqrt() - 1) * top
    full = box(s.x, s.y, 0.0, top * 0.5, half, top * 0.5, 0.0)
    d = torch.minimum(round_ - jag, full)
    s.paint(d, (0.52, 0.49, 0.47))
    u, v = s.x / half + 0.3 * torch.sin(9 * s.y), s.y / top
    facet = torch.where(v + 0.55 * u > 0.80, 0.0, torch.where(v - 0.8 * u > 0.75, 0.14, -0.10))
    facet = torch.where(v + 0.15 * u > 1.0 - 0.05 * torch.sin(30 * s.x), 0.22, facet)
    grit = 0.05 * torch.sin(131 * s.x + 77 * s.y) * torch.sin(97 * s.y - 59 * s.x)
    s.shade(facet + grit + 0.24 * ramp(s.y, 0.0, 0.4) - 0.12)
    for slope, offset in ((0.25, -0.04), (-0.35, 0.09)):
        crack = (s.x + slope * s.y + offset + 0.010 * torch.sin(60 * s.y)).abs() - 0.003
        s.mark(torch.maximum(crack, d + 0.03), (0.26, 0.24, 0.25), 0.6)
    s.mark(torch.maximum(d, s.y - 0.022 - 0.012 * torch.sin(80 * s.x)), (0.42, 0.54, 0.32))


_DRAW: Final[dict[str, Callable[[Stamp, Tensor, Tensor], None]]] = {
    "tunnel": _tunnel,
    "wall": _wall,
    "tree": _tree,
    "bridge": _bridge,
    "billboard": _billboard,
    "house": _house,
    "truck": _truck,
    "rock": _rock,
}


def paint_occluder(occluder: int, x: Tensor, y: Tensor, pixel: Tensor, half: Tensor, top: Tensor) -> Stamp:
    """The stamp of occluders of one kind.

    Args:
        occluder: Index into `OCCLUDERS`.
        x: (patch, 1, width) local coordinates.
        y: (patch, height, 1) local coordinates.
        pixel: (patch, 1, 1) side of a pixel, in picture heights.
        half: (patch, 1, 1) half the width of the part that hides.
        top: (patch, 1, 1) height of the part that hides.
    """
    stamp = Stamp(x, y, pixel, x.new_full((len(x), 3), 0.5))
    _DRAW[OCCLUDERS[occluder]](stamp, half, top)
    return stamp
