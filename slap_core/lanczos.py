"""Lanczos's method for the lower end of the spectrum of C Hess, self-adjoint in the inner product of C^-1.

Every vector is kept orthogonal to all earlier ones. What the method can know: every value found is at or above the
smallest eigenvalue, and as many eigenvalues are negative as values are, *or more*; within the residual bound of a value
lies *some* eigenvalue. That none was missed is likely, since the start is random, and not proved.

How likely, the other values say. In s steps the share of an eigenvalue of 0 or less in the start is amplified, against
those between the least and the greatest value found, a and b, by T(1 + 2a/(b - a)), T the Chebyshev polynomial of
degree s - 1. Where that is a thousand times the root of the number of unknowns it would have shown, unless the start is
a thousand times closer to orthogonal to it than random ones are. The residual bound alone says nothing of the kind: it
is small after the first step, where most eigenvalues are alike.

Source: Parlett, "The Symmetric Eigenvalue Problem", 1998, chapter 13; Saad, "On the rates of convergence of the Lanczos
and the block-Lanczos methods", 1980.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from slap_core.action import DiscreteAction
from slap_core.trust_region import dot

__all__ = ["lanczos"]

FEWEST = 4
"""Steps before which it is not asked whether there are enough."""
UNLIKELY = 1e3
"""How many times closer to orthogonal to an eigenvector than random starts are one is trusted not to be."""


def lanczos(
    action: DiscreteAction,
    z: Float[Tensor, "batch node dim"],
    inverse: Callable[[Tensor], Callable[[Tensor], Tensor]],
    *,
    steps: int,
    accuracy: float | None = None,
    generator: torch.Generator,
) -> tuple[Float64[Tensor, "batch step"], Float64[Tensor, "batch"]]:
    """The values found, increasing, NaN after fewer steps; and the residual's norm of the first.

    Args:
        action: the problems.
        z: paths.
        inverse: from numbers of problems to what applies their C, from forces to moves.
        steps: at most so many products with the Hessian.
        accuracy: a problem is done before where its first value is positive and known to this part of it, and no
            negative one is likely to be missed.
        generator: of the random starts, on the CPU.
    """
    # Each vector x is kept together with its force C^-1 x, so that C^-1 itself is never applied.
    index = torch.arange(len(z), device=z.device)
    found = torch.full((len(z), steps), torch.nan, dtype=torch.float64, device=z.device)
    bound = torch.zeros_like(found[:, 0])
    product, answer = action.hessian(z), inverse(index)

    def draw() -> Tensor:
        exists = action.string.exists()[..., None]
        return action.tangent(z, torch.randn(z.shape, generator=generator, dtype=z.dtype).to(z.device) * exists)

    def orthogonal(force: Tensor) -> Tensor:
        for _ in range(2):  # once loses digits, twice is enough
            share = force.flatten(1)[:, None] @ vectors[:, : k + 1].flatten(2).mT  # a row: many times faster
            force = action.tangent(z, force - (share @ forces[:, : k + 1].flatten(2)).view_as(force))
        return force

    forces, vectors = z.new_zeros(2, len(z), steps, *z.shape[1:])
    tridiagonal = torch.zeros(len(z), steps + 1, steps + 1, dtype=torch.float64, device=z.device)
    largest = torch.zeros(len(z), dtype=torch.float64, device=z.device)
    force = draw()
    for k in range(steps):
        vector = answer(force)
        size = dot(force, vector).clamp_min(torch.finfo(z.dtype).tiny).sqrt().to(z)[:, None, None]
        forces[:, k], vectors[:, k] = force / size, vector / size
        curved = product(vectors[:, k])
        tridiagonal[:, k, k] = dot(curved, vectors[:, k])
        rest = orthogonal(curved)
        beside = dot(rest, answer(rest)).clamp_min(0).sqrt()
        largest = largest.maximum(tridiagonal[:, k, k].abs()).maximum(beside)
        # Nothing new: the space found is invariant. A fresh start finds what else there is, repeated eigenvalues say.
        spanned = beside <= 1e3 * torch.finfo(z.dtype).eps * largest
        beside = torch.where(spanned, 0.0, beside)
        tridiagonal[:, k, k + 1] = tridiagonal[:, k + 1, k] = beside
        force = torch.where(spanned[:, None, None], orthogonal(draw()), rest) if bool(spanned.any()) else rest
        last = k + 1 == steps
        if not last and (accuracy is None or k + 1 < FEWEST):
            continue
        values, residual = _ritz(tridiagonal, k + 1)
        found[index, : k + 1], bound[index] = values, residual
        if last:
            break
        going = ~(_unmissed(values, unknowns=z[0].numel()) & (residual <= accuracy * values[:, 0]))
        # To go on without those that are done costs a gradient of the others.
        if int(going.sum()) <= len(index) / 2:
            keep = going.nonzero().squeeze(1)
            if not len(keep):
                break
            index, action, z, force = index[keep], action.select(keep), z[keep], force[keep]
            forces, vectors, tridiagonal, largest = forces[keep], vectors[keep], tridiagonal[keep], largest[keep]
            product, answer = action.hessian(z), inverse(index)
    return found, bound


def _ritz(tridiagonal: Float64[Tensor, "batch row row"], steps: int) -> tuple[Tensor, Tensor]:
    """The values after so many steps, and the residual's norm of the first."""
    values, mixed = torch.linalg.eigh(tridiagonal[:, :steps, :steps])
    return values, tridiagonal[:, steps, steps - 1] * mixed[:, -1, 0].abs()


def _unmissed(values: Float64[Tensor, "batch step"], *, unknowns: int) -> Bool[Tensor, "batch"]:
    """Whether the first value is positive, and an eigenvalue at 0 or below it would have shown."""
    steps = values.shape[1]
    apart = 1 + 2 * values[:, 0] / (values[:, -1] - values[:, 0]).clamp_min(1e-12 * values[:, -1].abs())
    # The Chebyshev polynomial of degree steps - 1.
    grown = torch.cosh((steps - 1) * torch.acosh(apart.clamp_min(1.0)))
    return (values[:, 0] > 0) & (grown >= UNLIKELY * unknowns**0.5)
