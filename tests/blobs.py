"""Synthetic tokens with known segments: discs of random colours that move over a noisy background."""

import dataclasses

import torch
from torch import Tensor

from slap_core.types import Tokens


@dataclasses.dataclass(frozen=True)
class Blobs:
    tokens: Tokens
    labels: Tensor
    """(time, height, width): 0 background, 1, 2, ... objects."""


def blobs(
    seed: int = 0,
    *,
    time: int = 24,
    size: int = 12,
    dim: int = 64,
    objects: int = 3,
    noise: float = 0.3,
    world: int = 0,
) -> Blobs:
    """Discs on straight paths, embedded by the random matrix of `world`: clips of one world share an encoder."""
    encoder = torch.Generator().manual_seed(1_000 + world)
    palette = torch.randn(8, dim, generator=encoder)  # the embeddings of 8 colours
    slopes = torch.randn(2, dim, generator=encoder)  # a background that changes smoothly over the frame
    scene = torch.Generator().manual_seed(seed)
    colours = torch.randperm(8, generator=scene)[:objects]
    start, end = (torch.rand(2, objects, 2, generator=scene) * 0.8 + 0.1) * size
    places = torch.lerp(start, end, torch.linspace(0, 1, time)[:, None, None])  # (time, object, 2)
    rows = torch.arange(size) + 0.5
    grid = torch.stack(torch.meshgrid(rows, rows, indexing="ij"), dim=-1)
    distance = (grid[None, None] - places[:, :, None, None]).norm(dim=-1)  # (time, object, height, width)
    inside = distance < size / 6
    labels = torch.where(inside.any(1), inside.int().argmax(1) + 1, 0)
    background = 0.7 * (grid / size - 0.5) @ slopes
    values = torch.where((labels > 0)[..., None], palette[colours][(labels - 1).clamp_min(0)], background)
    values = values + noise * torch.randn(values.shape, generator=scene)
    return Blobs(Tokens(values, torch.arange(time, dtype=torch.float64) / 8), labels)
