"""The solver against closed forms, symmetries, an independent solver, and itself in other batches (float64)."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_bvp

from slap_core import batches, sphere
from slap_core.baselines import Lerp, Slerp
from slap_core.gaps import find_gaps
from slap_core.least_action import LeastAction
from slap_core.types import Latents, Result, Solution

TOLERANCE = 1e-11


def points(count: int, *, seed: int = 0, dim: int = 5, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sphere.normalize(torch.randn(count, dim, dtype=torch.float64, generator=generator)).to(dtype)


def linear(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    return (z * query).sum(-1)


def bumpy(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    drawn = linear(z, query)
    return 3 * torch.tanh(2 * drawn) + torch.sin(3 * z[..., 0] + drawn)


UNEVEN = torch.tensor([0.0, 0.3, 0.5, 1.3, 1.4, 2.0], dtype=torch.float64)


def between(times: torch.Tensor, *, dim: int = 5, seed: int = 0) -> tuple[Latents, torch.Tensor]:
    """Two anchors at the ends of `times`, and the times between."""
    return Latents(points(2, dim=dim, seed=seed), times[[0, -1]]), times[1:-1]


def test_a_constant_pull_gives_a_parabola_on_an_uneven_grid():
    seen, times = between(UNEVEN)
    query = 3 * points(1, seed=1)[0]
    solution = LeastAction(linear, coupling=0.7, mass=1.3, geometry="euclidean", tolerance=TOLERANCE)(
        seen, times, query
    )
    t = (times / 2)[:, None]
    expected = seen.points[0] + (seen.points[1] - seen.points[0]) * t + 0.7 / (2 * 1.3) * query * t * (1 - t)
    torch.testing.assert_close(solution.points, expected)
    assert solution.result is Result.CONVERGED


@pytest.mark.parametrize("curvature", [4.0, -4.0])
def test_quadratic_potentials_give_the_discrete_sinh_and_sine(curvature):
    steps, coupling, mass = 8, 0.9, 1.2
    seen, times = between(torch.linspace(0, 3, steps + 1, dtype=torch.float64))

    def potential(z: torch.Tensor, query: None) -> torch.Tensor:
        return -curvature / 2 * z.square().sum(-1)

    solve = LeastAction(
        potential, coupling=coupling, mass=mass, geometry="euclidean", discretisation="frames", tolerance=TOLERANCE
    )
    half = coupling * curvature / mass / steps**2 / 2
    rate, wave = (math.acosh(1 + half), torch.sinh) if curvature > 0 else (math.acos(1 + half), torch.sin)
    k = torch.arange(1, steps, dtype=torch.float64)[:, None]
    whole = wave(torch.tensor(rate * steps, dtype=torch.float64))
    expected = (seen.points[0] * wave(rate * (steps - k)) + seen.points[1] * wave(rate * k)) / whole
    torch.testing.assert_close(solve(seen, times).points, expected)
    # And in continuous time, of which the frame grid knows nothing.
    rate = math.sqrt(coupling * abs(curvature) / mass)
    s, whole = (times / 3)[:, None], wave(torch.tensor(rate, dtype=torch.float64))
    expected = (seen.points[0] * wave(rate * (1 - s)) + seen.points[1] * wave(rate * s)) / whole
    fine = LeastAction(
        potential, coupling=coupling, mass=mass, geometry="euclidean", accuracy=1e-9, tolerance=TOLERANCE
    )
    torch.testing.assert_close(fine(seen, times).points, expected)


@pytest.mark.parametrize(("geometry", "baseline"), [("sphere", Slerp()), ("euclidean", Lerp())])
def test_without_coupling_it_is_the_geodesic_at_once(geometry, baseline):
    seen = Latents(points(3), UNEVEN[[0, 3, 5]])
    times = UNEVEN[[1, 2, 4]]
    solution = LeastAction(linear, coupling=0.0, geometry=geometry)(seen, times, points(1, seed=1)[0])
    torch.testing.assert_close(solution.points, baseline(seen, times).points)
    assert solution.certificate.iterations == 0


@pytest.mark.parametrize("before", [False, True])
def test_a_free_end_is_a_parabola_with_a_vanishing_slope(before):
    elapsed = torch.tensor([0.3, 0.4, 1.1, 1.6], dtype=torch.float64)
    times = -elapsed.flip(0) if before else elapsed
    seen, query = Latents(points(1), torch.tensor([0.0])), points(1, seed=1)[0]
    solution = LeastAction(linear, coupling=2.0, mass=0.7, geometry="euclidean", tolerance=TOLERANCE)(
        seen, times, query
    )
    t = (times.abs() / 1.6)[:, None]
    torch.testing.assert_close(solution.points, seen.points[0] + 2.0 / 0.7 * query * (t - t**2 / 2))
    assert (solution.certificate.gaps, solution.certificate.free_ends) == (0, 1)


def test_free_ends_beside_a_gap_feel_its_unit_of_time():
    seen, query = Latents(points(2), torch.tensor([1.0, 3.0])), points(1, seed=1)[0]
    solution = LeastAction(linear, coupling=1.0, geometry="euclidean", tolerance=TOLERANCE)(
        seen, [0.0, 2.0, 3.5, 4.0], query
    )
    last = seen.points[1] + query * 0.5**2 / 2  # the free end lasts 1 s = T/2
    torch.testing.assert_close(solution.path([4.0])[0], last)
    torch.testing.assert_close(solution.path([0.0])[0], seen.points[0] + query * 0.5**2 / 2)
    torch.testing.assert_close(solution.path([2.0])[0], seen.points.mean(0) + query / 8)
    torch.testing.assert_close(solution.path([9.0])[0], last)


def test_rotations_turn_the_path():
    seen, times = between(UNEVEN)
    query = points(1, seed=1)[0]
    rotation = torch.linalg.qr(points(5, seed=2)).Q
    solve = LeastAction(lambda z, q: torch.tanh(4 * linear(z, q)), coupling=1.5, tolerance=TOLERANCE)
    turned = solve(Latents(seen.points @ rotation.T, seen.times), times, rotation @ query)
    torch.testing.assert_close(turned.points, solve(seen, times, query).points @ rotation.T)


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_the_least_action_falls_with_lambda_at_the_rate_of_the_potential(geometry):
    """Envelope theorem: dS*/dlambda = -sum_i w_i P(z_i); hence S* is concave in lambda."""
    seen, times = between(UNEVEN)
    query = points(1, seed=1)[0]
    solve = LeastAction(bumpy, geometry=geometry, discretisation="frames", tolerance=TOLERANCE)
    couplings = [0.399, 0.4, 0.401]
    below, at, above = solve.scan(seen, times, query, couplings=couplings)
    weights = find_gaps(seen.times, times).weights()[0]
    rate = -(weights * bumpy(at.points, query)).sum()
    least = [float(solution.energies.action.sum()) for solution in (below, at, above)]
    assert (least[2] - least[0]) / 0.002 == pytest.approx(float(rate), rel=1e-5)
    assert least[0] + least[2] < 2 * least[1]


def test_steps_of_any_length_give_the_same_curve():
    """Against the continuum (a fine even grid), even and uneven grids are both off by O(h^2)."""
    query = points(1, seed=1)[0]
    solve = LeastAction(bumpy, coupling=0.6, discretisation="frames", tolerance=TOLERANCE)

    def solved(times: torch.Tensor) -> torch.Tensor:
        seen, inner = between(times)
        return solve(seen, inner, query).path([0.5])[0]

    def graded(count: int) -> torch.Tensor:
        s = torch.linspace(0, 1, count + 1, dtype=torch.float64)
        return s + 0.08 * torch.sin(2 * torch.pi * s)  # keeps 0, 1/2 and 1

    truth = solved(torch.linspace(0, 1, 513, dtype=torch.float64))
    for grid in (graded, lambda count: torch.linspace(0, 1, count + 1, dtype=torch.float64)):
        coarse, fine = ((solved(grid(count)) - truth).norm() for count in (16, 32))
        assert fine < 1e-3
        assert float(coarse / fine) == pytest.approx(4, rel=0.1)
    # Gauss nodes give the continuum itself, whatever the frames.
    solve = LeastAction(bumpy, coupling=0.6, accuracy=1e-6, tolerance=TOLERANCE)
    for count in (4, 16):
        assert (solved(graded(count)) - truth).norm() < 1e-5


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_an_independent_solver_finds_the_same_path(geometry):
    """z'' = -lambda/mu grad P, on the sphere - |z'|^2 z, by collocation in 3 dimensions."""
    query = np.array([0.0, 0.6, 0.8])
    coupling, mass = 1.2, 1.1

    def potential(z: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        return torch.tanh(2 * linear(z, q)) + z[..., 0] * z[..., 1]

    def equation(_: np.ndarray, state: np.ndarray) -> np.ndarray:
        z, v = state[:3], state[3:]
        pull = 2 / np.cosh(2 * query @ z) ** 2 * query[:, None] + np.stack([z[1], z[0], 0 * z[0]])
        if geometry == "sphere":
            pull = pull - (pull * z).sum(0) * z
            return np.concatenate([v, -coupling / mass * pull - (v * v).sum(0) * z])
        return np.concatenate([v, -coupling / mass * pull])

    seen, times = between(torch.linspace(0, 1, 65, dtype=torch.float64), dim=3, seed=3)
    a, b = seen.points.numpy()
    start, grid = Slerp()(seen, times).path, torch.linspace(0, 1, 65, dtype=torch.float64)
    guess = np.concatenate([start(grid).numpy().T, start.velocity(grid).numpy().T])
    found = solve_bvp(
        equation, lambda x, y: np.concatenate([x[:3] - a, y[:3] - b]), grid.numpy(), guess, tol=1e-9, max_nodes=20000
    )
    assert found.success
    solve = LeastAction(
        potential, coupling=coupling, mass=mass, geometry=geometry, discretisation="frames", tolerance=TOLERANCE
    )
    fine = solve(seen, times, torch.from_numpy(query)).path(times[1::2])
    coarse = solve(seen, times[1::2], torch.from_numpy(query)).path(times[1::2])
    extrapolated = fine + (fine - coarse) / 3  # removes the O(h^2) of the frame grid
    expected = torch.from_numpy(found.sol(times[1::2].numpy())[:3].T)
    assert float((fine - expected).norm(dim=-1).max()) < 1e-3
    torch.testing.assert_close(extrapolated, expected, atol=2e-6, rtol=0)
    solve = LeastAction(potential, coupling=coupling, mass=mass, geometry=geometry, accuracy=1e-8, tolerance=TOLERANCE)
    found = solve(seen, times[1::2], torch.from_numpy(query)).points
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=0)


