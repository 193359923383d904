"""Signed distances of simple shapes, and a stamp on which they are painted one over the other.

A signed distance is negative inside, positive outside, 0 on the outline, in the units of the coordinates. Painting
covers a pixel of side p by clamp(1/2 - d/p, 0, 1): anti-aliased outlines at any resolution.

Coordinates x (patch, 1, width) and y (patch, height, 1) stay one-dimensional as long as possible: the distance to an
axis-aligned edge is computed per column or per row, not per pixel.
"""

import functools

import torch
from torch import Tensor

__all__ = ["Stamp", "as_colour", "below", "box", "circle", "convex", "ellipse", "line", "ramp", "repeat", "segment"]

Number = Tensor | float | int
Rgb = tuple[float, float, float]
Colour = Tensor | Rgb
"""(patch or 1, 3), or one colour for all patches; 0 to 1."""


def circle(x: Tensor, y: Tensor, cx: Number, cy: Number, radius: Number) -> Tensor:
    """The distance to a circle."""
    return ((x - cx).square() + (y - cy).square()).sqrt() - radius


def ellipse(x: Tensor, y: Tensor, cx: Number, cy: Number, rx: Number, ry: Number) -> Tensor:
    """The approximate distance to an ellipse: exact on the outline, right to first order at its narrow sides."""
    r = (((x - cx) / rx).square() + ((y - cy) / ry).square()).sqrt() - 1
    return r * (torch.minimum(torch.as_tensor(rx), torch.as_tensor(ry)) if isinstance(rx, Tensor) else min(rx, ry))


def box(x: Tensor, y: Tensor, cx: Number, cy: Number, hx: Number, hy: Number, r: Number = 0.0) -> Tensor:
    """The distance to a box of half sides hx, hy with corners rounded by r."""
    qx = (x - cx).abs() - (hx - r)
    qy = (y - cy).abs() - (hy - r)
    if r == 0.0:  # the outer corners need no rounding: the Chebyshev distance has the same outline
        return torch.maximum(qx, qy)
    outside = (qx.clamp_min(0).square() + qy.clamp_min(0).square()).sqrt()
    return outside + torch.maximum(qx, qy).clamp_max(0) - r


def line(x: Tensor, y: Tensor, ax: Number, ay: Number, bx: Number, by: Number) -> Tensor:
    """The signed distance to the line from a to b, negative on its right (clockwise outlines are inside)."""
    length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
    nx, ny = -(by - ay) / length, (bx - ax) / length
    return (x - ax) * nx + (y - ay) * ny


def convex(x: Tensor, y: Tensor, *points: tuple[float, float]) -> Tensor:
    """The distance to a convex polygon whose corners are given clockwise (y up)."""
    d = None
    for (ax, ay), (bx, by) in zip(points, (*points[1:], points[0]), strict=True):
        edge = line(x, y, ax, ay, bx, by)
        d = edge if d is None else torch.maximum(d, edge)
    return d


def segment(x: Tensor, y: Tensor, ax: Number, ay: Number, bx: Number, by: Number, r: Number) -> Tensor:
    """The distance to a capsule from a to b of radius r; b may be a tensor (a swinging limb)."""
    dx, dy = bx - ax, by - ay
    px, py = x - ax, y - ay
    t = ((px * dx + py * dy) / (dx * dx + dy * dy + 1e-9)).clamp(0, 1)
    return ((px - t * dx).square() + (py - t * dy).square()).sqrt() - r


def below(y: Tensor, height: Number) -> Tensor:
    """The distance to the half plane under `height` (y up)."""
    return y - height


def repeat(x: Tensor, period: Number, offset: Number = 0.0) -> Tensor:
    """Where x lies in its period, [-period/2, period/2): one shape becomes a row of them."""
    return torch.remainder(x - offset + period / 2, period) - period / 2


def ramp(value: Tensor, start: Number, end: Number) -> Tensor:
    """0 at `start`, 1 at `end`, linear between, clamped."""
    return ((value - start) / (end - start)).clamp(0, 1)


@functools.lru_cache(maxsize=512)
def as_colour(rgb: Rgb, device: torch.device) -> Tensor:
    """The colour as (1, 3, 1, 1); kept, since a copy to a GPU for each brush stroke would cost more than the stroke."""
    return torch.tensor(rgb, device=device)[None, :, None, None]


class Stamp:
    """A small picture with coverage, painted part by part.

    Attributes:
        x: (patch, 1, width) coordinates, right.
        y: (patch, height, 1) coordinates, up.
        pixel: (patch, 1, 1) side of a pixel in the same units.
        base: (patch, 3) the colour the stamp started with.
        ink: (patch, 3, height, width) colour, 0 to 1.
        cover: (patch, height, width) coverage, 0 to 1.
    """

    def __init__(self, x: Tensor, y: Tensor, pixel: Tensor, ink: Tensor) -> None:
        self.x, self.y, self.pixel = x, y, pixel
        shape = (x.shape[0], y.shape[1], x.shape[2])
        self.base = ink
        self.inverse = 1 / pixel
        self.ink = ink[:, :, None, None].repeat(1, 1, shape[1], shape[2])
        self.cover = torch.zeros(shape, device=x.device, dtype=x.dtype)

    def coverage(self, d: Tensor, softness: Number = 1.0) -> Tensor:
        """How much of each pixel the shape at signed distance d covers; `softness` widens the edge, in pixels."""
        return (0.5 - d * (self.inverse / softness)).clamp(0, 1)

    def colour(self, rgb: Colour) -> Tensor:
        """`rgb` as (patch or 1, 3, 1, 1)."""
        return as_colour(rgb, self.x.device) if isinstance(rgb, tuple) else rgb[:, :, None, None]

    def paint(self, d: Tensor, rgb: Colour, opacity: Number = 1.0) -> None:
        """A part of the silhouette: adds to the coverage."""
        cover = self.coverage(d)
        self.cover = torch.maximum(self.cover, cover.expand_as(self.cover))
        self._ink(cover if isinstance(opacity, float) and opacity == 1.0 else cover * opacity, rgb)

    def mark(self, d: Tensor, rgb: Colour, opacity: Number = 1.0) -> None:
        """A detail on what is already there: leaves the coverage alone."""
        cover = self.coverage(d)
        self._ink(cover if isinstance(opacity, float) and opacity == 1.0 else cover * opacity, rgb)

    def shade(self, amount: Tensor) -> None:
        """Multiplies the ink by 1 + amount; amount broadcasts to (patch, height, width)."""
        self.ink.mul_(1 + amount[:, None])

    def _ink(self, cover: Tensor, rgb: Colour) -> None:
        self.ink.lerp_(self.colour(rgb).expand_as(self.ink), cover[:, None].expand_as(self.ink))
