"""What is mathematically known about a solution: from bounds of the curvature, and from the Hessian where it stands.

The *residual*, the largest step that the preconditioned gradient would still move any node, says whether a path is
stationary. Whether it is a minimum, and the only one, is decided by what is proved first:

- A rigorous bound of the potential's curvature that makes the action strongly convex (see `bounds`): everywhere, in a
  tube around the path, or (on the sphere) along this path alone. On the sphere the bound is that of the ambient Hessian
  less the least <z_i, grad P(z_i)>, and the kinetic energy's part is bounded along this path (`spectrum`).
- The smallest eigenvalue of the Hessian at the solution (see `spectrum`), which knows nothing of other minima. A
  negative one refutes every bound that says otherwise.

What was only sampled (a curvature, say) is passed on and decides nothing; nor do other starts (see `agreement`).
"""

import dataclasses
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from slap_core import bounds
from slap_core.agreement import Agreement
from slap_core.gaps import Gaps
from slap_core.inspection import Inspection
from slap_core.spectrum import string_eigenvalue
from slap_core.strings import Geometry
from slap_core.types import Certificate, Result
from slap_core.verdict import Stretch, Verdict

__all__ = ["certify", "result_of"]


def certify(
    gaps: Gaps,
    residual: Float[Tensor, "*query gap"],
    *,
    tolerance: float,
    coupling: float,
    mass: float,
    iterations: int,
    geometry: Geometry | None = None,
    closed_form: bool = False,
    inspection: Inspection | None = None,
    agreement: Agreement | None = None,
    curvature_bound: float | Float[Tensor, "*#query gap"] | None = None,
    tube_radius: float | Float[Tensor, "*#query gap"] | None = None,
    curvature_sampled: float | Float[Tensor, "*#query gap"] | None = None,
    gradient_lipschitz: float | Float[Tensor, "*#query gap"] | None = None,
    gradient_error: float | Float[Tensor, "*#query gap"] | None = None,
    discretisation_error: Float[Tensor, "*query gap"] | None = None,
    nodes: Int[Tensor, "*query gap"] | None = None,
) -> Certificate:
    """The certificate of a path through `gaps`.

    Args:
        gaps: where something was recovered.
        residual: largest preconditioned step of any node of each stretch, radians; NaN counts as unconverged.
        tolerance: radians.
        coupling: lambda.
        mass: mu.
        iterations: the most that any stretch took.
        geometry: of the space; None: not known, and no bound is drawn.
        closed_form: whether nothing had to be iterated; so it is where lambda = 0.
        inspection: of every stretch, query by query.
        agreement: of every stretch, query by query.
        curvature_bound: rigorous bound of the largest eigenvalue of P's (ambient) Hessian.
        tube_radius: how far from the nodes that bound holds, radians; None: everywhere.
        curvature_sampled: the largest eigenvalue at some samples; it is shown and decides nothing.
        gradient_lipschitz: rigorous bound of the norm of P's Hessian.
        gradient_error: eps, the most by which the gradient of P is off along the path.
        discretisation_error: estimate of how far the path may be from that of infinitely many nodes, radians.
        nodes: Gauss nodes between two anchors; 0 where the frames are the nodes.

    Raises:
        ValueError: if there is not one residual, inspection or agreement per stretch, or a bound is no number.
    """
    if residual.shape[-1] != len(gaps):
        raise ValueError(
            f"A certificate needs one residual for each of {len(gaps)} stretches, got {residual.shape[-1]}."
        )
    for name, count in (
        ("inspection", None if inspection is None else len(inspection.floor)),
        ("agreement", None if agreement is None else len(agreement.spread)),
    ):
        if count not in (None, residual.numel()):
            raise ValueError(
                f"The {name} must be of all {residual.numel()} stretches, query by query, got {count}; see in_order."
            )
    queries = residual.numel() // max(len(gaps), 1)
    columns = {
        "residual": residual.double().flatten(),
        "sigma_1": string_eigenvalue(gaps).repeat(queries),
        "curvature_sampled": _per_stretch("curvature_sampled", curvature_sampled, residual),
        "discretisation_error": None if discretisation_error is None else discretisation_error.flatten(),
        "nodes": None if nodes is None else nodes.flatten(),
    }
    columns |= _from_bounds(
        gaps,
        columns["sigma_1"],
        inspection,
        geometry=geometry,
        coupling=coupling,
        mass=mass,
        curvature=_per_stretch("curvature_bound", curvature_bound, residual),
        radius=_per_stretch("tube_radius", tube_radius, residual),
        lipschitz=_per_stretch("gradient_lipschitz", gradient_lipschitz, residual),
        error=_per_stretch("gradient_error", gradient_error, residual),
    )
    if inspection is not None:
        found = inspection.spectrum
        columns |= {"eigenvalue": found.eigenvalue, "eigenvalue_bound": found.bound, "gradient": inspection.gradient}
        columns |= {"negative": found.negative, "exact": found.exact}
    if agreement is not None:
        columns |= {"starts": agreement.starts, "spread": agreement.spread, "lower_by": agreement.lower_by}
    stretches = []
    for k in range(residual.numel()):
        facts = {name: _plain(values[k]) for name, values in columns.items() if values is not None}
        stretch = Stretch(query=k // len(gaps), gap=k % len(gaps), verdict=Verdict.UNDECIDED, **facts)
        closed = closed_form or coupling == 0
        verdict = _judge(stretch, tolerance=tolerance, closed=closed, flat=geometry == "euclidean")
        stretches.append(dataclasses.replace(stretch, verdict=verdict))
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
        stretches=tuple(stretches),
    )