def test_neither_the_unit_nor_the_origin_of_time_matters():
    seen, times = between(UNEVEN)
    query = points(1, seed=1)[0]
    solve = LeastAction(bumpy, coupling=0.6, tolerance=TOLERANCE)
    scaled = solve(Latents(seen.points, 1000 * seen.times - 7), 1000 * times - 7, query)
    torch.testing.assert_close(scaled.points, solve(seen, times, query).points)


def test_only_the_ratio_of_lambda_and_mu_matters():
    seen, times = between(UNEVEN)
    query = points(1, seed=1)[0]
    one, other = (
        LeastAction(bumpy, coupling=0.4 * k, mass=k, tolerance=TOLERANCE)(seen, times, query) for k in (1.0, 7.0)
    )
    torch.testing.assert_close(one.points, other.points)


def clip() -> tuple[Latents, torch.Tensor]:
    """Gaps of 1, 2 and 5 frames, two anchors side by side, and free ends at both sides."""
    times = torch.arange(18, dtype=torch.float64) / 10
    kept = torch.tensor([1, 3, 6, 7, 13, 14])
    dropped = torch.tensor([index for index in range(18) if index not in kept])
    return Latents(points(len(kept), seed=4), times[kept]), times[dropped]


def test_a_batch_of_queries_and_lambdas_is_its_single_solves():
    seen, times = clip()
    queries = points(2, seed=5)
    solve = LeastAction(bumpy, tolerance=TOLERANCE)
    batch = solve.scan(seen, times, queries, couplings=[0.2, 0.9])
    for solution, coupling in zip(batch, [0.2, 0.9], strict=True):
        assert solution.points.shape == (2, len(times), 5)
        for k in range(2):
            single = LeastAction(bumpy, coupling=coupling, tolerance=TOLERANCE)(seen, times, queries[k])
            torch.testing.assert_close(solution.points[k], single.points)
            torch.testing.assert_close(solution.energies.action[k], single.energies.action)


