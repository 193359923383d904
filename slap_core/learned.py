"""An interpolator with weights: the call that every trained rival shares.

Each stretch between anchors, for each query, is a row of one batch; a network fills the rows (see `stretches` for what
it is told), and what it found at the dropped frames becomes a path through anchors and frames. Networks are saved and
loaded as safetensors with a config by huggingface_hub's mixin.
"""

import abc
from collections.abc import Sequence

import torch
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Bool, Float
from torch import Tensor, nn

from slap_core import sphere
from slap_core.gaps import find_gaps
from slap_core.stretches import Stretches, query_rows, solution_through
from slap_core.types import Latents, Result, Solution

__all__ = ["LearnedInterpolator", "silent"]

_ROWS = 256
"""Stretches that a network is given at a time: bounds the memory, and changes no result by more than rounding."""


def silent(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that answers 0 until it is trained."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class LearnedInterpolator(nn.Module, PyTorchModelHubMixin, abc.ABC):
    """A network that fills stretches: an `Interpolator` with weights.

    Args:
        dim: dimensions of the latent space.
    """

    method: str
    iterates: bool = False
    """Whether it can fail to converge."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @abc.abstractmethod
    def recover(self, stretches: Stretches) -> Float[Tensor, "batch node dim"]:
        """Unit latents at the nodes."""

    def training_path(
        self, stretches: Stretches, target: Float[Tensor, "batch node dim"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch node dim"], Float[Tensor, ""]]:
        """The path to compare with `target`, with its graph, and a penalty to add to the loss.

        Args:
            stretches: what is known.
            target: what is to be recovered, for methods that learn from it otherwise than through the loss.
            generator: of whatever is random in a step, on the CPU.
        """
        path = self.recover(stretches)
        return path, path.new_zeros(())

    def station_path(self, stretches: Stretches) -> Float[Tensor, "batch node dim"] | None:
        """The path to compare with the target in the first part of training; None for methods that have no such."""
        return None

    def solve(self, stretches: Stretches) -> tuple[Float[Tensor, "batch node dim"], Bool[Tensor, "batch"]]:
        """Unit latents at the nodes, and which stretches are solutions to within the tolerance."""
        path = self.recover(stretches)
        return path, torch.ones_like(path[:, 0, 0], dtype=torch.bool)

    @torch.no_grad()
    def forward(
        self,
        seen: Latents,
        times: Float[Tensor, "time"] | Sequence[float],
        query: Float[Tensor, "*query dim"] | None = None,
    ) -> Solution:
        """The latents at `times`, from the seen ones.

        Args:
            seen: the anchors, unit vectors.
            times: seconds, strictly increasing.
            query: one (dim), or several (queries, dim), each of which gets its path; None is a zero vector.

        Raises:
            ValueError: if there is no anchor, the latents are not unit vectors of the network's dimensions, the query
                does not fit them, or the times do not strictly increase.
        """
        gaps = find_gaps(seen.times, times)
        sphere.require_unit(self.method, seen.points)
        if seen.points.shape[1] != self.dim:
            raise ValueError(
                f"{self.method} needs latents of {self.dim} dimensions, got {seen.points.shape[1]}; use the encoder it "
                "was trained for."
            )
        like = next(self.parameters())
        anchors = sphere.normalize(seen.points.detach().to(like))
        queries = query_rows(query, anchors)
        points = anchors.new_zeros(len(queries), len(gaps.gap_of), self.dim)
        converged = True
        for rows in torch.arange(len(queries) * len(gaps)).split(_ROWS) if len(gaps) else ():
            of_query, gap = rows // len(gaps), rows % len(gaps)
            found, solved = self.solve(Stretches.of(anchors, gaps, queries[of_query.to(like.device)], gap=gap))
            converged &= bool(solved.all())
            # Where each recovered frame of each query stands among these rows, if it does.
            number = len(gaps) * torch.arange(len(queries))[:, None] + gaps.gap_of - rows[0]
            here, frame = ((number >= 0) & (number < len(rows))).nonzero(as_tuple=True)
            points[here, frame] = found[number[here, frame], gaps.node_of[frame]]
        single = query is None or query.ndim == 1
        dtype = torch.promote_types(seen.points.dtype, torch.float32)
        result = Result.CLOSED_FORM
        if self.iterates:
            result = Result.CONVERGED if converged else Result.NOT_CONVERGED
        return solution_through(self.method, seen, gaps, (points[0] if single else points).to(dtype), result=result)
