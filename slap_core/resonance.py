"""What happens as the pull lambda grows: the five regimes, the first conjugate point, the envelope theorem.

*Regimes*, by measurement of a score that is better when higher. With s_0 the score at lambda = 0 and s* the best one of
the scan, progress is p = (s - s_0)/(s* - s_0), and a lambda is

    ballistic    p <= 0.1, before the best
    resonance    p >= 0.95
    weak         between those two, before the best
    strong       p > 0.1, beyond the best
    chaos        p <= 0.1 beyond the best; and wherever minima are not found, or not the only ones

(The paper's own scan, 41.5, 65.2, 83.9, 79.1, 31 % accuracy, falls into the five in order.) A score that never rises
above s_0 has no resonance: what is no worse than s_0 is ballistic.

*First conjugate point*: continued from lambda = 0, a solution is a minimum until the smallest eigenvalue of its Hessian
crosses 0; there it ends, bends back, or splits.

*Envelope theorem*: along the branch of minima, the path's own change does not count,

    dS*/dlambda = -sum_i w_i P(z_i),

so that S*, a minimum of functions linear in lambda, is concave.
"""

import dataclasses
import enum

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["ConjugatePoint", "Envelope", "Regime", "conjugate_point", "envelope_check", "regimes"]

Scan = Float[Tensor, "coupling"]

# Progress up to which the pull does nothing, and from which on it does all that it can.
_BALLISTIC, _RESONANT = 0.1, 0.95


class Regime(enum.StrEnum):
    """What the pull does."""

    BALLISTIC = "ballistic"
    WEAK = "weak"
    RESONANCE = "resonance"
    STRONG = "strong"
    CHAOS = "chaos"


@dataclasses.dataclass(frozen=True)
class ConjugatePoint:
    """Where the branch continued from lambda = 0 stops being a minimum."""

    coupling: float
    """By linear interpolation of the smallest eigenvalue."""
    below: float
    """The last lambda of the scan at which it is a minimum."""
    above: float
    """The first one at which it is not."""


@dataclasses.dataclass(frozen=True)
class Envelope:
    """How well a scan obeys the envelope theorem."""

    deviation: float
    """Largest |dS*/dlambda + sum w P|, relative to the largest |sum w P|; 0 where P is 0."""
    concave: bool
    """Whether no slope of S* is above the one before it, but for rounding."""
    steepening: float
    """The most by which a slope of S* exceeds the one before it, relative to the largest; 0 or less where concave."""


def regimes(couplings: Scan, score: Scan, *, found: Bool[Tensor, "coupling"] | None = None) -> tuple[Regime, ...]:
    """The regime of each lambda of a scan.

    Args:
        couplings: lambda, increasing from 0.
        score: better when higher; an error is to be given negative.
        found: where a minimum was found that several starts agree on; default: everywhere.

    Raises:
        ValueError: if lambda does not increase from 0, or a score is not finite where a minimum was found.
    """
    _check_scan("regimes", couplings, 1, score=score)
    found = torch.ones_like(couplings, dtype=torch.bool) if found is None else found
    if len(found) != len(couplings) or not bool(found[0]) or float(couplings[0]) != 0:
        raise ValueError(
            f"regimes needs a scan that starts with a minimum at lambda = 0, got lambda from {float(couplings[0]):.4g} "
            f"and {len(found)} flags; lambda = 0 is what the others are measured against."
        )
    if not bool(score[found].isfinite().all()):
        raise ValueError("regimes needs a finite score wherever a minimum was found, got NaN or infinity.")
    best = int(torch.where(found, score, -torch.inf).argmax())
    gain = score[best] - score[0]

    def regime(k: int) -> Regime:
        if not found[k]:
            return Regime.CHAOS
        if gain <= 0:
            return Regime.BALLISTIC if score[k] >= score[0] else Regime.CHAOS
        progress = (score[k] - score[0]) / gain
        if progress >= _RESONANT:
            return Regime.RESONANCE
        if progress <= _BALLISTIC:
            return Regime.BALLISTIC if k < best else Regime.CHAOS
        return Regime.WEAK if k < best else Regime.STRONG

    return tuple(regime(k) for k in range(len(couplings)))


def conjugate_point(couplings: Scan, eigenvalue: Scan) -> ConjugatePoint | None:
    """The first lambda at which the branch stops being a minimum; None if the scan ends, or loses it, before.

    Args:
        couplings: lambda, increasing.
        eigenvalue: the smallest one of the Hessian along the branch continued from lambda = 0 (in any metric); NaN
            where the branch was not found.

    Raises:
        ValueError: if lambda does not increase, or the first solution is no minimum.
    """
    _check_scan("conjugate_point", couplings, 1, eigenvalue=eigenvalue)
    if not float(eigenvalue[0]) > 0:
        raise ValueError(
            f"conjugate_point needs a branch that starts as a minimum, got the eigenvalue {float(eigenvalue[0]):.4g}; "
            "start at lambda = 0, between anchors that are no antipodes."
        )
    crossed = (~(eigenvalue > 0)).nonzero().flatten()
    if not len(crossed) or bool(eigenvalue[crossed[0]].isnan()):
        return None
    k = int(crossed[0])
    (a, b), (x, y) = couplings[k - 1 : k + 1].tolist(), eigenvalue[k - 1 : k + 1].tolist()
    return ConjugatePoint(coupling=a + (b - a) * x / (x - y), below=a, above=b)


def envelope_check(couplings: Scan, action: Scan, potential_integral: Scan) -> Envelope:
    """How far dS*/dlambda, by differences of second order on the scan's own grid, is from -sum w P.

    Args:
        couplings: lambda, increasing, in steps of any size.
        action: S*, the least action at each lambda.
        potential_integral: sum_i w_i P(z_i) along each solution: the part of the energies that lambda multiplies.

    Raises:
        ValueError: for fewer than 3 lambdas, or if they do not increase.
    """
    _check_scan("envelope_check", couplings, 3, action=action, potential_integral=potential_integral)
    couplings, action, integral = couplings.double(), action.double(), potential_integral.double()
    (slope,) = torch.gradient(action, spacing=(couplings,), edge_order=2)
    largest = float(integral.abs().max())
    between = action.diff() / couplings.diff()
    steepening = float(between.diff().max())
    rounding = 4 * torch.finfo(potential_integral.dtype).eps * float(action.abs().max() / couplings.diff().min())
    return Envelope(
        deviation=float((slope + integral).abs().max()) / largest if largest else 0.0,
        concave=steepening <= rounding,
        steepening=steepening / (float(between.abs().max()) or 1.0),
    )


def _check_scan(owner: str, couplings: Tensor, least: int, **values: Tensor) -> None:
    if len(couplings) < least or bool((couplings.diff() <= 0).any()) or not bool(couplings.isfinite().all()):
        raise ValueError(
            f"{owner} needs at least {least} finite and increasing lambdas, got {couplings.tolist()}; sort the scan."
        )
    for name, value in values.items():
        if len(value) != len(couplings):
            raise ValueError(f"{owner} needs one {name} for each of {len(couplings)} lambdas, got {len(value)}.")
