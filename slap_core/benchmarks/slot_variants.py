"""What finds objects and events in a clip's tokens: the rows of the slots' benchmark.

    trained      the shipped slots
    fitted       slots fitted to each clip alone (`slap_core.fit_slots`)
    untrained    the shipped ones' sizes, initial weights
    qformer      fitted alike, but each query chooses among tokens by itself, as those of a Q-Former do
    kmeans       clusters of tokens by how they deviate from what is usual, and of pooled tokens for events
    chunks       three equal parts of time, for events

k-means gets the best of what was tried on validation scenes: directions of the tokens' deviations from the clip's
median, and their places, both times the share e/(e + mean e) of what deviates (e is the mean square), tokens weighted
by e; five clusters.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from sklearn.cluster import KMeans
from torch import Tensor

from slap_core.fitting.slots import fit_slots_steps
from slap_core.slot_branches import usual
from slap_core.slots import SlowFastSlots
from slap_core.stages import finished
from slap_core.types import Tokens

__all__ = ["Found", "Variant", "chunks", "variants"]

CLUSTERS = 5
HEAVIEST = 20.0
"""A token weighs at most so many times the mean..."""
LIGHTEST = 0.02
"""... and at least this."""


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What a variant says of a clip; None for what it says nothing of."""

    frames: Int64[Tensor, "frame"]
    """To which the masks belong."""
    masks: Float[Tensor, "frame slot rows columns"] | None
    """They sum to 1 over the slots."""
    moments: Float[Tensor, "time feature"] | Int64[Tensor, "time"] | None
    """What tells frames apart, or which event each belongs to."""


Variant = Callable[[Tokens], Found]


def by_slots(make: Callable[[Tokens], SlowFastSlots]) -> Variant:
    """What slots attend to."""

    def found(tokens: Tokens) -> Found:
        slots = make(tokens)(tokens)
        moments = slots.fast_attention.transpose(0, 1).flatten(1)
        return Found(slots.frames, slots.slow_attention, moments)

    return found


def by_clusters(slots: SlowFastSlots) -> Variant:
    """k-means of the tokens of the frames that slots look at, standardised as they see them."""

    def found(tokens: Tokens) -> Found:
        at = slots.frames(len(tokens.values))
        deviation = tokens.values - usual(tokens.values)
        deviation = deviation[at] / tokens.values.std((0, 1, 2)).clamp_min(1e-3)
        energy = deviation.square().mean(-1)
        mean = energy.mean().clamp_min(torch.finfo(energy.dtype).tiny)
        rows, columns = energy.shape[1:]
        place = torch.stack(torch.meshgrid(torch.arange(rows) / rows, torch.arange(columns) / columns, indexing="ij"))
        place = place.movedim(0, -1).expand(len(at), -1, -1, -1)
        share = (energy / (energy + mean))[..., None]
        points = torch.cat([F.normalize(deviation, dim=-1), place], -1) * share
        weight = (energy / mean).clamp(max=HEAVIEST) + LIGHTEST
        clusters = KMeans(CLUSTERS, n_init=4, random_state=0)
        label = clusters.fit_predict(points.flatten(0, 2).double().numpy(), sample_weight=weight.flatten().numpy())
        masks = F.one_hot(torch.from_numpy(label.astype(np.int64)), CLUSTERS).view(*energy.shape, CLUSTERS)
        pooled = slots.fast.standardise(slots.fast.deviations(tokens.values).flatten(0, -3)).transpose(0, 1).flatten(1)
        return Found(at, masks.movedim(-1, 1).float(), pooled)

    return found


def chunks(tokens: Tokens) -> Found:
    """Three equal parts of time."""
    time = torch.arange(len(tokens.values))
    return Found(time, None, time * 3 // len(time))


def variants(slots: SlowFastSlots, *, steps: int) -> dict[str, Variant]:
    """The rows by name.

    Args:
        slots: the trained ones.
        steps: of those that are fitted.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        untrained = SlowFastSlots(slots.config).eval()

    def new(tokens: Tokens) -> SlowFastSlots:
        untrained.measure(tokens.values[None])
        return untrained

    return {
        "trained": by_slots(lambda tokens: slots),
        "fitted": by_slots(lambda tokens: finished(fit_slots_steps(tokens, steps=steps))),
        "untrained": by_slots(new),
        "kmeans": by_clusters(slots),
        "qformer": by_slots(lambda tokens: finished(fit_slots_steps(tokens, steps=steps, competes=False))),
        "chunks": chunks,
    }
