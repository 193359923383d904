"""LeastAction: recovers dropped latents as the path of least action between the ones that were kept.

    solve = LeastAction(potential, coupling=0.5)
    solution = solve(seen, times, query)

Every stretch between anchors, for every lambda and query, is a boundary value problem of its own; all of them go in
one batch: `gaps` finds the stretches, `action` is what is minimised, `descent` and `trust_region` are how. It starts
from the geodesic (SLERP, or LERP in Euclidean space), and no stretch ends with more action than that.

A frame asked for outside the anchors belongs to a free end at the outermost requested time: held by the anchor, pulled
by the query, with nothing at the other end.

Where lambda is scanned, `continuation` says which problems are solved first and where the others start.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.continuation import solve_all
from slap_core.energies import energies
from slap_core.gaps import time_unit
from slap_core.problems import Problems, SolverOptions
from slap_core.solutions import solution_of
from slap_core.strings import Geometry
from slap_core.types import Energies, Latents, Path, PotentialFunction, Solution

__all__ = ["LeastAction"]


class LeastAction:
    """Recovers latents by the principle of least action, the query pulling through a potential.

    Args:
        potential: P(z, query), any callable from (..., dim) to (...), differentiable by autograd; the query arrives as
            (dim), or for several queries as (..., 1, dim) to broadcast. None is no potential: the geodesic.
        coupling: lambda >= 0, the pull of the query; with a calibrated potential about the radians at mid-gap.
        mass: mu > 0, the inertia of the path. lambda and mu refer to time in units of T, the mean length of the gaps.
        geometry: "sphere" (unit latents, angles) or "euclidean".
        discretisation: "nodes" (a polynomial through as many Gauss nodes per gap as its error estimate asks for,
            whatever the number of frames) or "frames" (the paper's: geodesics from frame to frame).
        accuracy: estimated error of the polynomials that is good enough, radians.
        tolerance: converged when no H1 step of any node is longer, radians. float32 stalls near 5e-7.
        max_iterations: limit on the steps of each problem; default 100, and 2,000 for Adam.
        method: "newton" (accelerated H1 descent, then a trust region of Newton), or "adam", the paper's own recipe.
        learning_rate: of Adam, radians per step and coordinate.
        device: where to solve, for example "cuda"; default: where the latents are. The potential must live there.

    Raises:
        ValueError: for an argument out of its range.

    Source:
        Fang and Fang, "The Semantic Least Action Principle for Variational Video-Language Modeling", ICML 2026.
    """

    def __init__(
        self,
        potential: PotentialFunction | None,
        *,
        coupling: float = 0.5,
        mass: float = 1.0,
        geometry: Geometry = "sphere",
        discretisation: Literal["nodes", "frames"] = "nodes",
        accuracy: float = 1e-3,
        tolerance: float = 1e-5,
        max_iterations: int | None = None,
        method: Literal["newton", "adam"] = "newton",
        learning_rate: float = 0.003,
        device: torch.device | str | None = None,
    ) -> None:
        _require(potential is None or callable(potential), "potential", "a callable or None", potential)
        _require(math.isfinite(coupling) and coupling >= 0, "coupling", "a finite number of at least 0", coupling)
        _require(math.isfinite(mass) and mass > 0, "mass", "a finite number above 0", mass)
        _require(geometry in ("sphere", "euclidean"), "geometry", '"sphere" or "euclidean"', geometry)
        _require(
            math.isfinite(tolerance) and tolerance > 0, "tolerance", "a finite angle above 0 in radians", tolerance
        )
        _require(discretisation in ("nodes", "frames"), "discretisation", '"nodes" or "frames"', discretisation)
        _require(math.isfinite(accuracy) and accuracy > 0, "accuracy", "a finite angle above 0 in radians", accuracy)
        _require(method in ("newton", "adam"), "method", '"newton" or "adam"', method)
        _require(math.isfinite(learning_rate) and learning_rate > 0, "learning_rate", "above 0", learning_rate)
        _require(max_iterations is None or max_iterations >= 1, "max_iterations", "at least 1", max_iterations)
        self.coupling = float(coupling)
        self.options = SolverOptions(
            potential=potential,
            mass=float(mass),
            geometry=geometry,
            tolerance=float(tolerance),
            accuracy=float(accuracy),
            discretisation=discretisation,
            max_iterations=int(max_iterations or (100 if method == "newton" else 2000)),
            method=method,
            learning_rate=float(learning_rate),
            device=device,
        )

    def __call__(
        self,
        seen: Latents,
        times: Float[Tensor, "time"] | Sequence[float],
        query: Float[Tensor, "*query dim"] | None = None,
        *,
        stiffness: Float[Tensor, "anchor"] | Sequence[float] | None = None,
        bands: bool = False,
        tube_radius: float | None = None,
    ) -> Solution:
        """The least-action path through the seen latents, with nodes at `times`.

        Args:
            seen: the anchors.
            times: seconds of the frames to recover, strictly increasing; those of anchors are the anchors.
            query: None, one query (dim), or several (queries, dim), each of which gets its path.
            stiffness: kappa of each anchor, with time in units of T: how firmly a spring holds the path to it. Infinite
                (the default) is a hard anchor; at least one must be.
            bands: whether to compute the solution's `posterior` as well, for one query.
            tube_radius: let the certificate bound the curvature of a `Potential` rigorously within so many radians of
                the path; by default it looks at the Hessian at the path alone.

        Raises:
            ValueError: if there is no anchor, the latents are not unit (on the sphere), the query does not fit them,
                the times do not strictly increase, or the potential is not finite along the geodesic.
        """
        *_, solutions = self.scan_chunks(
            seen,
            times,
            query,
            couplings=[self.coupling],
            stiffness=stiffness,
            inspected=True,
            bands=bands,
            tube_radius=tube_radius,
        )
        return solutions[0]

    def scan(
        self,
        seen: Latents,
        times: Float[Tensor, "time"] | Sequence[float],
        query: Float[Tensor, "*query dim"] | None = None,
        *,
        couplings: Sequence[float],
        stiffness: Float[Tensor, "anchor"] | Sequence[float] | None = None,
    ) -> list[Solution]:
        """The solutions for several lambdas, in their order, from one batch; arguments as for a call.

        Their certificates do not look at the Hessian: solve again at the lambda that matters.
        """
        *_, solutions = self.scan_chunks(seen, times, query, couplings=couplings, stiffness=stiffness)
        return solutions

    def scan_chunks(
        self,
        seen: Latents,
        times: Float[Tensor, "time"] | Sequence[float],
        query: Float[Tensor, "*query dim"] | None = None,
        *,
        couplings: Sequence[float],
        stiffness: Float[Tensor, "anchor"] | Sequence[float] | None = None,
        inspected: bool = False,
        bands: bool = False,
        tube_radius: float | None = None,
    ) -> Iterator[list[Solution]]:
        """What `scan` returns, yielded last; before it, after each chunk of work, an empty list: a place to stop.

        `inspected` certificates look at the Hessian's spectrum at each solution; `bands` and `tube_radius` are as for a
        call.
        """
        couplings = torch.as_tensor([float(value) for value in couplings], dtype=torch.float64)
        if not len(couplings) or not bool((couplings.isfinite() & (couplings >= 0)).all()):
            raise ValueError(f"couplings must be finite numbers of at least 0, got {couplings.tolist()}.")
        problems = Problems.of(self.options, seen, times, query, couplings, stiffness)
        for _ in solve_all(problems):
            yield []
        solutions = []
        for k in range(len(couplings)):
            solutions.append(solution_of(problems, k, inspected=inspected, bands=bands, tube_radius=tube_radius))
            if inspected and k + 1 < len(couplings):
                yield []
        yield solutions

    def energies(
        self,
        path: Path,
        seen: Latents,
        times: Float[Tensor, "time"] | Sequence[float],
        query: Float[Tensor, "*query dim"] | None = None,
        *,
        coupling: float | None = None,
        known: Float[Tensor, "*query node"] | None = None,
    ) -> Energies:
        """The energies along any method's path, with this solver's potential, lambda and mu: numbers that compare.

        Args:
            path: from any interpolator that was given `seen` and `times`.
            seen: the anchors.
            times: seconds of the recovered frames.
            query: one query, or as many as the path has.
            coupling: lambda in place of the solver's own; 1 gives P itself.
            known: P at the path's nodes where it need not be asked; NaN where it is to be.
        """
        return energies(
            path,
            self.options.potential,
            query,
            anchor_times=seen.times,
            coupling=self.coupling if coupling is None else coupling,
            mass=self.options.mass,
            time_unit_seconds=time_unit(seen.times, times),
            geometry=self.options.geometry,
            device=self.options.device or seen.points.device,
            known=known,
        )


def _require(ok: bool, name: str, requirement: str, arrived: object) -> None:
    if not ok:
        raise ValueError(f"{name} must be {requirement}, got {arrived!r}.")
