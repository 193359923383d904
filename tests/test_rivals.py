"""The direct regressor and the transformer: what each may see."""

import torch
from loud import DIM, SEEN, TIMES, loud, unit

from slap_core.gaps import find_gaps
from slap_core.rivals import AutoregressiveTransformer, DirectRegressor
from slap_core.stretches import Stretches
from slap_core.types import Latents

QUERY = unit(DIM, seed=5)


def stretches():
    gaps = find_gaps(SEEN.times, TIMES)
    return Stretches.of(SEEN.points, gaps, QUERY.expand(len(gaps), -1))


def test_the_regressor_takes_every_moment_by_itself():
    network = loud(DirectRegressor)
    few = network(SEEN, [1.5, 3.0], QUERY).points
    many = network(SEEN, [1.1, 1.5, 1.8, 2.5, 3.0], QUERY).points
    torch.testing.assert_close(few, many[[1, 4]])


def test_the_regressor_sees_both_anchors():
    network = loud(DirectRegressor)
    before = network(SEEN, [1.5], QUERY).points
    other = Latents(torch.cat([SEEN.points[:1], unit(1, DIM, seed=9), SEEN.points[2:]]), SEEN.times)
    assert (network(other, [1.5], QUERY).points - before).norm() > 1e-2


def test_the_transformer_does_not_look_ahead():
    network, rows = loud(AutoregressiveTransformer), stretches()
    given = unit(4, 2, DIM, seed=7)
    first = network.next(rows, given)
    given[:, 1] = unit(4, DIM, seed=8)
    then = network.next(rows, given)
    torch.testing.assert_close(then[:, :2], first[:, :2])
    assert (then[2, 2] - first[2, 2]).norm() > 1e-4


def test_the_transformer_rolls_on_from_its_own_latents():
    network, rows = loud(AutoregressiveTransformer), stretches()
    path = network.recover(rows)
    torch.testing.assert_close(network.next(rows, path[:, :-1]), path)


def test_the_transformer_knows_the_far_anchor_and_when_the_next_latent_is_due():
    network = loud(AutoregressiveTransformer)
    path = network(SEEN, [1.2, 1.5], QUERY).points
    other = Latents(torch.cat([SEEN.points[:1], -SEEN.points[1:2], SEEN.points[2:]]), SEEN.times)
    assert (network(other, [1.2, 1.5], QUERY).points - path).norm(dim=-1).min() > 1e-3
    assert (network(SEEN, [1.2, 1.6], QUERY).points[1] - path[1]).norm() > 1e-3


def test_the_transformer_learns_from_true_and_own_latents():
    network, rows = loud(AutoregressiveTransformer), stretches()
    target = unit(4, 3, DIM, seed=7)
    path, penalty = network.training_path(rows, target, torch.Generator().manual_seed(0))
    again, _ = network.training_path(rows, target, torch.Generator().manual_seed(0))
    other, _ = network.training_path(rows, target, torch.Generator().manual_seed(1))
    assert torch.equal(path, again)
    assert not torch.equal(path, other)
    assert float(penalty) == 0
    # The first frame knows the anchors and the query only, whatever is true.
    torch.testing.assert_close(path[:, 0], network.recover(rows)[:, 0])
    path.square().mul(torch.arange(DIM)).sum().backward()
    assert all(bool((p.grad != 0).any()) for name, p in network.named_parameters() if "in_proj_bias" not in name)
