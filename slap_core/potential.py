"""The potential P(z, q): large where a latent z agrees with a query q.

Learned: a small MLP on (z, q, z * q) with smooth activations (a curvature bound needs them) and an explicit scale,

    P(z, q) = scale * (f([z, q, z * q]) - shift).

By the paper's recipe f is trained by InfoNCE + gamma E |grad_z f|^2. With negatives that are latents drawn for the same
query the optimum is P = tau log p(z | q) / p(z) + C(q): values can be compared along a path, not across queries. It may
be shaped further through the solver, and may then be told the two anchors of the gap that it pulls in: what is asked is
then the *question* (q, a, b), which `in_gaps` makes of a query.

Everything but z is fixed while a path is sought. The first layer is linear in z, with (W_z + W_zq diag(q)) z; the rest
of it is computed once for each question, not at each node. The gradient is written out (`perceptron`).

Static: P(z, q) = scale * <z, q>, the cosine; the ablation, and what encoders without a learned potential use.

Both are *calibrated*: scaled so that the median norm of the tangential gradient along SLERP paths is 8. Then, with
mu = 1 and gaps of mean length 1, lambda reads as radians of pull at mid-gap.

Source: Fang and Fang, The Semantic Least Action Principle (arXiv 2605.30750); calibration and anchors are ours.
"""

import contextlib
import importlib
import io
import itertools
import json
import pathlib
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Float
from torch import Tensor, nn

from slap_core import sphere
from slap_core.cards import load_card
from slap_core.hub import network_folder
from slap_core.perceptron import ACTIVATIONS, ActivationName, Perceptron
from slap_core.types import PotentialFunction

__all__ = ["GRADIENT_NORM", "Potential", "StaticPotential", "calibrate", "calibrated_cosine", "median_gradient_norm"]

GRADIENT_NORM = 8.0
"""The calibrated median of |tangential gradient of P|, per radian."""


class Potential(nn.Module, PyTorchModelHubMixin):
    """A light MLP potential.

    Args:
        dim: dimensions of the latent space.
        width: units of each hidden layer.
        depth: hidden layers.
        activation: "silu", "softplus" or "tanh".
        spectral_norm: whether every linear layer has spectral norm at most 1 (the explicit scale restores the range).
        context: whether P depends on the two anchors of the gap as well: give it questions made by `in_gaps`.

    Raises:
        ValueError: for an unknown activation, or sizes below 1.
    """

    def __init__(
        self,
        dim: int,
        *,
        width: int = 256,
        depth: int = 2,
        activation: ActivationName = "silu",
        spectral_norm: bool = True,
        context: bool = False,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise ValueError(f"A potential needs a smooth activation, {', '.join(ACTIVATIONS)}, got {activation!r}.")
        if min(dim, width, depth) < 1:
            raise ValueError(
                f"A potential needs a dim, a width and a depth of at least 1, got {dim}, {width} and {depth}."
            )
        super().__init__()
        widths = [(5 if context else 3) * dim] + [width] * depth + [1]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            linear = nn.Linear(inputs, outputs)
            layers.append(nn.utils.parametrizations.spectral_norm(linear) if spectral_norm else linear)
            layers.append(ACTIVATIONS[activation]())
        self.dim = dim
        self.activation = activation
        self.context = context
        self.network = nn.Sequential(*layers[:-1])
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | pathlib.Path, **options: Any) -> "Potential":
        """The potential in a folder, or in a repository of the Hugging Face hub, in evaluation mode.

        One with attractors comes as an `attractors.AttractorPotential`, whichever class is asked. Only safetensors
        weights are read. Where the folder has a card (`card.json`), the hashes of its files are checked.

        Args:
            folder_or_hub_id: a folder written by `save_pretrained`, or "OWNER/NAME".
            **options: of the hub's client (revision, cache_dir, token, local_files_only, ...).

        Raises:
            ValueError: if it is neither a folder nor to be had from the hub, has no safetensors weights, differs from
                its card, or holds another network.
        """
        folder = network_folder(folder_or_hub_id, **options)
        if (folder / "card.json").is_file():
            load_card(folder)
        if cls is Potential and "count" in json.loads((folder / "config.json").read_text(encoding="utf-8")):
            return importlib.import_module("slap_core.attractors").AttractorPotential.from_pretrained(folder)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # the mixin prints that it loads
                found = super().from_pretrained(folder, strict=True)
        except (RuntimeError, TypeError, KeyError) as error:
            raise ValueError(
                f"The folder {folder.name!r} holds no potential: its config and weights do not fit each other; save "
                "it again with save_pretrained."
            ) from error
        return found.eval().requires_grad_(False)

    def forward(self, z: Float[Tensor, "*#batch dim"], query: Float[Tensor, "*#batch asked"]) -> Tensor:
        """P(z, query), one number for each z; `query` broadcasts against z.

        Args:
            z: latents.
            query: latents of queries; with `context` what `in_gaps` made of them.

        Raises:
            ValueError: if z or the query has another dimension than the potential.
        """
        return self.asked(z, query).value(z.to(self.scale)).to(z.dtype)

    def value_and_gradient(self, z: Float[Tensor, "*#batch dim"], query: Tensor) -> tuple[Tensor, Tensor]:
        """P and its gradient with respect to z, without an autograd graph over z; arguments as for a call."""
        value, gradient = self.asked(z, query).value_and_gradient(z.to(self.scale))
        return value.to(z.dtype), gradient.to(z.dtype)

    def in_gaps(
        self,
        query: Float[Tensor, "*#batch dim"],
        start: Float[Tensor, "*#batch dim"],
        stop: Float[Tensor, "*#batch dim"],
    ) -> Float[Tensor, "*#batch asked"]:
        """The questions to ask about points in gaps between the anchors `start` and `stop`: what a call takes.

        Without `context` the query itself. All three broadcast; a free end has its one anchor at both ends.
        """
        if not self.context:
            return query
        return torch.cat(torch.broadcast_tensors(query.to(start), start, stop), -1)

    def asked(self, z: Float[Tensor, "*#batch dim"], query: Float[Tensor, "*#batch asked"]) -> Perceptron:
        """P as a function of z alone, for the question(s) asked about the latents z.

        Raises:
            ValueError: if z or the query has another dimension than the potential.
        """
        self._check(z, query)
        first, *hidden, last = (layer for layer in self.network if isinstance(layer, nn.Linear))
        question = query.to(self.scale)
        q = question[..., : self.dim]
        by_z, by_q, by_product, *by_anchors = first.weight.split(self.dim, dim=1)
        rest = torch.cat([by_q, *by_anchors], 1)
        single = question.ndim == 1
        return Perceptron(
            weight=by_z + by_product * q if single else by_z,
            modulated=None if single else by_product,
            query=None if single else q,
            offset=nn.functional.linear(question, rest, first.bias),
            hidden=tuple((layer.weight, layer.bias) for layer in hidden),
            output=self.scale * last.weight[0],
            constant=self.scale * (last.bias[0] - self.shift),
            activation=self.activation,
        )

    def _check(self, z: Tensor, query: Tensor) -> None:
        size = (3 if self.context else 1) * self.dim
        if z.shape[-1] != self.dim or query.shape[-1] != size:
            made = " (make them with in_gaps)" if self.context else ""
            raise ValueError(
                f"This potential needs latents of {self.dim} dimensions and queries of {size}{made}, got "
                f"{z.shape[-1]} and {query.shape[-1]}; use the encoder it was trained for, or the static potential."
            )

    @torch.no_grad()
    def exported(self) -> "Potential":
        """The same function without spectral parametrisation: each layer divided by its exact spectral norm.

        Power iteration, used while training, under-estimates the norm; the singular value does not.
        """
        plain = Potential(
            self.dim,
            width=self.network[0].out_features,
            depth=len(self.network) // 2,
            activation=self.activation,
            spectral_norm=False,
            context=self.context,
        ).to(self.scale)
        for source, target in zip(self.network, plain.network, strict=True):
            if isinstance(source, nn.Linear):
                weight = source.weight
                if nn.utils.parametrize.is_parametrized(source):
                    weight = source.parametrizations.weight.original
                    weight = weight / torch.linalg.matrix_norm(weight, ord=2)
                target.weight.copy_(weight)
                target.bias.copy_(source.bias)
        plain.scale.copy_(self.scale)
        plain.shift.copy_(self.shift)
        return plain.eval()


