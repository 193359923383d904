"""Where to look next: which dropped frames would tell the most about the others.

Three criteria, each greedy: the best frame is taken, what it tells is taken off, and the next one is chosen.

    "latent"    the time integral of the latents' variance, trace H^-1, falls the most       (see `uncertainty`)
    "query"     the same of the query's score <z, q>: look where that is least sure
    "action"    the density T - lambda P of the action, above its least, is cut into the most even parts

For someone who feeds a few frames of a video to a model that cannot take them all.
"""

import heapq
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from slap_core.posterior import Band
from slap_core.types import Solution

__all__ = ["Criterion", "suggest_frames"]

Criterion = Literal["latent", "query", "action"]


def suggest_frames(solution: Solution, count: int, *, by: Criterion = "latent") -> Float64[Tensor, "chosen"]:
    """The times in seconds of the dropped frames that are most worth seeing, the best one first.

    Args:
        solution: solved with `bands=True`.
        count: how many frames; fewer come back where fewer were dropped.
        by: the criterion.

    Raises:
        ValueError: if the solution has no posterior, `count` is below 1, or there is no such criterion, or no query.
    """
    if by not in ("latent", "query", "action"):
        raise ValueError(f'by must be "latent", "query" or "action", got {by!r}.')
    if count < 1:
        raise ValueError(f"count must be at least 1 frame, got {count}.")
    posterior = solution.posterior
    if posterior is None:
        raise ValueError("Frames are suggested from a posterior, which this solution lacks; solve with bands=True.")
    if by == "query" and posterior.query is None:
        raise ValueError('Frames can be suggested by "query" only where there was one; use by="latent".')
    if by == "action":
        return _by_action(posterior.bands, count)
    queue = [_best(band, k, by, posterior.query) for k, band in enumerate(posterior.bands) if len(band.times)]
    heapq.heapify(queue)
    chosen = []
    while queue and len(chosen) < count:
        _, k, frame, band = heapq.heappop(queue)
        chosen.append(float(band.times[frame]))
        rest = band.observed(frame).without(frame)
        if len(rest.times):
            heapq.heappush(queue, _best(rest, k, by, posterior.query))
    return torch.tensor(chosen, dtype=torch.float64)


def _best(band: Band, k: int, by: Criterion, query: Tensor | None) -> tuple[float, int, int, Band]:
    """What the best frame of a stretch takes off (negative: the queue begins with the least), and which one it is."""
    gains = band.gains(None if by == "latent" else query)
    frame = int(gains.argmax())
    return -float(gains[frame]), k, frame, band


def _by_action(bands: tuple[Band, ...], count: int) -> Float64[Tensor, "chosen"]:
    """Repeatedly the frame nearest to the middle of the part with the most action."""
    least = min((float(band.density.min()) for band in bands if len(band.times)), default=0.0)
    parts = []
    for band in bands:
        share = (band.density - least) * band.weight
        if len(share):
            parts.append((-float(share.sum()), float(band.times[0]), band.times, share))
    heapq.heapify(parts)
    chosen = []
    while parts and len(chosen) < count:
        _, _, times, share = heapq.heappop(parts)
        total = share.cumsum(0)
        middle = int((total - share / 2 - total[-1] / 2).abs().argmin())
        chosen.append(float(times[middle]))
        for side in (slice(0, middle), slice(middle + 1, None)):
            if len(times[side]):
                heapq.heappush(parts, (-float(share[side].sum()), float(times[side][0]), times[side], share[side]))
    return torch.tensor(chosen, dtype=torch.float64)
