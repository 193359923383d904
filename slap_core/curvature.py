"""Rigorous bounds of the gradient and the curvature of a learned potential, everywhere or in a tube.

For a fixed question P(z) = <w, phi(h_L)> + b with h_1 = A z + c, h_{l+1} = W_{l+1} phi(h_l) + b_{l+1}, and

    grad P = A^T e_1,    D^2 P = sum_l J_l^T diag(q_l) J_l,    J_l = dh_l/dz,    q_l = d_l phi''(h_l),

d_l = dP/dphi(h_l), e_l = d_l phi'(h_l).

*Everywhere*, by composition (norms are largest singular values, not estimates by power iteration):

    Lip(g o f) <= Lip(g) Lip(f),    curvature(g o f) <= curvature(g) Lip(f)^2 + Lip(g) curvature(f).

*In a tube*, the balls of radius r around given points: each pre-activation stays in an interval, so does each phi' and
phi'', and J_l stays within a known distance of its value C_l for the intervals' centres. What remains is the largest
eigenvalue of the sum at the centres plus a remainder that vanishes with r: at r = 0 the bound is exact.

*Attractors* (`slap_core.attractors`) have D^2 P = scale beta sum_k w_k (c_k - m)(c_k - m)^T, m their mean. Everywhere
it is at most scale beta D^2/4, D the largest distance of two (Popoviciu's inequality; D <= 2 for any question). In a
ball of radius r no weight exceeds w_k exp(beta r D), and a covariance is no larger around its mean than around any
point: the matrix with the m of the ball's centre and the largest weights bounds it, exactly where r = 0.

On the unit sphere the Hessian is Pi D^2 P Pi - <z, grad P> Pi, Pi the projection on the tangent space.

Bounds are computed in float64 and hold up to its rounding.

Source: the composition rule is that of the chain rule; the tube is interval arithmetic around it.
"""

import copy
import dataclasses
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.attractors import AttractorPotential, Attractors
from slap_core.perceptron import ActivationName, Perceptron, derivatives
from slap_core.potential import Potential

__all__ = ["Bounds", "Extremes", "extremes", "global_bounds", "tube_bounds"]


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Upper bounds; numbers per radian, of P as it is scaled."""

    lipschitz: float
    """Of |grad P|."""
    curvature: float
    """Of |<v, D^2 P v>| over unit v: the Lipschitz constant of grad P."""
    upper: float
    """Of <v, D^2 P v>, at least 0: M+ in flat space."""
    riemannian: float
    """Of the largest eigenvalue of the Hessian on the unit sphere, at least 0: M+ there."""


@dataclasses.dataclass(frozen=True)
class Extremes:
    """Where phi' and phi'' of an activation have their extremes, all of them, and the least and greatest values."""

    slope_at: tuple[float, ...]
    bend_at: tuple[float, ...]
    slope: tuple[float, float]
    bend: tuple[float, float]


# The least and greatest values are rounded outwards.
_EXTREMES: Final = {
    "silu": Extremes(
        slope_at=(-2.3993572805154675, 2.3993572805154675),
        bend_at=(-3.4358409947, 0.0, 3.4358409947),
        slope=(-0.0998393202, 1.0998393202),
        bend=(-0.0369143732, 0.5),
    ),
    "softplus": Extremes(slope_at=(), bend_at=(0.0,), slope=(0.0, 1.0), bend=(0.0, 0.25)),
    "tanh": Extremes(
        slope_at=(0.0,),
        bend_at=(-0.6584789484624084, 0.6584789484624084),
        slope=(0.0, 1.0),
        bend=(-0.7698003589195011, 0.7698003589195011),
    ),
}


def extremes(activation: ActivationName) -> Extremes:
    """The extremes of phi' and phi''."""
    return _EXTREMES[activation]


