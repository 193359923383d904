"""What a bound of the potential's curvature proves about a path.

With M+ a bound of the largest eigenvalue of P's Hessian (0 if negative) and *floor* the smallest eigenvalue of the
kinetic energy's Hessian in the weighted norm |v|_w^2 = sum_i w_i |v_i|^2 (mu sigma_1 in Euclidean space),

    m = floor - lambda M+,    Lambda = lambda M+ / floor.

Where m > 0, in Euclidean space, the action is strongly convex wherever M+ holds, and from any path z there

    |z - z*|_w <= |grad S|_w / m,    S - S* <= |grad S|_w^2 / (2 m),
    max_i |z_i - z*_i| <= sqrt(max_i G_ii) |grad S|_G / (1 - Lambda),

gradients being w_i^-1 dS/dz_i in the weighted norm, and |grad S|_G^2 = sum_ij G_ij <dS/dz_i, dS/dz_j> with the string's
Green's matrix G = (mu K)^-1. The third shows that z* lies inside a tube around z, where M+ holds only in that tube.

If the gradient of P is off by at most eps, the solution is off by at most lambda eps/m (root of the weighted mean
square over the stretch), and, with c = lambda L^2/(8 mu), or lambda L^2/(2 mu) where one end is free, no node by more
than c eps/(1 - c Lip(grad P)), if c Lip(grad P) < 1.

Two statements of the paper are here for comparison. Its Theorem 3.6 asks that lambda M < 2 mu/h^2: the diagonal of the
string's matrix in place of its smallest eigenvalue, right for a single node only. Its Theorem 3.7 bounds the deviation
by L^2 eps/mu, without lambda. Neither is relied on.

Numbers are per stretch, NaN where nothing follows; time is in units of T.
"""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

__all__ = ["convexity", "distance_to_minimum", "paper_condition", "paper_deviation", "rms_deviation", "sup_deviation"]

Numbers = Float64[Tensor, "stretch"]


def convexity(floor: Numbers, curvature: Numbers, *, coupling: float) -> tuple[Numbers, Numbers]:
    """Lambda (NaN where the floor is not above 0) and the margin m.

    Args:
        floor: smallest eigenvalue of the kinetic energy's Hessian, or a lower bound.
        curvature: M+.
        coupling: lambda.
    """
    pull = coupling * curvature
    return torch.where(floor > 0, pull / floor, torch.nan), floor - pull


def distance_to_minimum(
    gradient: Numbers, force: Numbers, *, reach: Numbers, margin: Numbers, coupling_number: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
    """Bounds of |z - z*|_w, of S - S*, and of the furthest node's distance to its place in z*.

    Args:
        gradient: |grad S|_w.
        force: |grad S|_G.
        reach: sqrt(max_i G_ii).
        margin: m.
        coupling_number: Lambda.
    """
    convex = margin > 0
    bounds = gradient / margin, gradient.square() / (2 * margin), reach * force / (1 - coupling_number)
    return tuple(torch.where(convex, bound, torch.nan) for bound in bounds)


def rms_deviation(error: Numbers, *, margin: Numbers, coupling: float) -> Numbers:
    """How far the solution is off in the mean, where the gradient of P is off by at most `error`."""
    return torch.where(margin > 0, coupling * error / margin, torch.nan)


def sup_deviation(
    error: Numbers, lipschitz: Numbers, *, length: Numbers, free: Bool[Tensor, "stretch"], coupling: float, mass: float
) -> Numbers:
    """How far any node of the solution is off, where the gradient of P is off by at most `error`.

    Args:
        error: eps.
        lipschitz: Lipschitz constant of grad P: a bound of the norm of P's Hessian.
        length: of the stretch, units of T.
        free: whether it is held at one end only.
        coupling: lambda.
        mass: mu.
    """
    response = coupling * length.square() / (torch.where(free, 2.0, 8.0) * mass)
    return torch.where(response * lipschitz < 1, response * error / (1 - response * lipschitz), torch.nan)


def paper_condition(
    curvature: Numbers, *, longest_step: Numbers, coupling: float, mass: float
) -> Bool[Tensor, "stretch"]:
    """Theorem 3.6 of the paper, lambda M < 2 mu/h^2: not sufficient for a minimum."""
    return coupling * curvature < 2 * mass / longest_step.square()


def paper_deviation(error: Numbers, *, length: Numbers, mass: float) -> Numbers:
    """Theorem 3.7 of the paper, L^2 eps/mu: not a bound."""
    return length.square() * error / mass
