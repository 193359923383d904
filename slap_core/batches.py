"""Which boundary value problems are solved together: those of like strings, as many as fit a bounded memory."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from slap_core.gaps import Gaps

__all__ = ["batches", "likeness"]

# One batch holds at most about so many numbers per copy of its paths. On the CPU larger batches gain nothing, and a
# scan can be left between them; a GPU wants them large.
_NUMBERS = {"cpu": 2**18, "cuda": 2**24}


LONG = 256
"""Frames up to which gaps share batches, however many they are."""


def likeness(gaps: Gaps, *, on_frames: bool) -> Int[Tensor, "gap"]:
    """A number for each stretch; those of equal number may share a batch.

    Args:
        gaps: the stretches.
        on_frames: whether the frames are the nodes.
    """
    if on_frames:
        # Padding at most doubles the work: no batch mixes counts that differ by more than a power of two.
        return torch.frexp(gaps.count.double()).exponent.long()
    # A path is evaluated at its frames for the whole batch at once: a very long gap would have all others padded.
    long = torch.frexp((gaps.count // LONG).double()).exponent.long()
    return (long << 30) + 4 * gaps.springs() + 2 * gaps.free.long() + gaps.ends_soft().long()


def batches(
    index: Int[Tensor, "some"],
    like: Int[Tensor, "some"],
    nodes: Int[Tensor, "some"],
    *,
    dim: int,
    device: torch.device,
) -> Iterator[Int[Tensor, "batch"]]:
    """The problems at `index`, in batches of like strings and bounded size.

    Args:
        index: numbers of problems.
        like: those of equal number may share a batch.
        nodes: how many nodes each has.
        dim: of the latents.
        device: where they are solved.
    """
    order = like.argsort(stable=True)
    for some in order.split(torch.unique_consecutive(like[order], return_counts=True)[1].tolist()):
        longest = int(nodes[some].max())
        most = max(1, _NUMBERS.get(device.type, _NUMBERS["cpu"]) // (longest * (dim + longest)))
        yield from index[some].tensor_split(-(-len(some) // most))  # evenly: a small batch costs nearly as much
