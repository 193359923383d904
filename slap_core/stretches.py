"""The stretches that a trained method is asked to fill, and the solution made of what it found.

A network sees a stretch as the solver does: its two anchors a and b, the query, and for each node the elapsed fraction
s of the stretch, counted from a. Beyond a free end b is unknown. Every stretch is a unit of time of its own, so that
what was learned on one length is asked of any other, and a free end before the first anchor is counted backwards.

What a network adds is a *correction* c(s) of the geodesic g(s) that vanishes at the anchors,

    z(s) = normalise(g(s) + w(s) c(s)),    w(s) = 4 s (1 - s) in a gap,    w(s) = s on a free end,

so that a network that says nothing is SLERP.
"""

import abc
import dataclasses
from collections.abc import Sequence

import torch
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from slap_core import sphere
from slap_core.gaps import Gaps, find_gaps
from slap_core.types import Interpolation, Latents, Path, Result, Solution

__all__ = ["MOMENT_FEATURES", "LearnedInterpolator", "Stretches", "moments", "query_rows", "silent"]
__all__ += ["solution_through"]

_ROWS = 256
"""Stretches that a network is given at a time: bounds the memory, and changes no result by more than rounding."""
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
        """What is known of each stretch: a, b (zero where the far end is free), the query, and whether it is free."""
        free = self.free()[:, None]
        return torch.cat([self.start, self.stop * (1 - free), self.query, free], -1)

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


def silent(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that answers 0 until it is trained."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


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
    times = gaps.times[~gaps.is_anchor]
    recovered = recovered.detach().cpu()
    known = seen.points.detach().cpu().to(recovered.dtype)
    order = torch.cat([seen.times, times]).argsort()
    nodes = torch.cat([known.expand(*recovered.shape[:-2], *known.shape), recovered], -2)[..., order, :]
    path = Path(nodes, torch.cat([seen.times, times])[order], interpolation)
    return Solution(method, path, gaps.times, result if len(times) else Result.NOTHING_TO_RECOVER)


class LearnedInterpolator(nn.Module, PyTorchModelHubMixin, abc.ABC):
    """A network that fills stretches: an `Interpolator` with weights.

    Args:
        dim: dimensions of the latent space.
    """

    method: str
    iterates: bool = False
    """Whether it can fail to converge."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @abc.abstractmethod
    def recover(self, stretches: Stretches) -> Float[Tensor, "batch node dim"]:
        """Unit latents at the nodes."""

    def training_path(
        self, stretches: Stretches, target: Float[Tensor, "batch node dim"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch node dim"], Float[Tensor, ""]]:
        """The path to compare with `target`, with its graph, and a penalty to add to the loss.

        Args:
            stretches: what is known.
            target: what is to be recovered, for methods that learn from it otherwise than through the loss.
            generator: of whatever is random in a step, on the CPU.
        """
        path = self.recover(stretches)
        return path, path.new_zeros(())

    def solve(self, stretches: Stretches) -> tuple[Float[Tensor, "batch node dim"], Bool[Tensor, "batch"]]:
        """Unit latents at the nodes, and which stretches are solutions to within the tolerance."""
        path = self.recover(stretches)
        return path, torch.ones_like(path[:, 0, 0], dtype=torch.bool)

    @torch.no_grad()
    def forward(
        self,
        seen: Latents,
        times: Float[Tensor, "time"] | Sequence[float],
        query: Float[Tensor, "*query dim"] | None = None,
    ) -> Solution:
        """The latents at `times`, from the seen ones.

        Args:
            seen: the anchors, unit vectors.
            times: seconds, strictly increasing.
            query: one (dim), or several (queries, dim), each of which gets its path; None is a zero vector.

        Raises:
            ValueError: if there is no anchor, the latents are not unit vectors of the network's dimensions, the query
                does not fit them, or the times do not strictly increase.
        """
        gaps = find_gaps(seen.times, times)
        sphere.require_unit(self.method, seen.points)
        if seen.points.shape[1] != self.dim:
            raise ValueError(
                f"{self.method} needs latents of {self.dim} dimensions, got {seen.points.shape[1]}; use the encoder it "
                "was trained for."
            )
        like = next(self.parameters())
        anchors = sphere.normalize(seen.points.detach().to(like))
        queries = query_rows(query, anchors)
        points = anchors.new_zeros(len(queries), len(gaps.gap_of), self.dim)
        converged = True
        for rows in torch.arange(len(queries) * len(gaps)).split(_ROWS) if len(gaps) else ():
            of_query, gap = rows // len(gaps), rows % len(gaps)
            found, solved = self.solve(Stretches.of(anchors, gaps, queries[of_query.to(like.device)], gap=gap))
            converged &= bool(solved.all())
            # Where each recovered frame of each query stands among these rows, if it does.
            number = len(gaps) * torch.arange(len(queries))[:, None] + gaps.gap_of - rows[0]
            here, frame = ((number >= 0) & (number < len(rows))).nonzero(as_tuple=True)
            points[here, frame] = found[number[here, frame], gaps.node_of[frame]]
        single = query is None or query.ndim == 1
        dtype = torch.promote_types(seen.points.dtype, torch.float32)
        result = Result.CLOSED_FORM
        if self.iterates:
            result = Result.CONVERGED if converged else Result.NOT_CONVERGED
        return solution_through(self.method, seen, gaps, (points[0] if single else points).to(dtype), result=result)
