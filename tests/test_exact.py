"""The statements about least-action paths that are exact, over random sizes, steps and dimensions (float64)."""

import itertools
import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import example, given, settings

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.gaps import find_gaps
from slap_core.least_action import LeastAction
from slap_core.types import Latents

EXACT = {"tolerance": 1e-11}
some = settings(max_examples=25, deadline=None)
seeds, dims, frames = st.integers(0, 10**6), st.integers(2, 8), st.integers(1, 12)
masses, couplings = st.floats(0.3, 3), st.floats(0, 2)
discretisations, geometries = st.sampled_from(["nodes", "frames"]), st.sampled_from(["sphere", "euclidean"])


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def vectors(count: int, dim: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(count, dim, dtype=torch.float64, generator=generator)


def uneven(count: int, generator: torch.Generator) -> torch.Tensor:
    """Times of two anchors, the first and the last, and so many frames between; steps differ up to 20 times."""
    return (0.05 + torch.rand(count + 2, dtype=torch.float64, generator=generator)).cumsum(0)


def bumpy(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    return torch.tanh(2 * (z * query).sum(-1)) + torch.sin(2 * z[..., 0]) * z[..., -1]


@some
@given(seed=seeds, dim=dims, count=frames, mass=masses, coupling=couplings, discretisation=discretisations)
def test_a_constant_pull_gives_a_parabola(seed, dim, count, mass, coupling, discretisation):
    generator = drawn(seed)
    times, (a, b, query) = uneven(count, generator), vectors(3, dim, generator)
    solve = LeastAction(
        lambda z, q: (z * q).sum(-1),
        coupling=coupling,
        mass=mass,
        geometry="euclidean",
        discretisation=discretisation,
        **EXACT,
    )
    found = solve(Latents(torch.stack([a, b]), times[[0, -1]]), times[1:-1], query).points
    s = ((times - times[0]) / (times[-1] - times[0]))[1:-1, None]
    torch.testing.assert_close(found, a + (b - a) * s + coupling / (2 * mass) * query * s * (1 - s))


@some
@given(seed=seeds, dim=dims, count=frames, mass=masses, curvature=st.floats(-8, 8))
def test_a_quadratic_potential_gives_the_discrete_sinh_or_sine(seed, dim, count, mass, curvature):
    """mu (z_{i+1} - 2 z_i + z_{i-1})/h^2 = -lambda P'; 8 < pi^2 mu/lambda keeps sines short of the first conjugate."""
    generator = drawn(seed)
    steps, (a, b) = count + 1, vectors(2, dim, generator)
    times = torch.linspace(0, 3, steps + 1, dtype=torch.float64)
    seen = Latents(torch.stack([a, b]), times[[0, -1]])
    options = {"coupling": mass, "mass": mass, "geometry": "euclidean", **EXACT}
    half = -curvature / steps**2 / 2

    def wave(rate: float, k: torch.Tensor) -> torch.Tensor:
        return torch.sinh(rate * k) if curvature < 0 else torch.sin(rate * k)

    def expected(rate: float) -> torch.Tensor:
        if rate < 1e-6:
            return a + (b - a) * k / steps
        return (a * wave(rate, steps - k) + b * wave(rate, k)) / wave(rate, torch.tensor(float(steps)).double())

    k = torch.arange(1, steps, dtype=torch.float64)[:, None]
    if curvature < 0 or half > -1:
        rate = math.acosh(1 + half) if curvature < 0 else math.acos(1 + half)
        found = LeastAction(lambda z, _: curvature / 2 * z.square().sum(-1), discretisation="frames", **options)
        torch.testing.assert_close(found(seen, times[1:-1]).points, expected(rate), atol=1e-7, rtol=1e-6)
    found = LeastAction(lambda z, _: curvature / 2 * z.square().sum(-1), accuracy=1e-9, **options)
    torch.testing.assert_close(
        found(seen, times[1:-1]).points, expected(math.sqrt(abs(curvature)) / steps), atol=1e-7, rtol=1e-6
    )


@some
@given(seed=seeds, dim=dims, count=frames, discretisation=discretisations, geometry=geometries, soft=st.booleans())
def test_a_rotation_turns_everything(seed, dim, count, discretisation, geometry, soft):
    generator = drawn(seed)
    times = uneven(2 * count + 1, generator)
    anchor = [0, count + 1, 2 * count + 2]
    rest = [k for k in range(len(times)) if k not in anchor]
    points = sphere.normalize(vectors(4, dim, generator))
    rotation = torch.linalg.qr(vectors(dim, dim, generator)).Q
    solve = LeastAction(
        lambda z, q: torch.tanh(2 * (z * q).sum(-1)), coupling=0.4, geometry=geometry, discretisation=discretisation,
        **EXACT,
    )  # fmt: skip
    stiffness = [math.inf, 1.5, math.inf] if soft else None

    def solved(points: torch.Tensor) -> torch.Tensor:
        return solve(Latents(points[:3], times[anchor]), times[rest], points[3], stiffness=stiffness).points

    torch.testing.assert_close(solved(points @ rotation.T), solved(points) @ rotation.T, atol=1e-8, rtol=0)


@some
@given(seed=seeds, dim=dims, count=frames, discretisation=discretisations, geometry=geometries)
@example(seed=1719, dim=2, count=11, discretisation="nodes", geometry="sphere")  # 3.08 radians
def test_without_a_pull_it_is_the_geodesic_at_constant_speed(seed, dim, count, discretisation, geometry):
    generator = drawn(seed)
    times, ends = uneven(count, generator), sphere.normalize(vectors(2, dim, generator))
    solve = LeastAction(bumpy, coupling=0.0, geometry=geometry, discretisation=discretisation)
    path = solve(Latents(ends, times[[0, -1]]), times[1:-1], ends[0]).path
    step = sphere.distance if geometry == "sphere" else lambda x, y: (y - x).norm(dim=-1)
    whole = step(ends[0], ends[1])
    speed = step(path.nodes[:-1], path.nodes[1:]) / path.times.diff()
    # Nodes carry a polynomial, which follows nearly half a turn to 1e-7; short steps show that as a larger share.
    close = {"rtol": 1e-5, "atol": 1e-6} if discretisation == "nodes" else {}
    torch.testing.assert_close(speed, (whole / (times[-1] - times[0])).expand_as(speed), **close)
    s = (path.times - times[0]) / (times[-1] - times[0])
    straight = sphere.slerp(ends[:1], ends[1:], s) if geometry == "sphere" else torch.lerp(*ends, s[:, None])
    torch.testing.assert_close(path.nodes, straight, **close)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, dim=dims, coupling=st.floats(0.1, 0.6), geometry=geometries)
def test_kinetic_plus_potential_energy_is_conserved(seed, dim, coupling, geometry):
    """T + U, U = lambda P, is constant along the path up to the O(h^2) of speeds measured between frames."""
    generator = drawn(seed)
    ends, query = sphere.normalize(vectors(2, dim, generator)), sphere.normalize(vectors(1, dim, generator))[0]
    solve = LeastAction(bumpy, coupling=coupling, geometry=geometry, accuracy=1e-8, **EXACT)

    def spread(count: int) -> float:
        times = torch.linspace(0, 1, count + 1, dtype=torch.float64)
        energies = solve(Latents(ends, times[[0, -1]]), times[1:-1], query).energies
        total = (energies.kinetic + energies.potential)[1:-1]
        return float(total.max() - total.min())

    coarse, fine = spread(24), spread(48)
    assert fine < 0.05
    assert fine < coarse / 3 + 1e-9


def posed(generator: torch.Generator, geometry: str, nodes: int | None, *, springs: bool, dim: int) -> DiscreteAction:
    """A stretch, or with springs one that spans two soft anchors and ends freely, for 2 lambdas; and a path."""
    anchors = sphere.normalize(vectors(4, dim, generator))
    times = uneven(7, generator)
    soft = torch.tensor([False, True, False, True])
    frames = times[[1, 3, 4, 6, 8]]
    gaps = find_gaps(times[[0, 2, 5, 7]], frames, soft=soft if springs else None)
    stiffness = 10 ** (2 * torch.rand(4, dtype=torch.float64, generator=generator) - 1)
    stretch = int(torch.randint(len(gaps), (), generator=generator))
    action = DiscreteAction.of(
        bumpy,
        anchors,
        gaps,
        gap=torch.full((2,), stretch),
        coupling=torch.tensor([0.3, 1.2], dtype=torch.float64),
        query=sphere.normalize(vectors(1, dim, generator))[0],
        mass=1.3,
        geometry=geometry,
        nodes=nodes,
        stiffness=torch.where(soft, stiffness, math.inf) if springs else None,
    )
    assert (action.springs is not None) == springs
    return action


def elsewhere(action: DiscreteAction, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A path that is no solution, and two tangent vectors there."""
    z = action.geodesic()

    def any_of(z: torch.Tensor) -> torch.Tensor:
        v = torch.randn(z.shape, dtype=z.dtype, generator=generator)
        return torch.where(action.string.exists()[..., None], action.tangent(z, v), 0.0)

    z = action.retract(z, 0.2 * any_of(z))
    return z, any_of(z), any_of(z)


class _Action(torch.autograd.Function):
    """S of the normalised path with the gradient that the solver uses, so that gradcheck can judge it."""

    @staticmethod
    def forward(ctx, z, action):
        found = action.evaluate(z)
        ctx.save_for_backward(found.gradient)
        return found.value

    @staticmethod
    def backward(ctx, pulled):
        (gradient,) = ctx.saved_tensors
        return pulled[:, None, None] * gradient, None


@settings(max_examples=15, deadline=None)
@given(
    seed=seeds, dim=st.integers(2, 4), geometry=geometries, nodes=st.sampled_from([None, 4, 7]), springs=st.booleans()
)
def test_the_gradient_of_the_action_is_its_gradient(seed, dim, geometry, nodes, springs):
    generator = drawn(seed)
    action = posed(generator, geometry, nodes, springs=springs, dim=dim)
    z, _, _ = elsewhere(action, generator)

    def value(moved: torch.Tensor) -> torch.Tensor:
        return _Action.apply(sphere.normalize(moved) if geometry == "sphere" else moved, action)

    assert torch.autograd.gradcheck(value, (z.requires_grad_(True),), eps=1e-6, atol=1e-5, rtol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, dim=dims, geometry=geometries, nodes=st.sampled_from([None, 5, 8]), springs=st.booleans())
def test_hessian_products_are_differences_of_values_and_symmetric(seed, dim, geometry, nodes, springs):
    """Along geodesics (exact exponential maps) the second difference of S is <v, Hess v>."""
    generator = drawn(seed)
    action = posed(generator, geometry, nodes, springs=springs, dim=dim)
    z, v, u = elsewhere(action, generator)
    product = action.hessian(z)
    step = 1e-4
    ahead, behind = (action.evaluate(action.retract(z, s * step * v)) for s in (1, -1))
    here = action.evaluate(z)
    second = (ahead.value - 2 * here.value + behind.value) / step**2
    scale = float(here.scale.max())
    torch.testing.assert_close((v * product(v)).sum((1, 2)), second, rtol=1e-5, atol=1e-6 * scale / step**0.5)
    torch.testing.assert_close((u * product(v)).sum((1, 2)), (v * product(u)).sum((1, 2)))
    # By the gradient, which loses fewer digits: as vectors in flat space, as its tangential part on the sphere.
    slope = action.tangent(z, ahead.gradient - behind.gradient) / (2 * step)
    torch.testing.assert_close(product(v), slope, rtol=1e-4, atol=1e-5 * scale)


@settings(max_examples=12, deadline=None)
@given(
    seed=seeds, dim=dims, coupling=st.floats(0.05, 0.6), geometry=geometries, kappa=st.sampled_from([None, 0.5, 10.0])
)
def test_frames_approach_the_nodes_as_the_square_of_the_step(seed, dim, coupling, geometry, kappa):
    generator = drawn(seed)
    points = sphere.normalize(vectors(4, dim, generator))
    seen, stiffness = Latents(points[:3], torch.tensor([0.0, 1.0, 2.0])), None
    if kappa is not None:
        stiffness = [math.inf, kappa, math.inf]
    options = {"coupling": coupling, "geometry": geometry, "tolerance": 1e-10}
    at = [0.25, 0.5, 1.0, 1.75]
    nodes = LeastAction(bumpy, accuracy=1e-8, **options)
    exact = nodes(seen, [0.25, 0.5, 1.5, 1.75], points[3], stiffness=stiffness).path(at)
    grid = LeastAction(bumpy, discretisation="frames", **options)
    error = []
    for count in (16, 32):
        times = torch.linspace(0, 2, 2 * count + 1, dtype=torch.float64)[1:-1]
        error.append(float((grid(seen, times, points[3], stiffness=stiffness).path(at) - exact).norm(dim=-1).max()))
    assert error[1] < 5e-3
    assert error[1] < error[0] / 3.3 + 1e-7


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_frames_fall_towards_the_nodes_by_four_per_halving(geometry):
    generator = drawn(3)
    points = sphere.normalize(vectors(3, 4, generator))
    seen, at = Latents(points[:2], torch.tensor([0.0, 1.0])), [0.25, 0.5, 0.75]
    exact = LeastAction(bumpy, geometry=geometry, accuracy=1e-10, **EXACT)(seen, at, points[2]).path(at)
    error = []
    for count in (8, 16, 32, 64):
        times = torch.linspace(0, 1, count + 1, dtype=torch.float64)[1:-1]
        grid = LeastAction(bumpy, geometry=geometry, discretisation="frames", **EXACT)(seen, times, points[2])
        error.append(float((grid.path(at) - exact).norm(dim=-1).max()))
    assert [a / b for a, b in itertools.pairwise(error)] == pytest.approx([4] * 3, rel=0.05)
