"""What finds objects and events in a clip's tokens: the rows of the slots' benchmark.

trained      the shipped slots
fitted       slots fitted to each clip alone (`slap_core.fit_slots`)
untrained    the shipped ones' sizes, initial weights
qformer      fitted alike, but each query chooses among tokens by itself, as those of a Q-Former do
clusters     of the clip's tokens (`slot_clusters`): what encoders without trained slots get
chunks       three equal parts of time, for events
"""

import dataclasses
from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slap_core.fitting.slots import fit_slots_steps
from slap_core.slot_clusters import ClusteredSlots
from slap_core.slots import SlowFastSlots
from slap_core.stages import finished
from slap_core.types import Tokens

__all__ = ["Found", "Variant", "chunks", "variants"]


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


def by_slots(make: Callable[[Tokens], SlowFastSlots | ClusteredSlots]) -> Variant:
    """What slots attend to."""

    def found(tokens: Tokens) -> Found:
        slots = make(tokens).slotted(tokens)
        return Found(slots.frames, slots.slow, slots.fast.transpose(0, 1).flatten(1))

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
        "clusters": by_slots(lambda tokens: ClusteredSlots()),
        "qformer": by_slots(lambda tokens: finished(fit_slots_steps(tokens, steps=steps, competes=False))),
        "chunks": chunks,
    }
