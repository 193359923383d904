"""Bounds of the potential's gradient and curvature: never below what is found, exact where they can be."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slap_core import sphere
from slap_core.curvature import extremes, global_bounds, tube_bounds
from slap_core.perceptron import derivatives
from slap_core.potential import Potential
from slap_core.pretrained import POTENTIALS, load_card, load_potential, weights_folder

ACTIVATIONS = ["silu", "softplus", "tanh"]


def network(seed=0, *, dim=5, gain=2.0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        potential = Potential(dim, **{"width": 7, "depth": 2, **options}, spectral_norm=False).double()
    with torch.no_grad():
        potential.scale.fill_(3.0)
        for layer in potential.network:
            if isinstance(layer, torch.nn.Linear):
                layer.weight.mul_(gain)
    return potential


def unit(*shape, seed=0):
    return sphere.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


def derivatives_at(potential, points, question):
    hessian = torch.func.vmap(torch.func.hessian(lambda z: potential(z, question)))(points)
    return potential.value_and_gradient(points, question)[1].detach(), hessian.detach()


def found_at(potential, points, question):
    """Largest |grad P|, |eigenvalue|, eigenvalue, and eigenvalue of the Hessian on the sphere, over the points."""
    gradient, hessian = derivatives_at(potential, points, question)
    eigenvalues = torch.linalg.eigvalsh(hessian)
    outward = points / points.norm(dim=-1, keepdim=True)
    projection = torch.eye(points.shape[-1]).double() - outward[:, :, None] * outward[:, None]
    normal = (points * gradient).sum(-1)[:, None, None]
    on_sphere = torch.linalg.eigvalsh(projection @ hessian @ projection - normal * projection)
    return gradient.norm(dim=-1).max(), eigenvalues.abs().max(), eigenvalues.max(), on_sphere.max()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_extremes_of_activations_are_those_of_a_dense_sample(activation):
    h = torch.linspace(-30, 30, 600_001, dtype=torch.float64)
    _, slope, bend = derivatives(activation, h, order=2)
    known = extremes(activation)
    for values, (low, high), places in ((slope, known.slope, known.slope_at), (bend, known.bend, known.bend_at)):
        assert low <= float(values.min()) <= low + 1e-8
        assert high - 1e-8 <= float(values.max()) <= high
        inner = (values[1:-1] - values[:-2]) * (values[2:] - values[1:-1]) < 0
        turning = h[1:-1][inner & (h[1:-1].abs() < 15)]  # further out rounding alternates
        assert len(turning) == len(places)
        torch.testing.assert_close(turning, torch.tensor(places).double(), atol=2e-4, rtol=0)


@pytest.mark.parametrize(("activation", "bend", "slope"), [("tanh", 0.7698003589195011, 1), ("softplus", 0.25, 1)])
def test_global_bounds_of_one_unit_are_exact(activation, bend, slope):
    """P = 3 w phi(<a, z> + c): |grad P| is at most 3 |w| |a| sup |phi'|, |D^2 P| at most 3 |w| |a|^2 sup |phi''|."""
    potential = network(width=1, depth=1, activation=activation)
    question = unit(5, seed=1)
    first, last = potential.network[0].weight, potential.network[2].weight
    by_z, _, by_product = first.split(5, dim=1)
    a, w = float((by_z + by_product * question).detach().norm()), abs(float(last.detach()))
    bounds = global_bounds(potential, question)
    assert bounds.lipschitz == pytest.approx(3 * w * a * slope)
    assert bounds.curvature == pytest.approx(3 * w * a * a * bend)


