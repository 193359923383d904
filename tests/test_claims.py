"""Claims: true of their own picture, and their truth elsewhere agrees with a plain reading."""

import dataclasses

import torch

from slap_core.training.claims import BESIDE, OPEN, Claims, Facts, draw_claims, lexicon
from slap_core.tunnel_world import COLOURS, HELD_OUT_COLOUR, KINDS
from slap_core.tunnel_world.wording import GROUPS

MEMBERS = [{kind} for kind in range(len(KINDS))] + [set(kinds) for kinds in GROUPS.values()]
SIDES = (2, 3)


def facts(images=300, objects=4, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(high, *shape):
        return torch.randint(0, high, (images, *shape), generator=generator)

    return Facts(
        visible=draw(2, objects).bool(),
        kind=draw(3, objects) * 3,
        colour=draw(3, objects),
        place=draw(6, objects),
        relation=draw(4, objects),
        background=draw(3),
        occluder=draw(3),
    )


def plainly_true(claims: Claims, j: int, world: Facts, i: int) -> bool:
    """The meaning of a claim, object by object."""
    seen = [o for o in range(world.kind.shape[1]) if world.visible[i, o]]
    if claims.nothing[j] and seen:
        return False
    if claims.background[j] not in (OPEN, world.background[i]) or claims.occluder[j] not in (OPEN, world.occluder[i]):
        return False

    def fits(clause: int, o: int) -> bool:
        pairs = [
            (claims.colour, world.colour[i, o]),
            (claims.place, world.place[i, o]),
            (claims.coarse, world.place[i, o] // 2),
        ]
        kind, relation = int(claims.kind[j, clause]), int(claims.relation[j, clause])
        if kind != OPEN and int(world.kind[i, o]) not in MEMBERS[kind]:
            return False
        if relation != OPEN and int(world.relation[i, o]) not in (SIDES if relation == BESIDE else (relation,)):
            return False
        return all(said[j, clause] in (OPEN, fact) for said, fact in pairs)

    number = int(claims.number[j])
    if number != OPEN and sum(fits(0, o) for o in seen) != number:
        return False
    return all(any(fits(c, o) for o in seen) for c in range(claims.kind.shape[1]) if claims.used[j, c])


def test_every_claim_is_true_of_its_own_picture():
    world = facts()
    truth = draw_claims(world, generator=torch.Generator().manual_seed(1)).true_of(world)
    assert bool(truth.diagonal().all())
    assert 0.01 < float(truth.float().mean()) < 0.5


def test_truth_agrees_with_a_plain_reading():
    world = facts(150)
    claims = draw_claims(world, generator=torch.Generator().manual_seed(2))
    truth = claims.true_of(world)
    expected = [[plainly_true(claims, j, world, i) for j in range(150)] for i in range(150)]
    assert truth.tolist() == expected


def test_nothing_is_claimed_only_where_nothing_is():
    world = facts()
    claims = draw_claims(world, generator=torch.Generator().manual_seed(3))
    assert not bool((claims.nothing & world.visible.any(1)).any())
    assert bool(claims.nothing.any())
    assert not bool((claims.used.any(1) & ~world.visible.any(1)).any())


def test_every_claim_says_something():
    world = facts()
    claims = draw_claims(world, generator=torch.Generator().manual_seed(4))
    says = claims.nothing | claims.used.any(1) | (claims.background != OPEN) | (claims.occluder != OPEN)
    assert bool(says.all())
    unused = ~claims.used
    for field in ("kind", "colour", "place", "coarse", "relation"):
        assert bool((getattr(claims, field)[unused] == OPEN).all())


def test_all_kinds_of_claims_are_drawn():
    claims = draw_claims(facts(2000), generator=torch.Generator().manual_seed(6))
    said = claims.used[:, 0]
    assert bool((claims.number > 1).any())
    assert bool((claims.kind >= len(KINDS)).any())
    assert bool((claims.relation == BESIDE).any())
    assert bool(((claims.kind == OPEN) & (claims.colour == OPEN))[said].any())
    counted = claims.number != OPEN
    for field in ("colour", "place", "coarse", "relation"):
        assert bool((getattr(claims, field)[counted] == OPEN).all())
    assert not bool(claims.used[counted, 1].any())


def test_the_lexicon_holds_every_pair_of_training_once():
    book = lexicon()
    joint, pairs, kinds, colours, places = book.rivals
    number = len(KINDS) * (len(COLOURS) - 1)
    assert [int(group.sum()) for group in book.rivals] == [3 * number + 1, number + 1, 10, 9, 4]
    said = {(int(k), int(c)) for k, c in zip(book.claims.kind[pairs, 0], book.claims.colour[pairs, 0], strict=True)}
    assert not said & set(enumerate(HELD_OUT_COLOUR))
    assert bool((joint & pairs & kinds & colours & places == book.claims.nothing).all())
    one = facts(200, objects=1)
    one = dataclasses.replace(one, kind=one.kind // 3, colour=(one.kind // 3 + 5) % 8)
    true = book.claims.true_of(one)
    for group in book.rivals:
        assert bool((true[:, group].sum(1) == 1).all())  # rivals exclude each other


def test_what_training_never_shows_is_unheard_of():
    car, blue = KINDS.index("car"), HELD_OUT_COLOUR[KINDS.index("car")]
    bus = KINDS.index("bus")
    world = facts(2, objects=1)
    world = dataclasses.replace(
        world,
        visible=torch.tensor([[True], [False]]),
        kind=torch.tensor([[bus], [bus]]),
        colour=torch.tensor([[blue], [blue]]),
    )
    book = lexicon()
    strange = book.claims.unheard_of(world)
    named = strange[0] & (book.rivals[2] | book.rivals[3])
    held = {k for k, c in enumerate(HELD_OUT_COLOUR) if c == blue}
    assert set(book.claims.kind[named, 0].tolist()) - {OPEN} == held
    assert car in held
    assert set(book.claims.colour[named, 0].tolist()) - {OPEN} == {HELD_OUT_COLOUR[bus]}
    assert not bool(strange[1].any())  # what is not visible says nothing
    drawn = draw_claims(facts(300), generator=torch.Generator().manual_seed(7))
    empty = dataclasses.replace(facts(300), visible=torch.zeros(300, 4, dtype=torch.bool))
    assert not bool(drawn.unheard_of(empty).any())


def test_the_same_generator_gives_the_same_claims():
    world = facts()
    one, two = (draw_claims(world, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    for field in dataclasses.fields(Claims):
        assert torch.equal(getattr(one, field.name), getattr(two, field.name))
