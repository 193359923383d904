"""A potential with attractors: which latents pull in a gap, and how firmly, as a network says from query and anchors.

    P(z; q, a, b) = scale * ((1/beta) log sum_k exp(beta (<c_k, z> + d_k)) - shift)

is a soft maximum of K planes. Its gradient is the mean of the attractors c_k by the weights w = softmax(beta (<c, z> +
d)), its Hessian beta times their covariance:

    grad P = scale * sum_k w_k c_k,    D^2 P = scale * beta * sum_k w_k (c_k - m)(c_k - m)^T >= 0,    m = sum_k w_k c_k.

A path is drawn to the attractor that is best where it is, and hands over to the next as it goes. A perceptron finds c
and d from the question (q, a, b), once for each gap; along the path P costs K products. The attractors lie in the unit
ball, c = y/sqrt(1 + |y|^2), so that gradient and curvature are bounded for every question there is:

    |grad P| <= scale,    0 <= D^2 P <= scale * beta.

Where nothing else pulls, an attractor draws the nodes that are nearest to it; so a path that is drawn by all in turn
passes them in their order, as *stations* at even distances in time. To teach the perceptron where the stations of the
right path lie takes no solver, and is where training begins.

Source: the energy of modern Hopfield networks, Ramsauer et al., "Hopfield Networks is All You Need", ICLR 2021; that
query and anchors write the memory is ours.
"""

import dataclasses
import itertools

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from slap_core import sphere
from slap_core.perceptron import changed
from slap_core.potential import Potential

__all__ = ["AttractorPotential", "Attractors", "between_ends", "by_way_of", "faint", "hidden_layers", "in_unit_ball"]