def test_a_linear_potential_has_no_curvature_in_a_tube():
    """Softplus far from its bend is linear: P = <g, z> + const."""
    potential = network(activation="softplus", depth=1)
    with torch.no_grad():
        potential.network[0].bias.fill_(200.0)
    points, question = unit(3, 5), unit(5, seed=1)
    bounds = tube_bounds(potential, points, question, radius=0.5)
    assert bounds.curvature < 1e-9
    assert bounds.lipschitz == pytest.approx(float(found_at(potential, points, question)[0]), rel=1e-9)


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_tube_of_no_width_is_exact(activation, context):
    potential = network(activation=activation, depth=3, context=context)
    question = potential.in_gaps(unit(5, seed=1), unit(5, seed=2), unit(5, seed=3))
    points = unit(6, 5)
    bounds = tube_bounds(potential, points, question, radius=0.0)
    steep, bent, upper, on_sphere = found_at(potential, points, question)
    assert bounds.lipschitz == pytest.approx(float(steep), rel=1e-9)
    assert bounds.curvature == pytest.approx(float(bent), rel=1e-9)
    assert bounds.upper == pytest.approx(max(float(upper), 0.0), rel=1e-9)
    assert bounds.riemannian >= float(on_sphere) - 1e-9


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    activation=st.sampled_from(ACTIVATIONS),
    depth=st.integers(1, 3),
    gain=st.floats(0.3, 6.0),
    radius=st.floats(0.0, 1.5),
)
def test_no_sample_exceeds_a_bound(seed, activation, depth, gain, radius):
    potential = network(seed, activation=activation, depth=depth, gain=gain)
    question, centre = unit(5, seed=seed), unit(2, 5, seed=seed + 1)
    everywhere, anybody = global_bounds(potential, question), global_bounds(potential)
    tube = tube_bounds(potential, centre, question, radius=radius)
    generator = torch.Generator().manual_seed(seed)
    length = radius * torch.rand(100, 1, generator=generator, dtype=torch.float64) ** 0.2
    inside = centre[seed % 2] + length * unit(100, 5, seed=seed + 2)
    steep, bent, upper, _ = found_at(potential, inside, question)
    slack = 1 + 1e-9
    assert steep <= tube.lipschitz * slack <= everywhere.lipschitz * slack**2 <= anybody.lipschitz * slack**3
    assert bent <= tube.curvature * slack <= everywhere.curvature * slack**2 <= anybody.curvature * slack**3
    assert upper <= tube.upper * slack + 1e-12
    assert tube.upper <= tube.curvature * slack
    on_sphere = sphere.normalize(inside)
    on_sphere = on_sphere[(on_sphere - centre[seed % 2]).norm(dim=-1) <= radius]
    if len(on_sphere):
        assert found_at(potential, on_sphere, question)[3] <= tube.riemannian * slack + 1e-12


def test_a_narrow_tube_tells_more_than_all_of_space():
    potential = network(width=32, depth=2, dim=12)
    points, question = unit(4, 12), unit(12, seed=1)
    radii = [0.0, 0.01, 0.1, 1.0]
    bounds = [tube_bounds(potential, points, question, radius=radius) for radius in radii]
    assert all(a.curvature <= b.curvature for a, b in itertools.pairwise(bounds))
    assert bounds[1].curvature < 1.2 * bounds[0].curvature
    assert bounds[0].curvature < global_bounds(potential, question).curvature / 10


def test_points_may_have_questions_of_their_own():
    potential = network()
    points, questions = unit(3, 5), unit(3, 5, seed=1)
    together = tube_bounds(potential, points, questions, radius=0.1)
    apart = [tube_bounds(potential, points[k, None], questions[k], radius=0.1) for k in range(3)]
    assert together.curvature == pytest.approx(max(one.curvature for one in apart))
    assert together.lipschitz == pytest.approx(max(one.lipschitz for one in apart))


def test_a_tube_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs points and a radius of at least 0, got 0 points"):
        tube_bounds(network(), unit(0, 5), unit(5), radius=0.1)
    with pytest.raises(ValueError, match=r"at least 0, got 2 points and -0\.1"):
        tube_bounds(network(), unit(2, 5), unit(5), radius=-0.1)


@pytest.mark.parametrize("recipe", ["paper", "solver"])
def test_the_shipped_cards_state_the_bounds_of_the_shipped_weights(recipe):
    scores = load_card(weights_folder(POTENTIALS[recipe]))["scores"]
    bounds = global_bounds(load_potential(recipe=recipe))
    assert math.isfinite(bounds.curvature)
    assert scores["bound everywhere: lipschitz"] == pytest.approx(bounds.lipschitz, rel=1e-4)
    assert scores["bound everywhere: curvature"] == pytest.approx(bounds.curvature, rel=1e-4)
