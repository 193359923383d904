"""Which lambda: chosen without the truth by leaving anchors out, and what happens as lambda grows.

*Leaving out.* Two folds: every second inner anchor is left out and recovered from the others, then the rest of them. In
a fold gaps are longer; the solver counts time in T', the fold's own mean gap, where the clip's is T. As action is

    integral of mu/2 |z'|^2 - lambda P dt  =  (T/T') integral of mu/2 |dz/ds|^2 - lambda (T'/T)^2 P ds,  t = s T'/T,

the fold is solved at lambda (T'/T)^2: the pull per second stays what it is in the clip. (In the fold's own unit, gaps
twice as long would bias lambda by a factor of 4.) What is chosen is the *smallest* lambda whose mean drift exceeds the
least one by no more than a standard error, that of the difference, anchor by anchor: anchors differ more from each
other than lambdas do, and where pulling is not surely better it is not done.

*As lambda grows* (`resonance_of`) the solution at lambda = 0 is followed upward, each time from the solution before,
and from the last one downward again.

    hysteresis          where the two ways lead to paths that differ: more than one minimum
    first conjugate     where the smallest eigenvalue of the Hessian along the way up crosses 0, or where the branch
    point               ends and the way up falls into another minimum: at the upper end of the first hysteresis
    envelope theorem    checked on the way up, as far as it is one branch
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from slap_core import sphere
from slap_core.action import DiscreteAction, evaluate_potential
from slap_core.descent import minimize
from slap_core.gaps import time_unit
from slap_core.least_action import LeastAction
from slap_core.metrics import drift
from slap_core.problems import Problems
from slap_core.resonance import ConjugatePoint, Envelope, Regime, conjugate_point, envelope_check, regimes
from slap_core.spectrum import hessian_spectrum
from slap_core.types import Latents, PotentialFunction, Solution

__all__ = ["COUPLINGS", "AutoCoupling", "Resonance", "auto_coupling", "resonance_of", "scan"]

COUPLINGS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Lambdas that are tried by default."""
APART = 0.02
"""Two paths differ where a node of theirs lies further apart, radians (or latent units)."""
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
    lambdas = _increasing("auto_coupling", couplings)
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
    lambdas = _increasing("resonance_of", [solution.certificate.coupling for solution in solutions])
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


def _increasing(owner: str, couplings: Sequence[float]) -> Float64[Tensor, "coupling"]:
    lambdas = torch.as_tensor([float(value) for value in couplings], dtype=torch.float64)
    ok = len(lambdas) and bool(lambdas.isfinite().all()) and bool((lambdas.diff() > 0).all()) and lambdas[0] >= 0
    if not ok:
        raise ValueError(f"{owner} needs finite lambdas that increase from 0 or above, got {lambdas.tolist()}.")
    return lambdas