def test_gaps_do_not_feel_each_other():
    seen, times = clip()
    query = points(1, seed=5)[0]
    whole = LeastAction(bumpy, coupling=0.5, tolerance=TOLERANCE)(seen, times, query)
    unit = whole.certificate.time_unit_seconds
    gap = (times > seen.times[3]) & (times < seen.times[4])
    # Alone, the gap is its own unit of time: a gap of length T' = c T feels lambda c^2.
    ratio = float(seen.times[4] - seen.times[3]) / unit
    alone = LeastAction(bumpy, coupling=0.5 * ratio**2, tolerance=TOLERANCE)(seen.select([3, 4]), times[gap], query)
    torch.testing.assert_close(whole.path(times[gap]), alone.points)


def test_anchors_stay_and_times_of_anchors_are_anchors():
    seen, times = clip()
    everything = torch.cat([seen.times, times]).sort().values
    query = points(1, seed=5)[0]
    solve = LeastAction(bumpy, tolerance=TOLERANCE)
    solution = solve(seen, everything, query)
    torch.testing.assert_close(solution.path(seen.times), seen.points)
    torch.testing.assert_close(solution.path(times), solve(seen, times, query).points)
    assert torch.equal(solution.times, everything)
    assert (solution.certificate.gaps, solution.certificate.free_ends) == (3, 2)


