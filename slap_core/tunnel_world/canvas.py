"""The brushes of the backgrounds: a batch of pictures with coordinates, and what can be laid over them.

Picture coordinates: x to the right from 0 at the left edge of a square picture, y down, the unit is the picture's
height. `shift` is the camera's position; far layers follow it less (parallax).
"""

import functools
import itertools

import torch
from torch import Tensor

from slap_core.tunnel_world import random
from slap_core.tunnel_world.shapes import Colour, Rgb, as_colour, ramp, repeat

__all__ = ["TABLE", "Canvas", "lookup", "texture"]

TABLE = 1024


@functools.lru_cache(maxsize=8)
def lookup(device: str) -> Tensor:
    """`TABLE` uniform numbers: cheap randomness by column, window or star."""
    return random.uniform(torch.arange(1), 90, TABLE)[0].to(device)


@functools.lru_cache(maxsize=16)
def texture(side: int, device: str) -> Tensor:
    """A seamless square of fractal noise in [-1, 1], (side * side): grain at every scale."""
    total = torch.zeros(1, 1, side, side)
    for octave, weight in ((8, 0.30), (32, 0.30), (128, 0.40)):
        cells = min(octave, side)
        values = random.uniform(torch.tensor([octave]), 91, cells * cells).view(1, 1, cells, cells) * 2 - 1
        values = torch.nn.functional.pad(values, (0, 1, 0, 1), mode="circular")
        grid = torch.nn.functional.interpolate(values, size=(side + 1, side + 1), mode="bilinear", align_corners=True)
        total += weight * grid[:, :, :side, :side]
    return total.flatten().to(device)


