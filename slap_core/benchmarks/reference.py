"""The problem that solvers are measured on: how it is made, and how large it is.

8 gaps of 31 dropped frames each, at even steps, d = 512, lambda = 0.5, float32; anchors 1 rad apart in directions drawn
at random; a potential MLP of two hidden layers of 512, its weights normal with standard deviation gain / sqrt(inputs)
(the usual start is all but linear), calibrated to a median gradient of 8.
"""

import copy
import dataclasses
from collections.abc import Sequence
from typing import Final, Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.continuation import solve_all
from slap_core.gaps import find_gaps
from slap_core.least_action import LeastAction
from slap_core.potential import Potential, calibrate
from slap_core.pretrained import load_encoder, load_potential
from slap_core.problems import Problems
from slap_core.tunnel_world import render, sample, seeds
from slap_core.types import Latents

__all__ = ["COUPLING", "FULL", "QUICK", "Discretisation", "Reference", "Sizes"]

Discretisation = Literal["nodes", "frames"]

COUPLING = 0.5
"""lambda."""
GAINS: Final = (12.0, 2.0, 1.0)
"""Of the first, the second and the last layer: Lambda is then about 0.5 (the benchmark reports it)."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large everything is."""

    gaps: int = 8
    frames: int = 31
    """Dropped in each gap."""
    dim: int = 512
    width: int = 512
    couplings: int = 33
    """Of the scan, from 0 to 1."""
    evaluations: int = 2000
    """Limit of the rivals."""
    missing: tuple[int, ...] = (7, 31, 127, 511, 2047)
    """Dropped frames for which gradients are counted."""
    timed_missing: tuple[int, ...] = (7, 31, 127, 511)
    """Those for which a solve is timed."""
    long_gaps: int = 600
    """Of a video of 10 minutes."""
    long_frames: int = 24


FULL = Sizes()
QUICK = Sizes(
    gaps=2,
    frames=7,
    dim=16,
    width=16,
    couplings=3,
    evaluations=20,
    missing=(3,),
    timed_missing=(3,),
    long_gaps=4,
    long_frames=3,
)


@dataclasses.dataclass(frozen=True)
class Reference:
    """A boundary value problem to measure on."""

    potential: Potential
    seen: Latents
    times: Float64[Tensor, "time"]
    query: Float[Tensor, "dim"]

    @classmethod
    def of(
        cls,
        sizes: Sizes,
        *,
        gaps: int | None = None,
        frames: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> "Reference":
        """The reference problem of these sizes, or with other gaps and frames; the potential is always the same."""
        generator = torch.Generator().manual_seed(0)
        potential = Potential(sizes.dim, width=sizes.width, spectral_norm=False).double()
        layers = [layer for layer in potential.network if isinstance(layer, nn.Linear)]
        draws = torch.randn(max(sizes.gaps, gaps or 0) + 2, sizes.dim, generator=generator, dtype=torch.float64)
        query, points = sphere.normalize(draws[0]), [sphere.normalize(draws[1])]
        for draw in draws[2:]:
            points.append(sphere.exp(points[-1], sphere.normalize(sphere.tangent(points[-1], draw))))
        anchors = torch.stack(points)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for layer, gain in zip(layers, GAINS, strict=True):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * gain / layer.in_features**0.5)
                layer.bias.zero_()
        pairs = torch.stack([anchors[: sizes.gaps], anchors[1 : sizes.gaps + 1]], 1)
        calibrate(potential, pairs, query.expand(len(pairs), -1))
        gaps, step = gaps or sizes.gaps, (frames or sizes.frames) + 1
        return cls(
            potential.to(device, dtype).eval().requires_grad_(False),
            Latents(anchors[: gaps + 1].to(device, dtype), torch.arange(gaps + 1).double()),
            torch.arange(gaps * step + 1).double() / step,
            query.to(device, dtype),
        )

    @classmethod
    def shipped(cls, *, frames: int) -> "Reference":
        """Another one in double precision: the bundled potential, on a drawn clip as the bundled encoder sees it."""
        scene = sample(seeds("test", 1))
        moments = torch.linspace(0, float(scene.frames - 1), 9).round().long()[None]
        encoder = load_encoder()
        points, _ = encoder.images(render(scene, moments, size=96).observed[0].to(encoder.device))
        query = encoder.text("a red car")[0]
        potential = copy.deepcopy(load_potential()).double()
        return cls(
            potential,
            Latents(sphere.normalize(points.double()), torch.arange(9).double()),
            torch.arange(8 * (frames + 1) + 1).double() / (frames + 1),
            sphere.normalize(query.double()),
        )

    def solve(self, discretisation: Literal["nodes", "frames"], *, couplings: Sequence[float] = (COUPLING,)) -> None:
        """Everything that a call does but the certificate's look at the Hessian."""
        solver = LeastAction(self.potential, discretisation=discretisation)
        solver.scan(self.seen, self.times, self.query, couplings=couplings)

    def problems(self, discretisation: Literal["nodes", "frames"]) -> Problems:
        """The solved problems behind a call: what they took."""
        options = LeastAction(self.potential, discretisation=discretisation).options
        found = Problems.of(options, self.seen, self.times, self.query, torch.tensor([COUPLING], dtype=torch.float64))
        for _ in solve_all(found):
            pass
        return found

    def action(self) -> DiscreteAction:
        """What is minimised on the frame grid."""
        gaps = find_gaps(self.seen.times, self.times)
        return DiscreteAction.of(
            self.potential,
            self.seen.points,
            gaps,
            gap=torch.arange(len(gaps)),
            coupling=torch.full((len(gaps),), COUPLING, dtype=torch.float64),
            query=self.query,
            mass=1.0,
            geometry="sphere",
        )
