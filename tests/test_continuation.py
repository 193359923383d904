"""The order in which a scan is solved: predictions that are exact, that are refused, that change no solution."""

import pytest
import torch

from slap_core import continuation, sphere
from slap_core.continuation import levels, predict, solve_all
from slap_core.least_action import LeastAction
from slap_core.problems import Problems
from slap_core.types import Latents

TIMES = torch.linspace(0.05, 6.5, 40, dtype=torch.float64)


def problems(solver, couplings, *, seed=0, dim=6, queries=2, stiffness=None):
    generator = torch.Generator().manual_seed(seed)
    points = sphere.normalize(torch.randn(6, dim, generator=generator).double())
    seen = Latents(points, torch.tensor([0, 1, 2, 3.5, 4, 6.0]))
    query = sphere.normalize(torch.randn(queries, dim, generator=generator).double())
    return Problems.of(solver.options, seen, TIMES, query, torch.as_tensor(couplings, dtype=torch.float64), stiffness)


def landscape(seed, dim=6, steep=2.0):
    """A sum of steps in random directions, in which branches end where it is steep."""
    generator = torch.Generator().manual_seed(seed)
    weight = steep * torch.randn(12, dim, generator=generator).double()
    heights = torch.randn(12, generator=generator).double()
    return lambda z, query: (torch.tanh((z + query / 2) @ weight.T) * heights).sum(-1)


def scanned(every):
    for _ in solve_all(every):
        pass
    return every


def from_geodesics(every):
    for index in every.chunks():
        every.solve(index)
    return every


def apart(every, a, b):
    """The furthest that any frame of each stretch lies from the same one of the other."""
    far = (a - b).norm(dim=-1)
    shape = (*far.shape[:-1], len(every.gaps))
    return far.new_zeros(shape).scatter_reduce(-1, every.gaps.gap_of.expand_as(far), far, "amax")


@pytest.mark.parametrize(
    ("couplings", "expected"),
    [
        ([0.3], [[0]]),
        ([0.3, 0.1], [[0, 1]]),
        ([0.0, 0.1, 0.2, 0.3, 0.4], [[0, 4], [2], [1, 3]]),
        ([0.4, 0.1, 0.2, 0.3, 0.0, 0.5], [[0, 4, 5], [2], [1, 3]]),
    ],
)
def test_lambdas_come_from_the_ends_inwards(couplings, expected):
    found = [some.tolist() for some in levels(torch.tensor(couplings, dtype=torch.float64))]
    assert found == expected


@pytest.mark.parametrize("stiffness", [None, [torch.inf, 5.0, torch.inf, torch.inf, 2.0, torch.inf]])
@pytest.mark.parametrize("discretisation", ["nodes", "frames"])
def test_where_paths_are_linear_in_lambda_predictions_are_solutions(discretisation, stiffness):
    """In Euclidean space under a constant force, which is the query's."""
    solver = LeastAction(lambda z, q: (z * q).sum(-1), geometry="euclidean", discretisation=discretisation)
    found = scanned(problems(solver, torch.linspace(0, 2, 9), stiffness=stiffness))
    assert bool((found.residual <= 1e-5).all())
    assert bool((found.gradients[:, [1, 2, 3, 5, 6, 7]] == 1).all())
    expected = from_geodesics(problems(solver, torch.linspace(0, 2, 9), stiffness=stiffness))
    torch.testing.assert_close(found.points, expected.points, atol=1e-5, rtol=0)


def test_shares_are_those_of_the_polynomial_through_the_nearest_lambdas_that_converged(monkeypatch):
    monkeypatch.setattr(continuation, "KNOWN", 3)
    every = problems(LeastAction(None), [0.0, 0.5, 0.1, 0.2, 0.7, 0.1, 0.3], queries=1)
    every.residual[0, [0, 1, 2, 3, 5]] = 0.0  # the second of the equal ones adds nothing
    every.residual[0, 3, 0] = torch.inf
    gaps = len(every.gaps)
    source, share, doubt = predict(every, 6 * gaps + torch.arange(gaps))
    lambdas = every.couplings[source // gaps]
    assert sorted(lambdas[0].tolist()) == pytest.approx([0.0, 0.1, 0.5])
    assert sorted(lambdas[1].tolist()) == pytest.approx([0.1, 0.2, 0.5])
    assert float(lambdas[1, 0]) == pytest.approx(0.2)
    for power in range(3):
        torch.testing.assert_close((share * lambdas**power).sum(1), torch.full((gaps,), 0.3**power).double())
    torch.testing.assert_close((doubt * lambdas).sum(1), torch.zeros(gaps).double())


@pytest.mark.parametrize(("seed", "discretisation"), [(0, "nodes"), (1, "frames")])
def test_a_scan_finds_what_each_lambda_alone_finds_from_the_geodesic(seed, discretisation):
    """Steep enough for branches to end, beside which no prediction may lead to another one."""
    solver = LeastAction(landscape(seed), discretisation=discretisation, accuracy=1e-5)
    couplings = torch.linspace(0, 1.5, 17)
    found = scanned(problems(solver, couplings, seed=seed))
    expected = from_geodesics(problems(solver, couplings, seed=seed))
    both = (found.residual <= 1e-5) & (expected.residual <= 1e-5)
    assert float(both.double().mean()) > 0.98
    assert float(apart(found, found.points, expected.points)[both].max()) < 2e-3
    # There are branches that end.
    steps = apart(found, expected.points[:, 1:], expected.points[:, :-1])
    assert float(steps.max()) > 4 * float(steps.median())
    assert int(found.gradients.sum()) < 0.8 * int(expected.gradients.sum())


@pytest.mark.parametrize("stiffness", [None, [torch.inf, 5.0, torch.inf, torch.inf, 2.0, torch.inf]])
def test_geodesics_are_known_for_all_lambdas(stiffness):
    every = problems(LeastAction(landscape(0)), [0.2, 0.0, 0.9], stiffness=stiffness)
    every.nodes[:] = 8
    known = continuation._Geodesics(every)
    for index in [*every.chunks(torch.arange(7)), *every.chunks()]:
        action = every.action(index, 8)
        torch.testing.assert_close(known.values(index), action.evaluate(action.geodesic()).value)


def test_a_prediction_that_ends_above_the_geodesic_is_as_if_it_had_not_been_tried():
    every = problems(LeastAction(landscape(0)), [0.3])
    every.nodes[:] = 8
    index = next(every.chunks())
    start = every.action(index, 8).geodesic()
    every.solve(index, start, highest=torch.full((len(index),), -torch.inf, dtype=torch.float64))
    assert bool(every.residual.flatten()[index].isinf().all())
    assert not every.paths
    every.solve(index, start, highest=torch.full((len(index),), torch.inf, dtype=torch.float64))
    assert bool((every.residual.flatten()[index] <= 1e-5).all())


def test_adam_starts_from_the_geodesic_at_every_lambda():
    solver = LeastAction(landscape(0, steep=0.5), method="adam", max_iterations=5)
    found = scanned(problems(solver, torch.linspace(0.1, 0.5, 5)))
    expected = from_geodesics(problems(solver, torch.linspace(0.1, 0.5, 5)))
    torch.testing.assert_close(found.points, expected.points)
    assert bool((found.gradients == expected.gradients).all())
