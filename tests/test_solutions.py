"""What a solution says of itself beyond its path: bounds in a tube, energies, a potential that knows its anchors."""

import pytest
import torch

from slap_core import sphere
from slap_core.continuation import solve_all
from slap_core.curvature import tube_bounds
from slap_core.energies import energies
from slap_core.least_action import LeastAction
from slap_core.potential import Potential
from slap_core.problems import Problems
from slap_core.solutions import potential_along
from slap_core.types import Latents
from slap_core.verdict import Verdict


def points(count: int, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sphere.normalize(torch.randn(count, 5, dtype=torch.float64, generator=generator))


def network(**options: bool) -> Potential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Potential(5, width=8, spectral_norm=False, **options).double().requires_grad_(False)


SEEN = Latents(points(3), torch.tensor([0.0, 1.0, 2.5]))
TIMES = torch.tensor([-0.2, 0.3, 0.6, 1.5, 2.0, 2.9], dtype=torch.float64)


@pytest.mark.parametrize(("geometry", "verdict"), [("euclidean", Verdict.UNIQUE_IN_TUBE), ("sphere", None)])
def test_a_tube_makes_the_certificate_rigorous(geometry, verdict):
    potential, query = network(), points(1, seed=5)[0]
    solve = LeastAction(potential, coupling=0.2, geometry=geometry, accuracy=1e-6)
    solution = solve(SEEN, TIMES, query, tube_radius=0.3)
    certificate = solution.certificate
    assert certificate.worst("tube_radius") == 0.3
    assert certificate.worst("coupling_number") < 1
    assert certificate.worst("discretisation_error") <= 1e-6
    if verdict is not None:
        assert certificate.verdict is verdict
    for stretch in certificate.stretches:
        inner = (stretch.gap > 0) & (stretch.gap < 3)
        assert stretch.nodes >= 8
        if geometry == "euclidean" and inner:  # of points on the path that are no nodes, too
            between = SEEN.times[stretch.gap - 1] + torch.linspace(0.2, 0.8, 5) * SEEN.times.diff()[stretch.gap - 1]
            found = tube_bounds(potential, solution.path(between), query, radius=1e-3)
            assert found.upper <= stretch.curvature + 1e-9


@pytest.mark.usefixtures("unhooked")
def test_only_layers_that_are_known_can_be_bounded():
    with pytest.raises(ValueError, match=r"Only a slap_core.Potential has rigorous bounds, got function"):
        LeastAction(lambda z, q: (z * q).sum(-1))(SEEN, TIMES, points(1)[0], tube_radius=0.1)


def test_a_potential_that_knows_its_anchors_is_told_them():
    """Each gap as a problem of its own, with the anchors put into the query by hand."""
    potential, queries = network(context=True), points(2, seed=5)
    solve = LeastAction(potential, coupling=0.7, tolerance=1e-10)
    whole = solve(SEEN, TIMES, queries)
    unit = whole.certificate.time_unit_seconds
    for gap in range(2):
        start, stop = SEEN.points[gap], SEEN.points[gap + 1]
        inner = (SEEN.times[gap] < TIMES) & (SEEN.times[gap + 1] > TIMES)
        ratio = float(SEEN.times.diff()[gap]) / unit
        for k, query in enumerate(queries):
            asked = potential.in_gaps(query, start, stop)
            alone = LeastAction(lambda z, _, asked=asked: potential(z, asked), coupling=0.7 * ratio**2, tolerance=1e-10)
            expected = alone(SEEN.select([gap, gap + 1]), TIMES[inner], query)
            torch.testing.assert_close(whole.path(TIMES[inner])[k], expected.points, atol=1e-8, rtol=0)
    # Energies ask in the same way.
    at = whole.path.times == TIMES[1]
    asked = potential.in_gaps(queries, SEEN.points[0], SEEN.points[1])
    expected = 0.7 * potential(whole.path.nodes[:, at][:, 0], asked)
    torch.testing.assert_close(whole.energies.potential[:, at][:, 0], expected)


@pytest.mark.parametrize("stiffness", [None, [torch.inf, 8.0, torch.inf]])
@pytest.mark.parametrize("context", [False, True])
def test_energies_of_many_frames_come_from_few_nodes(context, stiffness):
    potential, queries = network(context=context), points(2, seed=5)
    solve = LeastAction(potential, coupling=0.5)
    times = torch.linspace(-0.5, 3.0, 400, dtype=torch.float64)
    problems = Problems.of(solve.options, SEEN, times, queries, torch.tensor([0.5]).double(), stiffness)
    for _ in solve_all(problems):
        pass
    found = potential_along(problems, 0)
    assert bool(found.isfinite().all())
    hard = SEEN if stiffness is None else SEEN.select([0, 2])
    solution = solve(SEEN, times, queries, stiffness=stiffness)
    unit = solution.certificate.time_unit_seconds
    exact = energies(solution.path, potential, queries, anchor_times=hard.times, coupling=0.5, time_unit_seconds=unit)
    close = 1e-5 * float(exact.potential.abs().max())
    torch.testing.assert_close(solution.energies.potential, exact.potential, atol=close, rtol=0)
    torch.testing.assert_close(solution.energies.kinetic, exact.kinetic)
    few = Problems.of(solve.options, SEEN, TIMES, queries, torch.tensor([0.5]).double())
    for _ in solve_all(few):
        pass
    assert bool(potential_along(few, 0).isnan().all())


def test_energies_are_asked_at_each_frame_where_they_are_not_smooth():
    """A wave of so many periods along the path that 64 nodes do not follow it."""
    solve = LeastAction(lambda z, q: 1e-4 * torch.sin(200 * (z * q).sum(-1)), coupling=1e-3)
    times, query = torch.linspace(0, 2.5, 700, dtype=torch.float64), points(1, seed=5)[0]
    solution = solve(SEEN, times, query)
    expected = 1e-7 * torch.sin(200 * (solution.path.nodes * query).sum(-1))
    torch.testing.assert_close(solution.energies.potential, expected)
    assert float(expected.diff().sign().diff().abs().sum()) > 40
