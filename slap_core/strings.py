"""The kinetic energy of a batch of stretches, in two discretisations: strings under the tension mu.

    FrameString         nodes are frames; between neighbours the path is a geodesic,
                        sum_i mu/(2 h_i) d(z_i, z_{i+1})^2                                        (the paper's)
    PolynomialString    nodes are Gauss points; through them and the ends the path is a polynomial,
                        mu/2 integral of |z'|^2 = 1/2 sum_ij K_ij <z_i, z_j>                      (see `piecewise`)

On the sphere the polynomial keeps to it at its nodes, and between them up to the error of the discretisation.

Both know their kinetic energy, its gradient and Riemannian Hessian, and the *flat* stiffness matrix K, whose inverse
(the string's response to unit forces) preconditions every step of the solver and whose square root is the H1 norm.

Derivatives of squared angles, with u the unit tangent at x towards y, u' the one at y towards x, theta their angle and
b_perp = b - <u', b> u':

    grad_x d^2/2 = -log_x(y)
    Hess_xx a = theta cot(theta) a + (1 - theta cot(theta)) <u, a> u
    Hess_xy b = -theta/sin(theta) b_perp + <u', b> u

The polynomial's gradient is linear in z, and its Riemannian Hessian is K - diag <z_i, (K z)_i>, made tangent.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from slap_core import sphere
from slap_core.gaps import Gaps, green_matrix
from slap_core.piecewise import Piecewise

__all__ = ["FrameString", "Geometry", "Nodes", "PolynomialString", "String"]

Geometry = Literal["sphere", "euclidean"]
Nodes = Float[Tensor, "batch node dim"]


@dataclasses.dataclass(frozen=True, eq=False)
class FrameString:
    """Geodesics (or straight lines) from frame to frame."""

    start: Float[Tensor, "batch dim"]
    stop: Float[Tensor, "batch dim"]
    """The latents at both ends; beyond a free end no string pulls."""
    stiffness: Float[Tensor, "batch step"]
    """mu/h_i; 0 where there is no string."""
    green: Float[Tensor, "batch node node"]
    """The inverse of the flat stiffness matrix, 0 in the padding."""
    weight: Float[Tensor, "batch node"]
    """The time that each node stands for; 0 in the padding."""
    fraction: Float[Tensor, "batch node"]
    """Elapsed part of the stretch at each node; 1 in the padding."""
    geometry: Geometry

    @classmethod
    def on(cls, gaps: Gaps, start: Tensor, stop: Tensor, *, mass: float, geometry: Geometry) -> "FrameString":
        """The string of each stretch, with the type and device of the latents at its ends."""
        steps = gaps.steps()
        return cls(
            start=start,
            stop=stop,
            stiffness=torch.where(steps > 0, mass / steps, 0.0).to(start),
            green=(green_matrix(gaps) / mass).to(start),
            weight=gaps.weights().to(start),
            fraction=(gaps.elapsed / gaps.length[:, None]).to(start),
            geometry=geometry,
        )

    def select(self, index: Tensor) -> "FrameString":
        """Some of the stretches."""
        return _select(self, index)

    def exists(self) -> Bool[Tensor, "batch node"]:
        """Which nodes are no padding."""
        return self.weight > 0

    def apply(self, v: Nodes) -> Nodes:
        """The flat stiffness matrix times v."""
        tension = self.stiffness[..., None] * _between(v).diff(dim=1)
        return tension[:, :-1] - tension[:, 1:]

    def energy(self, z: Nodes) -> tuple[Float64[Tensor, "batch"], Nodes]:
        """The kinetic energy and its gradient, tangential on the sphere."""
        onward, back, length = self._logs(z)
        kinetic = (self.stiffness * length.square() / 2).double().sum(-1)
        return kinetic, -(self.stiffness[:, 1:, None] * onward[:, 1:] + self.stiffness[:, :-1, None] * back[:, :-1])

    def hessian(self, z: Nodes) -> Callable[[Tensor], Tensor]:
        """The product of the kinetic energy's Riemannian Hessian at z with a tangent vector."""
        if self.geometry == "euclidean":
            return self.apply
        stiffness = self.stiffness[..., None]
        onward, back, angle = self._logs(z)
        angle = angle[..., None]
        # Neighbours at the cut locus have no Hessian: the floor keeps it finite there and at coincident points.
        ratio = 1 / torch.sinc(angle / torch.pi).clamp_min(1e-3)
        cotangent = torch.cos(angle) * ratio
        scale = torch.where(angle > 0, angle, 1.0)
        ahead, behind = onward / scale, back / scale

        def curved(v: Tensor) -> Tensor:
            padded = _between(v)
            a, b = padded[:, :-1], padded[:, 1:]
            along_a, along_b = (ahead * a).sum(-1, keepdim=True), (behind * b).sum(-1, keepdim=True)
            left = cotangent * a + ((1 - cotangent) * along_a + along_b) * ahead - ratio * (b - along_b * behind)
            right = cotangent * b + ((1 - cotangent) * along_b + along_a) * behind - ratio * (a - along_a * ahead)
            return (stiffness * left)[:, 1:] + (stiffness * right)[:, :-1]

        return curved

    def floor(self, z: Nodes) -> Float64[Tensor, "batch node node"]:
        """A matrix J that bounds the Riemannian Hessian from below: <v, Hess v> >= sum_ij J_ij |v_i| |v_j|."""
        if self.geometry == "euclidean":
            angle = torch.zeros_like(self.stiffness, dtype=torch.float64)
        else:
            chain = torch.cat([self.start[:, None], z, self.stop[:, None]], 1).double()
            angle = sphere.distance(chain[:, :-1], chain[:, 1:])
        stiffness = self.stiffness.double()
        # At the cut locus J falls to minus infinity: a floor keeps it finite, and hopeless all the same.
        ratio = 1 / torch.sinc(angle / torch.pi).clamp_min(1e-12)
        diagonal = stiffness * ratio * torch.cos(angle)
        across = -(stiffness * ratio)[:, 1:-1]
        beside = torch.diag_embed(across, 1) + torch.diag_embed(across, -1)
        return torch.diag_embed(diagonal[:, 1:] + diagonal[:, :-1]) + beside

    def _logs(self, z: Nodes) -> tuple[Tensor, Tensor, Float[Tensor, "batch step"]]:
        """From each node towards the next one, from that one back, and their distance."""
        chain = torch.cat([self.start[:, None], z, self.stop[:, None]], 1)
        x, y = chain[:, :-1], chain[:, 1:]
        if self.geometry == "euclidean":
            return y - x, x - y, (y - x).norm(dim=-1)
        onward, back, angle = sphere.logs(x, y)
        return onward, back, angle.squeeze(-1)


