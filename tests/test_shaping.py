"""The terms that shape a potential through the solver, on problems whose answers are known."""

import dataclasses
import math

import pytest
import torch

from slap_core import shaping, sphere
from slap_core.curvature import tube_bounds
from slap_core.fitting.potential import leave_out
from slap_core.potential import Potential
from slap_core.shaping import joined
from slap_core.types import Latents

DIM = 6


def unit(*shape, seed=0, dtype=torch.float32):
    return sphere.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype))


def network(scale=1.0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        potential = Potential(DIM, **{"width": 8, "depth": 2, **options}, spectral_norm=False)
    potential.scale.fill_(scale)
    return potential


def some_stretches(count=4, *, seed=0):
    """Random latents at uneven times, and stretches of different lengths between them."""
    times = torch.arange(12.0) + 0.3 * torch.rand(12, generator=torch.Generator().manual_seed(seed))
    latents = Latents(unit(12, DIM, seed=seed), times)
    return leave_out(latents, unit(2, DIM, seed=seed + 1), count=count, generator=torch.Generator().manual_seed(seed))


def posed(potential, stretches, coupling=0.5):
    every = torch.arange(len(stretches))
    return every, shaping.pose(potential, stretches, every, every * 0, torch.full((len(every),), coupling))


def test_drift_is_the_weighted_mean_of_one_minus_the_cosine():
    stretches = some_stretches()
    every, action = posed(None, stretches, 0.0)
    path = action.geodesic()
    expected = []
    for k in range(len(stretches)):
        count = int(stretches.gaps.count[k])
        cosine = (path[k, :count] * stretches.target[k, :count]).sum(-1)
        expected.append(float((1 - cosine).mean()))
    assert shaping.drift(path, stretches, every).tolist() == pytest.approx(expected, abs=1e-6)
    assert shaping.drift(stretches.target[:, : path.shape[1]], stretches, every).abs().max() < 1e-6


def test_problems_are_those_of_the_stretches():
    stretches = some_stretches()
    index = torch.tensor([2, 0, 2])
    action = shaping.pose(network(), stretches, index, torch.tensor([1, 0, 0]), torch.tensor([0.1, 0.2, 0.3]))
    torch.testing.assert_close(action.string.start, stretches.anchors[stretches.gaps.start[index]])
    torch.testing.assert_close(action.query[:, 0], stretches.queries[index, torch.tensor([1, 0, 0])])
    torch.testing.assert_close(action.force_weight[2], 3 * action.force_weight[0])


def test_joined_stretches_are_solved_as_they_were_alone():
    parts = [some_stretches(2, seed=seed) for seed in (0, 5)]
    both = joined(parts)
    potential = network(3.0)
    alone = []
    for part in parts:
        index, action = posed(potential, part)
        found = shaping.solve(action, action.geodesic(), tolerance=1e-5, iterations=50)
        alone.append(shaping.drift(found.z, part, index))
    index, action = posed(potential, both)
    found = shaping.solve(action, action.geodesic(), tolerance=1e-5, iterations=50)
    torch.testing.assert_close(shaping.drift(found.z, both, index), torch.cat(alone), atol=1e-5, rtol=0)


def test_judging_teaches():
    """A few steps of gradient descent on the drift of solved paths lower it."""
    stretches, potential = some_stretches(8), network(8.0)
    every = torch.arange(8)
    optimizer = torch.optim.Adam(potential.parameters(), lr=2e-2)
    drifts = []
    for _ in range(40):
        losses, _, found = shaping.judge(potential, stretches, every, every % 2, torch.full((8,), 0.5))
        optimizer.zero_grad()
        (losses["drift"] + losses["residual"]).backward()
        optimizer.step()
        drifts.append(float(losses["drift"].detach()))
        assert bool(found.converged.all()) == (float(losses["residual"].detach()) == 0)
    assert drifts[-1] < 0.7 * drifts[0]


def test_what_did_not_converge_is_penalised():
    stretches, potential = some_stretches(3), network(6.0)
    every = torch.arange(3)
    losses, _, _ = shaping.judge(potential, stretches, every, every * 0, torch.full((3,), 0.5), iterations=1)
    assert float(losses["converged"]) < 1
    assert float(losses["residual"].detach()) > 0
    losses["residual"].backward()
    assert float(potential.network[0].weight.grad.abs().max()) > 0


def two_wells(wrong_depth):
    """On a right angle, wells at the answer and at the query; how deep the query's is decides which path is least."""
    e = torch.eye(DIM)
    start, stop, answer, query = e[0], e[1], sphere.normalize(e[0] + e[1] + 2 * e[2]), e[3]
    latents = Latents(torch.stack([start, answer, stop]), torch.arange(3.0))
    stretches = leave_out(latents, query[None], count=1, generator=torch.Generator().manual_seed(0))
    depth = torch.tensor(wrong_depth, requires_grad=True)

    def potential(z, asked):
        near = torch.exp(20 * ((z * answer).sum(-1) - 1))
        return 10 * near + depth * torch.exp(20 * ((z * asked).sum(-1) - 1))

    every = torch.zeros(1, dtype=torch.long)
    action = shaping.pose(None, stretches, every, every, torch.ones(1))
    action = dataclasses.replace(action, potential=potential)
    right = shaping.solve(action, stretches.target, tolerance=1e-4, iterations=100)
    return shaping.margin(action, right, stretches, every), depth


def test_the_margin_is_the_action_by_which_a_wrong_path_is_too_good():
    (loss, agrees), _ = two_wells(2.0)
    assert float(loss.detach()) == 0
    assert float(agrees) == 1
    (loss, agrees), depth = two_wells(30.0)
    assert float(loss.detach()) > 1
    assert float(agrees) == 0
    loss.backward()
    assert float(depth.grad) > 0  # a shallower wrong well is better


def test_softness_is_lambda_over_the_strings_lowest_eigenvalue():
    """Even steps: sigma_1 = (4/h^2) sin^2(pi/(2 (N + 1))), h = 1/(N + 1)."""
    times = torch.arange(8) / 7
    latents = Latents(unit(8, DIM), times)
    generator = torch.Generator()
    stretches = next(
        one
        for seed in range(100)
        if len((one := leave_out(latents, unit(1, DIM), count=1, generator=generator.manual_seed(seed))).target[0]) == 6
    )
    _, action = posed(None, stretches, 0.7)
    sigma = 4 * 49 * math.sin(math.pi / 14) ** 2
    assert float(shaping.softness(action)) == pytest.approx(0.7 / sigma, rel=1e-4)


def test_excess_is_lambda_above_its_limit_and_below_the_rigorous_bound():
    stretches, potential = some_stretches(3), network(60.0)
    for layer in list(potential.network)[::2]:
        layer.weight.data.mul_(2.0)
    _, action = posed(potential, stretches)
    z = action.geodesic()
    found = shaping.curvature_excess(action, z, torch.Generator().manual_seed(0), products=200)
    softness = shaping.softness(action)
    exists = action.force_weight > 0
    small = dataclasses.replace(action, force_weight=action.force_weight / 1e4)
    assert float(shaping.curvature_excess(small, z, torch.Generator().manual_seed(0)).detach()) == 0
    expected, bounds = [], []
    potential = potential.double()
    for k, i in exists.nonzero().tolist():
        point, query = z[k, i].double(), action.query[k, 0].double()
        exact = torch.func.hessian(lambda x, q=query: potential(x, q))(point).detach()
        _, gradient = potential.value_and_gradient(point, query)
        projection = torch.eye(DIM).double() - point[:, None] * point[None]
        largest = torch.linalg.eigvalsh(projection @ exact @ projection - (point @ gradient).detach() * projection)[-1]
        expected.append(max(float(softness[k] * largest) - 0.8, 0.0))
        bound = tube_bounds(potential, point[None], query, radius=0.0).riemannian
        bounds.append(max(float(softness[k]) * bound - 0.8, 0.0))
    assert float(found.detach()) > 0
    assert float(found.detach()) == pytest.approx(sum(expected) / len(expected), rel=0.01)
    assert sum(bounds) >= sum(expected) * (1 - 1e-6)