class StaticPotential:
    """The cosine potential scale * <z, query>.

    Args:
        scale: the norm of its gradient in flat space; on the sphere the gradient is scale * sin(angle to the query).
    """

    def __init__(self, scale: float = GRADIENT_NORM) -> None:
        self.scale = scale

    def __call__(
        self, z: Float[Tensor, "*#batch dim"], query: Float[Tensor, "*#batch dim"]
    ) -> Float[Tensor, "*#batch"]:
        """The scaled inner product; `query` broadcasts against z."""
        return self.scale * (z * query.to(z)).sum(-1)


def median_gradient_norm(
    potential: PotentialFunction, points: Float[Tensor, "*#batch dim"], query: Float[Tensor, "*#batch asked"]
) -> float:
    """The median norm of the potential's gradient tangential to the sphere, over the points."""
    with torch.enable_grad():
        z = points.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(potential(z, query).sum(), z)
    return float(sphere.tangent(points, gradient).norm(dim=-1).median())


def calibrated_cosine(middles: Float[Tensor, "point dim"], query: Float[Tensor, "dim"]) -> StaticPotential:
    """The cosine to a query, scaled to a median tangential gradient of 8 over some points (of a clip's gaps).

    Args:
        middles: unit vectors, perhaps none.
        query: a unit vector.
    """
    norm = median_gradient_norm(StaticPotential(1.0), middles, query) if len(middles) else 0.0
    # A clip whose every frame is the query has no gradient to calibrate on.
    return StaticPotential(GRADIENT_NORM / norm if norm > 1e-3 else GRADIENT_NORM)


@torch.no_grad()
def calibrate(potential: Potential, latents: Float[Tensor, "pair 2 dim"], queries: Float[Tensor, "pair dim"]) -> float:
    """Scale the potential so that its median tangential gradient along SLERP paths is 8; returns the factor.

    Args:
        potential: changed in place; its mean over the paths becomes 0.
        latents: the two ends of each path.
        queries: one for each path.
    """
    fraction = torch.linspace(0, 1, 9, device=latents.device)[1:-1]
    start, stop = latents[:, :1], latents[:, 1:]
    points = sphere.slerp(
        start.expand(-1, len(fraction), -1), stop.expand(-1, len(fraction), -1), fraction.expand(len(latents), -1)
    )
    question = potential.in_gaps(queries[:, None], start, stop)
    factor = GRADIENT_NORM / median_gradient_norm(potential, points, question)
    potential.shift += potential(points, question).mean() / potential.scale
    potential.scale *= factor
    return factor
