"""Eigenvalues against closed forms: strings, quadratic potentials, geodesics on the sphere (float64)."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.gaps import Gaps, find_gaps, green_matrix, green_product
from slap_core.spectrum import hessian_matrix, hessian_spectrum, kinetic_floor, string_eigenvalue

MASS = 1.3


def points(count: int, *, seed: int = 0, dim: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sphere.normalize(torch.randn(count, dim, dtype=torch.float64, generator=generator))


def even(nodes: int, length: float = 1.0) -> Gaps:
    times = torch.linspace(0, length, nodes + 2, dtype=torch.float64)
    return find_gaps(times[[0, -1]], times[1:-1])


def quadratic(z: torch.Tensor, query: None = None) -> torch.Tensor:
    return z.square().sum(-1) / 2


def bumpy(z: torch.Tensor, query: None = None) -> torch.Tensor:
    return torch.sin(2 * z[..., 0]) + z[..., 1] * z[..., 2]


def problem(
    gaps: Gaps, anchors: torch.Tensor, *, potential: object = quadratic, coupling: float = 0.5, geometry: str
) -> tuple[DiscreteAction, torch.Tensor, torch.Tensor]:
    """The action of every stretch, its geodesics, and the weights."""
    action = DiscreteAction.of(
        potential,
        anchors,
        gaps,
        gap=torch.arange(len(gaps)),
        coupling=torch.full((len(gaps),), coupling, dtype=torch.float64),
        query=None,
        mass=MASS,
        geometry=geometry,
    )
    return action, action.geodesic(), gaps.weights()


def sigma(nodes: int, mode: int = 1) -> float:
    return 4 * (nodes + 1) ** 2 * math.sin(mode * math.pi / (2 * (nodes + 1))) ** 2


@pytest.mark.parametrize("nodes", [1, 2, 7, 40])
def test_even_strings_have_the_closed_form(nodes):
    (found,) = string_eigenvalue(even(nodes)).tolist()
    assert found == pytest.approx(sigma(nodes))
    assert 8 - 1e-9 <= found < math.pi**2


@pytest.mark.parametrize("nodes", [1, 2, 9])
def test_a_free_end_is_a_quarter_wave(nodes):
    gaps = find_gaps([0.0], torch.arange(1, nodes + 1, dtype=torch.float64))
    found = float(string_eigenvalue(gaps)[0])
    assert found == pytest.approx(4 * nodes**2 * math.sin(math.pi / (4 * nodes)) ** 2)


def test_nodes_in_two_heaps_have_two_eigenvalues_close_to_each_other():
    """Two masses of (1 + e)/2 at the ends, held by strings of length e and joined by one of length 1: 2/(1 + e)/e."""
    near = 1e-4
    gaps = find_gaps([0.0, 1 + 2 * near], torch.tensor([near, 1 + near], dtype=torch.float64))
    found = float(string_eigenvalue(gaps)[0]) / gaps.time_unit_seconds**2
    assert found == pytest.approx(2 / (1 + near) / near)


def test_the_response_to_forces_is_that_of_the_matrix():
    gaps = find_gaps([1.0, 2.0], [0.2, 0.7, 1.1, 1.25, 1.7, 2.1, 2.5, 3.0])
    force = torch.randn(gaps.elapsed.shape, generator=torch.Generator().manual_seed(0)).double() * gaps.mask()
    expected = (green_matrix(gaps) @ force[..., None]).squeeze(-1)
    torch.testing.assert_close(green_product(gaps, force), expected)


def test_uneven_strings_in_one_batch_solve_the_generalised_problem():
    gaps = find_gaps([1.0, 2.0], [0.2, 0.7, 1.1, 1.25, 1.7, 2.1, 2.5, 3.0])
    found = string_eigenvalue(gaps)
    for k, steps in enumerate([[0.3, 0.5], [0.1, 0.15, 0.45, 0.3], [0.1, 0.4, 0.5]]):
        h = torch.tensor(steps, dtype=torch.float64)
        free = k != 1
        inner = len(h) if free else len(h) - 1
        after = torch.cat([h, torch.zeros(1)])[1 : inner + 1]
        rate = torch.where(after > 0, 1 / after.clamp_min(1e-9), 0.0)
        matrix = torch.diag(1 / h[:inner] + rate) - torch.diag(rate[: inner - 1], 1) - torch.diag(rate[: inner - 1], -1)
        weight = (h[:inner] + after) / 2
        expected = torch.linalg.eigvals(matrix / weight[:, None]).real.min()
        assert float(found[k]) == pytest.approx(float(expected))


def test_no_stretch_has_no_eigenvalue():
    assert string_eigenvalue(find_gaps([0.0, 1.0], [])).shape == (0,)


def test_the_counterexample_to_the_diagonal_condition():
    """N = 14, h = 1, mu = 1, lambda = 1, P = |z|^2/2 passes lambda M < 2/h^2 and has no minimum."""
    gaps = even(14, 15.0)
    # One gap is its own unit of time: h = 1/15 there, and lambda = 15^2 stands for lambda = 1 at h = 1.
    action, z, weight = problem(gaps, torch.zeros(2, 2).double(), coupling=MASS * 15**2, geometry="euclidean")
    found = hessian_spectrum(action, z, weight=weight, metric="weighted")
    smallest = float(found.eigenvalue[0]) / (MASS * 15**2)
    assert smallest == pytest.approx(4 * math.sin(math.pi / 30) ** 2 - 1)
    assert smallest == pytest.approx(-0.956, abs=5e-4)
    assert bool(found.exact[0])


@pytest.mark.parametrize("share", [-2.0, 0.5, 0.999, 1.001, 3.0, 5.0, 12.0])
@pytest.mark.parametrize("metric", ["string", "weighted"])
def test_quadratic_potentials_have_every_eigenvalue_in_closed_form(share, metric):
    """mu sigma_k - lambda kappa, each as often as there are dimensions; negative ones are counted."""
    nodes, dim = 6, 3
    coupling = abs(share) * MASS * sigma(nodes)
    sign = math.copysign(1.0, share)
    action, z, weight = problem(
        even(nodes),
        points(2),
        potential=lambda z, q: sign * quadratic(z),
        coupling=coupling,
        geometry="euclidean",
    )
    modes = [MASS * sigma(nodes, mode) for mode in range(1, nodes + 1)]
    index = dim * sum(mode < sign * coupling for mode in modes)
    smallest = modes[0] - sign * coupling if metric == "weighted" else 1 - share
    if share < 0 and metric == "string":
        smallest = 1 - share * modes[0] / modes[-1]
    dense = hessian_spectrum(action, z, weight=weight, metric=metric)
    assert bool(dense.exact[0])
    assert int(dense.negative[0]) == index
    assert float(dense.eigenvalue[0]) == pytest.approx(smallest, abs=1e-9)
    all_of_them = torch.linalg.eigvalsh(hessian_matrix(action, z, problem=0, weight=weight))
    expected = torch.tensor(modes, dtype=torch.float64).repeat_interleave(dim) - sign * coupling
    torch.testing.assert_close(all_of_them, expected)
    # As many steps as unknowns find them all, repeated ones by fresh starts.
    lanczos = hessian_spectrum(action, z, weight=weight, metric=metric, dense_limit=0, steps=100)
    assert not bool(lanczos.exact[0])
    assert int(lanczos.negative[0]) == index
    assert float(lanczos.eigenvalue[0]) == pytest.approx(smallest, abs=1e-8)
    # Few find one of each.
    few = hessian_spectrum(action, z, weight=weight, metric=metric, dense_limit=0, steps=nodes)
    assert int(few.negative[0]) == index // dim


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), coupling=st.floats(0.1, 30), geometry=st.sampled_from(["sphere", "euclidean"]))
def test_lanczos_never_goes_below_and_its_bound_holds(seed, coupling, geometry):
    """Padded batch of an open end, an uneven gap and another open end, against the diagonalised Hessian."""
    gaps = find_gaps([1.0, 2.0], [0.2, 0.7, 1.1, 1.25, 1.7, 2.1, 2.5, 3.0])
    action, z, weight = problem(
        gaps, points(2, seed=seed, dim=4), potential=bumpy, coupling=coupling, geometry=geometry
    )
    for metric in ("string", "weighted"):
        dense = hessian_spectrum(action, z, weight=weight, metric=metric)
        lanczos = hessian_spectrum(action, z, weight=weight, metric=metric, dense_limit=0, steps=4)
        assert (lanczos.eigenvalue >= dense.eigenvalue - 1e-9).all()
        assert (lanczos.negative <= dense.negative).all()
        for k in range(len(gaps)):
            every = torch.linalg.eigvalsh(hessian_matrix(action, z, problem=k, weight=weight, metric=metric))
            assert float((every - lanczos.eigenvalue[k]).abs().min()) <= float(lanczos.bound[k]) + 1e-9


def test_lanczos_finds_the_smallest_of_a_large_problem_in_few_steps():
    """Both metrics agree on the sign; in the string's, 64 nodes of 12 dimensions take a dozen products."""
    gaps = even(64)
    for coupling in (2.0, 30.0):
        action, z, weight = problem(gaps, points(2, dim=12), potential=bumpy, coupling=coupling, geometry="sphere")
        dense = hessian_spectrum(action, z, weight=weight, dense_limit=10**4)
        lanczos = hessian_spectrum(action, z, weight=weight, steps=16)
        assert bool(dense.exact[0])
        assert not bool(lanczos.exact[0])
        assert float(lanczos.eigenvalue[0]) == pytest.approx(float(dense.eigenvalue[0]), rel=1e-4)
        assert float(lanczos.bound[0]) < 0.02
        assert (coupling > 20) == (int(dense.negative[0]) > 0) == (int(lanczos.negative[0]) > 0)


