"""Claims: what a caption says about a picture, as integers, and on which pictures it is true.

In a batch of pictures and captions many captions are true of several pictures ("a red car" of every picture with one).
Contrastive training must not push those pairs apart. So a caption is drawn as a *claim* first, from the facts of its
picture, and the truth of every claim on every picture of the batch is computed exactly; only false pairs are negatives.

A claim holds up to two clauses about objects (any of kind, colour, place, relation to the occluder may be left open),
or says how many there are, and may name background and occluder, or say that nothing is there.
"""

import dataclasses

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from slap_core.tunnel_world import COLOURS, HELD_OUT_COLOUR, KINDS, RELATIONS
from slap_core.tunnel_world.wording import GROUPS

__all__ = ["BESIDE", "OPEN", "Claims", "Facts", "Lexicon", "draw_claims", "lexicon"]

OPEN = -1
"""Where a claim says nothing."""
COARSE = 3
"""Left, middle and right: each holds two of the six places."""
BESIDE = len(RELATIONS)
"""A claim's relation that is left of or right of."""


def _table(*rows: list[bool]) -> Tensor:
    """What each word covers: the single ones, then `rows`, then (which `OPEN` picks) everything."""
    single = torch.eye(len(rows[0]), dtype=torch.bool)
    return torch.cat([single, torch.tensor(rows), torch.ones(1, len(rows[0]), dtype=torch.bool)])


