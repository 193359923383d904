"""Slots without weights, for encoders that no slots are trained for: clusters of a clip's own tokens.

Slow slots are clusters of the tokens of all frames together, so that a slot is the same thing in all of them: what is
clustered are directions of the tokens' deviations from what is usual at their place in the clip, and their places, both
times the share e/(e + mean e) of what deviates (e is the mean square), tokens weighted by e. Fast slots are clusters of
the moments of each cell of a coarse grid: the same of what is pooled there, and the time. Attention is what soft
k-means has: a softmax of the negative squared distances.

Nothing is trained: it takes a moment, and finds objects far better than slot attention that is fitted to one clip for
200 steps (`slap_core.fit_slots`), whose masks are soft and follow places (see the slots' benchmark).

Source: ours; its numbers are the best of what was tried on validation scenes of Tunnel World.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from sklearn.cluster import KMeans
from torch import Tensor

from slap_core.sampling import spread
from slap_core.slot_branches import pooled, usual
from slap_core.slots import fractions
from slap_core.stages import Slotted
from slap_core.types import Tokens

__all__ = ["ClusteredSlots"]

SHARPNESS = 10.0
"""Inverse temperature of the squared distances."""
MOST_FRAMES = 24
"""Of a clip, evenly spread, its clusters are found in so many frames at most."""
HEAVIEST = 20.0
"""A token weighs at most so many times the mean..."""
LIGHTEST = 0.02
"""... and at least this."""
TIME = 0.5
"""What the whole clip's length counts, where a direction's length is 1."""


class ClusteredSlots:
    """Slow and fast slots of any clip, as clusters of its tokens.

    Args:
        slow_slots: clusters of objects; what is usual is one of them.
        slow_frames: that are shown of a clip.
        fast_grid: rows, and columns, of cells.
        fast_slots: clusters of moments in each cell.

    Raises:
        ValueError: if a number is below 1.
    """

    def __init__(self, slow_slots: int = 5, *, slow_frames: int = 8, fast_grid: int = 4, fast_slots: int = 8) -> None:
        if min(slow_slots, slow_frames, fast_grid, fast_slots) < 1:
            raise ValueError(
                f"Clusters need at least 1 slow slot, slow frame, row of cells and fast slot, got {slow_slots}, "
                f"{slow_frames}, {fast_grid} and {fast_slots}."
            )
        self.slow_slots = slow_slots
        self.slow_frames = slow_frames
        self.fast_grid = fast_grid
        self.fast_slots = fast_slots

    def deviation(self, values: Float[Tensor, "time height width dim"]) -> Float[Tensor, "time height width"]:
        """How far each token is from what is usual at its place: the mean square over the standardised dimensions."""
        return _standardised(values).square().mean(-1)

    def attention(self, tokens: Tokens, *, seed: int = 0) -> Float[Tensor, "time slot height width"]:
        """What each slow slot attends to in all of these frames, on the tokens' device; sums to 1 over the slots.

        The slots stand in the order of what deviates in them: the first is the most usual.

        Args:
            tokens: of one clip.
            seed: of the clusters' first centres.

        Raises:
            ValueError: if there are no tokens.
        """
        _check(tokens)
        direction, energy = _directed(tokens.values)
        rows, columns = (torch.arange(n, device=energy.device) / n for n in energy.shape[1:])
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).expand(len(energy), -1, -1, -1)
        points = torch.cat([direction, place], -1) * (energy / (energy + 1))[..., None]
        weight = energy.clamp(max=HEAVIEST) + LIGHTEST
        some = spread(len(points), MOST_FRAMES)
        found = _soft(points.flatten(0, 2), points[some].flatten(0, 2), self.slow_slots, weight[some].flatten(), seed)
        held = (found * energy.flatten()[:, None]).sum(0) / found.sum(0).clamp_min(torch.finfo(found.dtype).tiny)
        return found[:, held.argsort()].view(*energy.shape, -1).movedim(-1, 1)

    def fast_attention(self, tokens: Tokens, *, seed: int = 0) -> Float[Tensor, "cell time slot"]:
        """When each fast slot attends to its cell, in the order of their mean times; arguments as of `attention`."""
        _check(tokens)
        direction, energy = _directed(pooled(tokens.values, self.fast_grid))
        held = (direction * (energy / (energy + 1))[..., None]).flatten(1, 2).transpose(0, 1)
        when = fractions(tokens.times).to(energy.device)
        time = (TIME * when[:, None]).expand(len(held), -1, -1)
        points = torch.cat([held, time], -1)
        masks = torch.stack([_soft(cell, cell, self.fast_slots, None, seed) for cell in points])
        middle = (masks * when[:, None]).sum(1) / masks.sum(1).clamp_min(torch.finfo(masks.dtype).tiny)
        return masks.take_along_dim(middle.argsort(-1)[:, None], dim=-1)

    def slotted(self, tokens: Tokens, *, seed: int = 0) -> Slotted:
        """The masks of a clip's slots on the CPU, as the main job yields them; arguments as of `attention`."""
        frames = spread(len(tokens.values), self.slow_frames)
        return Slotted(
            frames=frames,
            slow=self.attention(tokens, seed=seed)[frames].cpu(),
            fast=self.fast_attention(tokens, seed=seed).cpu(),
            grid=(self.fast_grid, self.fast_grid),
            box=tokens.box,
            origin=f"Clusters of this clip's own tokens, seed {seed}: no slots are trained for this encoder.",
        )


def _check(tokens: Tokens) -> None:
    if not tokens.values.numel():
        raise ValueError(f"Slots need tokens of at least one frame, got shape {tuple(tokens.values.shape)}.")


def _standardised(values: Float[Tensor, "time height width dim"]) -> Float[Tensor, "time height width dim"]:
    """What deviates from what is usual, in units of the clip's own spread in each dimension."""
    values = values.float()
    return (values - usual(values)) / values.std((0, 1, 2), correction=0).clamp_min(1e-3)


def _directed(
    values: Float[Tensor, "time height width dim"],
) -> tuple[Float[Tensor, "time height width dim"], Float[Tensor, "time height width"]]:
    """Directions of the deviations, and their mean squares in units of the clip's mean."""
    deviation = _standardised(values)
    energy = deviation.square().mean(-1)
    return F.normalize(deviation, dim=-1), energy / energy.mean().clamp_min(torch.finfo(energy.dtype).tiny)


def _soft(
    points: Float[Tensor, "point feature"],
    some: Float[Tensor, "other feature"],
    count: int,
    weight: Float[Tensor, "other"] | None,
    seed: int,
) -> Float[Tensor, "point slot"]:
    """Attention of `count` clusters, which are found in some points; those that are too many attend to nothing."""
    rows = some.double().cpu().numpy()
    clusters = KMeans(min(count, len(np.unique(rows, axis=0))), n_init=2, random_state=seed)
    clusters.fit(rows, sample_weight=None if weight is None else weight.double().cpu().numpy())
    centres = torch.as_tensor(clusters.cluster_centers_).to(points)
    found = (-SHARPNESS * torch.cdist(points, centres).square()).softmax(-1)
    return F.pad(found, (0, count - found.shape[-1]))