def test_nothing_to_recover():
    seen, _ = clip()
    for times in ([], seen.times):
        solution = LeastAction(bumpy)(seen, times, points(1)[0])
        assert solution.result is Result.NOTHING_TO_RECOVER
        torch.testing.assert_close(solution.path.nodes, seen.points)
        assert "nothing to recover" in solution.certificate.sentence


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_repeated_and_opposite_anchors_are_no_trouble(dtype):
    x = points(1, dtype=dtype)[0]
    seen = Latents(torch.stack([x, x, -x]), torch.arange(3.0))
    times = [0.2, 0.5, 0.7, 1.1, 1.5, 1.8]
    for coupling in (0.0, 0.3):
        solution = LeastAction(bumpy, coupling=coupling)(seen, times, points(1, seed=1, dtype=dtype)[0])
        assert solution.path.nodes.isfinite().all()
        assert solution.path.nodes.dtype == dtype
        torch.testing.assert_close(solution.points.norm(dim=-1), torch.ones(6, dtype=dtype))
        assert solution.certificate.converged


@pytest.mark.parametrize("coupling", [0.3, 3.0, 10.0])
def test_the_action_never_rises_and_ends_below_the_geodesics(coupling):
    seen, times = clip()
    query = points(1, seed=5)[0]
    solution = LeastAction(bumpy, coupling=coupling)(seen, times, query)
    assert solution.certificate.converged
    assert (solution.history.diff() <= 1e-9).all()
    solve = LeastAction(bumpy, coupling=coupling, discretisation="frames")
    solution = solve(seen, times, query)
    assert solution.certificate.converged
    assert (solution.history.diff() <= 1e-9).all()
    start = solve.energies(Slerp()(seen, times).path, seen, times, query)
    assert float(start.action.sum()) == pytest.approx(float(solution.history[0]))
    assert (solution.energies.action <= start.action + 1e-9).all()


def test_strong_coupling_finds_minima():
    """At a minimiser no small move lowers the action of any gap."""
    seen, times = clip()
    query = points(1, seed=5)[0]
    solve = LeastAction(bumpy, coupling=10.0, discretisation="frames", tolerance=1e-9)
    solution = solve(seen, times, query)
    recovered = torch.isin(solution.path.times, times)[:, None]
    for seed in range(10):
        away = torch.randn(
            solution.path.nodes.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
        )
        nodes = torch.where(recovered, sphere.normalize(solution.path.nodes + 1e-3 * away), solution.path.nodes)
        moved = solve.energies(dataclasses.replace(solution.path, nodes=nodes), seen, times, query)
        assert (moved.action > solution.energies.action).all()