_KINDS = _table(*([kind in members for kind in range(len(KINDS))] for members in GROUPS.values()))
_RELATIONS = _table([name in ("left of", "right of") for name in RELATIONS])


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """What is to be seen in each picture."""

    visible: Bool[Tensor, "image object"]
    kind: Int[Tensor, "image object"]
    colour: Int[Tensor, "image object"]
    """`OPEN` where the picture does not show it."""
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
    """Of `KINDS`, or behind them one of `GROUPS`."""
    colour: Int[Tensor, "caption clause"]
    place: Int[Tensor, "caption clause"]
    coarse: Int[Tensor, "caption clause"]
    relation: Int[Tensor, "caption clause"]
    """Of `RELATIONS`, or `BESIDE`."""
    used: Bool[Tensor, "caption clause"]
    number: Int[Tensor, "caption"]
    """How many objects the first clause is true of."""
    nothing: Bool[Tensor, "caption"]
    background: Int[Tensor, "caption"]
    occluder: Int[Tensor, "caption"]

    def true_of(self, facts: Facts) -> Bool[Tensor, "image caption"]:
        """Whether each claim is true of each picture."""
        device = facts.kind.device
        kinds, relations = _KINDS.to(device), _RELATIONS.to(device)
        truth = ~self.nothing | ~facts.visible.any(1, keepdim=True)
        truth &= (self.background == OPEN) | (self.background == facts.background[:, None])
        truth &= (self.occluder == OPEN) | (self.occluder == facts.occluder[:, None])
        for clause in range(self.kind.shape[1]):
            match = facts.visible & kinds[self.kind[:, clause]][:, facts.kind]  # (caption, image, object)
            match &= relations[self.relation[:, clause]][:, facts.relation]
            for said, fact in (
                (self.colour, facts.colour),
                (self.place, facts.place),
                (self.coarse, facts.place // 2),
            ):
                said = said[:, clause, None, None]
                match &= (said == OPEN) | (said == fact)
            found = match.any(-1)
            if clause == 0:
                found &= (self.number[:, None] == OPEN) | (self.number[:, None] == match.sum(-1))
            truth &= found.T | ~self.used[:, clause]
        return truth

    def unheard_of(self, facts: Facts) -> Bool[Tensor, "image caption"]:
        """Whether a claim would put a kind and a colour together that training scenes never do.

        That is so if it names a kind that no training scene shows in the colour of an object of the picture, or a
        colour in which none shows an object's kind. Such a claim is always false in training: taken for a negative, it
        teaches that what is blue is no car.
        """
        held = torch.tensor(HELD_OUT_COLOUR, device=facts.kind.device)
        of_kind = torch.cat([held, held.new_full((len(GROUPS) + 1,), OPEN - 1)])[self.kind]
        kind = (of_kind[:, :, None, None] == facts.colour) & self.used[:, :, None, None]
        colour = (self.colour[:, :, None, None] == held[facts.kind]) & self.used[:, :, None, None]
        return ((kind | colour) & facts.visible).any(-1).any(1).T

    def undecided(self, facts: Facts) -> Bool[Tensor, "image caption"]:
        """Whether a claim names a colour and the picture shows none."""
        coloured = ((self.colour != OPEN) & self.used).any(1)
        return (facts.visible & (facts.colour == OPEN)).any(1, keepdim=True) & coloured


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
    count = facts.visible.sum(1)
    # How many there are, in all or of a kind, instead of what each is like.
    alike = (facts.visible & (facts.kind == kind[:, :1])).sum(1)
    in_all = (count > 0) & chance(0.04)
    number = torch.where(in_all, count, torch.where((alike > 1) & chance(0.3), alike, OPEN))
    counted = (number != OPEN)[:, None]
    used = seen & torch.stack([chance(0.95) | counted[:, 0], chance(0.6) & ~counted[:, 0]], dim=1)
    used[:, 1] &= used[:, 0]
    # A group's word ("a vehicle") now and then; neither kind nor colour ("something") seldom.
    groups = _KINDS.to(device)[len(KINDS) : -1, kind].long()
    group = torch.where(groups.any(0), len(KINDS) + groups.argmax(0), kind)
    named = torch.where(chance(0.05, 2), group, maybe(0.9, kind))
    colour = torch.where((named == OPEN) & chance(0.7, 2), colour, maybe(0.8, colour)).masked_fill(counted, OPEN)
    kind = torch.where(counted, torch.where(in_all[:, None], OPEN, kind), named)
    # Places 1 and 4 have no words of their own but those of the third they lie in.
    fine = maybe(0.35, place).masked_fill((place == 1) | (place == 4) | counted, OPEN)
    coarse = torch.where(fine == OPEN, maybe(0.5, place // 2), OPEN).masked_fill(counted, OPEN)
    beside = _RELATIONS.to(device)[BESIDE, relation] & chance(0.2, 2)
    relation = maybe(0.2, torch.where(beside, BESIDE, relation)).masked_fill(counted, OPEN)
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
        number=number,
        nothing=nothing,
        background=torch.where(silent | chance(0.2), facts.background, OPEN),
        # A relation is one to the occluder, which is named with it.
        occluder=torch.where(silent | related | chance(0.25), facts.occluder, OPEN),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Lexicon:
    """Every simple claim about one object that training scenes can fulfil, in groups of rivals."""

    claims: Claims
    rivals: Bool[Tensor, "group caption"]
    """Which claims exclude each other where there is one object: by kind, colour and place, by kind and colour, by
    kind, by colour, by place. "Nothing" belongs to every group."""


def lexicon() -> Lexicon:
    """All of kind, colour and place; kind and colour; kind; colour; place; and nothing."""
    pairs = [(k, c) for k in range(len(KINDS)) for c in range(len(COLOURS)) if c != HELD_OUT_COLOUR[k]]
    groups = [
        [(k, c, p) for k, c in pairs for p in range(COARSE)],
        [(k, c, OPEN) for k, c in pairs],
        [(k, OPEN, OPEN) for k in range(len(KINDS))],
        [(OPEN, c, OPEN) for c in range(len(COLOURS))],
        [(OPEN, OPEN, p) for p in range(COARSE)],
    ]
    said = torch.tensor([row for group in groups for row in group] + [(OPEN, OPEN, OPEN)])
    which = torch.tensor([i for i, group in enumerate(groups) for _ in group] + [OPEN])
    nothing = which == OPEN
    silent = torch.full((len(said), 1), OPEN)
    kind, colour, coarse = said.split(1, dim=1)
    return Lexicon(
        Claims(
            kind=kind,
            colour=colour,
            place=silent,
            coarse=coarse,
            relation=silent,
            used=~nothing[:, None],
            number=silent[:, 0],
            nothing=nothing,
            background=silent[:, 0],
            occluder=silent[:, 0],
        ),
        nothing | (which == torch.arange(len(groups))[:, None]),
    )
