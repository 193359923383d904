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

__all__ = [
    *("INPUT_GAIN", "distance", "exp", "is_unit", "log", "logs", "normalize", "require_unit", "slerp", "tangent"),
    "transport",
]

INPUT_GAIN = 4.0
"""On unit vectors that a network reads: their coordinates are small."""


def _norm(x: Tensor) -> Tensor:
    """Euclidean norm over the last axis, kept, whose gradient at 0 is 0 instead of NaN."""
    square = (x * x).sum(-1, keepdim=True)
    zero = square == 0
    return torch.where(zero, torch.zeros_like(square), torch.where(zero, torch.ones_like(square), square).sqrt())


def normalize(x: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch dim"]:
    """The unit vector in the direction of x; the zero vector stays zero."""
    norm = _norm(x)
    return x / torch.where(norm == 0, torch.ones_like(norm), norm)


def is_unit(x: Float[Tensor, "*#batch dim"]) -> bool:
    """Whether every vector lies on the unit sphere, within rounding of its type."""
    tolerance = 1e-3 if x.dtype in (torch.float16, torch.bfloat16) else 1e-4
    return bool(((x.float().norm(dim=-1) - 1).abs() < tolerance).all())


def require_unit(method: str, x: Float[Tensor, "*#batch dim"]) -> None:
    """Check that a method on the sphere was given unit vectors.

    Raises:
        ValueError: if the norm of any of them is not 1.
    """
    if not is_unit(x):
        norm = x.float().norm(dim=-1)
        raise ValueError(
            f"{method} works on the unit sphere: unit latents are required, got norms from {float(norm.min()):.4g} to "
            f"{float(norm.max()):.4g}; divide them by their norms or choose a Euclidean method."
        )


def tangent(x: Float[Tensor, "*#batch dim"], v: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch dim"]:
    """The part of v that is tangent to the sphere at x."""
    return v - (x * v).sum(-1, keepdim=True) * x


def distance(x: Float[Tensor, "*#batch dim"], y: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch"]:
    """The angle between unit vectors, in radians, in [0, pi]."""
    return 2 * torch.atan2(_norm(x - y), _norm(x + y)).squeeze(-1)


def exp(x: Float[Tensor, "*#batch dim"], v: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch dim"]:
    """The point reached from x along the geodesic with initial velocity v (tangent at x) after unit time."""
    angle = _norm(v)
    # torch.sinc(a) = sin(pi a)/(pi a): smooth through 0, where v/|v| is not.
    return normalize(torch.cos(angle) * x + torch.sinc(angle / torch.pi) * v)


def log(x: Float[Tensor, "*#batch dim"], y: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch dim"]:
    """The tangent vector at x that points along the geodesic to y and whose length is their angle.

    At an antipode (within rounding) the direction is not determined; we take the coordinate axis least aligned with x,
    projected on the tangent space.
    """
    angle = distance(x, y).unsqueeze(-1)
    # y - x rather than y: no cancellation for close points. Near the antipode the direction is short, and what the
    # first projection leaves of x by rounding is not small beside it.
    direction = tangent(x, tangent(x, y - x))
    length = _norm(direction)
    antipodal = (angle > 1) & (length < 8 * torch.finfo(x.dtype).eps)
    # At coincident points the direction is 0 as well, and any finite factor is right: the limit is 1.
    small = antipodal | (length < torch.finfo(x.dtype).tiny ** 0.5)
    factor = torch.where(small, torch.ones_like(length), angle / torch.where(small, torch.ones_like(length), length))
    axis = torch.nn.functional.one_hot(x.abs().argmin(-1), x.shape[-1]).to(x.dtype)
    return torch.where(antipodal, torch.pi * normalize(tangent(x, axis)), factor * direction)


def logs(
    x: Float[Tensor, "*#batch dim"], y: Float[Tensor, "*#batch dim"]
) -> tuple[Float[Tensor, "*#batch dim"], Float[Tensor, "*#batch dim"], Float[Tensor, "*#batch 1"]]:
    """log_x(y), log_y(x) and the angle, for the price of one; both tangents are zero between antipodes."""
    chord = y - x
    square = (chord * chord).sum(-1, keepdim=True)
    apart, together = square.sqrt(), (x + y).norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(apart, together)
    # sin(angle) = apart * together / 2 and cos(angle) = 1 - square / 2, without cancellation for close points.
    sine = apart * together / 2
    antipodal = (angle > 1) & (sine < 8 * torch.finfo(x.dtype).eps)
    small = antipodal | (sine < torch.finfo(x.dtype).tiny ** 0.5)
    factor = torch.where(small, torch.where(antipodal, 0.0, 1.0), angle / torch.where(small, 1.0, sine))
    return factor * (chord + square / 2 * x), factor * (square / 2 * y - chord), angle


def slerp(
    x: Float[Tensor, "*#batch dim"], y: Float[Tensor, "*#batch dim"], s: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*#batch dim"]:
    """The point at the fraction s of the geodesic from x (s = 0) to y (s = 1)."""
    return exp(x, s.unsqueeze(-1) * log(x, y))


def transport(
    x: Float[Tensor, "*#batch dim"], y: Float[Tensor, "*#batch dim"], v: Float[Tensor, "*#batch dim"]
) -> Float[Tensor, "*#batch dim"]:
    """Parallel transport of v, tangent at x, along the geodesic to y; undefined (but finite) between antipodes."""
    sum_ = x + y
    scale = 1 + (x * y).sum(-1, keepdim=True)
    return v - (y * v).sum(-1, keepdim=True) / scale.clamp_min(torch.finfo(x.dtype).eps) * sum_
