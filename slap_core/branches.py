"""What happens as lambda grows: the branch of solutions that begins at the geodesic, and where it ends.

The solution at lambda = 0 is followed upward, each time from the solution before, and from the last one downward again.

    hysteresis          where the two ways lead to paths that differ: more than one minimum
    first conjugate     where the smallest eigenvalue of the Hessian along the way up crosses 0, or where the branch
    point               ends and the way up falls into another minimum: at the upper end of the first hysteresis
    envelope theorem    checked on the way up, as far as it is one branch
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from slap_core import sphere
from slap_core.action import DiscreteAction, evaluate_potential
from slap_core.coupling import FEWEST, auto_coupling, increasing
from slap_core.descent import minimize
from slap_core.least_action import LeastAction
from slap_core.metrics import drift
from slap_core.problems import Problems
from slap_core.resonance import ConjugatePoint, Envelope, Regime, conjugate_point, envelope_check, regimes
from slap_core.spectrum import hessian_spectrum
from slap_core.types import Latents, Solution

__all__ = ["Resonance", "resonance_of"]

APART = 0.02
"""Two paths differ where a node of theirs lies further apart, radians (or latent units)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Resonance:
    """What happens as lambda grows, by measurement."""

    couplings: Float64[Tensor, "coupling"]
    score: Float64[Tensor, "coupling"] | None
    """Better when higher: minus the mean drift; None where there is nothing to measure it by."""
    score_of: Literal["dropped frames", "anchors left out"] | None
    """Whose drift that is."""
    regimes: tuple[Regime, ...] | None
    best: int | None
    """Number of the lambda with the highest score among those where minima agree."""
    conjugate_point: ConjugatePoint | None
    """The first one of any stretch; None where every branch stays a minimum."""
    eigenvalue: Float64[Tensor, "coupling"]
    """Smallest one found of the Hessian along the way up, over all stretches, relative to the string's; NaN beyond the
    end of the first branch to end."""
    envelope: Envelope | None
    """Along the way up, as far as no branch ends; None for fewer than 3 lambdas."""
    apart: Float64[Tensor, "coupling"]
    """The furthest that a node of any path found on the way up lies from that on the way down, radians; infinite where
    either did not converge."""
    agree: Float64[Tensor, "coupling"]
    """Share of the stretches in which the scan, the way up and the way down converged to one path."""

    @property
    def hysteresis(self) -> tuple[float, float] | None:
        """The lowest and the highest lambda at which the way up and the way down differ; None if nowhere."""
        differs = self.couplings[_differ(self.apart)]
        return (float(differs[0]), float(differs[-1])) if len(differs) else None


