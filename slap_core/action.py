"""The action of a path through latent space: its value, gradient and Hessian.

With mass mu, coupling lambda and a potential P that is large where latent and query agree,

    S[z] = integral of  mu/2 |z'|^2 - lambda P(z, q)  dt,

discretised at the nodes of a stretch as the kinetic energy of a string (see `strings`) minus lambda sum_i w_i P(z_i).
On the frame grid with d the angle on the sphere (or the Euclidean distance) and w_i = (h_{i-1} + h_i)/2 it reads

    S[z] = sum_i mu/(2 h_i) d(z_i, z_{i+1})^2  -  lambda sum_i w_i P(z_i, q).

A *soft* anchor a of stiffness kappa adds kappa/2 d(z, a)^2 at its node instead of holding it there (see `springs`).

**Sign, stated once.** We *minimise* T - lambda P, so the query attracts. (Written as T - lambda V with V = 1 - sim,
as in the paper, it would repel.) In the words of mechanics this is motion in the potential energy U = lambda P: paths
bend towards high P and linger there, as a thrown ball lingers at the top of its arc; T + U is conserved up to O(h^2).

**Units.** Time is measured in T, the mean length of the gaps (`gaps.time_unit`), so that lambda and mu do not depend
on the frame rate. Only lambda/mu matters for the minimiser.

Derivatives of the kinetic part are written out; those of the potential are its own (`value_and_gradient`) or come from
autograd. On the sphere Hess P = Pi (D^2 P) Pi - <z, grad P> Pi, with Pi the projection on the tangent space.

Source: Fang and Fang, "The Semantic Least Action Principle for Variational Video-Language Modeling", ICML 2026,
with angles in place of chords (whose minimiser is not SLERP for uneven steps).
"""

import dataclasses
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from slap_core import sphere
from slap_core.attractors import Attractors
from slap_core.gaps import Gaps
from slap_core.perceptron import Perceptron
from slap_core.potential import Potential
from slap_core.springs import Springs
from slap_core.strings import FrameString, Geometry, Nodes, PolynomialString, String
from slap_core.types import PotentialFunction

