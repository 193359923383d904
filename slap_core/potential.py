"""The potential P(z, q): large where a latent z agrees with a query q.

Learned: a small MLP on (z, q, z * q) with smooth activations (a curvature bound needs them) and an explicit scale,

    P(z, q) = scale * (f([z, q, z * q]) - shift),    trained by InfoNCE + gamma E |grad_z f|^2.

With negatives that are latents drawn for the same query the optimum is P = tau log p(z | q) / p(z) + C(q): values
can be compared along a path, not across queries.

Static: P(z, q) = scale * <z, q>, the cosine; the ablation, and what encoders without a learned potential use.

Both are *calibrated*: scaled so that the median norm of the tangential gradient along SLERP paths is 8. Then, with
mu = 1 and gaps of mean length 1, lambda reads as radians of pull at mid-gap.

Source: Fang and Fang, The Semantic Least Action Principle (arXiv 2605.30750); the calibration is ours.
"""

import itertools

import torch
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Float
from torch import Tensor, nn

from slap_core import sphere
from slap_core.types import Potential

__all__ = ["GRADIENT_NORM", "LearnedPotential", "StaticPotential", "median_gradient_norm"]

GRADIENT_NORM = 8.0
"""The calibrated median of |tangential gradient of P|, per radian."""


class LearnedPotential(nn.Module, PyTorchModelHubMixin):
    """A light MLP potential, spectrally normalised.

    Args:
        dim: dimensions of the latent space.
        width: units of each hidden layer.
        depth: hidden layers.
        spectral_norm: whether every linear layer has spectral norm at most 1 (the explicit scale restores the range).
    """

    def __init__(self, dim: int, *, width: int = 256, depth: int = 2, spectral_norm: bool = True) -> None:
        super().__init__()
        widths = [3 * dim] + [width] * depth + [1]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            linear = nn.Linear(inputs, outputs)
            layers += [nn.utils.parametrizations.spectral_norm(linear) if spectral_norm else linear, nn.SiLU()]
        self.dim = dim
        self.network = nn.Sequential(*layers[:-1])
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))

    def forward(self, z: Float[Tensor, "*#batch dim"], query: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch"]:
        """P(z, query); `query` broadcasts against z.

        Raises:
            ValueError: if z or the query has another dimension than the potential.
        """
        if z.shape[-1] != self.dim or query.shape[-1] != self.dim:
            raise ValueError(
                f"This potential needs latents and queries of {self.dim} dimensions, got {z.shape[-1]} and "
                f"{query.shape[-1]}; use the encoder it was trained for, or the static potential."
            )
        x, query = torch.broadcast_tensors(z.to(self.scale), query.to(self.scale))
        value = self.network(torch.cat([x, query, x * query], dim=-1)).squeeze(-1)
        return (self.scale * (value - self.shift)).to(z.dtype)

    @torch.no_grad()
    def exported(self) -> "LearnedPotential":
        """The same function without spectral parametrisation: each layer divided by its exact spectral norm.

        Power iteration, used while training, under-estimates the norm; the singular value does not.
        """
        first = self.network[0]
        plain = LearnedPotential(
            self.dim, width=first.out_features, depth=len(self.network) // 2, spectral_norm=False
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
    potential: Potential, points: Float[Tensor, "*#batch dim"], query: Float[Tensor, "*#batch dim"]
) -> float:
    """The median norm of the potential's gradient tangential to the sphere, over the points."""
    with torch.enable_grad():
        z = points.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(potential(z, query).sum(), z)
    return float(sphere.tangent(points, gradient).norm(dim=-1).median())
