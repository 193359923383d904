"""How each kind of object is drawn.

Local coordinates: x to the front of the object, y up from the ground, the unit is the object's height. Each function
paints one kind on a `Stamp` whose ink starts as the object's colour; `phase` (patch, 1, 1) is the distance travelled
in object heights (wheels, legs and wings move with it).
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from slap_core.tunnel_world.names import KINDS
from slap_core.tunnel_world.shapes import Stamp, box, circle, convex, ellipse, ramp, repeat, segment

__all__ = ["COLOUR_RGB", "DRAW", "HALF_WIDTH", "HEIGHT", "paint_object"]

COLOUR_RGB: Final = (
    (0.85, 0.10, 0.13),
    (0.98, 0.47, 0.04),
    (0.99, 0.84, 0.10),
    (0.12, 0.60, 0.24),
    (0.10, 0.34, 0.86),
    (0.55, 0.20, 0.72),
    (0.96, 0.96, 0.96),
    (0.09, 0.09, 0.11),
)
HEIGHT: Final = (0.150, 0.200, 0.200, 0.165, 0.165, 0.210, 0.150, 0.235, 0.270)
"""Typical height of each kind, as a fraction of the picture's height."""
HALF_WIDTH: Final = (1.02, 1.00, 1.08, 0.52, 0.60, 0.42, 0.80, 0.62, 0.30)
"""Half the width of each kind, in object heights."""

_TYRE = (0.10, 0.10, 0.11)
_METAL = (0.74, 0.76, 0.79)
_GLASS = (0.62, 0.80, 0.90)
_SKIN = (0.93, 0.74, 0.60)
_DARK = (0.17, 0.18, 0.22)
_PALE = (0.96, 0.95, 0.90)
_LAMP = (1.0, 0.93, 0.62)


def _wheel(s: Stamp, cx: float, radius: float, phase: Tensor) -> None:
    s.paint(circle(s.x, s.y, cx, radius, radius), _TYRE)
    s.mark(circle(s.x, s.y, cx, radius, radius * 0.56), _METAL)
    turn = phase / radius
    dx, dy = torch.sin(turn) * radius * 0.46, torch.cos(turn) * radius * 0.46
    spoke = segment(s.x, s.y, cx - dx, radius - dy, cx + dx, radius + dy, radius * 0.09)
    s.mark(spoke, (0.45, 0.47, 0.50))


def _car(s: Stamp, phase: Tensor) -> None:
    body = box(s.x, s.y, 0.0, 0.385, 1.0, 0.225, 0.14)
    cabin = convex(s.x, s.y, (-0.70, 0.50), (-0.46, 0.97), (0.22, 0.97), (0.60, 0.50)) - 0.02
    s.paint(torch.minimum(body, cabin), s.base)
    s.shade(0.34 * ramp(s.y, 0.30, 1.0) - 0.14)
    glass = convex(s.x, s.y, (-0.56, 0.57), (-0.38, 0.88), (0.17, 0.88), (0.44, 0.57))
    s.mark(glass, _GLASS)
    s.mark(torch.maximum(glass, (s.x + 0.08 + 0.5 * (s.y - 0.6)).abs() - 0.06), (0.86, 0.94, 0.98))
    s.mark(box(s.x, s.y, -0.08, 0.72, 0.035, 0.16), _DARK)
    s.mark(box(s.x, s.y, -0.08, 0.34, 0.012, 0.15), _DARK, 0.45)
    s.mark(box(s.x, s.y, 0.0, 0.21, 0.97, 0.035), _DARK, 0.75)
    s.mark(box(s.x, s.y, 0.92, 0.44, 0.07, 0.055, 0.04), _LAMP)
    s.mark(box(s.x, s.y, -0.95, 0.46, 0.05, 0.05), (0.75, 0.08, 0.08))
    _wheel(s, -0.58, 0.205, phase)
    _wheel(s, 0.58, 0.205, phase)


def _bus(s: Stamp, phase: Tensor) -> None:
    s.paint(box(s.x, s.y, 0.0, 0.545, 0.98, 0.435, 0.10), s.base)
    s.shade(0.26 * ramp(s.y, 0.15, 1.0) - 0.10)
    band = box(s.x, s.y, 0.02, 0.685, 0.90, 0.135, 0.03)
    s.mark(band, _DARK)
    panes = torch.maximum(repeat(s.x, 0.30, 0.02).abs() - 0.125, (s.y - 0.685).abs() - 0.115)
    s.mark(torch.maximum(panes, (s.x - 0.02).abs() - 0.88), _GLASS)
    s.mark(box(s.x, s.y, 0.0, 0.40, 0.98, 0.035), _PALE)
    s.mark(box(s.x, s.y, 0.62, 0.43, 0.10, 0.27, 0.02), _DARK)
    s.mark(box(s.x, s.y, 0.62, 0.45, 0.075, 0.23), _GLASS)
    s.mark(box(s.x, s.y, 0.0, 0.145, 0.96, 0.035), _DARK, 0.8)
    s.mark(box(s.x, s.y, 0.93, 0.26, 0.04, 0.05), _LAMP)
    _wheel(s, -0.60, 0.155, phase)
    _wheel(s, 0.34, 0.155, phase)


