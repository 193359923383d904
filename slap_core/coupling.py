"""Which lambda: chosen without the truth, by leaving anchors out.

*Leaving out.* Two folds: every second inner anchor is left out and recovered from the others, then the rest of them. In
a fold gaps are longer; the solver counts time in T', the fold's own mean gap, where the clip's is T. As action is

    integral of mu/2 |z'|^2 - lambda P dt  =  (T/T') integral of mu/2 |dz/ds|^2 - lambda (T'/T)^2 P ds,  t = s T'/T,

the fold is solved at lambda (T'/T)^2: the pull per second stays what it is in the clip. (In the fold's own unit, gaps
twice as long would bias lambda by a factor of 4.) What is chosen is the *smallest* lambda whose mean drift exceeds the
least one by no more than a standard error, that of the difference, anchor by anchor: anchors differ more from each
other than lambdas do, and where pulling is not surely better it is not done.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from slap_core.gaps import time_unit
from slap_core.least_action import LeastAction
from slap_core.metrics import drift
from slap_core.types import Latents, PotentialFunction, Solution

__all__ = ["COUPLINGS", "FEWEST", "AutoCoupling", "auto_coupling", "increasing", "scan"]

COUPLINGS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Lambdas that are tried by default."""
FEWEST = 4
"""Anchors needed for two folds."""


def scan(
    seen: Latents,
    times: Float[Tensor, "time"] | Sequence[float],
    query: Float[Tensor, "*query dim"] | None,
    couplings: Sequence[float],
    *,
    potential: PotentialFunction | None,
    **options: Any,
) -> list[Solution]:
    """The least-action solutions for several lambdas, in their order, from one batch.

    Args:
        seen: the anchors.
        times: seconds of the frames to recover.
        query: None, one, or several, each of which gets its path.
        couplings: the lambdas.
        potential: P(z, query), or None.
        **options: others of `LeastAction`.

    Raises:
        ValueError: for what `LeastAction` refuses.
    """
    return LeastAction(potential, **options).scan(seen, times, query, couplings=couplings)


@dataclasses.dataclass(frozen=True, eq=False)
class AutoCoupling:
    """A lambda chosen without the truth, and what it was chosen by."""

    coupling: float | None
    """The smallest lambda that is as good as the best; None where nothing could be left out."""
    couplings: Float64[Tensor, "coupling"]
    times: Float64[Tensor, "anchor"]
    """Seconds of the anchors that were left out: the inner ones."""
    drift: Float64[Tensor, "coupling anchor"]
    """1 - cos(recovered, known) at each of them."""
    error: Float64[Tensor, "coupling"]
    """Standard error of the difference of the mean drift from that of the best lambda; 0 there."""
    found: Bool[Tensor, "coupling"]
    """Whether both folds converged; what did not is not chosen."""
    best: int | None
    """Number of the lambda of least mean drift."""
    sentence: str


def auto_coupling(
    solver: LeastAction,
    seen: Latents,
    query: Float[Tensor, "dim"] | None,
    *,
    couplings: Sequence[float] = COUPLINGS,
    times: Float[Tensor, "time"] | Sequence[float] | None = None,
) -> AutoCoupling:
    """The lambda by which anchors that are left out are recovered best, in the clip's own unit of time.

    Args:
        solver: whose lambda is to be chosen; all its other settings stay.
        seen: the anchors; below 4 nothing can be left out twice, and no lambda is chosen.
        query: one, or None for a potential that needs none.
        couplings: to choose among, increasing.
        times: seconds of the frames that will be asked for; default: some in every gap. They say what T is.

    Raises:
        ValueError: for several queries, or lambdas that do not increase from 0 or above.
    """
    lambdas = increasing("auto_coupling", couplings)
    if query is not None and query.ndim != 1:
        raise ValueError(f"auto_coupling needs one query (dim), got shape {tuple(query.shape)}; choose for each.")
    inner = torch.arange(1, len(seen) - 1)
    if len(seen) < FEWEST:
        return AutoCoupling(
            coupling=None,
            couplings=lambdas,
            times=seen.times[inner],
            drift=torch.zeros(len(lambdas), len(inner), dtype=torch.float64),
            error=torch.zeros_like(lambdas),
            found=torch.zeros_like(lambdas, dtype=torch.bool),
            best=None,
            sentence=f"λ cannot be chosen from {len(seen)} kept frames: leaving some out takes at least {FEWEST}.",
        )
    asked = (seen.times[1:] + seen.times[:-1]) / 2 if times is None else times
    unit = time_unit(seen.times, asked)
    apart = torch.zeros(len(lambdas), len(inner), dtype=torch.float64)
    found = torch.ones_like(lambdas, dtype=torch.bool)
    for first in (0, 1):
        out = inner[first::2]
        kept = torch.ones(len(seen), dtype=torch.bool)
        kept[out] = False
        known = seen.select(kept.nonzero().flatten())
        ratio = time_unit(known.times, seen.times[out]) / unit
        solutions = solver.scan(known, seen.times[out], query, couplings=(lambdas * ratio**2).tolist())
        truth = seen.points[out.to(seen.points.device)].detach().cpu()
        for k, solution in enumerate(solutions):
            apart[k, first::2] = drift(solution.points, truth.to(solution.points)).double()
            found[k] &= solution.result.ok
    return _chosen(lambdas, seen.times[inner], apart, found)


def _chosen(lambdas: Tensor, times: Tensor, apart: Tensor, found: Tensor) -> AutoCoupling:
    """The smallest lambda within one standard error of the best."""
    if not bool(found.any()):
        sentence = "λ cannot be chosen: the solver converged at none of those tried when kept frames were left out."
        return AutoCoupling(None, lambdas, times, apart, torch.zeros_like(lambdas), found, None, sentence)
    mean = apart.mean(1)
    best = int(torch.where(found, mean, torch.inf).argmin())
    error = (apart - apart[best]).std(1) / apart.shape[1] ** 0.5
    good = found & (mean - mean[best] <= error)
    chosen = int(good.nonzero()[0])
    sentence = (
        f"λ = {float(lambdas[chosen]):g}: with it {apart.shape[1]} kept frames that were left out are recovered with a "
        f"mean drift of {float(mean[chosen]):.4f}"
    )
    if chosen != best:
        sentence += f", within a standard error of the least ({float(mean[best]):.4f} at {float(lambdas[best]):g})"
    return AutoCoupling(float(lambdas[chosen]), lambdas, times, apart, error, found, best, sentence + ".")


def increasing(owner: str, couplings: Sequence[float]) -> Float64[Tensor, "coupling"]:
    """The lambdas as a tensor.

    Raises:
        ValueError: naming the owner, if they are not finite, increasing numbers of at least 0.
    """
    lambdas = torch.as_tensor([float(value) for value in couplings], dtype=torch.float64)
    ok = len(lambdas) and bool(lambdas.isfinite().all()) and bool((lambdas.diff() > 0).all()) and lambdas[0] >= 0
    if not ok:
        raise ValueError(f"{owner} needs finite lambdas that increase from 0 or above, got {lambdas.tolist()}.")
    return lambdas
