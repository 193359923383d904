"""The gaps, the Green's matrix, and the discrete action's derivatives, against independent formulas (float64)."""

import itertools
import math

import pytest
import torch

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.energies import energies
from slap_core.gaps import find_gaps, green_matrix, time_unit
from slap_core.least_action import LeastAction
from slap_core.potential import Potential
from slap_core.types import Latents, Path

DIM = 4


def points(count: int, *, seed: int = 0, dim: int = DIM) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sphere.normalize(torch.randn(count, dim, dtype=torch.float64, generator=generator))


def bumpy(z: torch.Tensor, query: torch.Tensor | None) -> torch.Tensor:
    """A potential with curvature everywhere."""
    drawn = 0 if query is None else (z * query).sum(-1)
    return torch.sin(2 * z[..., 0]) + z[..., 1] * z[..., 2] + drawn * z[..., 3].cos()


def discrete(
    geometry: str = "sphere", potential: object = bumpy, *, mass: float = 1.3
) -> tuple[DiscreteAction, torch.Tensor]:
    """Three stretches (open, uneven gap, open) and a path that is no solution."""
    anchors = points(2)
    gaps = find_gaps([1.0, 2.0], [0.2, 0.7, 1.1, 1.25, 1.7, 2.1, 2.5, 3.0])
    action = DiscreteAction.of(
        potential,
        anchors,
        gaps,
        gap=torch.arange(3),
        coupling=torch.tensor([0.5, 2.0, 0.7], dtype=torch.float64),
        query=points(1, seed=7)[0],
        mass=mass,
        geometry=geometry,
    )
    away = 0.4 * torch.randn(3, 3, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    z = action.geodesic()
    return action, action.retract(z, action.tangent(z, away))


def written_out(action: DiscreteAction, z: torch.Tensor) -> torch.Tensor:
    """The action as in the definition, stretch by stretch and node by node."""
    times = [[0.0, 0.3, 0.8], [0.0, 0.1, 0.25, 0.7, 1.0], [0.0, 0.1, 0.5, 1.0]]
    total = []
    for k, (clock, coupling) in enumerate(zip(times, [0.5, 2.0, 0.7], strict=True)):
        nodes = [
            action.string.start[k],
            *z[k, : len(clock) - (2 if k == 1 else 1)],
            *([action.string.stop[k]] if k == 1 else []),
        ]
        value = z.new_zeros(())
        steps = [b - a for a, b in itertools.pairwise(clock)]
        for x, y, step in zip(nodes, nodes[1:], steps, strict=False):
            square = sphere.distance(x, y) ** 2 if action.geometry == "sphere" else ((x - y) ** 2).sum()
            value = value + action.mass * square / (2 * step)
        for i in range(1, len(nodes) - (k == 1)):
            weight = (steps[i - 1] + (steps[i] if i < len(steps) else 0)) / 2
            value = value - coupling * weight * action.potential(nodes[i], action.query)
        total.append(value)
    return torch.stack(total)


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_value_and_gradient_are_those_of_the_definition(geometry):
    action, z = discrete(geometry)
    leaf = z.clone().requires_grad_(True)
    value = written_out(action, leaf)
    (ambient,) = torch.autograd.grad(value.sum(), leaf)
    found = action.evaluate(z)
    torch.testing.assert_close(found.value, value.detach())
    torch.testing.assert_close(found.gradient, action.tangent(z, ambient))
    assert torch.autograd.gradcheck(lambda x: written_out(action, x), (leaf,))


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_the_hessian_is_the_second_derivative_along_geodesics_and_symmetric(geometry):
    action, z = discrete(geometry)
    generator = torch.Generator().manual_seed(5)
    exists = (action.green.diagonal(dim1=1, dim2=2) > 0)[..., None]
    v, u = (action.tangent(z, torch.randn(*z.shape, dtype=z.dtype, generator=generator)) * exists for _ in range(2))
    product = action.hessian(z)
    step = 1e-4
    ahead, behind = (action.evaluate(action.retract(z, s * step * v)).value for s in (1, -1))
    second = (ahead - 2 * action.evaluate(z).value + behind) / step**2
    torch.testing.assert_close((v * product(v)).sum((1, 2)), second, rtol=1e-6, atol=1e-5)
    torch.testing.assert_close((u * product(v)).sum((1, 2)), (v * product(u)).sum((1, 2)))
    torch.testing.assert_close(product(v), action.tangent(z, product(v)))


def test_the_hessian_of_coincident_nodes_is_the_string_itself():
    point = points(1)
    gaps = find_gaps([0.0, 1.0], [0.25, 0.5, 0.75])
    action = DiscreteAction.of(
        None, point.expand(2, -1), gaps, gap=torch.tensor([0]), coupling=torch.ones(1, dtype=torch.float64),
        query=None, mass=1.0, geometry="sphere",
    )  # fmt: skip
    z = action.geodesic()
    v = action.tangent(z, points(3, seed=2)[None])
    torch.testing.assert_close(action.precondition(z, action.hessian(z)(v)), v)


def test_a_linear_potential_has_no_curvature():
    action, z = discrete("euclidean", lambda z, q: z @ q)
    free, _ = discrete("euclidean", None)
    v = torch.where(action.green.diagonal(dim1=1, dim2=2)[..., None] > 0, torch.ones_like(z), 0.0)
    torch.testing.assert_close(action.hessian(z)(v), free.hessian(z)(v))


@pytest.mark.parametrize("times", [[0.2, 0.3, 0.9], [1.3, 1.4, 2.0], [-0.7, -0.2, -0.1]])
def test_the_greens_matrix_inverts_the_string_with_held_and_free_ends(times):
    gaps = find_gaps([0.0, 1.0], times)
    steps = gaps.steps()[0]
    held = steps[:-1].reciprocal().diag() + torch.where(steps[1:] > 0, 1 / steps[1:], 0.0).diag()
    string = held - (1 / steps[1:-1]).diag(1) - (1 / steps[1:-1]).diag(-1)
    torch.testing.assert_close(green_matrix(gaps)[0] @ string, torch.eye(3, dtype=torch.float64))


def test_weights_share_out_the_time_between_the_nodes():
    gaps = find_gaps([0.0, 1.0], [0.2, 0.3, 0.9, 1.5, 2.0])
    expected = [[0.15, 0.35, 0.35], [0.5, 0.25, 0.0]]
    torch.testing.assert_close(gaps.weights(), torch.tensor(expected, dtype=torch.float64))


def test_the_condition_of_the_papers_theorem_3_6_does_not_make_the_action_convex():
    """lambda M = 1 < 2/h^2 = 2, yet the Hessian's smallest eigenvalue is 4 sin^2(pi/30) - 1 = -0.956."""
    nodes = 14
    # In units of T = 15 h: mu/h' = 1 and lambda h' = 1 with h' = 1/15.
    action = DiscreteAction.of(
        lambda z, q: z.square().sum(-1) / 2,
        torch.zeros(2, 1, dtype=torch.float64),
        find_gaps([0.0, 15.0], [float(k) for k in range(1, 15)]),
        gap=torch.zeros(nodes, dtype=torch.long),
        coupling=torch.full((nodes,), 15.0, dtype=torch.float64),
        query=None,
        mass=1 / 15,
        geometry="euclidean",
    )
    hessian = action.hessian(action.geodesic())(torch.eye(nodes, dtype=torch.float64)[..., None])[..., 0]
    smallest = float(torch.linalg.eigvalsh(hessian)[0])
    assert smallest == pytest.approx(4 * math.sin(math.pi / 30) ** 2 - 1)
    assert smallest == pytest.approx(-0.956, abs=5e-4)


def test_gaps_are_found_between_and_beyond_the_anchors():
    gaps = find_gaps([1.0, 2.0, 3.0, 5.0], [0.0, 0.5, 1.0, 1.5, 3.5, 4.0, 6.0])
    assert gaps.free.tolist() == [True, False, False, True]
    assert gaps.start.tolist() == [0, 0, 2, 3]
    assert gaps.stop.tolist() == [0, 1, 3, 3]
    assert gaps.count.tolist() == [2, 1, 2, 1]
    assert gaps.is_anchor.tolist() == [False, False, True, False, False, False, False]
    assert gaps.node_of.tolist() == [1, 0, 0, 0, 1, 0]
    assert gaps.time_unit_seconds == pytest.approx(1.5)
    torch.testing.assert_close(gaps.elapsed[0] * 1.5, torch.tensor([0.5, 1.0], dtype=torch.float64))


@pytest.mark.parametrize(
    ("seen", "times", "unit"),
    [
        ([0.0, 1.0, 4.0, 5.0], [0.5, 2.0, 3.0], 2.0),
        ([0.0, 1.0], [-2.0, -1.0, 1.5], 2.0),
        ([3.0], [3.5], 0.5),
        ([0.0, 1.0], [1.0], 1.0),
    ],
)
def test_the_unit_of_time_is_the_mean_gap_or_else_the_longest_free_end(seen, times, unit):
    assert time_unit(seen, times) == pytest.approx(unit)


def test_a_time_that_differs_from_an_anchor_by_rounding_is_the_anchor():
    assert find_gaps([0.0, 0.3], [0.1 + 0.2]).is_anchor.tolist() == [True]


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("seen", "times", "message"),
    [
        ([], [0.0], "At least one anchor"),
        ([0.0], [[0.0]], "must be a list of seconds"),
        ([0.0], [math.nan], "must be finite"),
        ([0.0], [2.0, 1.0], "The times to recover must be strictly increasing seconds; sort them"),
        ([0.0, 0.0], [2.0], "The anchors must be strictly increasing"),
    ],
)
def test_bad_times_are_refused(seen, times, message):
    with pytest.raises(ValueError, match=message):
        find_gaps(seen, times)


