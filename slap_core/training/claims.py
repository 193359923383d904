"""Claims: what a caption says about a picture, as integers, and on which pictures it is true.

In a batch of pictures and captions many captions are true of several pictures ("a red car" of every picture with one).
Contrastive training must not push those pairs apart. So a caption is drawn as a *claim* first, from the facts of its
picture, and the truth of every claim on every picture of the batch is computed exactly; only false pairs are negatives.

A claim holds up to two clauses about objects (any of kind, colour, place, relation to the occluder may be left open)
and may name background and occluder, or say that nothing is there.
"""

import dataclasses

import torch
from jaxtyping import Bool, Int
from torch import Tensor

__all__ = ["OPEN", "Claims", "Facts", "draw_claims"]

OPEN = -1
"""Where a claim says nothing."""
COARSE = 3
"""Left, middle and right: each holds two of the six places."""


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """What is to be seen in each picture."""

    visible: Bool[Tensor, "image object"]
    kind: Int[Tensor, "image object"]
    colour: Int[Tensor, "image object"]
    place: Int[Tensor, "image object"]
    """One of six, from left to right."""
    relation: Int[Tensor, "image object"]
    """To the occluder."""
    background: Int[Tensor, "image"]
    occluder: Int[Tensor, "image"]


@dataclasses.dataclass(frozen=True, eq=False)
class Claims:
    """What each caption says; `OPEN` where it says nothing."""

    kind: Int[Tensor, "caption clause"]
    colour: Int[Tensor, "caption clause"]
    place: Int[Tensor, "caption clause"]
    coarse: Int[Tensor, "caption clause"]
    relation: Int[Tensor, "caption clause"]
    used: Bool[Tensor, "caption clause"]
    nothing: Bool[Tensor, "caption"]
    background: Int[Tensor, "caption"]
    occluder: Int[Tensor, "caption"]

    def true_of(self, facts: Facts) -> Bool[Tensor, "image caption"]:
        """Whether each claim is true of each picture."""
        truth = ~self.nothing | ~facts.visible.any(1, keepdim=True)
        truth &= (self.background == OPEN) | (self.background == facts.background[:, None])
        truth &= (self.occluder == OPEN) | (self.occluder == facts.occluder[:, None])
        for clause in range(self.kind.shape[1]):
            match = facts.visible[:, None, :]
            for said, fact in (
                (self.kind, facts.kind),
                (self.colour, facts.colour),
                (self.place, facts.place),
                (self.coarse, facts.place // 2),
                (self.relation, facts.relation),
            ):
                said = said[None, :, clause, None]
                match = match & ((said == OPEN) | (said == fact[:, None, :]))
            truth &= match.any(-1) | ~self.used[:, clause]
        return truth


def draw_claims(facts: Facts, *, generator: torch.Generator) -> Claims:
    """One true claim about each picture, of random detail.

    Nothing is said to be there only where nothing is; a clause never names an object that is not visible.
    """
    images, objects = facts.visible.shape
    device = facts.visible.device

    def chance(probability: float, *shape: int) -> Tensor:
        return torch.rand(images, *shape, generator=generator, device=device) < probability

    def maybe(probability: float, fact: Tensor) -> Tensor:
        return torch.where(chance(probability, *fact.shape[1:]), fact, OPEN)

    # Visible objects first, in random order; the first two may be spoken of.
    order = torch.rand(images, objects, generator=generator, device=device) + ~facts.visible
    order = order.argsort(1)[:, :2]
    kind, colour, place, relation = (
        fact.gather(1, order) for fact in (facts.kind, facts.colour, facts.place, facts.relation)
    )
    seen = facts.visible.gather(1, order)
    count = seen.sum(1)
    used = seen & torch.stack([chance(0.95), chance(0.6)], dim=1)
    used[:, 1] &= used[:, 0]
    kind = maybe(0.9, kind)
    colour = torch.where(kind == OPEN, colour, maybe(0.8, colour))  # "something" alone says too little
    # Places 1 and 4 have no words of their own but those of the third they lie in.
    fine = maybe(0.35, place).masked_fill((place == 1) | (place == 4), OPEN)
    coarse = torch.where(fine == OPEN, maybe(0.5, place // 2), OPEN)
    relation = maybe(0.2, relation)
    closed = ~used
    related = ((relation != OPEN) & used).any(1)
    kind, colour, fine, coarse, relation = (
        said.masked_fill(closed, OPEN) for said in (kind, colour, fine, coarse, relation)
    )
    nothing = (count == 0) & chance(0.9)
    silent = ~nothing & ~used.any(1)
    return Claims(
        kind=kind,
        colour=colour,
        place=fine,
        coarse=coarse,
        relation=relation,
        used=used,
        nothing=nothing,
        background=torch.where(silent | chance(0.2), facts.background, OPEN),
        # A relation is one to the occluder, which is named with it.
        occluder=torch.where(silent | related | chance(0.25), facts.occluder, OPEN),
    )