@dataclasses.dataclass(frozen=True, eq=False)
class PolynomialString:
    """A polynomial along each stretch, or several, joined at soft anchors, which are nodes of weight 0."""

    start: Float[Tensor, "batch dim"]
    stop: Float[Tensor, "batch dim"]
    stiffness: Float64[Tensor, "batch node node"]
    """mu K; in double precision, for its large entries cancel."""
    green: Float[Tensor, "batch node node"]
    """Its inverse."""
    weight: Float[Tensor, "batch node"]
    """Of the Gauss sum, in units of T; 0 at soft anchors."""
    fraction: Float[Tensor, "batch node"]
    base: Nodes
    """The straight line between the ends (rest, where one is free), on which the string pulls nowhere."""
    constant: Float64[Tensor, "batch"]
    """Its kinetic energy."""
    pieces: Piecewise
    """The polynomials."""
    geometry: Geometry

    @classmethod
    def on(
        cls, gaps: Gaps, start: Tensor, stop: Tensor, *, mass: float, geometry: Geometry, nodes: int
    ) -> "PolynomialString":
        """The string of each stretch, with the type and device of the latents at its ends.

        Args:
            gaps: stretches with equally many soft anchors each, all or none of them with a free end.
            start: the latents at their near ends.
            stop: the latents at their far ends; those of free ends do not matter.
            mass: mu.
            geometry: of the space.
            nodes: Gauss points of each polynomial.
        """
        pieces = Piecewise.on(gaps, nodes)
        inner = pieces.inner
        stiffness = mass * pieces.stiffness()[:, inner, inner]
        fraction = (pieces.times()[:, inner] / gaps.length[:, None]).to(start)
        free = gaps.free.to(start.device)[:, None]
        chord = torch.where(free, 0.0, stop - start)
        return cls(
            start=start,
            stop=stop,
            stiffness=stiffness.to(start.device),
            green=torch.linalg.inv(stiffness).to(start),
            weight=pieces.weights()[:, inner].to(start),
            fraction=fraction,
            base=start[:, None] + fraction[..., None] * chord[:, None],
            constant=mass / 2 * chord.double().square().sum(-1) / gaps.length.to(start.device),
            pieces=pieces,
            geometry=geometry,
        )

    def select(self, index: Tensor) -> "PolynomialString":
        """Some of the stretches."""
        return _select(self, index)

    def exists(self) -> Bool[Tensor, "batch node"]:
        """Which nodes are no padding: all."""
        return torch.ones_like(self.weight, dtype=torch.bool)

    def apply(self, v: Nodes) -> Nodes:
        """The flat stiffness matrix times v."""
        return (self.stiffness @ v.double()).to(v)

    def energy(self, z: Nodes) -> tuple[Float64[Tensor, "batch"], Nodes]:
        """The kinetic energy and its gradient, not yet made tangential."""
        # Against the straight line, on which both vanish: less is left to cancel.
        off = (z - self.base).double()
        pull = self.stiffness @ off
        return self.constant + (off * pull).sum((-2, -1)) / 2, pull.to(z)

    def hessian(self, z: Nodes) -> Callable[[Tensor], Tensor]:
        """The product of the kinetic energy's Riemannian Hessian at z with a tangent vector, not made tangential."""
        if self.geometry == "euclidean":
            return self.apply
        normal = (z * self.apply(z - self.base)).sum(-1, keepdim=True)
        return lambda v: self.apply(v) - normal * v

    def floor(self, z: Nodes) -> Float64[Tensor, "batch node node"]:
        """A matrix J that bounds the Riemannian Hessian from below: <v, Hess v> >= sum_ij J_ij <v_i, v_j>."""
        if self.geometry == "euclidean":
            return self.stiffness
        normal = (z * self.apply(z - self.base)).sum(-1).double()
        return self.stiffness - torch.diag_embed(normal)

    def elapsed(self) -> Float64[Tensor, "batch node"]:
        """The times of the nodes since the start, in units of T; on the CPU."""
        return self.pieces.times()[:, self.pieces.inner]

    def at(self, z: Nodes, elapsed: Float64[Tensor, "batch time"]) -> Float[Tensor, "batch time dim"]:
        """The path through the nodes z at times since the start, in units of T."""
        path = self.pieces.interpolation(elapsed).to(z) @ self.chain(z)
        return sphere.normalize(path) if self.geometry == "sphere" else path

    def error(self, z: Nodes) -> Float64[Tensor, "batch"]:
        """An estimate of how far the path may be from that of infinitely many nodes, radians."""
        return self.pieces.tail(self.chain(z))

    def chain(self, z: Nodes) -> Float[Tensor, "batch point dim"]:
        """The path at the points of its polynomials: the nodes z and the ends that are held."""
        ends = [self.stop[:, None]] if self.pieces.held else []
        return torch.cat([self.start[:, None], z, *ends], 1)


String = FrameString | PolynomialString


def _between(v: Nodes) -> Tensor:
    """The field v with zeros at both held ends."""
    end = torch.zeros_like(v[:, :1])
    return torch.cat([end, v, end], 1)


def _select(string: String, index: Tensor) -> String:
    values = {field.name: getattr(string, field.name) for field in dataclasses.fields(string)}
    selected = {name: value[index.to(value.device)] for name, value in values.items() if isinstance(value, Tensor)}
    selected |= {name: value.select(index) for name, value in values.items() if isinstance(value, Piecewise)}
    return dataclasses.replace(string, **selected)
