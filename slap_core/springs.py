"""Soft anchors: springs that hold a path to a latent instead of nailing it there.

A spring of stiffness kappa between a node z and its anchor a, at the angle (or distance) d from each other, adds

    kappa/2 d(z, a)^2,    grad = -kappa log_z(a),    Hess v = kappa (d cot(d) v + (1 - d cot(d)) <u, v> u),

u the unit tangent at z towards a; in Euclidean space the Hessian is kappa. With springs the stiffness matrix K of the
string becomes K + diag kappa, whose inverse follows from K^-1 (Woodbury).
"""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from slap_core import sphere
from slap_core.gaps import Gaps
from slap_core.strings import Geometry, Nodes

__all__ = ["Springs", "anchors_stiffness"]


@dataclasses.dataclass(frozen=True, eq=False)
class Springs:
    """The springs of a batch of stretches."""

    stiffness: Float[Tensor, "batch node"]
    """kappa by which a node is held; 0 at most of them."""
    held: Nodes
    """The latents of the soft anchors at their nodes."""
    geometry: Geometry

    @classmethod
    def on(
        cls,
        gaps: Gaps,
        anchors: Float[Tensor, "anchor dim"],
        stiffness: Float64[Tensor, "anchor"],
        *,
        geometry: Geometry,
        nodes: int | None,
    ) -> "Springs":
        """The springs of each stretch.

        Args:
            gaps: the stretches; all with equally many soft anchors where `nodes` is given.
            anchors: latents.
            stiffness: kappa of each soft anchor; those of hard ones do not matter.
            geometry: of the space.
            nodes: Gauss points between two anchors; None for the frame grid.
        """
        anchor = gaps.soft if nodes is None else gaps.soft_nodes(nodes)
        soft = (anchor >= 0).to(anchors.device)
        anchor = anchor.clamp_min(0).to(anchors.device)
        return cls(
            torch.where(soft, stiffness.to(anchors)[anchor], 0.0), anchors[anchor] * soft[..., None], geometry=geometry
        )

    def select(self, index: Tensor) -> "Springs":
        """Those of some of the stretches."""
        return Springs(self.stiffness[index], self.held[index], self.geometry)

    def response(self, green: Float[Tensor, "batch node node"]) -> Float[Tensor, "batch node node"]:
        """The response of a string whose nodes the springs hold as well: (K + diag kappa)^-1 from K^-1."""
        root, alone = self.stiffness.double().sqrt(), green.double()
        inner = torch.eye(green.shape[-1], dtype=torch.float64, device=green.device) + (
            root[:, :, None] * alone * root[:, None, :]
        )
        return (alone - alone * root[:, None, :] @ torch.linalg.solve(inner, root[:, :, None] * alone)).to(green)

    def energy(self, z: Nodes) -> tuple[Float64[Tensor, "batch"], Nodes]:
        """The energy and its gradient."""
        towards, apart = self._apart(z)
        return (self.stiffness * apart.square() / 2).double().sum(-1), -self.stiffness[..., None] * towards

    def hessian(self, z: Nodes) -> Callable[[Tensor], Tensor]:
        """The product of the energy's Riemannian Hessian at z with a tangent vector."""
        stiffness = self.stiffness[..., None]
        if self.geometry == "euclidean":
            return lambda v: stiffness * v
        towards, angle = self._apart(z)
        cotangent, angle = _cotangent(angle)[..., None], angle[..., None]
        unit = towards / torch.where(angle > 0, angle, 1.0)
        return lambda v: stiffness * (cotangent * v + (1 - cotangent) * (unit * v).sum(-1, keepdim=True) * unit)

    def floor(self, z: Nodes) -> Float64[Tensor, "batch node node"]:
        """A diagonal matrix that bounds the Riemannian Hessian from below, as the string's `floor` does."""
        if self.geometry == "euclidean":
            return torch.diag_embed(self.stiffness.double())
        return torch.diag_embed((self.stiffness * _cotangent(self._apart(z)[1]).clamp_max(1.0)).double())

    def _apart(self, z: Nodes) -> tuple[Nodes, Float[Tensor, "batch node"]]:
        """From each node towards its soft anchor, and how far that is; 0 where there is none."""
        held = torch.where(self.stiffness[..., None] > 0, self.held, z)
        if self.geometry == "euclidean":
            return held - z, (held - z).norm(dim=-1)
        towards, _, angle = sphere.logs(z, held)
        return towards, angle.squeeze(-1)


def anchors_stiffness(values: Tensor | Sequence[float] | None, anchors: int) -> Float64[Tensor, "anchor"] | None:
    """The stiffness of each anchor, infinite for hard ones, or None where all are hard.

    Raises:
        ValueError: if there is not one number above 0 for each of so many anchors.
    """
    if values is None:
        return None
    stiffness = torch.as_tensor(values, dtype=torch.float64).detach().cpu()
    if stiffness.shape != (anchors,) or bool((stiffness.isnan() | (stiffness <= 0)).any()):
        raise ValueError(
            f"stiffness needs one number above 0 for each of the {anchors} anchors (infinity for a hard one), got "
            f"{stiffness.tolist() if stiffness.numel() <= 8 else tuple(stiffness.shape)}."
        )
    return None if bool(stiffness.isinf().all()) else stiffness


def _cotangent(angle: Tensor) -> Tensor:
    """The cotangent of d times d; at the cut locus it has no limit, and a floor keeps it finite."""
    return torch.cos(angle) / torch.sinc(angle / torch.pi).clamp_min(1e-3)