def test_adam_finds_the_same_path_with_many_more_steps():
    seen, times = between(UNEVEN)
    query = points(1, seed=1)[0]
    ours = LeastAction(bumpy, coupling=0.5, discretisation="frames")(seen, times, query)
    adam = LeastAction(bumpy, coupling=0.5, method="adam", max_iterations=300, learning_rate=0.01)(seen, times, query)
    torch.testing.assert_close(adam.points, ours.points, atol=2e-3, rtol=0)
    assert adam.certificate.iterations > 10 * ours.certificate.iterations
    torch.testing.assert_close(adam.path.nodes.norm(dim=-1), torch.ones(6, dtype=torch.float64))


def test_what_did_not_converge_says_so():
    seen, times = clip()
    query = points(1, seed=5)[0]
    solution = LeastAction(bumpy, coupling=10.0, max_iterations=1)(seen, times, query)
    assert solution.result is Result.NOT_CONVERGED
    assert solution.certificate.unconverged_gaps == 5
    assert solution.certificate.residual > 1e-5
    assert "Not converged in 5 of 5 stretches (3 gaps and 2 open ends): " in solution.certificate.sentence
    assert (solution.history.diff() <= 1e-9).all()


def test_a_tolerance_below_the_floating_point_type_stalls_instead_of_running_on():
    seen, times = clip()
    seen = Latents(seen.points.float(), seen.times)
    solution = LeastAction(bumpy, tolerance=1e-12)(seen, times, points(1, seed=5, dtype=torch.float32)[0])
    assert solution.result is Result.STALLED
    assert solution.certificate.residual < 5e-6
    assert solution.certificate.iterations < 50


def test_float32_agrees_with_float64():
    seen, times = clip()
    query = points(1, seed=5)[0]
    exact = LeastAction(bumpy, tolerance=TOLERANCE)(seen, times, query)
    single = LeastAction(bumpy)(Latents(seen.points.float(), seen.times), times, query)
    half = LeastAction(bumpy)(Latents(seen.points.half(), seen.times), times, query)
    assert single.path.nodes.dtype == half.path.nodes.dtype == torch.float32
    torch.testing.assert_close(single.points.double(), exact.points, atol=1e-4, rtol=0)
    torch.testing.assert_close(half.points.double(), exact.points, atol=5e-3, rtol=0)


def test_what_did_not_converge_is_continued_from_the_nearest_lambda():
    seen, times = clip()
    query = points(1, seed=5)[0]
    solve = LeastAction(bumpy, max_iterations=6)
    couplings = [0.2, 0.25]
    alone = [LeastAction(bumpy, coupling=c, max_iterations=6)(seen, times, query) for c in couplings]
    assert [solution.certificate.converged for solution in alone] == [True, False]
    scanned = solve.scan(seen, times, query, couplings=couplings)
    assert all(solution.certificate.converged for solution in scanned)
    expected = LeastAction(bumpy, coupling=0.25, tolerance=TOLERANCE)(seen, times, query)
    torch.testing.assert_close(scanned[1].points, expected.points, atol=1e-4, rtol=0)


def test_a_scan_in_chunks_can_be_left_between_them(monkeypatch):
    monkeypatch.setitem(batches._NUMBERS, "cpu", 40)
    seen, times = clip()
    query = points(1, seed=5)[0]
    solve = LeastAction(bumpy, tolerance=TOLERANCE)
    *waits, solutions = solve.scan_chunks(seen, times, query, couplings=[0.1, 0.5])
    assert len(waits) > 4
    assert not any(waits)
    monkeypatch.undo()
    for chunked, whole in zip(solutions, solve.scan(seen, times, query, couplings=[0.1, 0.5]), strict=True):
        torch.testing.assert_close(chunked.points, whole.points)
        assert float(chunked.history[-1]) == pytest.approx(float(whole.history[-1]))


