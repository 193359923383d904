"""The stretches that a trained method is asked to fill, and the path made of what any method found in them.

A network sees a stretch as the solver does: its two anchors a and b, the query, and for each node the elapsed fraction
s of the stretch, counted from a. Beyond a free end b is unknown. Every stretch is a unit of time of its own, so that
what was learned on one length is asked of any other, and a free end before the first anchor is counted backwards.

What a network adds is a *correction* c(s) of the geodesic g(s) that vanishes at the anchors,

    z(s) = normalise(g(s) + w(s) c(s)),    w(s) = 4 s (1 - s) in a gap,    w(s) = s on a free end,

so that a network that says nothing is SLERP.
"""

import dataclasses

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from slap_core import sphere
from slap_core.gaps import Gaps
from slap_core.types import Interpolation, Latents, Path, Result, Solution

__all__ = ["MOMENT_FEATURES", "Stretches", "moments", "path_through", "query_rows", "solution_through"]

_WAVES = 3
"""Sines among the features of a moment."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stretches:
    """A batch of stretches with a query each, padded to the longest."""

    start: Float[Tensor, "batch dim"]
    """The anchor from which time is counted."""
    stop: Float[Tensor, "batch dim"]
    """The anchor at the far end; the same as `start` where the far end is free."""
    query: Float[Tensor, "batch dim"]
    gaps: Gaps
    """One stretch a row."""

    @classmethod
    def of(
        cls,
        anchors: Float[Tensor, "anchor dim"],
        gaps: Gaps,
        query: Float[Tensor, "batch dim"],
        *,
        gap: Int[Tensor, "batch"] | None = None,
    ) -> "Stretches":
        """The stretches `gap` of `gaps` (by default all of them, once), each with its query."""
        gaps = gaps.select(torch.arange(len(gaps)) if gap is None else gap)
        device = anchors.device
        return cls(anchors[gaps.start.to(device)], anchors[gaps.stop.to(device)], query.to(anchors), gaps)

    def __len__(self) -> int:
        return len(self.start)

    def to(self, device: torch.device) -> "Stretches":
        """The same stretches with their latents on `device`."""
        latents = {name: getattr(self, name).to(device) for name in ("start", "stop", "query")}
        return dataclasses.replace(self, **latents)

    def mask(self) -> Bool[Tensor, "batch node"]:
        """Which nodes exist."""
        return self.gaps.mask().to(self.start.device)

    def free(self) -> Float[Tensor, "batch"]:
        """1 where the far end is free, else 0."""
        return self.gaps.free.to(self.start)

    def fraction(self) -> Float[Tensor, "batch node"]:
        """The elapsed part of the stretch at each node, in (0, 1]; 1 in the padding."""
        return (self.gaps.elapsed / self.gaps.length[:, None]).to(self.start)

    def boundary(self) -> Float[Tensor, "batch feature"]:
        """What is known of each stretch: a, b (zero where the far end is free), the query, and whether it is free.

        The latents are `sphere.INPUT_GAIN` times as long.
        """
        free = self.free()[:, None]
        latents = torch.cat([self.start, self.stop * (1 - free), self.query], -1)
        return torch.cat([sphere.INPUT_GAIN * latents, free], -1)

    def geodesic(self) -> Float[Tensor, "batch node dim"]:
        """SLERP in a gap, rest on a free end."""
        start, stop = self.start[:, None], self.stop[:, None]
        return sphere.exp(start, self.fraction()[..., None] * sphere.log(start, stop))

    def corrected(self, correction: Float[Tensor, "batch node dim"]) -> Float[Tensor, "batch node dim"]:
        """The path z(s) above, for the correction c at the nodes."""
        s, free = self.fraction()[..., None], self.free()[:, None, None]
        return sphere.normalize(self.geodesic() + (free * s + (1 - free) * 4 * s * (1 - s)) * correction)


def moments(fraction: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch feature"]:
    """The features of a moment: 1, s, and sin(pi k s) for k up to 3."""
    waves = torch.arange(1, _WAVES + 1, device=fraction.device) * torch.pi
    return torch.cat(
        [torch.ones_like(fraction)[..., None], fraction[..., None], torch.sin(fraction[..., None] * waves)], -1
    )


MOMENT_FEATURES = 2 + _WAVES
"""Of `moments`."""


def query_rows(query: Float[Tensor, "*query dim"] | None, points: Float[Tensor, "anchor dim"]) -> Tensor:
    """The queries one a row, in the latents' type and place; a zero vector where none is given.

    Raises:
        ValueError: if the query is not (dim) or (queries, dim), or not finite.
    """
    dim = points.shape[-1]
    if query is None:
        return points.new_zeros(1, dim)
    if query.ndim not in (1, 2) or query.shape[-1] != dim or not query.shape[0]:
        raise ValueError(
            f"A query must have the latents' {dim} dimensions, as (dim) or (queries, dim), got {tuple(query.shape)}; "
            "encode it with the same encoder."
        )
    if not bool(query.isfinite().all()):
        raise ValueError("A query must be finite, got NaN or infinity.")
    return query.detach().to(points).reshape(-1, dim)


def solution_through(
    method: str,
    seen: Latents,
    gaps: Gaps,
    recovered: Float[Tensor, "*query recovered dim"],
    *,
    interpolation: Interpolation = "geodesic",
    result: Result = Result.CLOSED_FORM,
) -> Solution:
    """The solution whose path has the anchors and the recovered latents as its nodes, in order of time.

    Args:
        method: what to call it.
        seen: the anchors.
        gaps: made of the anchors' times and those asked for.
        recovered: latents at those of `gaps.times` that coincide with no anchor, in their order.
        interpolation: between nodes.
        result: how the method ended, unless there was nothing to recover.
    """
    path = path_through(seen, gaps, recovered, interpolation=interpolation)
    return Solution(method, path, gaps.times, result if len(gaps) else Result.NOTHING_TO_RECOVER)


def path_through(
    seen: Latents, gaps: Gaps, recovered: Float[Tensor, "*query recovered dim"], *, interpolation: Interpolation
) -> Path:
    """The path that has the anchors and the recovered latents as its nodes, in order of time; arguments as above."""
    times, order = torch.cat([seen.times, gaps.times[~gaps.is_anchor]]).sort()
    recovered = recovered.detach().cpu()
    known = seen.points.detach().cpu().to(recovered.dtype)
    nodes = torch.cat([known.expand(*recovered.shape[:-2], *known.shape), recovered], -2)
    return Path(nodes[..., order, :], times, interpolation)
