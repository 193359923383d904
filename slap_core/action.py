"""The discrete action of a path through latent space: its value, gradient, Hessian, and the energies along it.

Between known latents z_0 and z_{N+1} lie unknown ones z_1..z_N at steps h_i. With d the angle on the sphere (or the
Euclidean distance), w_i = (h_{i-1} + h_i)/2 and a potential P that is large where latent and query agree,

    S[z] = sum_i mu/(2 h_i) d(z_i, z_{i+1})^2  -  lambda sum_i w_i P(z_i, q).

**Sign, stated once.** We *minimise* T - lambda P, so the query attracts. (Written as T - lambda V with V = 1 - sim,
as in the paper, it would repel.) In the words of mechanics this is motion in the potential energy U = lambda P: paths
bend towards high P and linger there, as a thrown ball lingers at the top of its arc; T + U is conserved up to O(h^2).

**Units.** Time is measured in T, the mean length of the gaps (`gaps.time_unit`), so that lambda and mu do not depend
on the frame rate. Only lambda/mu matters for the minimiser.

Derivatives of the kinetic part are written out, those of the potential come from autograd. On the sphere, with u the
unit tangent at x towards y, u' the one at y towards x, theta their angle and b_perp = b - <u', b> u',

    grad_x d^2/2 = -log_x(y)
    Hess_xx a = theta cot(theta) a + (1 - theta cot(theta)) <u, a> u
    Hess_xy b = -theta/sin(theta) b_perp + <u', b> u
    Hess P    = Pi (D^2 P) Pi - <z, grad P> Pi            (Pi the projection on the tangent space)

Source: Fang and Fang, "The Semantic Least Action Principle for Variational Video-Language Modeling", ICML 2026,
with angles in place of chords (whose minimiser is not SLERP for uneven steps).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from slap_core import sphere
from slap_core.gaps import Gaps, find_gaps, green_matrix
from slap_core.types import Energies, Path, Potential

__all__ = ["DiscreteAction", "Evaluation", "Geometry", "energies"]

Geometry = Literal["sphere", "euclidean"]


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """The action of each problem of a batch and its gradient at one point."""

    value: Float64[Tensor, "batch"]
    gradient: Float[Tensor, "batch node dim"]
    """Tangential; 0 in the padding."""
    scale: Float64[Tensor, "batch"]
    """The sum of the absolute values of the action's terms: what rounding errors are relative to."""

    def select(self, index: Tensor) -> "Evaluation":
        """The evaluation of the problems at `index`."""
        return Evaluation(self.value[index], self.gradient[index], self.scale[index])

    def where(self, chosen: Bool[Tensor, "batch"], other: "Evaluation") -> "Evaluation":
        """This evaluation for the problems that are `chosen`, and `other` for the rest."""
        return Evaluation(
            torch.where(chosen, self.value, other.value),
            torch.where(chosen[:, None, None], self.gradient, other.gradient),
            torch.where(chosen, self.scale, other.scale),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class DiscreteAction:
    """The action of a batch of independent boundary value problems on the frame grid, one lambda each."""

    potential: Potential | None
    query: Float[Tensor, "dim"] | Float[Tensor, "batch 1 dim"] | None
    """One for all problems, or one each."""
    start: Float[Tensor, "batch dim"]
    stop: Float[Tensor, "batch dim"]
    """The latents at both ends; beyond a free end no string pulls."""
    stiffness: Float[Tensor, "batch step"]
    """mu/h_i; 0 where there is no string."""
    force_weight: Float[Tensor, "batch node"]
    """lambda w_i; 0 in the padding."""
    green: Float[Tensor, "batch node node"]
    """The inverse of the string's stiffness matrix."""
    fraction: Float[Tensor, "batch node"]
    """Elapsed part of the gap at each node; 1 in the padding."""
    length: Float[Tensor, "batch"]
    """Units of T."""
    mass: float
    geometry: Geometry

    @classmethod
    def on_frames(
        cls,
        potential: Potential | None,
        anchors: Float[Tensor, "anchor dim"],
        gaps: Gaps,
        *,
        gap: Tensor,
        coupling: Float64[Tensor, "batch"],
        query: Tensor | None,
        mass: float,
        geometry: Geometry,
    ) -> "DiscreteAction":
        """The problems (gap[k], coupling[k], query[k]) in one batch, padded to the longest of their gaps."""
        gap, which = gap.unique(return_inverse=True)
        gaps = gaps.select(gap)
        steps = gaps.steps()

        def place(value: Tensor) -> Tensor:
            return value[which].to(anchors)

        return cls(
            potential=potential,
            query=query,
            start=anchors[gaps.start[which].to(anchors.device)],
            stop=anchors[gaps.stop[which].to(anchors.device)],
            stiffness=place(torch.where(steps > 0, mass / steps, 0.0)),
            force_weight=(gaps.weights()[which] * coupling[:, None]).to(anchors),
            green=place(green_matrix(gaps) / mass),
            fraction=place(gaps.elapsed / gaps.length[:, None]),
            length=place(gaps.length),
            mass=mass,
            geometry=geometry,
        )

    def __len__(self) -> int:
        return len(self.start)

    def select(self, index: Tensor) -> "DiscreteAction":
        """The problems at `index` only."""
        query = self.query[index] if self.query is not None and self.query.ndim == 3 else self.query
        names = ("start", "stop", "stiffness", "force_weight", "green", "fraction", "length")
        return dataclasses.replace(self, query=query, **{name: getattr(self, name)[index] for name in names})

    def geodesic(self) -> Float[Tensor, "batch node dim"]:
        """The paths of lambda = 0: SLERP or LERP in a gap, rest on a free end."""
        start, stop = self.start[:, None], self.stop[:, None]
        if self.geometry == "euclidean":
            return torch.lerp(start, stop, self.fraction[..., None])
        return sphere.exp(start, self.fraction[..., None] * sphere.log(start, stop))

    def evaluate(self, z: Float[Tensor, "batch node dim"]) -> Evaluation:
        """The action and its tangential gradient."""
        onward, back, length = self._logs(z)
        kinetic = (self.stiffness * length.square() / 2).double().sum(-1)
        gradient = -(self.stiffness[:, 1:, None] * onward[:, 1:] + self.stiffness[:, :-1, None] * back[:, :-1])
        potential, pull = self._potential(z)
        gained = (self.force_weight * potential).double()
        gradient = gradient - self.force_weight[..., None] * self.tangent(z, pull)
        gradient = torch.where(self._exists(), gradient, 0.0)
        return Evaluation(kinetic - gained.sum(-1), gradient, kinetic + gained.abs().sum(-1))

    def hessian(self, z: Float[Tensor, "batch node dim"]) -> Callable[[Tensor], Tensor]:
        """The Riemannian Hessian at z, as the map from a tangent vector to the Hessian's product with it."""
        kinetic = self._kinetic_hessian(z)
        if self.potential is None:
            return lambda v: torch.where(self._exists(), kinetic(v), 0.0)
        with torch.enable_grad():
            leaf = z.detach().requires_grad_(True)
            (pull,) = torch.autograd.grad(self.potential(leaf, self.query).sum(), leaf, create_graph=True)
        normal = (
            (z * pull.detach()).sum(-1, keepdim=True) if self.geometry == "sphere" else torch.zeros_like(z[..., :1])
        )

        def product(v: Tensor) -> Tensor:
            curved = torch.zeros_like(v)
            if pull.requires_grad:  # otherwise P is linear in z
                (found,) = torch.autograd.grad(pull, leaf, v, retain_graph=True, allow_unused=True)
                curved = curved if found is None else found
            force = self.tangent(z, curved) - normal * v
            return torch.where(self._exists(), kinetic(v) - self.force_weight[..., None] * force, 0.0)

        return product

    def precondition(self, z: Float[Tensor, "batch node dim"], v: Float[Tensor, "batch node dim"]) -> Tensor:
        """The string's response to the force v, made tangent at z: symmetric and positive."""
        return self.tangent(z, self.green @ v)

    def tangent(self, z: Tensor, v: Tensor) -> Tensor:
        """The part of v along which the path may move."""
        return sphere.tangent(z, v) if self.geometry == "sphere" else v

    def retract(self, z: Tensor, v: Tensor) -> Tensor:
        """The path reached from z in the tangent direction v; padding stays where it is."""
        moved = sphere.exp(z, v) if self.geometry == "sphere" else z + v
        return torch.where(self._exists(), moved, z)

    def _exists(self) -> Tensor:
        return (self.green.diagonal(dim1=-2, dim2=-1) > 0)[..., None]

    def _logs(self, z: Tensor) -> tuple[Tensor, Tensor, Float[Tensor, "batch step"]]:
        """From each node towards the next one, from that one back, and their distance."""
        chain = torch.cat([self.start[:, None], z, self.stop[:, None]], 1)
        x, y = chain[:, :-1], chain[:, 1:]
        if self.geometry == "euclidean":
            return y - x, x - y, (y - x).norm(dim=-1)
        onward, back, angle = sphere.logs(x, y)
        return onward, back, angle.squeeze(-1)

    def _potential(self, z: Tensor) -> tuple[Tensor, Tensor]:
        if self.potential is None:
            return torch.zeros_like(z[..., 0]), torch.zeros_like(z)
        with torch.enable_grad():
            leaf = z.detach().requires_grad_(True)
            value = evaluate_potential(self.potential, leaf, self.query)
            if not value.requires_grad:
                raise ValueError(
                    "A potential must be differentiable by autograd, got values that do not depend on the latents; "
                    "remove torch.no_grad or detach from it, or give None for no potential."
                )
            (pull,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), pull

    def _kinetic_hessian(self, z: Tensor) -> Callable[[Tensor], Tensor]:
        stiffness = self.stiffness[..., None]
        end = torch.zeros_like(z[:, :1])
        if self.geometry == "euclidean":

            def flat(v: Tensor) -> Tensor:
                tension = stiffness * torch.cat([end, v, end], 1).diff(dim=1)
                return tension[:, :-1] - tension[:, 1:]

            return flat
        onward, back, angle = self._logs(z)
        angle = angle[..., None]
        # Neighbours at the cut locus have no Hessian: the floor keeps it finite there and at coincident points.
        ratio = 1 / torch.sinc(angle / torch.pi).clamp_min(1e-3)
        cotangent = torch.cos(angle) * ratio
        scale = torch.where(angle > 0, angle, 1.0)
        ahead, behind = onward / scale, back / scale

        def curved(v: Tensor) -> Tensor:
            padded = torch.cat([end, v, end], 1)
            a, b = padded[:, :-1], padded[:, 1:]
            along_a, along_b = (ahead * a).sum(-1, keepdim=True), (behind * b).sum(-1, keepdim=True)
            left = cotangent * a + ((1 - cotangent) * along_a + along_b) * ahead - ratio * (b - along_b * behind)
            right = cotangent * b + ((1 - cotangent) * along_b + along_a) * behind - ratio * (a - along_a * ahead)
            return (stiffness * left)[:, 1:] + (stiffness * right)[:, :-1]

        return curved


def evaluate_potential(potential: Potential, z: Float[Tensor, "*batch dim"], query: Tensor | None) -> Tensor:
    """P(z, query), checked to be one finite number for each latent.

    Raises:
        ValueError: if the potential returns another shape.
    """
    value = potential(z, query)
    if not isinstance(value, Tensor) or value.shape != z.shape[:-1]:
        arrived = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(
            f"A potential must map latents (..., dim) to numbers (...): {tuple(z.shape)} to {tuple(z.shape[:-1])}, got "
            f"{arrived}; sum over the last axis, and let several queries (batch, 1, dim) broadcast."
        )
    return value


def energies(
    path: Path,
    potential: Potential | None,
    query: Float[Tensor, "*query dim"] | None = None,
    *,
    anchor_times: Float[Tensor, "anchor"] | Sequence[float] | None = None,
    coupling: float = 0.5,
    mass: float = 1.0,
    time_unit_seconds: float | None = None,
    geometry: Geometry = "sphere",
    device: torch.device | str = "cpu",
) -> Energies:
    """The energies along any method's path, on its nodes, and the action of each of its gaps.

    Give the same arguments for every method, so that the numbers compare. On the sphere the nodes are normalised first
    (LERP leaves the sphere).

    Args:
        path: nodes at anchors and recovered frames.
        potential: P(z, query), or None for 0.
        query: one query, or as many as the path has.
        anchor_times: seconds; the nodes of `path` that were known. Default: the first and the last.
        coupling: lambda.
        mass: mu.
        time_unit_seconds: T; default: the mean length of the gaps between `anchor_times`.
        geometry: "sphere" (angles) or "euclidean".
        device: where the potential lives.
    """
    nodes = sphere.normalize(path.nodes) if geometry == "sphere" else path.nodes
    anchor_times = path.times[[0, -1]].unique() if anchor_times is None else anchor_times
    gaps = find_gaps(anchor_times, path.times)
    unit = gaps.time_unit_seconds if time_unit_seconds is None else time_unit_seconds
    steps = path.times.diff() / unit
    x, y = nodes[..., :-1, :], nodes[..., 1:, :]
    length = sphere.distance(x, y) if geometry == "sphere" else (y - x).norm(dim=-1)
    onward = (mass / 2 * (length / steps.to(length)).square()).double()
    pulled = torch.zeros(nodes.shape[:-1], dtype=torch.float64)
    if potential is not None:
        if query is not None:
            query = (query[:, None] if query.ndim == 2 else query).to(device, nodes.dtype)
        with torch.no_grad():
            pulled = coupling * evaluate_potential(potential, nodes.to(device), query).double().cpu()

    inner = steps.new_zeros(len(path.times))
    recovered = (~gaps.is_anchor).double()
    inner[:-1] += steps / 2
    inner[1:] += steps / 2
    share = -(inner * recovered * pulled)
    # A step belongs to a gap if either of its nodes was recovered; two anchors side by side bound no gap.
    gap_of_node = torch.full((len(path.times),), -1)
    gap_of_node[~gaps.is_anchor] = gaps.gap_of
    gap_of_step = torch.maximum(gap_of_node[:-1], gap_of_node[1:])
    inside = gap_of_step >= 0
    action = onward.new_zeros(*onward.shape[:-1], len(gaps))
    action.index_add_(-1, gap_of_step[inside], (onward * steps)[..., inside])
    action.index_add_(-1, gaps.gap_of, share[..., ~gaps.is_anchor])

    kinetic = onward.new_zeros(*onward.shape[:-1], len(path.times))
    kinetic[..., :-1] += onward
    kinetic[..., 1:] += onward
    kinetic[..., 1:-1] /= 2
    return Energies(path.times, kinetic.to(nodes), pulled.to(nodes), action.to(nodes))
