"""What is mathematically known about a solution.

One number decides: the *residual*, the largest step that the preconditioned gradient would still move any node, in
radians. A path whose residual is below the tolerance is a stationary path of the discrete action; that it is the lowest
one does not follow, and is not said. What was only sampled (a curvature, say) never enters.
"""

from jaxtyping import Float
from torch import Tensor

from slap_core.gaps import Gaps
from slap_core.types import Certificate, Result

__all__ = ["certify", "result_of"]


def certify(
    gaps: Gaps,
    residual: Float[Tensor, "*query gap"],
    *,
    tolerance: float,
    coupling: float,
    mass: float,
    iterations: int,
) -> Certificate:
    """The certificate of a path through `gaps`.

    Args:
        gaps: where something was recovered.
        residual: largest preconditioned step of any node of each stretch, radians; NaN counts as unconverged.
        tolerance: radians.
        coupling: lambda.
        mass: mu.
        iterations: the most that any stretch took.

    Raises:
        ValueError: if there is not one residual per stretch.
    """
    if residual.shape[-1] != len(gaps):
        raise ValueError(
            f"A certificate needs one residual for each of {len(gaps)} stretches, got {residual.shape[-1]}."
        )
    moving = ~(residual <= tolerance)
    free = int(gaps.free.sum())
    return Certificate(
        converged=not bool(moving.any()),
        residual=float(residual.max()) if residual.numel() else 0.0,
        tolerance=tolerance,
        coupling=coupling,
        mass=mass,
        time_unit_seconds=gaps.time_unit_seconds,
        gaps=len(gaps) - free,
        free_ends=free,
        unconverged_gaps=int((moving.flatten(0, -2).any(0) if moving.ndim > 1 else moving).sum()),
        iterations=iterations,
    )


def result_of(certificate: Certificate, *, stalled: bool) -> Result:
    """How a solver with this certificate ended; `stalled` says that rounding, not the iteration limit, stopped it."""
    if not certificate.gaps and not certificate.free_ends:
        return Result.NOTHING_TO_RECOVER
    if certificate.converged:
        return Result.CONVERGED
    return Result.STALLED if stalled else Result.NOT_CONVERGED
