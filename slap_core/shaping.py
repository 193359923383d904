"""Shape a potential through the solver: so that the paths it finds end where they should.

An *exercise* is a boundary value problem whose answer is known: the latents of frames that were hidden, or left out on
purpose. It is solved as ever, from the geodesic, and judged by

    drift      mean over the nodes of 1 - <z_i, x_i>, x_i the known latent,    (gradient by the adjoint, `implicit`)
    residual   |H1 step|^2 where the solver did not converge, so that what is learned is a landscape with a minimum
               there and not a recurrent network
    margin     mean of max(0, S(right) - S(wrong) + m) over the stationary paths found from other starts (the query,
               random points) that are further from the answer: the right path shall have the least action
    excess     max(0, Lambda - 0.8), Lambda = lambda M+/(mu sigma_1), M+ the largest eigenvalue of the Hessian of P on
               the sphere along the path: where it is 0 the path is stable

A wrong path has less action by its potential; by the envelope theorem dS/dtheta = -lambda sum_i w_i dP(z_i)/dtheta at
fixed z.

Source: the margin and the adjoint are ours; the paper trains the potential by InfoNCE and a Sobolev penalty alone.
"""

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.descent import minimize
from slap_core.gaps import Gaps
from slap_core.implicit import Adjoint, residual
from slap_core.potential import Potential

__all__ = ["Exercises", "Solved", "curvature_excess", "drift", "joined", "judge", "margin", "pose", "softness", "solve"]

APART = 0.1
"""Two paths are different where some node of theirs lies further apart, radians."""


@dataclasses.dataclass(frozen=True, eq=False)
class Exercises:
    """Boundary value problems with known answers, padded to the longest."""

    anchors: Float[Tensor, "anchor dim"]
    """Unit latents."""
    gaps: Gaps
    """One stretch each, between these anchors."""
    target: Float[Tensor, "stretch node dim"]
    """Unit latents of what is to be recovered."""
    weight: Float[Tensor, "stretch node"]
    """What each node counts in the drift; sums to 1 over a stretch, 0 in the padding."""
    queries: Float[Tensor, "stretch query dim"]
    """Unit latents; each exercise may be asked about in several ways, first in the way that is true of it."""
    subject: Int[Tensor, "stretch"]
    """Exercises with the same number are about the same thing; -1: about nothing."""

    def __len__(self) -> int:
        return len(self.gaps)