@torch.no_grad()
def global_bounds(potential: Potential, question: Float[Tensor, "asked"] | None = None) -> Bounds:
    """Bounds over all of space, by composition of the layers.

    Args:
        potential: the potential.
        question: asked; None: for every unit query (and any anchors).
    """
    if isinstance(potential, AttractorPotential):
        return _bounds_of_attractors(potential, question)
    known = extremes(potential.activation)
    slope, bend = max(map(abs, known.slope)), max(map(abs, known.bend))
    size = (3 if potential.context else 1) * potential.dim
    some = torch.zeros(1, size) if question is None else question
    net = _in_float64(potential).asked(torch.zeros(potential.dim), some.double().cpu())
    # For any unit query |diag(q)| <= 1.
    lipschitz = _norm(net.weight) + (_norm(net.modulated) if question is None else 0.0)
    curvature = torch.zeros((), dtype=torch.float64)
    for weight in (*(weight for weight, _ in net.hidden), net.output[None]):
        curvature = bend * lipschitz.square() + slope * curvature
        lipschitz = slope * lipschitz
        norm = _norm(weight)
        lipschitz, curvature = norm * lipschitz, norm * curvature
    return Bounds(float(lipschitz), float(curvature), float(curvature), float(curvature + lipschitz))


@torch.no_grad()
def tube_bounds(
    potential: Potential,
    points: Float[Tensor, "point dim"],
    question: Float[Tensor, "*#point asked"],
    *,
    radius: float,
) -> Bounds:
    """Bounds in the balls of this radius around the points (on the sphere: those parts of them that lie on it).

    Args:
        potential: the potential.
        points: for example the nodes of a path.
        question: one for all points, or one each.
        radius: straight distance, at least 0; an angle is never shorter.

    Raises:
        ValueError: if there is no point, or the radius is negative.
    """
    if not len(points) or not radius >= 0:
        raise ValueError(f"A tube needs points and a radius of at least 0, got {len(points)} points and {radius}.")
    z = points.detach().double().cpu()
    question = question.detach().double().cpu().expand(len(z), -1)
    net = _in_float64(potential).asked(z, question)
    anywhere = [global_bounds(potential, one) for one in question.unique(dim=0)]
    _, gradient = net.value_and_gradient(z)
    lowest, highest = (
        _covariances(net, z, radius)
        if isinstance(net, Attractors)
        else _curvatures(net, potential.activation, z, radius)
    )
    whole = max(bounds.curvature for bounds in anywhere)
    curvature = torch.maximum(highest, -lowest).clamp_max(whole)
    highest = torch.minimum(highest, curvature)
    steep = gradient.norm(dim=-1)
    # <z', g(z')> >= <z, g(z)> - r |g(z)| - r M for z' on the sphere at most r away.
    normal = -(z * gradient).sum(-1) + radius * (steep + curvature)
    return Bounds(
        lipschitz=min(float((steep + radius * curvature).max()), max(bounds.lipschitz for bounds in anywhere)),
        curvature=float(curvature.max()),
        upper=max(float(highest.max()), 0.0),
        riemannian=max(min(float((highest + normal).max()), max(bounds.riemannian for bounds in anywhere)), 0.0),
    )