def _train(s: Stamp, phase: Tensor) -> None:
    s.paint(box(s.x, s.y, 0.62, 0.86, 0.10, 0.14), _DARK)
    s.paint(box(s.x, s.y, 0.62, 0.97, 0.15, 0.03), _DARK)
    s.paint(box(s.x, s.y, 0.10, 0.74, 0.09, 0.13, 0.07), (0.86, 0.68, 0.28))
    colour = s.base
    s.paint(box(s.x, s.y, 0.24, 0.53, 0.68, 0.21, 0.16), colour)
    s.paint(box(s.x, s.y, -0.62, 0.55, 0.40, 0.33), colour)
    s.paint(box(s.x, s.y, -0.62, 0.92, 0.47, 0.05, 0.03), _DARK)
    s.paint(box(s.x, s.y, 0.0, 0.27, 1.0, 0.055), _DARK)
    s.shade(0.42 * ramp(s.y, 0.30, 0.80) - 0.16)
    for cx in (-0.10, 0.22, 0.54):
        s.mark(box(s.x, s.y, cx, 0.53, 0.02, 0.21), (0.86, 0.68, 0.28))
    s.mark(box(s.x, s.y, -0.62, 0.70, 0.23, 0.12, 0.02), _GLASS)
    s.mark(box(s.x, s.y, -0.62, 0.42, 0.32, 0.025), (0.86, 0.68, 0.28))
    s.paint(convex(s.x, s.y, (0.80, 0.08), (0.80, 0.30), (0.98, 0.30), (1.07, 0.08)), (0.45, 0.47, 0.50))
    s.paint(circle(s.x, s.y, 0.93, 0.60, 0.07), _LAMP)
    for cx, radius in ((-0.78, 0.20), (-0.34, 0.20), (0.12, 0.15), (0.48, 0.15)):
        _wheel(s, cx, radius, phase)


def _ball(s: Stamp, phase: Tensor) -> None:
    d = circle(s.x, s.y, 0.0, 0.5, 0.5)
    s.paint(d, s.base)
    turn = phase * 2
    u = s.x * torch.cos(turn) - (s.y - 0.5) * torch.sin(turn)
    v = s.x * torch.sin(turn) + (s.y - 0.5) * torch.cos(turn)
    pale = torch.where(s.base.mean(1, keepdim=True) > 0.8, 0.62, 0.95).expand(-1, 3)  # grey seams on a white ball
    s.mark(torch.maximum((u + 0.55 * v * v).abs() - 0.065, d), pale)
    s.mark(torch.maximum((u.square() + v.square()).sqrt() - 0.12, d), pale)
    r = ((s.x + 0.14).square() + (s.y - 0.66).square()).sqrt()
    s.shade(0.34 - 0.62 * r)
    s.mark(ellipse(s.x, s.y, -0.17, 0.74, 0.12, 0.08), (1.0, 1.0, 1.0), 0.75)


def _box(s: Stamp, _: Tensor) -> None:
    colour = s.base
    s.paint(convex(s.x, s.y, (-0.50, 0.76), (-0.32, 0.98), (0.58, 0.98), (0.40, 0.76)), colour * 0.62 + 0.38)
    s.paint(convex(s.x, s.y, (0.40, 0.0), (0.40, 0.76), (0.58, 0.98), (0.58, 0.20)), colour * 0.62)
    front = box(s.x, s.y, -0.05, 0.38, 0.45, 0.38)
    s.paint(front, colour)
    s.mark(torch.maximum(front, -(box(s.x, s.y, -0.05, 0.38, 0.36, 0.29))), colour * 0.75)
    s.mark(torch.maximum(box(s.x, s.y, -0.05, 0.38, 0.36, 0.29), (s.x + 0.05 - s.y + 0.38).abs() - 0.06), colour * 0.75)
    s.mark(box(s.x, s.y, -0.05, 0.38, 0.09, 0.38), (0.86, 0.76, 0.56))
    s.mark(convex(s.x, s.y, (-0.14, 0.76), (0.04, 0.98), (0.22, 0.98), (0.04, 0.76)), (0.93, 0.85, 0.66))


def _cone(s: Stamp, _: Tensor) -> None:
    cone = convex(s.x, s.y, (-0.28, 0.08), (-0.06, 0.98), (0.06, 0.98), (0.28, 0.08)) - 0.015
    s.paint(cone, s.base)
    stripes = torch.minimum((s.y - 0.36).abs() - 0.07, (s.y - 0.68).abs() - 0.05)
    light = torch.where(s.base.mean(1)[:, None, None] > 0.8, 0.45, 0.96)  # grey stripes on a white cone
    s.ink.lerp_(light[:, None].expand_as(s.ink), s.coverage(torch.maximum(stripes, cone))[:, None].expand_as(s.ink))
    s.paint(box(s.x, s.y, 0.0, 0.05, 0.40, 0.05, 0.03), s.base * 0.7)
    s.shade(0.20 - 0.75 * (s.x + 0.10).abs())