def joined(parts: Sequence[Exercises]) -> Exercises:
    """All exercises of the parts in one batch; they must be asked about in equally many ways."""
    nodes = max(part.target.shape[1] for part in parts)
    before = torch.tensor([0, *(len(part.anchors) for part in parts)]).cumsum(0)

    def padded(table: Tensor, value: Tensor | None = None) -> Tensor:
        missing = nodes - table.shape[1]
        filling = table.new_zeros(len(table), missing, *table.shape[2:]) if value is None else value.expand(-1, missing)
        return torch.cat([table, filling], 1)

    gaps = [part.gaps for part in parts]
    return Exercises(
        anchors=torch.cat([part.anchors for part in parts]),
        gaps=dataclasses.replace(
            gaps[0],
            start=torch.cat([gap.start + first for gap, first in zip(gaps, before, strict=False)]),
            stop=torch.cat([gap.stop + first for gap, first in zip(gaps, before, strict=False)]),
            elapsed=torch.cat([padded(gap.elapsed, gap.length[:, None]) for gap in gaps]),
            soft=torch.cat([padded(gap.soft, torch.tensor([[-1]]).expand(len(gap), 1)) for gap in gaps]),
            **{name: torch.cat([getattr(gap, name) for gap in gaps]) for name in ("free", "length", "count")},
        ),
        target=torch.cat([padded(part.target) for part in parts]),
        weight=torch.cat([padded(part.weight) for part in parts]),
        queries=torch.cat([part.queries for part in parts]),
        subject=torch.cat([part.subject for part in parts]),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Solved:
    """What the solver found for a batch of exercises."""

    z: Float[Tensor, "batch node dim"]
    value: Float[Tensor, "batch"]
    """The action."""
    converged: Bool[Tensor, "batch"]


def pose(
    potential: Potential | None,
    exercises: Exercises,
    index: Int[Tensor, "batch"],
    query: Int[Tensor, "batch"],
    coupling: Float[Tensor, "batch"],
) -> DiscreteAction:
    """The problems of some exercises, each with one of its queries and a lambda, on the sphere with mu = 1."""
    device = exercises.anchors.device
    return DiscreteAction.of(
        potential,
        exercises.anchors,
        exercises.gaps,
        gap=index.cpu(),
        coupling=coupling.double().cpu(),
        query=exercises.queries[index.to(device), query.to(device)][:, None],
        mass=1.0,
        geometry="sphere",
    )


@torch.no_grad()
def solve(
    action: DiscreteAction, start: Float[Tensor, "batch node dim"], *, tolerance: float, iterations: int
) -> Solved:
    """The stationary paths reached from `start`; converged where no H1 step is above `tolerance` (radians)."""
    found = minimize(action, start, tolerance=tolerance, iterations=iterations)
    return Solved(found.z, found.history()[-1], found.step <= tolerance)


def drift(
    path: Float[Tensor, "batch node dim"], exercises: Exercises, index: Int[Tensor, "batch"]
) -> Float[Tensor, "batch"]:
    """The weighted mean of 1 - cos between a path and the answer."""
    at = index.to(path.device)
    target, weight = (value[at, : path.shape[1]] for value in (exercises.target, exercises.weight))
    return (weight * (1 - (path * target).sum(-1))).sum(-1)


def judge(
    potential: Potential,
    exercises: Exercises,
    index: Int[Tensor, "batch"],
    query: Int[Tensor, "batch"],
    coupling: Float[Tensor, "batch"],
    *,
    tolerance: float = 1e-4,
    iterations: int = 40,
) -> tuple[dict[str, Float[Tensor, ""]], DiscreteAction, Solved]:
    """Drift and residual as losses, the share that converged and the share of those that are no strict minimum.

    The last is known after the backward pass, until when it is 0. Also the problems and what was found.
    """
    action = pose(potential, exercises, index, query, coupling)
    found = solve(action, action.geodesic(), tolerance=tolerance, iterations=iterations)
    adjoint = Adjoint(action, found.z, converged=found.converged, tolerance=1e-3)
    left = residual(action, found.z).square().sum(-1).mean(-1)
    return (
        {
            "drift": drift(adjoint.path, exercises, index).mean(),
            "residual": torch.where(found.converged, 0.0, left).mean(),
            "converged": found.converged.double().mean(),
        },
        action,
        found,
    )


def margin(
    action: DiscreteAction,
    right: Solved,
    exercises: Exercises,
    index: Int[Tensor, "batch"],
    *,
    gap: float = 0.05,
    tolerance: float = 1e-4,
    iterations: int = 40,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The margin loss, and the share of problems whose path of least action is the closest to the answer.

    Args:
        action: the problems.
        right: what was found from the geodesic.
        exercises: with the answers.
        index: which of them the problems are.
        gap: m, by how much the right path's action shall be below a wrong one's.
        tolerance: of the solver, radians.
        iterations: of the solver.
    """
    geodesic = action.geodesic()
    dim, width = geodesic.shape[-1], geodesic.shape[1]
    bump = torch.sin(torch.pi * action.string.fraction)[..., None]
    asked = action.query[..., :dim].expand_as(geodesic)
    answer = exercises.target[index.to(geodesic.device), :width]
    exists = (exercises.weight[index.to(geodesic.device), :width] > 0)[..., None]
    others = torch.where(exists.roll(1, 0) & exists, answer.roll(1, 0), geodesic)
    starts = [
        sphere.slerp(geodesic, asked, 0.9 * bump.squeeze(-1)),
        others,
        torch.where(exists, answer, geodesic),
    ]
    found = [right, *(solve(action, start, tolerance=tolerance, iterations=iterations) for start in starts)]
    far = torch.stack([drift(one.z, exercises, index) for one in found])
    stationary = torch.stack([one.converged for one in found])
    value = torch.stack([one.value for one in found])
    best = far.masked_fill(~stationary, torch.inf).argmin(0)
    column = torch.arange(len(best), device=best.device)
    z = torch.stack([one.z for one in found])
    good = z[best, column]
    apart = sphere.distance(z, good.expand_as(z)).masked_fill(~exists.squeeze(-1), 0.0).amax(-1) > APART
    wrong = apart & stationary & stationary[best, column]
    # By the envelope theorem the paths are held fixed.
    gained = torch.stack([(action.force_weight * action.potential(one, action.query)).sum(-1) for one in z])
    action_now = value - (gained - gained.detach())
    excess = torch.relu(action_now[best, column] - action_now + gap) * wrong
    lowest = value.masked_fill(~stationary, torch.inf).argmin(0)
    agrees = ~apart[lowest, column]
    return excess.sum(0).mean().to(geodesic), agrees.double().mean()


def softness(action: DiscreteAction) -> Float[Tensor, "batch"]:
    """lambda/(mu sigma_1) of each problem; times M+ it is Lambda.

    sigma_1 is the smallest eigenvalue of the string, its nodes weighted by the time they stand for.
    """
    weight = action.force_weight.sqrt()
    return torch.linalg.eigvalsh(weight[:, :, None] * action.green * weight[:, None]).amax(-1)


def curvature_excess(
    action: DiscreteAction, z: Float[Tensor, "batch node dim"], generator: torch.Generator, *, products: int = 6
) -> Float[Tensor, ""]:
    """The mean over the nodes of max(0, Lambda - 0.8), Lambda = lambda M+/(mu sigma_1), M+ by power iteration.

    An estimate from below, for training; what may be said of the trained potential is for `curvature` to bound.
    """
    z = z.detach().requires_grad_(True)
    _, pull = action.potential.value_and_gradient(z, action.query)
    normal = (z * pull).sum(-1, keepdim=True).detach()

    def product(v: Tensor) -> Tensor:
        (curved,) = torch.autograd.grad(pull, z, v, retain_graph=True)
        return sphere.tangent(z, curved).detach() - normal * v

    v = torch.randn(z.shape, generator=generator).to(z)
    v = sphere.normalize(sphere.tangent(z, v)).detach()
    shift = torch.zeros_like(normal)
    for _ in range(products):
        turned = product(v)
        # The largest eigenvalue, not the one of largest magnitude: shifted until all are positive.
        shift = torch.maximum(shift, turned.norm(dim=-1, keepdim=True))
        v = sphere.normalize(turned + shift * v)
    (curved,) = torch.autograd.grad((pull * v).sum(), z, create_graph=True)
    largest = (v * curved).sum(-1) - (z.detach() * pull).sum(-1)
    exists = action.force_weight > 0
    excess = torch.relu(softness(action)[:, None] * largest - 0.8) * exists
    return excess.sum() / exists.sum().clamp_min(1)
