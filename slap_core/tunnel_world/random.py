"""Random numbers as a pure function of (seed, channel), identical on every device.

torch's generators differ between CPU and CUDA, so nothing here has a state. A number is a hash of what it is for:

    uniform(seed, channel, index) = mix(mix(seed + mix(channel)) + index) / 2^32

with `mix` a 32-bit integer bijection, exact in integer arithmetic. Products of 32-bit numbers wrap in int64, but
their low 32 bits, all that is kept, are right.

Source: C. Wellons, "Prospecting for hash functions" (2018), the function `lowbias32`.
"""

import functools
from typing import Final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["draw", "mix", "noise", "uniform"]

_MASK = 0xFFFFFFFF
_GRAIN = 2**20
_CHANNELS: Final = {name: i for i, name in enumerate((
    "outcome", "kinds", "same_kind", "colours", "size", "background", "occluder", "extras", "direction", "half", "top",
    "centre", "ground", "run", "hidden", "pause", "motion", "bounce", "light", "camera", "truck", "variation", "extra",
    "fly", "noise",
))}  # fmt: skip
"""What a scene's seed is asked for."""


def mix(x: Int64[Tensor, "*batch"]) -> Int64[Tensor, "*batch"]:
    """A hash in [0, 2^32) of the low 32 bits of x; a bijection of those."""
    x = x & _MASK
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def uniform(seeds: Int64[Tensor, "scene"], channel: int, count: int = 1) -> Float[Tensor, "scene count"]:
    """`count` float32 numbers in [0, 1) for each seed, multiples of 2^-24."""
    stream = mix(seeds + mix(torch.tensor(channel)).item())
    index = torch.arange(1, count + 1, device=seeds.device) * 0x9E3779B1
    return (mix(stream[:, None] + index) >> 8).to(torch.float32) * 2.0**-24


def draw(seeds: Int64[Tensor, "scene"], what: str, count: int = 1) -> Float[Tensor, "scene count"]:
    """`count` numbers in [0, 1) that decide `what` (a channel's name) in each scene."""
    return uniform(seeds, _CHANNELS[what], count)


@functools.lru_cache(maxsize=4)
def _grain(device: torch.device, count: int) -> Tensor:
    """`count` numbers from the triangular distribution on (-1, 1), with period 2^20."""
    both = uniform(torch.tensor([20, 21]), 0, _GRAIN)
    return (both[0] + both[1] - 1).repeat(-(-count // _GRAIN))[:count].to(device)


def noise(keys: Int64[Tensor, "frame"], count: int) -> Float[Tensor, "frame count"]:
    """`count` numbers for each key from the triangular distribution on (-1, 1): sensor noise.

    A stretch of one long table, from a place that is the hash of the key: a copy instead of a hash for each pixel.
    """
    start = mix(keys) % _GRAIN
    return _grain(keys.device, _GRAIN + count).unfold(0, count, 1).index_select(0, start)