@dataclasses.dataclass(frozen=True, eq=False)
class Attractors:
    """P as a function of z alone, for one question or one for each problem of a batch.

    Where the latents have an axis that the questions share (nodes of one gap), the attractors have none for it.
    """

    centre: Float[Tensor, "*batch attractor dim"]
    """c."""
    offset: Float[Tensor, "*batch attractor"]
    """d."""
    sharpness: Float[Tensor, ""]
    """beta."""
    scale: Float[Tensor, ""]
    shift: Float[Tensor, ""]
    shared: bool
    """Whether the last axis of the latents, before their dimensions, shares its attractors."""

    def detach(self) -> "Attractors":
        """The same function, its attractors being constants to autograd."""
        return changed(self, Tensor.detach)

    def to(self, dtype: torch.dtype) -> "Attractors":
        """The same function, computed in another precision."""
        return changed(self, lambda value: value.to(dtype))

    def select(self, index: Int[Tensor, "some"]) -> "Attractors":
        """The function of the problems at `index`, where they differ."""
        if self.centre.ndim == 2:
            return self
        return dataclasses.replace(self, centre=self.centre[index], offset=self.offset[index])

    @property
    def output(self) -> Tensor:
        """Of the type and on the device in which it computes."""
        return self.scale

    def value(self, x: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch"]:
        """P(x); autograd differentiates it as any other function."""
        return self._height(self._logits(x))

    def value_and_gradient(
        self, x: Float[Tensor, "*#batch dim"]
    ) -> tuple[Float[Tensor, "*#batch"], Float[Tensor, "*#batch dim"]]:
        """P(x) and its gradient."""
        logits = self._logits(x)
        weight = self.scale * logits.softmax(-1)
        pull = weight @ self.centre if self.shared else torch.einsum("...k,...kd->...d", weight, self.centre)
        return self._height(logits), pull

    def weights(self, x: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch attractor"]:
        """How much each attractor pulls at x; they sum to 1."""
        return self._logits(x).softmax(-1)

    def _logits(self, x: Tensor) -> Tensor:
        if self.shared:
            offset = self.offset if self.offset.ndim == 1 else self.offset[..., None, :]
            return self.sharpness * (x @ self.centre.mT + offset)
        return self.sharpness * (torch.einsum("...d,...kd->...k", x, self.centre) + self.offset)

    def _height(self, logits: Tensor) -> Tensor:
        return self.scale * (logits.logsumexp(-1) / self.sharpness - self.shift)


def in_unit_ball(y: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """y/sqrt(1 + |y|^2)."""
    return y / (1 + y.square().sum(-1, keepdim=True)).sqrt()


def by_way_of(
    stations: Float[Tensor, "batch station dim"], fraction: Float[Tensor, "batch node"]
) -> Float[Tensor, "batch node dim"]:
    """The path by way of all stations in their order, at even distances in time, straight in between; unit latents.

    Args:
        stations: of each gap, the first and the last of them at its ends.
        fraction: the elapsed part of the gap at each node, in [0, 1].

    Raises:
        ValueError: if there is one station only, through which nothing leads.
    """
    last = stations.shape[1] - 1
    if last < 1:
        raise ValueError("A path by way of attractors needs at least 2 of them, got 1; train without stations.")
    place = (fraction * last)[..., None]
    before = place.floor().clamp(0, last - 1).long()
    at = before.expand(-1, -1, stations.shape[-1])
    share = place - before
    return sphere.normalize((1 - share) * stations.gather(1, at) + share * stations.gather(1, at + 1))


def hidden_layers(inputs: int, width: int, depth: int, *, dropout: float) -> nn.Sequential:
    """Linear, SiLU and dropout, `depth` times."""
    widths = [inputs] + [width] * depth
    layers = ((nn.Linear(fro, to), nn.SiLU(), nn.Dropout(dropout)) for fro, to in itertools.pairwise(widths))
    return nn.Sequential(*itertools.chain(*layers))


def faint(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that says little until it is trained."""
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.mul_(0.1)
        layer.bias.zero_()
    return layer


def between_ends(count: int) -> nn.Parameter:
    """The shares (count, 2) of both ends in so many places spread evenly from the first to the second."""
    share = torch.linspace(0, 1, count)
    return nn.Parameter(torch.stack([1 - share, share], -1))


class AttractorPotential(Potential):
    """A potential whose attractors a perceptron finds from the query and the two anchors of the gap.

    Before training they lie between the anchors: P is nearly flat along the geodesic.

    Args:
        dim: dimensions of the latent space.
        count: attractors.
        width: units of each hidden layer of the perceptron.
        depth: its hidden layers.
        sharpness: beta before training.
        dropout: share of the hidden units that is left out while the stations are taught, in training mode.

    Raises:
        ValueError: for sizes below 1, or a sharpness that is not above 0.
    """

    def __init__(
        self,
        dim: int,
        *,
        count: int = 8,
        width: int = 512,
        depth: int = 3,
        sharpness: float = 8.0,
        dropout: float = 0.1,
    ) -> None:
        if min(dim, count, width, depth) < 1 or not sharpness > 0:
            raise ValueError(
                "An AttractorPotential needs dim, count, width and depth of at least 1 and a sharpness above 0, got "
                f"{dim}, {count}, {width}, {depth} and {sharpness}."
            )
        nn.Module.__init__(self)
        self.dim, self.count, self.context = dim, count, True
        # Query, anchors, how far they are apart, and whether there is only one.
        hidden = hidden_layers(3 * dim + 2, width, depth, dropout=dropout)
        self.network = nn.Sequential(*hidden, faint(width, count * (dim + 1)))
        self.blend = between_ends(count)
        self.log_sharpness = nn.Parameter(torch.tensor(float(sharpness)).log())
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))

    def asked(self, z: Float[Tensor, "*#batch dim"], query: Float[Tensor, "*#batch asked"]) -> Attractors:
        """P as a function of z alone, for the question(s) asked about the latents z; see `Potential.asked`."""
        self._check(z, query)
        question = query.to(self.scale)
        shared = question.ndim == 1 or question.shape[-2] == 1
        if question.ndim > 1 and shared:
            question = question.squeeze(-2)
        _, start, stop = question.split(self.dim, -1)
        far = (start - stop).norm(dim=-1, keepdim=True)
        found = self.network(torch.cat([sphere.INPUT_GAIN * question, far, (far == 0).to(far)], -1)).unflatten(
            -1, (self.count, self.dim + 1)
        )
        ends = torch.stack([start, stop], -2)
        y = self.blend @ ends + found[..., :-1]
        return Attractors(
            centre=in_unit_ball(y),
            offset=found[..., -1],
            sharpness=self.log_sharpness.exp(),
            scale=self.scale,
            shift=self.shift,
            shared=shared,
        )

    def stations(
        self, question: Float[Tensor, "batch asked"], fraction: Float[Tensor, "batch node"]
    ) -> Float[Tensor, "batch node dim"]:
        """The path by way of all attractors in their order, at even distances in time; unit latents.

        Args:
            question: made by `in_gaps`, one for each gap.
            fraction: the elapsed part of the gap at each node, in [0, 1].

        Raises:
            ValueError: if there is one attractor only, through which nothing leads.
        """
        return by_way_of(self.asked(question[..., : self.dim], question).centre, fraction)

    def exported(self) -> "AttractorPotential":
        """Itself: nothing in it is parametrised."""
        return self
