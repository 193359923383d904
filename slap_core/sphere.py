"""Geometry of the unit sphere: the space in which an encoder's latents live.

For unit vectors x and y at angle theta = d(x, y),

    log_x(y) = theta * (y - cos(theta) x) / sin(theta)      a tangent vector at x of length theta
    exp_x(v) = cos|v| x + sin|v| v/|v|                      its inverse
    slerp(x, y, s) = exp_x(s * log_x(y))                    the geodesic at constant speed

Angles are in radians. Every function is pure, keeps dtype and device, broadcasts over leading axes, and is finite
with finite gradients at coincident points and at antipodes.

Two numerical choices. The angle is 2 atan2(|x - y|, |x + y|), not acos(<x, y>), which loses half of the digits near
0 and pi. Between antipodes every great semicircle is a shortest path; we choose one by a fixed rule (see `log`), so
that the answer is deterministic and never NaN.
"""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["distance", "exp", "log", "normalize", "slerp", "tangent", "transport"]


def _norm(x: Tensor) -> Tensor:
    """Euclidean norm over the last axis, kept, whose gradient at 0 is 0 instead of NaN."""
    square = (x * x).sum(-1, keepdim=True)
    zero = square == 0
    return torch.where(zero, torch.zeros_like(square), torch.where(zero, torch.ones_like(square), square).sqrt())


def normalize(x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """The unit vector in the direction of x; the zero vector stays zero."""
    norm = _norm(x)
    return x / torch.where(norm == 0, torch.ones_like(norm), norm)


def tangent(x: Float[Tensor, "*batch dim"], v: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """The part of v that is tangent to the sphere at x."""
    return v - (x * v).sum(-1, keepdim=True) * x


def distance(x: Float[Tensor, "*batch dim"], y: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
    """The angle between unit vectors, in radians, in [0, pi]."""
    return 2 * torch.atan2(_norm(x - y), _norm(x + y)).squeeze(-1)


def exp(x: Float[Tensor, "*batch dim"], v: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """The point reached from x along the geodesic with initial velocity v (tangent at x) after unit time."""
    angle = _norm(v)
    # torch.sinc(a) = sin(pi a)/(pi a): smooth through 0, where v/|v| is not.
    return normalize(torch.cos(angle) * x + torch.sinc(angle / torch.pi) * v)


def log(x: Float[Tensor, "*batch dim"], y: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """The tangent vector at x that points along the geodesic to y and whose length is their angle.

    At an exact antipode the direction is not determined; we take the coordinate axis least aligned with x, projected
    on the tangent space.
    """
    angle = distance(x, y).unsqueeze(-1)
    direction = tangent(x, y - x)  # y - x rather than y: no cancellation for close points
    length = _norm(direction)
    # At coincident points the direction is 0 as well, and any finite factor is right: the limit is 1.
    small = length < torch.finfo(x.dtype).tiny ** 0.5
    factor = torch.where(small, torch.ones_like(length), angle / torch.where(small, torch.ones_like(length), length))
    antipodal = small & (angle > 1)
    if not bool(antipodal.any()):
        return factor * direction
    axis = torch.nn.functional.one_hot(x.abs().argmin(-1), x.shape[-1]).to(x.dtype)
    return torch.where(antipodal, torch.pi * normalize(tangent(x, axis)), factor * direction)


def slerp(
    x: Float[Tensor, "*batch dim"], y: Float[Tensor, "*batch dim"], s: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch dim"]:
    """The point at the fraction s of the geodesic from x (s = 0) to y (s = 1)."""
    return exp(x, s.unsqueeze(-1) * log(x, y))


def transport(
    x: Float[Tensor, "*batch dim"], y: Float[Tensor, "*batch dim"], v: Float[Tensor, "*batch dim"]
) -> Float[Tensor, "*batch dim"]:
    """Parallel transport of v, tangent at x, along the geodesic to y; undefined (but finite) between antipodes."""
    sum_ = x + y
    scale = 1 + (x * y).sum(-1, keepdim=True)
    return v - (y * v).sum(-1, keepdim=True) / scale.clamp_min(torch.finfo(x.dtype).eps) * sum_
