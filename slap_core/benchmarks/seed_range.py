"""The scenes that a benchmark's --seeds A-B asks for."""

import torch
from jaxtyping import Int64
from torch import Tensor

from slap_core.tunnel_world import SPLITS, seeds

__all__ = ["seed_range", "unseen_seeds"]


def seed_range(text: str) -> Int64[Tensor, "scene"]:
    """The seeds of "A-B", both among them.

    Raises:
        ValueError: if that is no range of seeds.
    """
    first, dash, last = text.partition("-")
    if not (dash and first.strip().isdecimal() and last.strip().isdecimal()) or not int(first) <= int(last) < 2**32:
        raise ValueError(f"--seeds must be A-B with 0 <= A <= B < {2**32}, such as 0-2047, got {text!r}.")
    return torch.arange(int(first), int(last) + 1)


def unseen_seeds(text: str | None, count: int) -> Int64[Tensor, "scene"]:
    """The seeds of "A-B", or by default so many of the test split.

    Raises:
        ValueError: if that is no range of seeds, or a network has been trained on some of them.
    """
    if text is None:
        return seeds("test", count)
    chosen = seed_range(text)
    if int(chosen[0]) < SPLITS["train"][1]:
        raise ValueError(f"--seeds must lie outside of the training split, from {SPLITS['train'][1]} on.")
    return chosen
