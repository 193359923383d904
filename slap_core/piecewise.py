"""Polynomials along whole stretches, joined at soft anchors: the tables of `quadrature`, put together.

A stretch without a soft anchor is one polynomial. With some it is several, each through Gauss nodes of its own, and
the anchors between them are nodes of weight 0. Points are the held ends and the nodes, in order of time; nodes are the
points that are not known.
"""

import dataclasses

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from slap_core.gaps import Gaps
from slap_core.quadrature import Element, element

__all__ = ["Piecewise"]


@dataclasses.dataclass(frozen=True, eq=False)
class Piecewise:
    """The polynomials of a batch of stretches; everything on the CPU, in double precision and units of T."""

    parts: tuple[Element, ...]
    """The polynomials of every stretch, in order."""
    since: Float64[Tensor, "batch part"]
    """When each begins."""
    span: Float64[Tensor, "batch part"]
    """How long it is."""
    held: bool
    """Whether the far end is known, and so no node."""

    @classmethod
    def on(cls, gaps: Gaps, nodes: int) -> "Piecewise":
        """The polynomials of each stretch.

        Args:
            gaps: stretches with equally many soft anchors each, all or none of them with a free end.
            nodes: Gauss points of each polynomial.
        """
        # An outermost soft anchor of a free end is its end.
        soft = bool(gaps.ends_soft().all())
        ends = [gaps.length.new_zeros(len(gaps), 1), gaps.knots(), *([] if soft else [gaps.length[:, None]])]
        bounds = torch.cat(ends, 1)
        count = bounds.shape[1] - 1
        free = bool(gaps.free.all())
        parts = tuple(element(nodes, free=free and not soft and k == count - 1) for k in range(count))
        return cls(parts, bounds[:, :-1].contiguous(), bounds.diff(dim=1), held=not free)

    def select(self, index: Tensor) -> "Piecewise":
        """Those of some of the stretches."""
        index = index.cpu()
        return dataclasses.replace(self, since=self.since[index], span=self.span[index])

    @property
    def columns(self) -> tuple[slice, ...]:
        """The points of each polynomial among all; neighbours share one."""
        found, first = [], 0
        for table in self.parts:
            found.append(slice(first, first + len(table.points)))
            first += len(table.points) - 1
        return tuple(found)

    @property
    def inner(self) -> slice:
        """The nodes among the points."""
        return slice(1, self.columns[-1].stop - self.held)

    def times(self) -> Float64[Tensor, "batch point"]:
        """Of the points, since the start."""
        found = self.since.new_zeros(len(self.since), self.columns[-1].stop)
        for k, (table, columns) in enumerate(zip(self.parts, self.columns, strict=True)):
            found[:, columns] = self.since[:, k, None] + self.span[:, k, None] * table.points
        return found

    def weights(self) -> Float64[Tensor, "batch point"]:
        """Of the Gauss sums at the points; 0 at ends that are held and at soft anchors."""
        found = self.since.new_zeros(len(self.since), self.columns[-1].stop)
        for k, (table, columns) in enumerate(zip(self.parts, self.columns, strict=True)):
            found[:, columns.start + 1 : columns.start + 1 + len(table.weights)] = self.span[:, k, None] * table.weights
        return found

    def stiffness(self) -> Float64[Tensor, "batch point point"]:
        """The kinetic energy's quadratic form in the values at the points, for mu = 1."""
        points = self.columns[-1].stop
        found = self.since.new_zeros(len(self.since), points, points)
        for k, (table, columns) in enumerate(zip(self.parts, self.columns, strict=True)):
            found[:, columns, columns] += table.stiffness / self.span[:, k, None, None]
        return found

    def interpolation(self, elapsed: Float64[Tensor, "batch time"]) -> Float64[Tensor, "batch time point"]:
        """From values at the points to the polynomials' values at times since the start."""
        found = self.since.new_zeros(*elapsed.shape, self.columns[-1].stop)
        which = (torch.searchsorted(self.since, elapsed.contiguous(), right=True) - 1).clamp_min(0)
        for k, (table, columns) in enumerate(zip(self.parts, self.columns, strict=True)):
            inside = table.interpolation((elapsed - self.since[:, k, None]) / self.span[:, k, None])
            found[..., columns] += torch.where((which == k)[..., None], inside, 0.0)
        return found

    def tail(self, values: Float[Tensor, "batch point dim"]) -> Float64[Tensor, "batch"]:
        """The length of the two highest Legendre coefficients of any polynomial through the values at the points.

        What comes after them is shorter where they have begun to fall, which they cannot know.
        """
        highest = [
            (table.coefficients[-2:].to(values) @ values[:, columns]).norm(dim=-1).sum(-1)
            for table, columns in zip(self.parts, self.columns, strict=True)
        ]
        return torch.stack(highest).amax(0).double()