def result_of(certificate: Certificate, *, stalled: bool) -> Result:
    """How a solver with this certificate ended; `stalled` says that rounding, not the iteration limit, stopped it."""
    if not certificate.gaps and not certificate.free_ends:
        return Result.NOTHING_TO_RECOVER
    if certificate.converged:
        return Result.CONVERGED
    return Result.STALLED if stalled else Result.NOT_CONVERGED


def _from_bounds(
    gaps: Gaps,
    sigma_1: Tensor,
    inspection: Inspection | None,
    *,
    geometry: Geometry | None,
    coupling: float,
    mass: float,
    curvature: Tensor | None,
    radius: Tensor | None,
    lipschitz: Tensor | None,
    error: Tensor | None,
) -> dict[str, Tensor | None]:
    """The facts that follow from bounds, by their names in `Stretch`."""
    queries = len(sigma_1) // max(len(gaps), 1)
    length, free = gaps.length.repeat(queries), gaps.free.repeat(queries)
    parts = torch.arange(len(gaps)).split(128)  # each padded to its own longest alone
    longest_step = torch.cat([gaps.select(part).steps().amax(-1) for part in parts]).repeat(queries)
    flat = geometry == "euclidean"
    floor = inspection.floor if inspection is not None else mass * sigma_1 if flat else None
    facts: dict[str, Tensor | None] = {"kinetic_floor": floor, "tube_radius": radius}
    if inspection is not None and geometry == "sphere":
        half = torch.where(free, torch.pi / 2, torch.pi)
        facts["geodesic_eigenvalue"] = mass * (half.square() - inspection.angle.square()) / length.square()
    if error is not None:
        facts["paper_deviation"] = bounds.paper_deviation(error, length=length, mass=mass)
    if error is not None and lipschitz is not None and flat:
        facts["sup_deviation"] = bounds.sup_deviation(
            error, lipschitz, length=length, free=free, coupling=coupling, mass=mass
        )
    if curvature is not None or lipschitz is not None:
        norm = curvature if lipschitz is None else lipschitz
        facts["paper_condition"] = bounds.paper_condition(norm, longest_step=longest_step, coupling=coupling, mass=mass)
    if curvature is None or floor is None:
        return facts
    curvature = (curvature if inspection is None else curvature - inspection.normal).clamp_min(0)
    coupling_number, margin = bounds.convexity(floor, curvature, coupling=coupling)
    facts |= {"curvature": curvature, "coupling_number": coupling_number, "margin": margin}
    if flat and inspection is not None:
        found = bounds.distance_to_minimum(
            inspection.gradient,
            inspection.force,
            reach=inspection.reach,
            margin=margin,
            coupling_number=coupling_number,
        )
        facts |= dict(zip(("distance", "excess", "furthest"), found, strict=True))
    if flat and error is not None:
        facts["rms_deviation"] = bounds.rms_deviation(error, margin=margin, coupling=coupling)
    return facts


def _judge(stretch: Stretch, *, tolerance: float, closed: bool, flat: bool) -> Verdict:
    """The strongest verdict that the facts allow."""
    convex = stretch.margin is not None and stretch.margin > 0
    positive = stretch.eigenvalue is not None and stretch.eigenvalue > stretch.eigenvalue_bound
    if stretch.residual is None or stretch.residual > tolerance:
        return Verdict.NOT_CONVERGED
    if closed:
        return Verdict.CLOSED_FORM
    if stretch.negative:
        return Verdict.SADDLE
    if convex and flat and stretch.tube_radius is None:
        return Verdict.UNIQUE
    if convex and flat and stretch.furthest is not None and stretch.furthest < stretch.tube_radius:
        return Verdict.UNIQUE_IN_TUBE
    return Verdict.STRICT_MINIMUM if convex or positive else Verdict.UNDECIDED


def _per_stretch(name: str, value: float | Tensor | None, residual: Tensor) -> Tensor | None:
    """The value of each stretch, query by query; infinity is no bound."""
    if value is None:
        return None
    value = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
    if bool(value.isnan().any()) or bool((value < 0).any() and name != "curvature_bound"):
        raise ValueError(f"{name} must be numbers of at least 0 (a bound of curvature may be below), got {value}.")
    return value.expand(residual.shape).flatten()


def _plain(value: Tensor) -> float | int | bool | None:
    number = value.item()
    return number if math.isfinite(number) else None