def on_arc(angle: float, nodes: int, *, dim: int = 4) -> tuple[DiscreteAction, torch.Tensor, torch.Tensor]:
    anchors = torch.zeros(2, dim, dtype=torch.float64)
    anchors[0, 0] = 1
    anchors[1, :2] = torch.tensor([math.cos(angle), math.sin(angle)])
    return problem(even(nodes), anchors, potential=None, geometry="sphere")


@pytest.mark.parametrize("angle", [0.0, 0.7, 1.5, 3.0])
def test_a_geodesic_on_the_sphere_softens_with_its_angle(angle):
    """Closed form for even steps, the floor is attained, and (pi^2 - theta^2)/T^2 is the limit with error O(h^2)."""
    off = []
    for nodes in (10, 21):
        action, z, weight = on_arc(angle, nodes)
        step = angle / (nodes + 1)
        closed = 2 * MASS * (nodes + 1) ** 2 * (math.cos(step) - math.cos(math.pi / (nodes + 1)))
        closed *= step / math.sin(step) if angle else 1.0
        dense = hessian_spectrum(action, z, weight=weight, metric="weighted")
        lanczos = hessian_spectrum(action, z, weight=weight, metric="weighted", dense_limit=0, steps=60)
        assert float(dense.eigenvalue[0]) == pytest.approx(closed)
        assert float(lanczos.eigenvalue[0]) == pytest.approx(closed)
        assert float(kinetic_floor(action, z, weight=weight)[0]) == pytest.approx(closed)
        off.append(MASS * (math.pi**2 - angle**2) - closed)
    assert off[0] / off[1] == pytest.approx(4, rel=0.05)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.floats(0, 0.8))
