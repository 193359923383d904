"""Do other starts lead to the same path? The action minimised again from the geodesic, by way of the query, at random.

Where nothing proves that a minimum is the only one, looking elsewhere is what remains. From each start the same descent
runs; reported are how far apart the ends are and the lowest action among them. Agreement proves nothing; a lower action
proves that the path was not the one of least action.
"""

import dataclasses

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.descent import minimize

__all__ = ["Agreement", "multi_start_agreement"]

# Two actions closer than this, relative to the sum of their terms, are the same: the rounding of float32.
_SAME = 1e-5


@dataclasses.dataclass(frozen=True, eq=False)
class Agreement:
    """What other starts led to, problem by problem."""

    starts: Int[Tensor, "batch"]
    """How many were tried."""
    converged: Int[Tensor, "batch"]
    """How many of them converged."""
    spread: Float64[Tensor, "batch"]
    """The furthest that any node of a path that converged is from the given path's, radians (or latent units)."""
    lowest: Float64[Tensor, "batch"]
    """The lowest action found, the given path's included."""
    lower_by: Float64[Tensor, "batch"]
    """How much lower that is than the given path's; 0 where rounding could explain it."""


def multi_start_agreement(
    action: DiscreteAction,
    found: Float[Tensor, "batch node dim"],
    *,
    tolerance: float,
    iterations: int = 100,
    random_starts: int = 2,
    generator: torch.Generator | None = None,
) -> Agreement:
    """What the same descent finds from the geodesic, by way of the query's direction, and from random bends.

    Args:
        action: the problems.
        found: the paths to compare with.
        tolerance: of the descent, radians.
        iterations: of the descent, at most.
        random_starts: geodesics bent at random, the furthest node by 1 radian.
        generator: of the bends, on the CPU; default: one with a fixed seed.

    Raises:
        ValueError: for a negative number of random starts.
    """
    if random_starts < 0:
        raise ValueError(f"random_starts must be at least 0, got {random_starts}.")
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    geodesic = action.geodesic()
    starts = [geodesic]
    if action.query is not None:
        starts.append(_by_way_of(action, geodesic, action.query))
    for _ in range(random_starts):
        noise = torch.randn(geodesic.shape, generator=generator, dtype=geodesic.dtype).to(geodesic.device)
        bend = action.precondition(geodesic, noise)
        furthest = bend.norm(dim=-1).amax(-1)[:, None, None].clamp_min(torch.finfo(bend.dtype).tiny)
        starts.append(action.retract(geodesic, bend / furthest))
    given = action.evaluate(found)
    lowest, spread = given.value, torch.zeros_like(given.value)
    converged = torch.zeros(len(action), dtype=torch.long, device=found.device)
    for start in starts:
        end = minimize(action, start, tolerance=tolerance, iterations=iterations)
        ended = end.step <= tolerance
        apart = sphere.distance(end.z, found) if action.geometry == "sphere" else (end.z - found).norm(dim=-1)
        apart = torch.where(action.string.exists(), apart, 0.0)  # padding stays where it began
        spread = torch.where(ended, spread.maximum(apart.amax(-1).double()), spread)
        converged += ended
        value = action.evaluate(end.z).value
        lowest = torch.where(value < lowest, value, lowest)
    lower_by = given.value - lowest
    return Agreement(
        starts=torch.full_like(converged, len(starts)),
        converged=converged,
        spread=spread,
        lowest=lowest,
        lower_by=torch.where(lower_by > _SAME * given.scale, lower_by, 0.0),
    )


def _by_way_of(action: DiscreteAction, geodesic: Tensor, query: Tensor) -> Tensor:
    """The geodesic bent so that it meets the query's direction in its middle."""
    if action.geometry == "sphere":
        towards = sphere.log(geodesic, sphere.normalize(query).expand_as(geodesic))
    else:
        towards = query - geodesic
    bend = 4 * action.string.fraction * (1 - action.string.fraction)
    return action.retract(geodesic, bend[..., None] * towards)