@pytest.mark.usefixtures("unhooked")
def test_a_potential_of_the_wrong_shape_is_refused():
    action, z = discrete(potential=lambda z, q: z * q)
    with pytest.raises(ValueError, match=r"must map latents \(..., dim\) to numbers"):
        action.evaluate(z)


def test_a_potential_that_autograd_cannot_follow_is_refused():
    action, z = discrete(potential=lambda z, q: z.detach() @ q)
    with pytest.raises(ValueError, match="must be differentiable by autograd"):
        action.evaluate(z)


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_the_energies_of_a_solution_add_up_to_what_the_solver_minimised(geometry):
    times = torch.arange(19, dtype=torch.float64) / 7
    seen = Latents(points(4, seed=1), times[[2, 5, 6, 12]])
    asked = torch.cat([times[:2], times[3:5], times[7:12], times[14:]])
    solution = LeastAction(bumpy, coupling=0.8, mass=1.4, geometry=geometry)(seen, asked, points(1, seed=2)[0])
    assert solution.energies.action.shape == (4,)
    assert float(solution.energies.action.sum()) == pytest.approx(float(solution.history[-1]))


def test_the_energies_of_a_geodesic_are_known():
    path = Path(torch.eye(2, dtype=torch.float64), torch.tensor([0.0, 3.0]))
    path = Path(path([0.0, 1.0, 3.0]), torch.tensor([0.0, 1.0, 3.0]))
    found = energies(path, lambda z, q: z[..., 0], anchor_times=[0.0, 3.0], coupling=2.0, mass=3.0)
    torch.testing.assert_close(found.kinetic, torch.full((3,), 1.5 * (math.pi / 2) ** 2, dtype=torch.float64))
    torch.testing.assert_close(found.potential, 2 * path.nodes[:, 0])
    expected = 1.5 * (math.pi / 2) ** 2 - 2 * 0.5 * math.cos(math.pi / 6)
    assert found.action.tolist() == pytest.approx([expected])