class Canvas:
    """A canvas with its coordinates: the brushes of the backgrounds."""

    def __init__(self, rgb: Tensor, shift: Tensor, u: Tensor, ground: Tensor, left: float) -> None:
        self.rgb = rgb
        count, _, self.height, self.width = rgb.shape
        device = rgb.device
        self.pixel = 1.0 / self.height
        self.x = ((torch.arange(self.width, device=device) + 0.5) * self.pixel + left)[None, None, :]
        self.y = ((torch.arange(self.height, device=device) + 0.5) * self.pixel)[None, :, None]
        self.shift = shift[:, None, None]
        self.ground = ground[:, None, None]
        self.u = [u[:, i, None, None] for i in range(u.shape[1])]
        self.count = count

    def colour(self, *rgb: float) -> Tensor:
        """The colour as (1, 3, 1, 1)."""
        return as_colour(rgb, self.rgb.device)

    def gradient(self, *stops: tuple[float, Rgb]) -> None:
        """Fills with a vertical gradient through (height, colour) stops."""
        rows = self.y.new_empty(1, 3, self.height, 1)
        rows[:] = self.colour(*stops[0][1])
        for (start, _), (end, rgb) in itertools.pairwise(stops):
            rows.lerp_(self.colour(*rgb).expand_as(rows), ramp(self.y, start, end)[:, None].expand_as(rows))
        self.rgb.copy_(rows.expand_as(self.rgb))

    def lay(self, alpha: Tensor, rgb: Colour, rows: slice = slice(None)) -> None:
        """Lays `rgb` over the rows with opacity alpha (frame, rows, width)."""
        view = self.rgb[:, :, rows]
        rgb = self.colour(*rgb) if isinstance(rgb, tuple) else rgb
        view.lerp_(rgb.expand_as(view), alpha[:, None].expand_as(view))

    def rows(self, start: float, end: float) -> slice:
        """The rows of pixels from y = start to y = end."""
        return slice(max(int(start * self.height), 0), min(int(end * self.height) + 1, self.height))

    def under(self, height: Tensor | float, rows: slice) -> Tensor:
        """Coverage of what lies under a skyline `height` (y of its top, per column)."""
        return ((self.y[:, rows] - height) / self.pixel + 0.5).clamp(0, 1)

    def hills(self, base: float, swing: float, frequency: float, parallax: float, phase: Tensor) -> Tensor:
        """A rolling skyline."""
        x = self.x + parallax * self.shift
        a = torch.sin(frequency * x + 6.283 * phase)
        return base + swing * (a + 0.5 * torch.sin(2.3 * frequency * x + 11.0 * phase) + 0.2 * torch.sin(7.1 * x))

    def peaks(self, base: float, swing: float, frequency: float, parallax: float, phase: Tensor) -> Tensor:
        """A skyline of sharp triangles."""
        x = self.x + parallax * self.shift
        a = repeat(x, 1.0 / frequency, phase).abs() * frequency
        b = repeat(x, 0.37 / frequency, 2.0 * phase).abs() * frequency
        return base + swing * (2.2 * a + 1.3 * b - 1.0)

    def clouds(self, rgb: Rgb, opacity: float, phase: Tensor) -> None:
        """Three soft clouds of two puffs and a flat bottom."""
        rows = self.rows(0.02, 0.36)
        y = self.y[:, rows]
        for i, (cx, cy, size) in enumerate(((0.15, 0.12, 0.16), (0.62, 0.20, 0.12), (1.05, 0.08, 0.14))):
            centre = torch.remainder(cx + phase * (1 + 0.3 * i) - 0.2 * self.shift, 1.4) - 0.2
            dx, dy = (self.x - centre) / size, (y - cy) / (0.32 * size)
            puff = (1 - (dx - 0.25).square() * 2.2 - (dy + 0.5).square() * 0.55).clamp_min(0)
            puff = torch.maximum(puff, 1 - dx.square() - dy.square())
            self.lay((puff * 2.5).clamp(0, 1) * (ramp(y, cy + 0.34 * size, cy + 0.1 * size) * opacity), rgb, rows)

    def disc(self, cx: Tensor, cy: Tensor, radius: float, rgb: Rgb, glow: float) -> None:
        """A sun or moon with its glow."""
        rows = self.rows(0.0, 0.62)
        r = ((self.x - cx + 0.1 * self.shift).square() + (self.y[:, rows] - cy).square()).sqrt()
        if glow:
            self.lay((1 - r / (5 * radius)).clamp_min(0).square() * glow, rgb, rows)
        self.lay(((radius - r) / self.pixel + 0.5).clamp(0, 1), rgb, rows)

    def columns(self, width: float, parallax: float, seed: int) -> tuple[Tensor, Tensor]:
        """A random number for each column of a row of blocks of equal width, and x inside the block (0 to 1)."""
        x = (self.x + parallax * self.shift + self.u[6] * 8) / width
        cell = torch.floor(x)
        index = (cell.to(torch.int64) * 57 + seed).remainder(TABLE)
        return lookup(str(self.rgb.device))[index], x - cell

    def skyline(
        self,
        base: float,
        low: float,
        high: float,
        width: float,
        parallax: float,
        seed: int,
        rgb: Rgb,
        window: Rgb,
        lit: float,
    ) -> None:
        """A row of houses with windows, of which a share `lit` has the colour `window`."""
        value, inside = self.columns(width, parallax, seed)
        top = base - low - (high - low) * value
        rows = self.rows(base - high - 0.02, base)
        body = self.under(top, rows) * (inside < 0.94)
        tint = 0.86 + 0.28 * value
        self.lay(body, self.colour(*rgb) * tint[:, None], rows)
        step = 0.030
        level = (self.y[:, rows] - top) / step
        floor = torch.floor(level)
        fy = level - floor
        fx = inside * 4
        column = torch.floor(fx)
        fx = fx - column
        # Windows smaller than a pixel are averaged away instead of flickering.
        sharp = min(1.0, max(0.0, step * self.height / 2.0 - 0.2))
        pane = ((fy > 0.3) & (fy < 0.8) & (floor >= 0)).float() * ((fx > 0.25) & (fx < 0.75) & (inside < 0.9)).float()
        index = (floor * 131 + column * 17 + (value * 1024) * 7).to(torch.int64).remainder(TABLE)
        on = (lookup(str(self.rgb.device))[index] < lit).float()
        self.lay(pane * on * body * (0.35 + 0.55 * sharp), window, rows)

    def grain(self, rows: slice, amount: float, stretch: float = 1.0, perspective: float = 0.0) -> None:
        """Texture on the ground: fractal noise, finer towards the horizon where there is perspective."""
        side = 64
        while side < self.height and side < 512:
            side *= 2
        y = self.y[:, rows]
        v = torch.floor(y * side * stretch).to(torch.int64).remainder(side) * side
        x = (self.x + self.shift + self.u[7]) * side
        if perspective:
            x = x - (0.5 + self.shift + self.u[7]) * side
            x = x * (1 + perspective * ramp(y, 1.0, 0.4)) + self.shift * side
        index = torch.floor(x).to(torch.int64).remainder(side) + v
        view = self.rgb[:, :, rows]
        view.mul_((texture(side, str(view.device))[index] * amount + 1.0)[:, None])

    def road(self, rgb: Rgb, edge: Rgb, dash: float, grain: float) -> None:
        """The road: from a little above the ground line to near the lower edge; `dash` is the marking's opacity."""
        top, bottom = self.ground - 0.055, self.ground + 0.165
        rows = self.rows(0.58, 1.0)
        y = self.y[:, rows]
        inside = (((y - top) / self.pixel + 0.5).clamp(0, 1)) * ((bottom - y) / self.pixel + 0.5).clamp(0, 1)
        border = torch.maximum((y - top).abs(), -(y - top)) - 0.008
        border = torch.minimum(border, (y - bottom).abs() - 0.010)
        self.lay(inside.expand(-1, -1, self.width), rgb, rows)
        self.lay(((0.5 - border / self.pixel).clamp(0, 1) * 0.9).expand(-1, -1, self.width), edge, rows)
        view = self.rgb[:, :, rows]
        view.mul_((1 - 0.16 * ramp(y, 0.6, 1.0))[:, None])
        if dash:
            mark = torch.maximum(
                (y - self.ground - 0.060).abs() - 0.006, repeat(self.x + self.shift, 0.22).abs() - 0.06
            )
            self.lay((0.5 - mark / self.pixel).clamp(0, 1) * dash, (0.95, 0.93, 0.86), rows)
        self.grain(rows, grain)

    def trees(self, base: float, size: float, spacing: float, parallax: float, rgb: Rgb) -> None:
        """A row of round trees."""
        value, inside = self.columns(spacing, parallax, 5)
        rows = self.rows(base - 2.6 * size, base + 0.02)
        x = (inside - 0.5) * spacing
        radius = size * (0.6 + 0.4 * value)
        r = (x.square() + (self.y[:, rows] - base + 1.3 * size).square()).sqrt() - radius
        trunk = torch.maximum(x.abs() - 0.1 * size, (self.y[:, rows] - base + 0.5 * size).abs() - 0.6 * size)
        self.lay((0.5 - trunk / self.pixel).clamp(0, 1), (0.36, 0.27, 0.20), rows)
        crown = (0.5 - r / self.pixel).clamp(0, 1) * (value > 0.25)
        self.lay(crown, self.colour(*rgb) * (0.88 + 0.24 * value)[:, None], rows)