def test_a_caller_in_inference_mode_is_served_and_no_parameter_gathers_gradients():
    layer = torch.nn.Linear(5, 1, dtype=torch.float64)
    seen, times = clip()
    solve = LeastAction(lambda z, q: torch.tanh(layer(z)).squeeze(-1) * 4)
    expected = solve(seen, times)
    with torch.inference_mode():
        solution = solve(Latents(seen.points.clone(), seen.times), times)
    torch.testing.assert_close(solution.points, expected.points)
    assert layer.weight.grad is None
    assert not solution.path.nodes.requires_grad


def test_the_number_of_gradients_does_not_grow_with_the_number_of_frames():
    query = points(1, seed=1)[0]
    calls = []

    def counted(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        calls.append(None)
        return 8 * torch.tanh(linear(z, query))  # gradients of norm up to 8

    needed = []
    for count in (8, 32, 128):
        seen, times = between(torch.linspace(0, 1, count + 1, dtype=torch.float64))
        calls.clear()
        solution = LeastAction(counted, discretisation="frames")(seen, times, query)
        assert solution.certificate.converged
        needed.append(len(calls) - 1)  # one call reports the energies
    assert max(needed) <= 12
    assert max(needed) - min(needed) <= 1


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"potential": 3}, "potential must be a callable or None, got 3"),
        ({"coupling": -0.1}, "coupling must be a finite number of at least 0, got -0.1"),
        ({"coupling": math.nan}, "coupling must be"),
        ({"mass": 0}, "mass must be a finite number above 0"),
        ({"geometry": "torus"}, 'geometry must be "sphere" or "euclidean"'),
        ({"tolerance": 0}, "tolerance must be a finite angle above 0"),
        ({"method": "sgd"}, 'method must be "newton" or "adam"'),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"max_iterations": 0}, "max_iterations must be at least 1"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LeastAction(**({"potential": None} | options))


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda s, x, t, q: s(Latents(2 * x, torch.arange(2.0)), t, q),
            "unit latents are required, got norms from 2 to 2",
        ),
        (lambda s, x, t, q: s(Latents(x[:0], torch.zeros(0)), t, q), "At least one anchor is needed"),
        (
            lambda s, x, t, q: s(Latents(x, torch.arange(2.0)), t, q[:4]),
            r"latents' 5 dimensions, .* got \(4,\); encode it",
        ),
        (lambda s, x, t, q: s(Latents(x, torch.arange(2.0)), t, q[None, None]), r"\(queries, dim\), got \(1, 1, 5\)"),
        (lambda s, x, t, q: s(Latents(x, torch.arange(2.0)), t, q / 0), "A query must be finite"),
        (lambda s, x, t, q: s(Latents(x, [0.0, 1.0]), [0.7, 0.2], q), "strictly increasing"),
        (
            lambda s, x, t, q: s.scan(Latents(x, torch.arange(2.0)), t, q, couplings=[]),
            "couplings must be finite numbers",
        ),
        (lambda s, x, t, q: s.scan(Latents(x, torch.arange(2.0)), t, q, couplings=[-1.0]), "of at least 0, got"),
    ],
)
def test_input_that_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(LeastAction(linear), points(2), [0.5], points(1)[0])


def test_a_potential_that_is_not_finite_is_refused():
    seen, times = clip()
    with pytest.raises(ValueError, match="must be finite along the geodesic"):
        LeastAction(lambda z, q: z.sum(-1) * math.nan)(seen, times)


def joined(
    geometry: str, kappa: float, *, nodes: bool = True, anchors: int = 4
) -> tuple[Latents, torch.Tensor, Solution]:
    """A path by which the inner anchors are soft."""
    seen = Latents(points(anchors, seed=4), torch.arange(float(anchors)))
    times = torch.tensor([0.2, 0.5, 1.3, 1.7, 2.4, 2.9, 3.2, 3.8], dtype=torch.float64)
    stiffness = [math.inf] + [kappa] * (anchors - 2) + [math.inf]
    solve = LeastAction(
        bumpy,
        geometry=geometry,
        discretisation="nodes" if nodes else "frames",
        accuracy=1e-7,
        tolerance=1e-10,
    )
    return seen, times, solve(seen, times, points(1, seed=5)[0], stiffness=stiffness)


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_a_stiff_anchor_is_a_hard_one_and_a_slack_one_is_none(geometry):
    seen, times, stiff = joined(geometry, 1e9)
    solve = LeastAction(bumpy, geometry=geometry, accuracy=1e-7, tolerance=1e-10)
    hard = solve(seen, times, points(1, seed=5)[0])
    torch.testing.assert_close(stiff.points, hard.points, atol=1e-6, rtol=0)
    _, _, slack = joined(geometry, 1e-9)
    # Without inner anchors one gap is as long as all three: T is three times as long, and lambda felt a ninth.
    alone = LeastAction(bumpy, coupling=0.5 * 9, geometry=geometry, accuracy=1e-7, tolerance=1e-10)
    inner = times < 3
    expected = alone(seen.select([0, 3]), times[inner], points(1, seed=5)[0])
    torch.testing.assert_close(slack.points[inner], expected.points, atol=1e-6, rtol=0)


