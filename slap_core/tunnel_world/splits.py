"""Which seeds are for training, for choosing settings and for testing; and what is held out from training."""

from typing import Final

import torch
from jaxtyping import Int64
from torch import Tensor

from slap_core.tunnel_world.names import SPLITS

__all__ = ["HELD_OUT", "SPLITS", "seeds", "split_of"]

HELD_OUT: Final = ("none", "pairs", "occluder", "background")
"""What `sample(held_out=...)` can draw that training scenes never show."""


def seeds(split: str, count: int, *, start: int = 0, device: str | torch.device = "cpu") -> Int64[Tensor, "scene"]:
    """The seeds number `start` to `start + count - 1` of a split; the splits share none.

    Raises:
        ValueError: if there is no such split, or it does not hold that many seeds.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}.")
    first, end = SPLITS[split]
    if start < 0 or count < 0 or first + start + count > end:
        raise ValueError(f"the {split} split holds {end - first} seeds; {start} to {start + count} are not among them.")
    return torch.arange(first + start, first + start + count, device=device)


def split_of(seed: int) -> str:
    """The split to which a seed belongs.

    Raises:
        ValueError: if it is not in [0, 2^32).
    """
    for name, (first, end) in SPLITS.items():
        if first <= seed < end:
            return name
    raise ValueError(f"seeds lie in [0, {2**32}), got {seed}.")