def resonance_of(
    solutions: Sequence[Solution],
    solver: LeastAction,
    seen: Latents,
    times: Float[Tensor, "time"] | Sequence[float],
    query: Float[Tensor, "dim"] | None,
    *,
    truth: Float[Tensor, "time dim"] | None = None,
    stiffness: Float[Tensor, "anchor"] | Sequence[float] | None = None,
    unanimous: float = 0.5,
) -> Resonance:
    """The five regimes, the first conjugate point, the envelope theorem and hysteresis of a scan.

    Args:
        solutions: of the scan, lambda increasing from 0, with the same solver and the arguments that follow.
        solver: as for the scan.
        seen: the anchors.
        times: seconds of the recovered frames.
        query: one, or None.
        truth: their true latents, where they are known; without it the score comes from anchors that are left out, if
            there are 4 of them, and else there is none.
        stiffness: of the anchors, as for the scan.
        unanimous: a lambda at which at most this share of the stretches has a single minimum is chaos.

    Raises:
        ValueError: for a scan whose lambdas do not increase from 0, several queries, or nothing to recover.
    """
    lambdas = increasing("resonance_of", [solution.certificate.coupling for solution in solutions])
    if float(lambdas[0]) != 0:
        raise ValueError(f"resonance_of needs a scan that begins at lambda = 0, got {float(lambdas[0]):g}.")
    if query is not None and query.ndim != 1:
        raise ValueError(f"resonance_of needs one query (dim), got shape {tuple(query.shape)}; call it for each.")
    if any(solution.certificate is None or not solution.certificate.stretches for solution in solutions):
        raise ValueError("resonance_of needs something to recover, got a scan in which no frame was dropped.")
    branches = _follow(solutions, solver, seen, times, query, lambdas, stiffness)
    agree = branches.agree.double().mean(1)
    score, score_of = None, None
    if truth is not None:
        score = torch.stack([-drift(s.points, truth.detach().cpu().to(s.points)).double().mean() for s in solutions])
        score_of = "dropped frames"
    elif len(seen) >= FEWEST:
        score = -auto_coupling(solver, seen, query, couplings=lambdas.tolist(), times=times).drift.mean(1)
        score_of = "anchors left out"
    found = agree > unanimous
    found[0] = True
    point, eigenvalue, kept = _conjugate(lambdas, branches)
    return Resonance(
        couplings=lambdas,
        score=score,
        score_of=score_of,
        regimes=None if score is None else regimes(lambdas, score, found=found),
        best=None if score is None else int(torch.where(found, score, -torch.inf).argmax()),
        conjugate_point=point,
        eigenvalue=eigenvalue,
        envelope=None
        if kept < 3
        else envelope_check(lambdas[:kept], branches.action[:kept].sum(1), branches.integral[:kept].sum(1)),
        apart=branches.apart.amax(1),
        agree=agree,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Branches:
    """Each stretch followed upward from lambda = 0, and downward from there."""

    action: Float64[Tensor, "coupling stretch"]
    """S on the way up."""
    integral: Float64[Tensor, "coupling stretch"]
    """sum_i w_i P(z_i) on the way up."""
    eigenvalue: Float64[Tensor, "coupling stretch"]
    apart: Float64[Tensor, "coupling stretch"]
    """The furthest that a node of the way down is from that of the way up; infinite where either did not converge."""
    agree: Bool[Tensor, "coupling stretch"]


def _follow(
    solutions: Sequence[Solution],
    solver: LeastAction,
    seen: Latents,
    times: Tensor | Sequence[float],
    query: Tensor | None,
    lambdas: Tensor,
    stiffness: Tensor | Sequence[float] | None,
) -> _Branches:
    options = solver.options
    # At lambda = 1 the weights of the potential are the string's own, and any other lambda scales them.
    problems = Problems.of(options, seen, times, query, torch.ones(1, dtype=torch.float64), stiffness)
    most = max(stretch.nodes or 0 for solution in solutions for stretch in solution.certificate.stretches)
    limits = {"tolerance": options.tolerance, "iterations": options.max_iterations}
    shape = (len(lambdas), problems.residual.numel())
    action, integral, eigenvalue, apart, scanned = torch.zeros(5, *shape, dtype=torch.float64)
    with torch.inference_mode(False), torch.no_grad():
        for index, unit in problems.posed(most or None):
            z, up, reached = unit.geodesic(), [], []
            for k, coupling in enumerate(lambdas.tolist()):
                pulled = _at(unit, coupling)
                found = minimize(pulled, z, **limits)
                z = found.z
                up.append(z)
                reached.append(found.step <= options.tolerance)
                action[k, index] = pulled.evaluate(z).value.cpu()
                integral[k, index] = _integral(unit, z).cpu()
                spectrum = hessian_spectrum(pulled, z, weight=unit.string.weight, steps=24, dense_limit=200)
                eigenvalue[k, index] = torch.where(reached[-1], spectrum.eigenvalue, torch.nan).cpu()
            for k in reversed(range(len(lambdas))):
                found = minimize(_at(unit, float(lambdas[k])), z, **limits)
                z = found.z
                between = _furthest(unit, z, up[k])
                apart[k, index] = torch.where(reached[k] & (found.step <= options.tolerance), between, torch.inf).cpu()
                straight = minimize(_at(unit, float(lambdas[k])), unit.geodesic(), **limits)
                scanned[k, index] = torch.where(
                    straight.step <= options.tolerance, _furthest(unit, straight.z, up[k]), torch.inf
                ).cpu()
    return _Branches(action, integral, eigenvalue, apart, (apart <= APART) & (scanned <= APART))


def _conjugate(lambdas: Tensor, branches: _Branches) -> tuple[ConjugatePoint | None, Tensor, int]:
    """The first conjugate point of any stretch, the smallest eigenvalue up to there, and how many lambdas lie below."""
    points = []
    for eigenvalue, apart in zip(branches.eigenvalue.T, branches.apart.T, strict=True):
        if not float(eigenvalue[0]) > 0:  # between antipodes the geodesic itself is no minimum
            points.append(ConjugatePoint(0.0, 0.0, 0.0))
            continue
        crossed = conjugate_point(lambdas, eigenvalue)
        differs = _differ(apart).nonzero().flatten().tolist()
        if differs:  # the way down begins where the way up ended, so that they meet at last
            meet = next(k for k in range(differs[0], len(lambdas)) if not bool(_differ(apart)[k]))
            below, above = float(lambdas[meet - 1]), float(lambdas[meet])
            if crossed is None or below < crossed.below:
                crossed = ConjugatePoint((below + above) / 2, below, above)
        if crossed is not None:
            points.append(crossed)
    first = min(points, key=lambda point: point.coupling, default=None)
    kept = len(lambdas) if first is None else int((lambdas <= first.below).sum())
    eigenvalue = branches.eigenvalue.amin(1)
    if first is not None:
        eigenvalue = torch.where(lambdas <= first.below, eigenvalue, torch.nan)
    return first, eigenvalue, kept


def _differ(apart: Float64[Tensor, "coupling"]) -> Bool[Tensor, "coupling"]:
    return (apart > APART) & apart.isfinite()


def _at(unit: DiscreteAction, coupling: float) -> DiscreteAction:
    return dataclasses.replace(unit, force_weight=coupling * unit.force_weight)


def _integral(unit: DiscreteAction, z: Tensor) -> Float64[Tensor, "batch"]:
    if unit.potential is None:
        return torch.zeros(len(z), dtype=torch.float64, device=z.device)
    return (unit.force_weight * evaluate_potential(unit.potential, z, unit.query)).double().sum(-1)


def _furthest(unit: DiscreteAction, z: Tensor, other: Tensor) -> Float64[Tensor, "batch"]:
    apart = sphere.distance(z, other) if unit.geometry == "sphere" else (z - other).norm(dim=-1)
    return torch.where(unit.string.exists(), apart, 0.0).amax(-1).double()
