"""Which frames of a clip stay and which are taken away: evenly, at random, or those that a person names."""

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

__all__ = ["MOST_FRAMES", "Sampling", "frame_list", "frame_text", "kept_index", "spread"]

Sampling = Literal["even", "random"]
MOST_FRAMES = 512
"""That can be named, and that a clip may have."""


def frame_list(frames: str | Iterable[int]) -> tuple[int, ...]:
    """The indices of frames as a person writes them, increasing, each once.

    Args:
        frames: numbers and ranges with commas between them, or a sequence of numbers; frames are counted from 0.

    Raises:
        ValueError: for what is no frame, or above 511.

    >>> frame_list("9, 0, 4-6")
    (0, 4, 5, 6, 9)
    """
    found: set[int] = set()
    for part in frames.split(",") if isinstance(frames, str) else frames:
        text = str(part).strip()
        match = re.fullmatch(r"(\d{1,4})(?:\s*[-–]\s*(\d{1,4}))?", text, re.ASCII)
        if match is None and not text and isinstance(frames, str):
            continue
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < MOST_FRAMES:
            raise ValueError(
                f"“{text[:20]}” names no frames: write numbers from 0 to {MOST_FRAMES - 1}, or ranges from a lower one "
                "to a higher, with commas between them, such as 0, 5, 12-14."
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def frame_text(frames: Sequence[int]) -> str:
    """The same in words: `frame_list` reads it.

    >>> frame_text((0, 4, 5, 6, 9))
    '0, 4-6, 9'
    """
    runs = []
    for _, run in itertools.groupby(enumerate(frames), key=lambda pair: pair[1] - pair[0]):
        numbers = [frame for _, frame in run]
        runs.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return ", ".join(runs)


def kept_index(
    count: int, keep_every: int, *, sampling: Sampling = "even", named: Sequence[int] = (), seed: int = 0
) -> tuple[Int[Tensor, "kept"], Int[Tensor, "dropped"]]:
    """The indices of the frames that stay and of those that are taken away, both increasing.

    Args:
        count: of the clip's frames.
        keep_every: one frame in so many stays.
        sampling: "even" keeps 0, keep_every, 2 keep_every, ...; "random" as many, the first and the last among them.
        named: exactly these stay, whatever the others say; none for no such wish.
        seed: of the random ones.

    Raises:
        ValueError: if `keep_every` is no whole number of at least 1, or a frame is named that the clip does not have.
    """
    if keep_every != int(keep_every) or keep_every < 1:
        raise ValueError(f"keep_every must be a whole number of at least 1, got {keep_every}.")
    kept = torch.zeros(count, dtype=torch.bool)
    if named:
        if max(named) >= count:
            raise ValueError(
                f"Frame {max(named)} is to stay, but the clip has {count} frames, 0 to {count - 1}: name others, or "
                "none for one frame in so many."
            )
        kept[list(named)] = True
    elif sampling == "even" or count < 2:
        kept[:: int(keep_every)] = True
    else:
        kept[[0, -1]] = True
        between = max(0, -(-count // int(keep_every)) - 2)
        drawn = torch.randperm(count - 2, generator=torch.Generator().manual_seed(seed))[:between]
        kept[drawn + 1] = True
    index = torch.arange(count)
    return index[kept], index[~kept]


def spread(count: int, most: int) -> Int[Tensor, "frame"]:
    """Indices of at most so many of `count` frames, evenly spread, ends included."""
    return torch.linspace(0, count - 1, min(most, count)).round().long()
