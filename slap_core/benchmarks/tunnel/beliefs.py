"""What latents say of the hidden: by prompts, as in zero-shot classification, and by a probe.

Whether anything is there is for the probe to say (see `slap_core.probe`: it is told the latent of the same moment
without actors). What it is and where:

    by prompts    the nearest of all sentences "a <colour> <kind> on the <place>", three places; a part of the latent
                  without actors is taken off first, which matters where something stands in front
    by the probe  the same corrected by a perceptron, six places

What stands in front is in every picture and no answer to what is hidden: its kind and colour are no candidates. A
belief is right if it names one of the hidden objects and the place of that one; where nothing is hidden, if it says so.
"""

import dataclasses

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slap_core.benchmarks.tunnel.cases import Case
from slap_core.probe import Belief, Probe
from slap_core.tunnel_world import COARSE_PLACES, PLACES

__all__ = ["Reading", "read"]


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """What each latent says."""

    says: Bool[Tensor, "*batch"]
    """That something is there."""
    sure: Float[Tensor, "*batch"]
    """How surely; higher is more."""
    kind: Int64[Tensor, "*batch"]
    colour: Int64[Tensor, "*batch"]
    place: Int64[Tensor, "*batch"]
    places: int
    """How many there are."""
    position: Float[Tensor, "*batch"]
    """Of the object's centre, in widths of the picture."""

    def right(self, case: Case, scored: Bool[Tensor, "node"]) -> Bool[Tensor, "*batch scored"]:
        """Whether each reading of a scored frame is right."""
        named, placed = self._agrees(case, scored)
        there = (case.place[scored] >= 0).any(-1)
        return torch.where(there, (named & placed).any(-1) & self.says, ~self.says)

    def named_and_placed(
        self, case: Case, scored: Bool[Tensor, "node"]
    ) -> tuple[Bool[Tensor, "*batch scored"], Bool[Tensor, "*batch scored"]]:
        """Whether it names kind and colour of something hidden, and whether the place of something hidden."""
        named, placed = self._agrees(case, scored)
        return named.any(-1), placed.any(-1)

    def _agrees(
        self, case: Case, scored: Bool[Tensor, "node"]
    ) -> tuple[Bool[Tensor, "*batch scored actor"], Bool[Tensor, "*batch scored actor"]]:
        place = case.place[scored]
        hidden = place >= 0
        coarse = place * self.places // len(PLACES)
        named = (self.kind[..., None] == case.kind) & (self.colour[..., None] == case.colour) & hidden
        return named, (self.place[..., None] == coarse) & hidden

    def names(self, kind: int, colour: int) -> Bool[Tensor, "*batch"]:
        """Whether each reading says that this is there."""
        return self.says & (self.kind == kind) & (self.colour == colour)


@torch.no_grad()
def read(
    probe: Probe, latents: Float[Tensor, "*batch node dim"], case: Case, scored: Bool[Tensor, "all"]
) -> tuple[Reading, Reading]:
    """What the latents of the scored frames say, by prompts and by the probe.

    Args:
        probe: for latents of their encoder.
        latents: of the scored frames.
        case: what was asked.
        scored: which of its frames they are of.
    """
    without = case.empty[scored]
    belief = probe(latents.float(), without)
    prompted = probe.prompted(latents.float(), without)
    found = []
    for what, places in ((prompted, COARSE_PLACES), (belief.what, PLACES)):
        what = what.clone()
        for kind, colour in case.in_front:
            what[..., kind, colour, :] = -torch.inf
        one = Belief(belief.present, what)
        found.append(Reading(belief.present > 0, belief.present, *one.named(), len(places), one.position()))
    return found[0], found[1]