def test_the_floor_on_the_sphere_holds_along_any_path(seed, size):
    gaps = find_gaps([1.0, 2.0], [0.2, 0.7, 1.1, 1.25, 1.7, 2.1, 2.5, 3.0])
    action, z, weight = problem(gaps, points(2, seed=seed), potential=None, geometry="sphere")
    away = torch.randn(z.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    z = action.retract(z, size * action.tangent(z, away))
    dense = hessian_spectrum(action, z, weight=weight, metric="weighted")
    assert (kinetic_floor(action, z, weight=weight) <= dense.eigenvalue + 1e-9).all()


def test_float32_agrees_within_its_bound():
    gaps = even(8)
    action, z, weight = problem(gaps, points(2).float(), geometry="euclidean")
    found = hessian_spectrum(action, z, weight=weight.float(), dense_limit=0, metric="weighted", steps=20)
    assert abs(float(found.eigenvalue[0]) - (MASS * sigma(8) - 0.5)) <= float(found.bound[0])


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "at least 1 step, got 0"),
        ({"metric": "plain"}, 'metric must be "string" or "weighted", got \'plain\''),
        ({"metric": "weighted", "weight": torch.zeros(1, 3)}, "needs a weight above 0 at each node"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    action, z, weight = on_arc(0.5, 3)
    with pytest.raises(ValueError, match=message):
        hessian_spectrum(action, z, **({"weight": weight} | options))