def test_energies_of_several_queries_are_those_of_each():
    nodes = points(6).reshape(2, 3, DIM)
    times, queries = torch.tensor([0.0, 0.4, 1.0]), points(2, seed=4)
    both = energies(Path(nodes, times), bumpy, queries)
    for k in range(2):
        one = energies(Path(nodes[k], times), bumpy, queries[k])
        torch.testing.assert_close(both.action[k], one.action)
        torch.testing.assert_close(both.potential[k], one.potential)


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_kinetic_plus_potential_energy_is_conserved_to_second_order(geometry):
    """Motion in the potential energy U = lambda P: T + U is constant up to O(h^2)."""

    def spread(count: int) -> float:
        times = torch.linspace(0, 1, count + 1, dtype=torch.float64)
        seen = Latents(points(2, seed=1), times[[0, -1]])
        solve = LeastAction(bumpy, coupling=1.0, geometry=geometry, accuracy=1e-7, tolerance=1e-11)
        found = solve(seen, times[1:-1], points(1, seed=2)[0]).energies
        total = (found.kinetic + found.potential)[1:-1]
        return float(total.max() - total.min())

    coarse, fine = spread(20), spread(40)
    assert fine < 2e-2
    assert coarse / fine == pytest.approx(4, rel=0.25)


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_asked_once_the_potential_answers_as_if_asked_each_time(several, context):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        potential = Potential(DIM, width=7, spectral_norm=False, context=context).double()
    gaps = find_gaps([0.0, 1.0, 2.5, 3.0], [0.3, 0.5, 1.7, 2.6, 2.8])
    action = DiscreteAction.of(
        potential,
        points(4),
        gaps,
        gap=torch.arange(3),
        coupling=torch.full((3,), 2.0, dtype=torch.float64),
        query=points(3, seed=7)[:, None] if several else points(1, seed=7)[0],
        mass=1.0,
        geometry="sphere",
    )
    v = torch.randn(3, 2, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    chosen = torch.tensor([2, 0])
    for plain, asked, move in (
        (action, action.asked(), v),
        (action.select(chosen), action.asked().select(chosen), v[chosen]),
    ):
        assert asked.answer is not None
        z = plain.retract(plain.geodesic(), plain.tangent(plain.geodesic(), move / 3))
        expected, found = plain.evaluate(z), asked.evaluate(z)
        torch.testing.assert_close(found.value, expected.value)
        torch.testing.assert_close(found.gradient, expected.gradient)
        assert not found.gradient.requires_grad
        torch.testing.assert_close(asked.hessian(z)(move), plain.hessian(z)(move))


def test_stretching_undoes_the_response():
    """String and springs: the preconditioner's matrix is the inverse of what `stretch` applies."""
    gaps = find_gaps([0.0, 1.0, 2.5], [0.3, 0.5, 1.7], soft=torch.tensor([False, True, False]))
    for nodes in (None, 5):
        action = DiscreteAction.of(
            None,
            points(3),
            gaps,
            gap=torch.arange(len(gaps)),
            coupling=torch.ones(len(gaps), dtype=torch.float64),
            query=None,
            mass=1.3,
            geometry="euclidean",
            nodes=nodes,
            stiffness=torch.tensor([torch.inf, 4.0, torch.inf], dtype=torch.float64),
        )
        z = action.geodesic()
        v = torch.randn(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(action.precondition(z, action.stretch(v)), v)