def _bounds_of_attractors(potential: AttractorPotential, question: Tensor | None) -> Bounds:
    net = _in_float64(potential)
    steepest, apart = torch.ones((), dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    if question is not None:
        centre = net.asked(torch.zeros(potential.dim), question.double().cpu()).centre
        steepest, apart = centre.norm(dim=-1).max(), torch.cdist(centre, centre).max()
    lipschitz = float(net.scale * steepest)
    curvature = float(net.scale * net.log_sharpness.exp() * apart.square() / 4)
    return Bounds(lipschitz, curvature, curvature, curvature + lipschitz)


def _covariances(net: Attractors, z: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Bounds from below and above of the Hessian's eigenvalues in each ball."""
    weight = net.weights(z)
    centre = net.centre.expand(*weight.shape, -1)
    away = centre - (weight[..., None] * centre).sum(-2, keepdim=True)
    reach = torch.cdist(centre, centre).amax(-1)
    most = (weight * (net.sharpness * radius * reach).exp()).clamp_max(1)
    root = (net.scale * net.sharpness * most).sqrt()[..., None] * away
    highest = torch.linalg.eigvalsh(root @ root.mT)[..., -1]
    return torch.zeros_like(highest), highest


def _curvatures(net: Perceptron, activation: ActivationName, z: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Bounds from below and above of the Hessian's eigenvalues in each ball."""
    centre = net.weight.expand(len(z), -1, -1)
    if net.modulated is not None:
        centre = centre + net.modulated * net.query[:, None]
    away = centre.new_zeros(centre.shape[:2])  # of each row of J from that of its centre C
    apart = centre.new_zeros(len(z))  # of J from C in the spectral norm
    reach = _norm(centre)  # of J itself
    h = net.first(z)
    layers = []
    for weight, bias in (*net.hidden, (None, None)):
        rows = centre.norm(dim=-1) + away
        slope, bend = _intervals(activation, h, radius * rows)
        layers.append((centre, away, apart, slope, bend))
        if weight is None:
            break
        middle, spread = (slope[1] + slope[0]) / 2, (slope[1] - slope[0]) / 2
        by_middle, by_spread = weight * middle[:, None], weight * spread[:, None]
        steepest = torch.maximum(slope[0].abs(), slope[1].abs())
        centre = by_middle @ centre
        away = torch.minimum(
            (by_spread.abs() @ rows[..., None]).squeeze(-1), by_spread.norm(dim=-1) * reach[:, None]
        ) + torch.minimum((by_middle.abs() @ away[..., None]).squeeze(-1), by_middle.norm(dim=-1) * apart[:, None])
        apart = torch.minimum(_norm(by_spread) * reach + _norm(by_middle) * apart, away.norm(dim=-1))
        reach = torch.minimum(_norm(centre) + apart, _norm(weight * steepest[:, None]) * reach)
        h = torch.nn.functional.linear(derivatives(activation, h, order=0)[0], weight, bias)

    down = up = net.output.expand(len(z), -1)  # the interval of d_l
    middle, rest = 0.0, 0.0
    most, least = torch.zeros_like(apart), torch.zeros_like(apart)
    for k in reversed(range(len(layers))):
        centre, away, apart, slope, bend = layers[k]
        low, high = _product((down, up), bend)
        mean, spread, size = (low + high) / 2, (high - low) / 2, torch.maximum(low.abs(), high.abs())
        middle = middle + centre.mT @ (mean[..., None] * centre)
        crossing = _off(size, away, apart)
        rest = rest + _weighed(spread, centre).square() + crossing * (2 * _weighed(size, centre) + crossing)
        most = most + (_weighed(high.clamp_min(0), centre) + _off(high.clamp_min(0), away, apart)).square()
        least = least + (_weighed((-low).clamp_min(0), centre) + _off((-low).clamp_min(0), away, apart)).square()
        if k:
            low, high = _product((down, up), slope)
            weight = net.hidden[k - 1][0]
            mean, spread = (low + high) / 2 @ weight, (high - low) / 2 @ weight.abs()
            down, up = mean - spread, mean + spread
    eigenvalues = torch.linalg.eigvalsh(middle)
    return torch.maximum(eigenvalues[:, 0] - rest, -least), torch.minimum(eigenvalues[:, -1] + rest, most)


def _intervals(activation: ActivationName, h: Tensor, spread: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    """The least and greatest phi' and phi'' over [h - spread, h + spread]."""
    known = extremes(activation)
    ends = torch.stack([h - spread, h + spread])
    _, slopes, bends = derivatives(activation, ends, order=2)
    found = []
    for values, places, order in ((slopes, known.slope_at, 1), (bends, known.bend_at, 2)):
        low, high = values.amin(0), values.amax(0)
        for place in places:
            at = torch.tensor(place, dtype=h.dtype)
            value = derivatives(activation, at, order=2)[order]
            inside = (ends[0] < at) & (at < ends[1])
            low = torch.where(inside, torch.minimum(low, value), low)
            high = torch.where(inside, torch.maximum(high, value), high)
        found.append((low, high))
    return tuple(found)


def _product(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The product of two intervals."""
    ends = torch.stack([x * y for x in a for y in b])
    return ends.amin(0), ends.amax(0)


def _weighed(weight: Tensor, rows: Tensor) -> Tensor:
    """The spectral norm of diag(sqrt(weight)) rows."""
    return _norm(weight.sqrt()[..., None] * rows)


def _off(weight: Tensor, away: Tensor, apart: Tensor) -> Tensor:
    """The spectral norm, at most, of diag(sqrt(weight)) (J - C)."""
    return torch.minimum(weight.amax(-1).sqrt() * apart, (weight * away.square()).sum(-1).sqrt())


def _norm(matrix: Tensor) -> Tensor:
    """The largest singular value."""
    return torch.linalg.matrix_norm(matrix, ord=2)


def _in_float64(potential: Potential) -> Potential:
    return copy.deepcopy(potential).eval().double().cpu()
