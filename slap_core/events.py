"""When something happens: fast slots' attention, over all cells, cut into stretches of time.

Frames are alike where the same slots attend to the same cells. Stretches are what hierarchical clustering (Ward) leaves
of the frames when neighbours in time alone may be joined; so events are intervals, in order.

Source: Ward, Hierarchical grouping to optimize an objective function, 1963, with the chain of frames as connectivity.
"""

import scipy.sparse
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from sklearn.cluster import AgglomerativeClustering
from torch import Tensor

__all__ = ["changes", "cut", "stretches"]

MOST = 6
"""Stretches that `stretches` finds, at most."""
EXPLAINED = 2 / 3
"""Share of the frames' variance that lies between the stretches, where so many suffice."""
STILL = 1e-3
"""Frames whose root mean square deviation from their mean is smaller are all the same."""


def changes(fast: Float[Tensor, "cell time slot"]) -> Float[Tensor, "step"]:
    """From each frame to the next, the share of the attention that goes to another slot: mean over the cells."""
    return fast.float().diff(dim=1).abs().sum(-1).mean(0) / 2


def cut(points: Float[Tensor, "time feature"], count: int) -> Int64[Tensor, "time"]:
    """The stretch of each frame, numbered in order of time.

    Args:
        points: what tells frames apart.
        count: of the stretches, at most as many as there are frames.

    Raises:
        ValueError: if there are fewer frames than stretches, or no stretch is asked for.
    """
    time = len(points)
    if not 1 <= count <= time:
        raise ValueError(f"{time} frames can be cut into 1 to {time} stretches, not into {count}.")
    if count == 1:
        return torch.zeros(time, dtype=torch.int64)
    chain = scipy.sparse.diags([1.0, 1.0], [-1, 1], shape=(time, time))
    label = AgglomerativeClustering(count, connectivity=chain).fit_predict(points.double().numpy())
    starts = torch.from_numpy(label).diff() != 0
    return F.pad(starts.long().cumsum(0), (1, 0))


def stretches(fast: Float[Tensor, "cell time slot"]) -> Int64[Tensor, "time"]:
    """The stretch of each frame: as few as tell most of the frames' differences; one where nothing happens."""
    points = fast.float().transpose(0, 1).flatten(1)
    spread = (points - points.mean(0)).square().sum()
    label = torch.zeros(len(points), dtype=torch.int64)
    if float((spread / max(points.numel(), 1)).sqrt()) < STILL:
        return label
    for count in range(2, min(MOST, len(points)) + 1):
        label = cut(points, count)
        within = sum((points[label == k] - points[label == k].mean(0)).square().sum() for k in range(count))
        if float(within) <= (1 - EXPLAINED) * float(spread):
            break
    return label
