"""What certificates need to know of solutions and only the action can tell: forces and stiffness where they stand.

The gradient is measured in the weighted norm |g|_w^2 = sum_i |g_i|^2/w_i and by the string's response G to it;
stiffness is the lower end of the Hessian's spectrum (see `spectrum`) and a lower bound of the kinetic energy's part.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.agreement import Agreement
from slap_core.spectrum import Spectrum, hessian_spectrum, kinetic_floor

__all__ = ["Inspection", "in_order", "inspect"]

Batch = TypeVar("Batch", bound="Inspection | Agreement | Spectrum")


@dataclasses.dataclass(frozen=True, eq=False)
class Inspection:
    """What certificates need to know of solutions and only the action can tell, problem by problem."""

    gradient: Float64[Tensor, "batch"]
    """|grad S|_w."""
    force: Float64[Tensor, "batch"]
    """The gradient in the norm of the string's response, sqrt(sum_ij G_ij <g_i, g_j>)."""
    reach: Float64[Tensor, "batch"]
    """How far a node moves at most per unit of the string's energy norm: the root of the largest G_ii."""
    floor: Float64[Tensor, "batch"]
    """Lower bound of the kinetic energy's Hessian in the weighted norm."""
    normal: Float64[Tensor, "batch"]
    """The least <z_i, grad P(z_i)> of the nodes on the sphere; 0 in Euclidean space."""
    angle: Float64[Tensor, "batch"]
    """Between the ends, radians; 0 in Euclidean space and where one end is free."""
    spectrum: Spectrum


def inspect(
    action: DiscreteAction,
    z: Float[Tensor, "batch node dim"],
    *,
    weight: Float[Tensor, "batch node"],
    steps: int = 32,
    accuracy: float | None = None,
    dense_limit: int = 600,
    generator: torch.Generator | None = None,
) -> Inspection:
    """What there is to know at the paths z, on the CPU.

    Args:
        action: the problems.
        z: their solutions.
        weight: the time that each node stands for; 0 in the padding.
        steps: of Lanczos's method.
        accuracy: of the eigenvalues, relative, where fewer steps may do.
        dense_limit: Hessians of at most so many unknowns are diagonalised instead.
        generator: of Lanczos's random starts; default: one with a fixed seed.
    """
    action = action.asked()
    gradient = action.evaluate(z).gradient.double()
    exists = action.string.exists()
    per_time = torch.where(exists, 1 / weight.double(), 0.0)
    response = action.green.double() @ gradient
    spectrum = hessian_spectrum(
        action, z, weight=weight, steps=steps, accuracy=accuracy, dense_limit=dense_limit, generator=generator
    )
    normal = angle = torch.zeros_like(per_time[:, 0])
    if action.geometry == "sphere":
        angle = sphere.distance(action.string.start.double(), action.string.stop.double())
        normal = torch.where(exists, (z * action.pull(z)[1]).sum(-1).double(), torch.inf).amin(-1)
    # A node of no weight (a soft anchor) with a force on it has an infinite weighted norm.
    square = torch.where(gradient == 0, 0.0, per_time[..., None] * gradient.square()).sum((-2, -1))
    return Inspection(
        gradient=square.sqrt().cpu(),
        force=(gradient * response).sum((-2, -1)).clamp_min(0).sqrt().cpu(),
        reach=action.green.diagonal(dim1=-2, dim2=-1).amax(-1).double().sqrt().cpu(),
        floor=kinetic_floor(action, z, weight=weight).cpu(),
        normal=normal.cpu(),
        angle=angle.cpu(),
        spectrum=Spectrum(**{name: value.cpu() for name, value in vars(spectrum).items()}),
    )


def in_order(parts: Sequence[Batch], index: Int[Tensor, "batch"]) -> Batch:
    """The inspections (or agreements) of several batches in one, sorted by the numbers of their problems."""
    first, order = parts[0], index.argsort()

    def joined(values: Sequence[Any]) -> Any:
        return torch.cat(list(values))[order] if isinstance(values[0], Tensor) else in_order(values, index)

    return type(first)(**{name: joined([getattr(part, name) for part in parts]) for name in vars(first)})