def test_a_spring_gives_way_by_the_law_of_hooke():
    """Straight strings on both sides of a soft anchor pull against it: kappa (z - a) = mu times the kink."""
    seen = Latents(points(3), torch.tensor([0.0, 1.0, 2.0]))
    for discretisation in ("nodes", "frames"):
        solve = LeastAction(None, mass=1.5, geometry="euclidean", discretisation=discretisation, tolerance=TOLERANCE)
        found = solve(seen, [0.5, 1.0, 1.5], stiffness=[math.inf, 4.0, math.inf])
        a, b, c = seen.points
        at = (4.0 * b + 1.5 * (a + c)) / (4.0 + 2 * 1.5)
        torch.testing.assert_close(found.points, torch.stack([(a + at) / 2, at, (at + c) / 2]))
        torch.testing.assert_close(found.path(seen.times), torch.stack([a, at, c]))


@pytest.mark.parametrize("kappa", [0.3, 5.0])
def test_soft_anchors_on_nodes_are_those_of_a_fine_frame_grid(kappa):
    seen = Latents(points(4, seed=4), torch.arange(4.0))
    query, stiffness = points(1, seed=5)[0], [math.inf, kappa, math.inf, 2 * kappa]
    found = []
    for count in (40, 80):
        times = torch.linspace(0, 3.5, 35 * count // 10 + 1, dtype=torch.float64)[1:]
        grid = LeastAction(bumpy, discretisation="frames", tolerance=1e-9)(seen, times, query, stiffness=stiffness)
        found.append(grid.path([0.5, 1.0, 1.5, 2.5, 3.0, 3.25]))
    fine = found[1] + (found[1] - found[0]) / 3
    exact = LeastAction(bumpy, accuracy=1e-7, tolerance=1e-10)
    solution = exact(seen, [0.5, 1.5, 2.5, 3.25, 3.5], query, stiffness=stiffness)
    torch.testing.assert_close(solution.path([0.5, 1.0, 1.5, 2.5, 3.0, 3.25]), fine, atol=2e-4, rtol=0)
    assert (solution.history.diff() <= 1e-9).all()


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize("stiffness", [[1.0], [1.0, -1.0], [1.0, math.nan], [0.0, 1.0]])
def test_a_stiffness_that_holds_nothing_is_refused(stiffness):
    with pytest.raises(ValueError, match="stiffness needs one number above 0 for each of the 2 anchors"):
        LeastAction(linear)(Latents(points(2), torch.arange(2.0)), [0.5], points(1)[0], stiffness=stiffness)


def test_soft_anchors_alone_hold_nothing():
    with pytest.raises(ValueError, match="At least one anchor must be hard"):
        LeastAction(linear)(Latents(points(2), torch.arange(2.0)), [0.5], points(1)[0], stiffness=[1.0, 2.0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_same_path_on_a_cuda_device():
    seen, times = clip()
    queries = points(2, seed=5)
    found = LeastAction(bumpy, tolerance=TOLERANCE, device="cuda").scan(seen, times, queries, couplings=[0.5, 5.0])
    expected = LeastAction(bumpy, tolerance=TOLERANCE).scan(seen, times, queries, couplings=[0.5, 5.0])
    for one, other in zip(found, expected, strict=True):
        assert one.path.nodes.device.type == "cpu"
        torch.testing.assert_close(one.points, other.points)
