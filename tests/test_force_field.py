"""A force in the string's response: where it has a potential, it must find the path of least action."""

import pytest
import torch
from loud import DIM, SEEN, TIMES, loud, quiet, unit

from slap_core import sphere
from slap_core.force_field import ForceField
from slap_core.gaps import find_gaps
from slap_core.least_action import LeastAction
from slap_core.stretches import Stretches
from slap_core.types import Latents, Result

QUERIES = unit(2, DIM, seed=5)


def stretches():
    gaps = find_gaps(SEEN.times, TIMES)
    return Stretches.of(SEEN.points, gaps, QUERIES[0].expand(len(gaps), -1))


def bumps(z, query):
    """A potential that is not linear."""
    return 2 * torch.tanh((z * query).sum(-1)) + (z[..., 0] * z[..., 1]).sin()


def gradient_of(potential):
    def pull(rows):
        def force(z):
            with torch.enable_grad():
                leaf = z.detach().requires_grad_(True)
                return torch.autograd.grad(potential(leaf, rows.query[:, None]).sum(), leaf)[0]

        return force

    return pull


@pytest.mark.parametrize("coupling", [0.3, 1.0])
def test_a_force_with_a_potential_finds_the_path_of_least_action(coupling):
    network = quiet(ForceField, coupling=coupling)
    network.pull = gradient_of(bumps)
    found = network(SEEN, TIMES, QUERIES)
    expected = LeastAction(bumps, coupling=coupling, discretisation="frames")(SEEN, TIMES, QUERIES)
    assert found.result is expected.result is Result.CONVERGED
    torch.testing.assert_close(found.points, expected.points, atol=1e-4, rtol=0)


def test_with_the_keys_of_attractors_it_is_the_least_action_among_them():
    network = loud(ForceField, coupling=1.0)
    with torch.no_grad():
        network.turn.weight.zero_()
        network.turn.bias.zero_()
        network.log_scale.fill_(0.5)
    rows = stretches()

    def height(z, query):  # the potential whose gradient that force is
        found = network.network(rows.boundary())
        value = network._values(rows, found)
        sharpness = network.log_sharpness.exp()
        logits = sharpness * (z @ value.mT + network.offsets(found)[:, None])
        return network.log_scale.exp() * logits.logsumexp(-1) / sharpness

    z = rows.geodesic()
    torch.testing.assert_close(network.pull(rows)(z), gradient_of(height)(rows)(z))


def test_a_constant_force_bends_a_short_path_to_a_parabola():
    ends = sphere.exp(unit(DIM), torch.tensor([[0.0], [1.0]]) * 1e-3 * sphere.tangent(unit(DIM), unit(DIM, seed=1)))
    network, pull = quiet(ForceField), 1e-3 * sphere.tangent(unit(DIM), unit(DIM, seed=2))
    network.pull = lambda rows: lambda z: pull.expand_as(z)
    seen = Latents(ends, torch.tensor([0.0, 2.0], dtype=torch.float64))
    times = torch.tensor([0.3, 0.9, 1.7], dtype=torch.float64)
    s = (times / 2)[:, None]
    expected = ends[:1].lerp(ends[1:], s) + pull / 2 * s * (1 - s)
    torch.testing.assert_close(network(seen, times).points, expected, atol=2e-6, rtol=0)


def test_a_force_that_no_potential_has_is_balanced():
    network = quiet(ForceField)
    turn = torch.zeros(DIM, DIM, dtype=torch.float64)
    turn[0, 1], turn[1, 0] = 3.0, -3.0
    network.pull = lambda rows: lambda z: z @ turn
    rows = stretches()
    path, residual = network.balance(rows, iterations=100)
    assert (residual < 1e-5).all()
    step = network.step(rows, path).norm(dim=-1)
    torch.testing.assert_close(step.amax(1), residual)
    assert (path - rows.geodesic()).norm(dim=-1)[rows.mask()].min() > 1e-2


def test_padding_stays_where_it_is():
    rows = stretches()
    path, _ = loud(ForceField).balance(rows, iterations=20)
    assert torch.equal(path[~rows.mask()], rows.geodesic()[~rows.mask()])
    assert (~rows.mask()).any()


def test_what_does_not_converge_says_so_and_is_finite():
    network = quiet(ForceField, max_iterations=5)
    network.pull = lambda rows: lambda z: 300 * torch.sin(40 * z.flip(-1))
    solution = network(SEEN, TIMES)
    assert solution.result is Result.NOT_CONVERGED
    assert bool(solution.points.isfinite().all())


def test_training_differentiates_the_end_of_a_path_that_is_nearly_balanced():
    network, rows = loud(ForceField, warm_steps=40), stretches()
    path, penalty = network.training_path(rows, rows.geodesic(), torch.Generator())
    torch.testing.assert_close(path, network.recover(rows), atol=1e-4, rtol=0)
    assert 0 <= float(penalty.detach()) < 1e-8
    path.square().mul(torch.arange(DIM)).sum().backward()
    assert all(bool((p.grad != 0).any()) for p in network.parameters())


def test_training_of_a_path_out_of_balance_bends_the_force_alone():
    network, rows = loud(ForceField, warm_steps=0, coupling=4.0), stretches()
    path, penalty = network.training_path(rows, rows.geodesic(), torch.Generator())
    square = network.step(rows, rows.geodesic()).norm(dim=-1)[rows.mask()].square()
    assert (square > 0.02**2).any()
    torch.testing.assert_close(penalty, (square / (1 + square)).mean())
    away = network.step(rows, rows.geodesic()).norm(dim=-1).amax(1) > 0.02
    assert torch.equal(path[away], rows.geodesic()[away])
    penalty.backward()
    before = float(penalty.detach())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 0.01 * parameter.grad
    assert float(network.training_path(rows, rows.geodesic(), torch.Generator())[1].detach()) < before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coupling": -1.0}, "coupling must be a finite number of at least 0"),
        ({"coupling": float("nan")}, "coupling must be a finite number of at least 0"),
        ({"tolerance": 0.0}, "tolerance must be above 0 in radians"),
        ({"max_iterations": 0}, "max_iterations and unrolled_steps must be at least 1"),
        ({"unrolled_steps": 0}, "max_iterations and unrolled_steps must be at least 1"),
        ({"warm_steps": -1}, "warm_steps at least 0"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ForceField(4, **options)