def _bird(s: Stamp, phase: Tensor) -> None:
    colour = s.base
    flap = torch.sin(phase * 5)
    s.paint(convex(s.x, s.y, (-0.78, 0.40), (-0.74, 0.60), (-0.35, 0.50), (-0.35, 0.34)), colour * 0.7)
    s.paint(convex(s.x, s.y, (0.62, 0.50), (0.60, 0.62), (0.80, 0.53), (0.79, 0.51)), (0.98, 0.66, 0.12))
    s.paint(torch.minimum(ellipse(s.x, s.y, -0.02, 0.42, 0.48, 0.25), circle(s.x, s.y, 0.44, 0.57, 0.19)), colour)
    s.shade(0.40 * ramp(s.y, 0.15, 0.75) - 0.16)
    s.mark(ellipse(s.x, s.y, 0.10, 0.27, 0.30, 0.10), _PALE, 0.8)
    s.mark(circle(s.x, s.y, 0.50, 0.61, 0.065), (1.0, 1.0, 1.0))
    s.mark(circle(s.x, s.y, 0.52, 0.61, 0.036), (0.05, 0.05, 0.05))
    wing = segment(s.x, s.y, 0.02, 0.46, -0.22 + 0.0 * flap, 0.46 + 0.36 * flap, 0.13)
    s.paint(wing, colour * 0.66 + 0.12)


def _boat(s: Stamp, phase: Tensor) -> None:
    colour = s.base
    s.paint(box(s.x, s.y, 0.02, 0.62, 0.018, 0.37), (0.45, 0.31, 0.20))
    s.paint(convex(s.x, s.y, (-0.50, 0.40), (-0.02, 0.98), (-0.02, 0.40)), _PALE)
    s.mark(box(s.x, s.y, -0.25, 0.56, 0.30, 0.035), colour)
    s.paint(convex(s.x, s.y, (0.06, 0.40), (0.06, 0.90), (0.44, 0.40)), colour)
    s.paint(box(s.x, s.y, 0.0, 0.065, 0.46, 0.022), _DARK)  # a trailer: boats travel by road here
    s.paint(convex(s.x, s.y, (-0.40, 0.09), (-0.58, 0.35), (0.60, 0.35), (0.40, 0.09)), colour)
    s.shade(0.30 * ramp(s.y, 0.05, 0.9) - 0.10)
    s.mark(box(s.x, s.y, 0.0, 0.325, 0.60, 0.028), _PALE)
    for cx in (-0.26, 0.0, 0.26):
        s.mark(circle(s.x, s.y, cx, 0.225, 0.035), _GLASS)
    _wheel(s, -0.24, 0.075, phase)
    _wheel(s, 0.24, 0.075, phase)


def _person(s: Stamp, phase: Tensor) -> None:
    colour = s.base
    swing = torch.sin(phase * 4) * 0.15
    s.paint(segment(s.x, s.y, 0.0, 0.42, -swing, 0.05, 0.052), (0.16, 0.18, 0.27))
    s.paint(segment(s.x, s.y, 0.0, 0.42, swing, 0.05, 0.052), (0.22, 0.25, 0.36))
    s.paint(segment(s.x, s.y, 0.0, 0.68, -swing * 1.1 - 0.04, 0.44, 0.042), colour * 0.72)
    s.paint(convex(s.x, s.y, (-0.17, 0.34), (-0.10, 0.73), (0.10, 0.73), (0.17, 0.34)) - 0.025, colour)
    s.shade(0.25 * ramp(s.y, 0.3, 0.8) - 0.10)
    s.paint(circle(s.x, s.y, 0.01, 0.855, 0.098), _SKIN)
    s.paint(torch.maximum(circle(s.x, s.y, 0.0, 0.875, 0.112), 0.885 - s.y), colour * 0.92)
    s.paint(box(s.x, s.y, 0.06, 0.885, 0.125, 0.016), colour * 0.8)
    s.mark(circle(s.x, s.y, 0.065, 0.84, 0.016), (0.1, 0.1, 0.1))
    s.paint(segment(s.x, s.y, 0.0, 0.68, swing * 1.1 + 0.05, 0.45, 0.042), colour * 0.85)


DRAW: Final[dict[str, Callable[[Stamp, Tensor], None]]] = {
    "car": _car,
    "bus": _bus,
    "train": _train,
    "ball": _ball,
    "box": _box,
    "cone": _cone,
    "bird": _bird,
    "boat": _boat,
    "person": _person,
}


def paint_object(kind: int, x: Tensor, y: Tensor, pixel: Tensor, rgb: Tensor, phase: Tensor) -> Stamp:
    """The stamp of objects of one kind.

    Args:
        kind: Index into `KINDS`.
        x: (patch, 1, width) local coordinates.
        y: (patch, height, 1) local coordinates.
        pixel: (patch, 1, 1) side of a pixel, in object heights.
        rgb: (patch, 3) colours, 0 to 1.
        phase: (patch, 1, 1) distance travelled, in object heights.
    """
    stamp = Stamp(x, y, pixel, rgb)
    DRAW[KINDS[kind]](stamp, phase)
    return stamp
