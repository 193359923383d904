"""Polynomials through a few nodes of a stretch: where a smooth path lives when its frames are too many.

On a stretch of unit length a path is the polynomial of degree M + 1 through its two ends and M Gauss-Legendre nodes
(where the far end is free: of degree M through the held end and M Gauss-Radau nodes, the last of which is the free
end). Its kinetic energy is a quadratic form in those values, known exactly,

    integral of z'^2 / 2  =  1/2 sum_ij K_ij <z_i, z_j>,      K_ij = integral of l_i' l_j',

l_i the Lagrange polynomials, and the potential's integral is the Gauss sum, exact for polynomials of degree 2M - 1
(2M - 2 with a free end). So the minimum converges faster than any power of 1/M where the force is smooth, and M does
not depend on the number of frames.

All tables are for unit length, in double precision, on the CPU; on a stretch of length L, K is divided and weights
multiplied by L.

Source: Berrut and Trefethen, "Barycentric Lagrange interpolation", 2004.
"""

import dataclasses
import functools

import numpy as np
import scipy.special
import torch
from jaxtyping import Float64
from numpy.polynomial import legendre
from torch import Tensor

__all__ = ["Element", "element"]


@dataclasses.dataclass(frozen=True, eq=False)
class Element:
    """The tables of one stretch of unit length; points are its held ends and its nodes, in order of time."""

    points: Float64[Tensor, "point"]
    """0, the nodes, and 1 where the far end is held (where it is free the last node is at 1)."""
    weights: Float64[Tensor, "node"]
    """Of the Gauss sum."""
    stiffness: Float64[Tensor, "point point"]
    """K."""
    coefficients: Float64[Tensor, "degree point"]
    """From values at the points to coefficients of the Legendre polynomials on [0, 1]."""
    free: bool
    """Whether the far end is free."""
    _barycentric: Float64[Tensor, "point"]

    def interpolation(self, times: Float64[Tensor, "*batch"]) -> Float64[Tensor, "*batch point"]:
        """From values at the points to the polynomial's values at times in [0, 1]."""
        apart = times[..., None] - self.points
        same = apart == 0
        share = torch.where(
            same.any(-1, keepdim=True), same.double(), self._barycentric / torch.where(same, 1.0, apart)
        )
        return share / share.sum(-1, keepdim=True)


@functools.lru_cache(maxsize=32)
def element(nodes: int, *, free: bool = False) -> Element:
    """The tables for so many nodes.

    Args:
        nodes: M, 1 or more.
        free: whether the far end is free.

    Raises:
        ValueError: if there is no node.
    """
    if nodes < 1:
        raise ValueError(f"A stretch needs at least 1 node, got {nodes}.")
    if free:
        inner = scipy.special.roots_jacobi(nodes - 1, 1.0, 0.0)[0] if nodes > 1 else np.zeros(0)
        x = np.append(inner, 1.0)
    else:
        x = legendre.leggauss(nodes)[0]
    points = np.concatenate([[-1.0], x, [] if free else [1.0]])
    degree = len(points) - 1
    # Legendre coefficients of each Lagrange polynomial: columns of the inverse of the Vandermonde matrix.
    coefficients = np.linalg.inv(legendre.legvander(points, degree))
    abscissae, gauss = legendre.leggauss(degree + 1)
    slopes = np.stack([legendre.legval(abscissae, legendre.legder(column)) for column in coefficients.T], axis=1)
    stiffness = 2 * (slopes.T * gauss) @ slopes  # dx = 2 dt
    weights = np.linalg.solve(legendre.legvander(x, nodes - 1).T, np.eye(nodes)[0])  # integral over [0, 1]
    barycentric = 1 / np.array([np.prod(np.delete(p - points, i)) for i, p in enumerate(points)])

    def table(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values))

    return Element(
        points=table((points + 1) / 2),
        weights=table(weights),
        stiffness=table(stiffness),
        coefficients=table(coefficients),
        free=free,
        _barycentric=table(barycentric / np.abs(barycentric).max()),
    )
