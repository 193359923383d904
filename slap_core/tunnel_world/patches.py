"""Small pieces of many pictures, painted apart and laid over them by index."""

import dataclasses
from typing import Final

import torch
from torch import Tensor

from slap_core.tunnel_world.names import MAX_OBJECTS

__all__ = ["ORDERS", "Painted", "Patches"]

ORDERS: Final = 2 * MAX_OBJECTS
"""Objects are drawn from far to near: orders 0 to 3 are the actors, 4 to 7 the extras."""


class Patches:
    """Patches of one size at given corners of given frames, and their coordinates in the picture."""

    def __init__(
        self, canvas: Tensor, frame: Tensor, x: Tensor, y: Tensor, width: float, height: float, left: float
    ) -> None:
        """Patches of width x height (picture heights) centred on (x, y), pushed inside the picture."""
        h, w = canvas.shape[-2:]
        self.rows, self.columns = min(int(height * h) + 3, h), min(int(width * h) + 3, w)
        top = (y * h - self.rows / 2).floor().clamp(0, h - self.rows).long()
        start = ((x - left) * h - self.columns / 2).floor().clamp(0, w - self.columns).long()
        row = top[:, None] + torch.arange(self.rows, device=x.device)
        column = start[:, None] + torch.arange(self.columns, device=x.device)
        self.x = ((column.float() + 0.5) / h + left)[:, None, :]
        self.y = ((row.float() + 0.5) / h)[:, :, None]
        self.frame, self.area = frame, h * w
        self.pixel = 1.0 / h
        self.index = row[:, :, None] * w + column[:, None, :]

    def over(self, canvas: Tensor, ink: Tensor, cover: Tensor, chosen: slice = slice(None)) -> None:
        """Lays ink (patch, 3, ...) with opacity cover (patch, ...) over the frames of canvas."""
        plane = (self.frame[chosen, None] * 3 + torch.arange(3, device=cover.device)) * self.area
        index = plane[:, :, None, None] + self.index[chosen, None]
        flat = canvas.view(-1)
        under = flat[index]
        flat[index] = under.lerp_(ink[chosen].expand_as(under), cover[chosen, None].expand_as(under))

    def darken(self, canvas: Tensor, amount: Tensor, chosen: slice = slice(None)) -> None:
        """Multiplies the frames of canvas by 1 - amount."""
        self.over(canvas, amount.new_zeros(1, 1, 1, 1).expand(len(amount), 3, 1, 1), amount, chosen)

    def take(self, clear: Tensor, cover: Tensor, chosen: slice = slice(None)) -> Tensor:
        """Covers what is still clear in planes (frame, height, width); returns how much that was, in pixels."""
        index = self.frame[chosen, None, None] * self.area + self.index[chosen]
        flat = clear.view(-1)
        before = flat[index]
        taken = before * cover[chosen]
        flat[index] = before - taken
        return taken.sum((-2, -1))

    def put(self, planes: Tensor, which: Tensor, cover: Tensor) -> None:
        """Writes cover into planes (plane, height, width)."""
        planes.view(-1)[which[:, None, None] * self.area + self.index] = cover


@dataclasses.dataclass(frozen=True, eq=False)
class Painted:
    """The patches of all objects of one kind, sorted by when they are drawn."""

    patches: Patches
    ink: Tensor
    cover: Tensor
    plane: Tensor
    shadow: Patches
    darkness: Tensor
    slices: tuple[slice, ...]
