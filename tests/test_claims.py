"""Claims: true of their own picture, and their truth elsewhere agrees with a plain reading."""

import dataclasses

import torch

from slap_core.training.claims import OPEN, Claims, Facts, draw_claims


def facts(images=300, objects=4, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(high, *shape):
        return torch.randint(0, high, (images, *shape), generator=generator)

    return Facts(
        visible=draw(2, objects).bool(),
        kind=draw(3, objects),
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
            (claims.kind, world.kind[i, o]),
            (claims.colour, world.colour[i, o]),
            (claims.place, world.place[i, o]),
            (claims.coarse, world.place[i, o] // 2),
            (claims.relation, world.relation[i, o]),
        ]
        return all(said[j, clause] in (OPEN, fact) for said, fact in pairs)

    return all(any(fits(c, o) for o in seen) for c in range(2) if claims.used[j, c])


def test_every_claim_is_true_of_its_own_picture():
    world = facts()
    truth = draw_claims(world, generator=torch.Generator().manual_seed(1)).true_of(world)
    assert bool(truth.diagonal().all())
    assert 0.01 < float(truth.float().mean()) < 0.5


def test_truth_agrees_with_a_plain_reading():
    world = facts(60)
    claims = draw_claims(world, generator=torch.Generator().manual_seed(2))
    truth = claims.true_of(world)
    expected = [[plainly_true(claims, j, world, i) for j in range(60)] for i in range(60)]
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
    named = (claims.kind != OPEN) | (claims.colour != OPEN)
    assert bool(named[claims.used].all())
    unused = ~claims.used
    for field in ("kind", "colour", "place", "coarse", "relation"):
        assert bool((getattr(claims, field)[unused] == OPEN).all())


def test_the_same_generator_gives_the_same_claims():
    world = facts()
    one, two = (draw_claims(world, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    for field in dataclasses.fields(Claims):
        assert torch.equal(getattr(one, field.name), getattr(two, field.name))