__all__ = ["DiscreteAction", "Evaluation", "evaluate_potential"]


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
    """The action of a batch of independent boundary value problems, one lambda each."""

    potential: PotentialFunction | None
    query: Float[Tensor, "asked"] | Float[Tensor, "batch 1 asked"] | None
    """One for all problems, or one each; what the potential's `in_gaps` made of it where it has that."""
    string: String
    """The kinetic energy."""
    force_weight: Float[Tensor, "batch node"]
    """lambda w_i; 0 in the padding and at soft anchors of weight 0."""
    green: Float[Tensor, "batch node node"]
    """The inverse of the stiffness matrix of string and springs: what every step is preconditioned with."""
    springs: Springs | None
    """At soft anchors; None: there is none."""
    length: Float[Tensor, "batch"]
    """Units of T."""
    mass: float
    geometry: Geometry
    answer: Perceptron | Attractors | None = None
    """P as a function of z alone, where it was `asked` already: `potential` with `query` put in."""

    @classmethod
    def of(
        cls,
        potential: PotentialFunction | None,
        anchors: Float[Tensor, "anchor dim"],
        gaps: Gaps,
        *,
        gap: Tensor,
        coupling: Float64[Tensor, "batch"],
        query: Tensor | None,
        mass: float,
        geometry: Geometry,
        nodes: int | None = None,
        stiffness: Float64[Tensor, "anchor"] | None = None,
    ) -> "DiscreteAction":
        """The problems (gap[k], coupling[k], query[k]) in one batch.

        Args:
            potential: P, or None for 0.
            anchors: latents.
            gaps: the stretches between them.
            gap: which stretch each problem is in; all with equally many soft anchors where `nodes` is given.
            coupling: lambda of each problem.
            query: one, or one each as (batch, 1, dim).
            mass: mu.
            geometry: of the space.
            nodes: Gauss points between two anchors; None for the frame grid, padded to the longest stretch.
            stiffness: kappa of each soft anchor; those of hard ones do not matter.
        """
        gap, which = gap.unique(return_inverse=True)
        gaps = gaps.select(gap)
        which = which.to(anchors.device)
        start, stop = anchors[gaps.start.to(anchors.device)], anchors[gaps.stop.to(anchors.device)]
        string = (
            FrameString.on(gaps, start, stop, mass=mass, geometry=geometry)
            if nodes is None
            else PolynomialString.on(gaps, start, stop, mass=mass, geometry=geometry, nodes=nodes)
        )
        springs, green = None, string.green
        if stiffness is not None and bool((gaps.soft >= 0).any()):
            springs = Springs.on(gaps, anchors, stiffness, geometry=geometry, nodes=nodes)
            springs, green = springs.select(which), springs.response(green)
        string = string.select(which)
        if query is not None and hasattr(potential, "in_gaps"):
            query = potential.in_gaps(query, string.start[:, None], string.stop[:, None])
        return cls(
            potential=potential,
            query=query,
            string=string,
            force_weight=(string.weight.double() * coupling[:, None].to(anchors.device)).to(anchors),
            green=green[which],
            springs=springs,
            length=gaps.length.to(anchors)[which],
            mass=mass,
            geometry=geometry,
        )

    def __len__(self) -> int:
        return len(self.length)

    def select(self, index: Tensor) -> "DiscreteAction":
        """The problems at `index` only."""
        query = self.query[index] if self.query is not None and self.query.ndim == 3 else self.query
        answer = None if self.answer is None else self.answer.select(index)
        values = {name: getattr(self, name)[index] for name in ("force_weight", "green", "length")}
        values["springs"] = None if self.springs is None else self.springs.select(index)
        return dataclasses.replace(self, query=query, string=self.string.select(index), answer=answer, **values)

    def asked(self) -> "DiscreteAction":
        """The same problems with all that the potential makes of its question computed once, for many evaluations.

        While it is in use neither the potential's weights nor the question may change; both are constants to autograd.
        """
        if self.query is None or not isinstance(self.potential, Potential):
            return self
        with torch.no_grad():
            answer = self.potential.asked(self.string.start[:, None], self.query).detach()
        return dataclasses.replace(self, answer=answer)

    def rough(self) -> "DiscreteAction":
        """The same problems with P, where it was `asked`, in single precision: for what need not be exact."""
        return self if self.answer is None else dataclasses.replace(self, answer=self.answer.to(torch.float32))

    def geodesic(self) -> Nodes:
        """The paths of lambda = 0 with hard anchors only: SLERP or LERP in a gap, rest on a free end."""
        string = self.string
        start, stop = string.start[:, None], string.stop[:, None]
        if self.geometry == "euclidean":
            return torch.lerp(start, stop, string.fraction[..., None])
        return sphere.exp(start, string.fraction[..., None] * sphere.log(start, stop))

    def evaluate(self, z: Nodes) -> Evaluation:
        """The action and its tangential gradient."""
        kinetic, gradient = self.string.energy(z)
        potential, pull = self.pull(z)
        gained = (self.force_weight * potential).double()
        gradient = gradient - self.force_weight[..., None] * pull
        scale = kinetic + gained.abs().sum(-1)
        if self.springs is not None:
            stretched, back = self.springs.energy(z)
            kinetic, scale, gradient = kinetic + stretched, scale + stretched, gradient + back
        gradient = torch.where(self._exists(), self.tangent(z, gradient), 0.0)
        return Evaluation(kinetic - gained.sum(-1), gradient, scale)

    def hessian(self, z: Nodes) -> Callable[[Tensor], Tensor]:
        """The Riemannian Hessian at z, as the map from a tangent vector to the Hessian's product with it."""
        terms = [self.string.hessian(z)]
        if self.potential is not None:
            terms.append(self._pulled_hessian(z))
        if self.springs is not None:
            terms.append(self.springs.hessian(z))
        return lambda v: torch.where(self._exists(), self.tangent(z, sum(term(v) for term in terms)), 0.0)

    def precondition(self, z: Nodes, v: Nodes) -> Tensor:
        """The string's response to the force v, made tangent at z: symmetric and positive."""
        return self.tangent(z, self.green @ v)

    def stretch(self, v: Nodes) -> Nodes:
        """The force that string and springs answer the move v with, in flat space: the inverse of `green`."""
        pulled = self.string.apply(v)
        return pulled if self.springs is None else pulled + self.springs.stiffness[..., None] * v

    def tangent(self, z: Tensor, v: Tensor) -> Tensor:
        """The part of v along which the path may move."""
        return sphere.tangent(z, v) if self.geometry == "sphere" else v

    def retract(self, z: Tensor, v: Tensor) -> Tensor:
        """The path reached from z in the tangent direction v; padding stays where it is."""
        moved = sphere.exp(z, v) if self.geometry == "sphere" else z + v
        return torch.where(self._exists(), moved, z)

    def _exists(self) -> Bool[Tensor, "batch node 1"]:
        return self.string.exists()[..., None]

    def pull(self, z: Nodes) -> tuple[Float[Tensor, "batch node"], Nodes]:
        """P and its gradient in flat space, at each node."""
        if self.potential is None:
            return torch.zeros_like(z[..., 0]), torch.zeros_like(z)
        if self.answer is not None:
            value, pull = self.answer.value_and_gradient(z.to(self.answer.output))
            return value.to(z), pull.to(z)
        by_hand = getattr(self.potential, "value_and_gradient", None)
        if by_hand is not None:
            return by_hand(z, self.query)
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

    def _pulled_hessian(self, z: Nodes) -> Callable[[Tensor], Tensor]:
        weight = self.force_weight[..., None]
        with torch.enable_grad():
            leaf = z.detach().requires_grad_(True)
            if self.answer is None:
                value = self.potential(leaf, self.query)
            else:
                value = self.answer.value(leaf.to(self.answer.output))
            (pull,) = torch.autograd.grad(value.sum(), leaf, create_graph=True)
        normal = (z * pull.detach()).sum(-1, keepdim=True) if self.geometry == "sphere" else 0.0

        def product(v: Tensor) -> Tensor:
            found = None
            if pull.requires_grad:  # otherwise P is linear in z
                (found,) = torch.autograd.grad(pull, leaf, v, retain_graph=True, allow_unused=True)
            return weight * (normal * v - (0.0 if found is None else found))

        return product


def evaluate_potential(potential: PotentialFunction, z: Float[Tensor, "*batch dim"], query: Tensor | None) -> Tensor:
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
