"""Where an actor hides the longest, the anchors around it, and which frames in between are asked for."""

import dataclasses
from typing import Final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slap_core.tunnel_world import Rendered, Scenes

__all__ = ["IN_PICTURE", "HiddenRun", "hiding", "longest", "longest_run"]

HIDDEN: Final = 0.01
"""An actor hides where no more than this share of it shows in the observed frame, though it is in the picture."""
IN_PICTURE: Final = 0.2
"""An actor is in the picture, occluder or not, where at least this share of it is."""


@dataclasses.dataclass(frozen=True)
class HiddenRun:
    """Consecutive frames in which an actor hides, and the anchors before and after; frame numbers."""

    first: int
    last: int
    left: int | None
    """None where it never shows before."""
    right: int | None
    """None where it never shows again."""

    @property
    def anchors(self) -> list[int]:
        """Those there are."""
        return [frame for frame in (self.left, self.right) if frame is not None]

    def evenly(self, most: int) -> Int64[Tensor, "node"]:
        """The dropped frames, all of them or so many evenly over the stretch."""
        low, high = self._ends()
        if most > high - low:
            return torch.arange(low, high + 1)
        return torch.linspace(low, high, most).round().long()

    def at_random(self, u: Float[Tensor, "most"]) -> Int64[Tensor, "node"]:
        """The dropped frames, all of them or one in each of as many parts as there are numbers in [0, 1).

        The outermost is among them where an end is free.
        """
        low, high = self._ends()
        if len(u) > high - low:
            return torch.arange(low, high + 1)
        edges = torch.linspace(low, high + 1, len(u) + 1, dtype=torch.float64)
        found = (edges[:-1] + u.double() * edges.diff()).floor().clamp(low, high).long()
        if self.left is None:
            found[0] = low
        if self.right is None:
            found[-1] = high
        return found.unique()

    def _ends(self) -> tuple[int, int]:
        """The first and the last dropped frame."""
        return self.first if self.left is None else self.left + 1, self.last if self.right is None else self.right - 1


def hiding(scenes: Scenes, seen: Rendered) -> Bool[Tensor, "scene time object"]:
    """Which actors hide in which frames."""
    there = scenes.actor[:, None] & (seen.cut_away_fraction > IN_PICTURE)
    return there & (seen.visible_fraction <= HIDDEN)


def longest(hidden: Bool[Tensor, "time"]) -> tuple[int, int]:
    """First and last frame of the longest of the runs in which something hides, of which there is one at least."""
    edges = torch.cat([hidden.new_zeros(1), hidden, hidden.new_zeros(1)]).int().diff()
    starts, ends = (edges == 1).nonzero().flatten(), (edges == -1).nonzero().flatten() - 1
    which = int((ends - starts).argmax())
    return int(starts[which]), int(ends[which])


def longest_run(
    hidden: Bool[Tensor, "time"], shown: Float[Tensor, "time"], share: float, u: Float[Tensor, "3"]
) -> HiddenRun:
    """The longest run, or where nothing ever hides one like others.

    An anchor shows at least the share of an actor, or else the most that is ever shown on its side; it lies up to two
    frames further out than it must.

    Args:
        hidden: whether an actor hides.
        shown: the largest share of an actor that shows.
        share: that anchors are to show.
        u: random numbers in [0, 1) that decide where the anchors lie.
    """
    time = len(hidden)
    if not bool(hidden.any()):
        length = 4 + int(u[0] * (min(32, time - 6) - 4))
        first = 1 + int(u[1] * (time - 2 - length))
        left, right = max(first - 1 - int(u[2] * 3), 0), min(first + length, time - 1)
        return HiddenRun(first, first + length - 1, left, right)
    first, last = longest(hidden)

    def showing(side: Float[Tensor, "some"]) -> Int64[Tensor, "showing"]:
        most = float(side.max()) if len(side) else 0.0
        return (side >= min(share, most)).nonzero().flatten() if most > IN_PICTURE else side.new_zeros(0).long()

    before, after = showing(shown[:first]), showing(shown[last + 1 :]) + last + 1
    left = int(before[max(len(before) - 1 - int(u[0] * 3), 0)]) if len(before) else None
    right = int(after[min(int(u[1] * 3), len(after) - 1)]) if len(after) else None
    return HiddenRun(first, last, left, right)
