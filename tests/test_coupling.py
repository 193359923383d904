"""The chosen lambda, and scans followed up and down, against closed forms (float64)."""

import math

import pytest
import torch

from slap_core import sphere
from slap_core.branches import resonance_of
from slap_core.coupling import auto_coupling, scan
from slap_core.least_action import LeastAction
from slap_core.types import Latents

QUERY = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def points(count: int, *, seed: int = 0, dim: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sphere.normalize(torch.randn(count, dim, dtype=torch.float64, generator=generator))


def linear(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    return (z * query).sum(-1)


def bumpy(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    return 3 * torch.tanh(2 * linear(z, query)) + torch.sin(3 * z[..., 0] + linear(z, query))


def thrown(times: torch.Tensor, coupling: float, mass: float = 1.0) -> Latents:
    """What a constant pull does to a thrown thing, T being the mean gap."""
    s = (times / times.diff().mean())[:, None]
    start, speed = torch.tensor([[1.0, 0.2, 0.0], [0.1, 0.3, 1.2]], dtype=torch.float64)
    return Latents(start + speed * s - coupling / (2 * mass) * QUERY * s**2, times)


@pytest.mark.parametrize("times", [torch.arange(8.0) * 0.5, torch.tensor([0.0, 1, 1.5, 3, 4, 4.25, 6])])
@pytest.mark.parametrize("mass", [1.0, 1.7])
def test_the_lambda_of_a_known_throw_is_found_in_the_clips_own_unit(times, mass):
    """Gaps are twice as long without the anchors that are left out: lambda must not be four times too small."""
    solver = LeastAction(linear, geometry="euclidean", mass=mass, tolerance=1e-11)
    found = auto_coupling(solver, thrown(times.double(), 0.4, mass), QUERY, couplings=[0.0, 0.1, 0.2, 0.4, 0.8, 1.6])
    assert found.coupling == 0.4
    assert float(found.drift[found.best].max()) < 1e-12
    assert (found.drift[[0, 1, 2, 4, 5]].mean(1) > 1e-6).all()
    assert found.times.tolist() == times[1:-1].tolist()
    assert found.sentence.startswith(f"λ = 0.4: with it {len(times) - 2} kept frames")


def test_the_smallest_lambda_that_is_as_good_as_the_best_is_chosen():
    """Anchors at random, on which no pull is good for much."""
    smaller = 0
    for seed in range(6):
        seen = Latents(points(10, seed=seed), torch.arange(10.0))
        found = auto_coupling(LeastAction(linear), seen, points(1, seed=20 + seed)[0], couplings=[0.0, 0.1, 0.3, 0.9])
        mean, chosen = found.drift.mean(1), found.couplings.tolist().index(found.coupling)
        good = mean - mean[found.best] <= found.error
        assert chosen == int(good.nonzero()[0])
        difference = found.drift[chosen] - found.drift[found.best]
        assert float(found.error[chosen]) == pytest.approx(float(difference.std()) / 8**0.5)
        if chosen != found.best:
            smaller += 1
            assert f"within a standard error of the least ({float(mean[found.best]):.4f} at" in found.sentence
    assert smaller


def test_too_few_anchors_choose_nothing():
    found = auto_coupling(LeastAction(linear), Latents(points(3), torch.arange(3.0)), points(1)[0])
    assert found.coupling is None
    assert found.best is None
    assert "3 kept frames: leaving some out takes at least 4" in found.sentence


def test_what_does_not_converge_is_not_chosen():
    seen = Latents(points(6), torch.arange(6.0))
    found = auto_coupling(LeastAction(bumpy, max_iterations=1), seen, points(1, seed=1)[0], couplings=[3.0, 5.0])
    assert found.coupling is None
    assert "converged at none" in found.sentence


def test_a_scan_is_the_solvers():
    seen, times, query = Latents(points(3), torch.arange(3.0)), [0.5, 1.3], points(1, seed=1)[0]
    found = scan(seen, times, query, [0.1, 0.4], potential=linear, mass=1.2)
    expected = LeastAction(linear, mass=1.2).scan(seen, times, query, couplings=[0.1, 0.4])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.points, other.points)


def measured(potential, lambdas, seen, times, query=None, *, truth=None, **options):
    solver = LeastAction(potential, tolerance=1e-9, **options)
    solutions = solver.scan(seen, times, query, couplings=lambdas)
    return resonance_of(solutions, solver, seen, times, query, truth=truth)


@pytest.mark.parametrize("discretisation", ["nodes", "frames"])
def test_a_path_at_rest_on_a_hill_stops_being_a_minimum_at_pi_squared(discretisation):
    """P = 1 - cos z, both anchors at 0: the Hessian relative to the string is 1 - lambda/sigma_1."""
    seen = Latents(torch.zeros(2, 1, dtype=torch.float64), torch.tensor([0.0, 2.0]))
    times = [0.5, 1.0, 1.5]
    exact = math.pi**2 if discretisation == "nodes" else 64 * math.sin(math.pi / 8) ** 2
    found = measured(
        lambda z, q: 1 - torch.cos(z[..., 0]),
        [0.0, 2.0, 8.0, 11.0],
        seen,
        times,
        geometry="euclidean",
        discretisation=discretisation,
    )
    assert found.conjugate_point.coupling == pytest.approx(exact, rel=1e-6)
    assert (found.conjugate_point.below, found.conjugate_point.above) == (8, 11)
    assert float(found.eigenvalue[1]) == pytest.approx(1 - 2 / exact, rel=1e-6)
    assert found.envelope.deviation == 0
    assert found.score is None
    assert found.regimes is None


def cliff(z: torch.Tensor, query: None) -> torch.Tensor:
    """A slope, and further up a hill that catches what comes near."""
    return 0.2 * z[..., 0] + torch.exp(-8 * (z[..., 0] - 1) ** 2)


def test_a_hill_that_catches_the_path_is_left_later_than_it_is_reached():
    seen = Latents(torch.zeros(2, 1, dtype=torch.float64), torch.tensor([0.0, 1.0]))
    lambdas = torch.linspace(0, 12, 25).tolist()
    found = measured(cliff, lambdas, seen, [0.25, 0.5, 0.75], geometry="euclidean", truth=torch.full((3, 1), 0.2))
    low, high = found.hysteresis
    assert 1.5 < low < high - 1
    assert (found.conjugate_point.below, found.conjugate_point.above) == (high, high + 0.5)
    on_branch = found.eigenvalue[: lambdas.index(high) + 1]
    assert (on_branch > 0).all()
    assert (on_branch.diff() < 0).all()
    assert found.eigenvalue[lambdas.index(high) + 1 :].isnan().all()
    assert found.envelope.concave
    assert found.envelope.deviation < 0.02
    between = (found.couplings >= low) & (found.couplings <= high)
    assert {found.regimes[k] for k in between.nonzero().flatten()} == {"chaos"}
    assert (found.agree[~between] == 1).all()


def test_a_scan_against_the_truth_has_its_best_lambda_and_obeys_the_envelope_theorem():
    seen, query = Latents(points(5, seed=4), torch.tensor([0.0, 1.0, 2.2, 3.0, 4.0])), points(1, seed=5)[0]
    times = torch.tensor([0.4, 0.7, 1.5, 1.9, 2.5, 3.5, 4.3], dtype=torch.float64)
    lambdas = [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35]
    solver = LeastAction(bumpy, coupling=0.2, tolerance=1e-9)
    truth = solver(seen, times, query).points
    solutions = solver.scan(seen, times, query, couplings=lambdas)
    found = resonance_of(solutions, solver, seen, times, query, truth=truth)
    assert found.score_of == "dropped frames"
    assert lambdas[found.best] == 0.2
    assert found.regimes[4] == "resonance"
    assert found.regimes[0] == "ballistic"
    assert found.conjugate_point is None
    assert found.hysteresis is None
    assert found.envelope.concave
    assert found.envelope.deviation < 5e-3
    left_out = resonance_of(solutions, solver, seen, times, query)
    assert left_out.score_of == "anchors left out"
    chosen = auto_coupling(solver, seen, query, couplings=lambdas, times=times)
    torch.testing.assert_close(left_out.score, -chosen.drift.mean(1))
    # Where a minimum is followed, its eigenvalue is that of the certificate of the same path.
    *_, inspected = solver.scan_chunks(seen, times, query, couplings=lambdas, inspected=True)
    for k in (1, 4, 7):
        certified = inspected[k].certificate.worst("eigenvalue")
        assert float(found.eigenvalue[k]) == pytest.approx(certified, rel=0.02)


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, x, q: auto_coupling(s, x, q[None]), r"auto_coupling needs one query \(dim\)"),
        (lambda s, x, q: auto_coupling(s, x, q, couplings=[0.2, 0.1]), "auto_coupling needs finite lambdas that inc"),
        (lambda s, x, q: auto_coupling(s, x, q, couplings=[]), "auto_coupling needs finite lambdas"),
        (
            lambda s, x, q: resonance_of(s.scan(x, [0.5], q, couplings=[0.1]), s, x, [0.5], q),
            "begins at lambda = 0, got 0.1",
        ),
        (
            lambda s, x, q: resonance_of(s.scan(x, [0.5], q, couplings=[0.0]), s, x, [0.5], q[None]),
            r"resonance_of needs one query \(dim\)",
        ),
        (
            lambda s, x, q: resonance_of(s.scan(x, [], q, couplings=[0.0]), s, x, [], q),
            "needs something to recover, got a scan in which no frame was dropped",
        ),
    ],
)
def test_scans_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(LeastAction(linear), Latents(points(5), torch.arange(5.0)), points(1)[0])
