"""The potential with attractors: its derivatives, its bounds, and that it is one in every respect."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slap_core import LeastAction, sphere
from slap_core.attractors import AttractorPotential
from slap_core.curvature import global_bounds, tube_bounds
from slap_core.potential import Potential, calibrate, median_gradient_norm
from slap_core.types import Latents

DIM = 6


def unit(*shape, seed=0, dtype=torch.float64):
    return sphere.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype))


def network(seed=0, *, gain=3.0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        potential = AttractorPotential(DIM, **{"count": 4, "width": 9, **options}).double().eval()
    with torch.no_grad():
        potential.scale.fill_(2.5)
        potential.shift.fill_(0.3)
        potential.network[-1].weight.mul_(gain)
    return potential


def by_definition(potential, z, query, start, stop):
    far = (start - stop).norm()[None]
    x = torch.cat([4 * query, 4 * start, 4 * stop, far, (far == 0).to(far)])
    found = potential.network(x).view(potential.count, DIM + 1)
    y = potential.blend[:, :1] * start + potential.blend[:, 1:] * stop + found[:, :-1]
    centre = y / (1 + (y * y).sum(1, keepdim=True)).sqrt()
    beta = potential.log_sharpness.exp()
    return 2.5 * (torch.logsumexp(beta * (centre @ z + found[:, -1]), 0) / beta - 0.3)


@pytest.mark.parametrize("batch", ["one question", "one a gap", "one a node"])
def test_values_and_derivatives_are_those_of_the_definition(batch):
    potential = network()
    z = unit(3, 5, DIM).requires_grad_(True)
    shape = {"one question": (), "one a gap": (3, 1), "one a node": (3, 5)}[batch]
    asked = [unit(*shape, DIM, seed=seed) for seed in (1, 2, 3)]
    every = [part.expand(3, 5, DIM) for part in asked]
    value = torch.stack(
        [
            torch.stack([by_definition(potential, z[i, j], *(part[i, j] for part in every)) for j in range(5)])
            for i in range(3)
        ]
    )
    (gradient,) = torch.autograd.grad(value.sum(), z, create_graph=True)
    question = potential.in_gaps(*asked)
    torch.testing.assert_close(potential(z, question), value)
    found, slope = potential.value_and_gradient(z, question)
    torch.testing.assert_close(found, value)
    torch.testing.assert_close(slope, gradient)
    answer = potential.asked(z, question).detach()
    torch.testing.assert_close(answer.value(z), value)
    assert not answer.centre.requires_grad
    if batch == "one a gap":
        some = torch.tensor([2, 0])
        torch.testing.assert_close(answer.select(some).value(z[some]), value[some])


def test_weights_learn_through_the_written_gradient():
    potential = network()
    question = potential.in_gaps(*(unit(2, 1, DIM, seed=seed) for seed in (1, 2, 3)))
    z, u = unit(2, 3, DIM).requires_grad_(True), unit(2, 3, DIM, seed=5)
    (slope,) = torch.autograd.grad(potential(z, question).sum(), z, create_graph=True)
    weights = list(potential.parameters())
    expected = torch.autograd.grad((u * slope).sum(), weights)
    _, slope = potential.value_and_gradient(z.detach(), question)
    for a, b in zip(torch.autograd.grad((u * slope).sum(), weights), expected, strict=True):
        torch.testing.assert_close(a, b)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), radius=st.floats(0, 0.8), gain=st.floats(0.5, 20))
def test_no_sample_exceeds_a_bound(seed, radius, gain):
    potential = network(seed, gain=gain, sharpness=1.0 + seed % 30)
    question = potential.in_gaps(*(unit(DIM, seed=seed + k) for k in (1, 2, 3)))
    points = unit(3, DIM, seed=seed)
    away = radius * unit(3, 40, DIM, seed=seed + 7) * torch.rand(3, 40, 1, dtype=torch.float64)
    inside = sphere.normalize(points[:, None] + away).flatten(0, 1)
    inside = inside[(inside - points.repeat_interleave(40, 0)).norm(dim=-1) <= radius]
    inside = torch.cat([inside, points])
    gradient = potential.value_and_gradient(inside, question)[1].detach()
    hessian = torch.func.vmap(torch.func.hessian(lambda z: potential(z, question)))(inside).detach()
    projection = torch.eye(DIM).double() - inside[:, :, None] * inside[:, None]
    on_sphere = projection @ hessian @ projection - (inside * gradient).sum(-1)[:, None, None] * projection
    for bounds in (
        global_bounds(potential),
        global_bounds(potential, question),
        tube_bounds(potential, points, question, radius=radius),
    ):
        assert float(gradient.norm(dim=-1).max()) <= bounds.lipschitz + 1e-9
        assert float(torch.linalg.eigvalsh(hessian).abs().max()) <= bounds.curvature + 1e-9
        assert float(torch.linalg.eigvalsh(hessian).max()) <= bounds.upper + 1e-9
        assert float(torch.linalg.eigvalsh(on_sphere).max()) <= bounds.riemannian + 1e-9
    exact = tube_bounds(potential, points[:1], question, radius=0.0)
    at = torch.func.hessian(lambda z: potential(z, question))(points[0]).detach()
    assert exact.upper == pytest.approx(float(torch.linalg.eigvalsh(at).max()), rel=1e-6)


def test_two_attractors_reach_the_bound_between_them():
    """Where both pull alike, the curvature is scale beta D^2/4: the global bound cannot be lower."""
    potential = network(count=2)
    question = potential.in_gaps(*(unit(DIM, seed=seed) for seed in (1, 2, 3)))
    answer = potential.asked(unit(DIM), question)
    apart = answer.centre[1] - answer.centre[0]
    level = (answer.offset[0] - answer.offset[1]).detach()
    z = (apart * level / apart.square().sum()).detach()  # <c_1 - c_0, z> = d_0 - d_1
    hessian = torch.func.hessian(lambda x: potential(x, question))(z).detach()
    assert global_bounds(potential, question).upper == pytest.approx(
        float(torch.linalg.eigvalsh(hessian).max()), rel=1e-9
    )


def test_it_is_calibrated_saved_and_solved_like_any_potential(tmp_path):
    potential = network().float()
    ends, queries = unit(20, 2, DIM, dtype=torch.float32), unit(20, DIM, seed=1, dtype=torch.float32)
    calibrate(potential, ends, queries)
    points = sphere.slerp(*ends.unbind(1), torch.tensor(0.5).expand(20))
    norm = median_gradient_norm(potential, points, potential.in_gaps(queries, *ends.unbind(1)))
    assert 2 < norm < 32
    potential.save_pretrained(tmp_path)
    again = Potential.from_pretrained(tmp_path)
    assert isinstance(again, AttractorPotential)
    assert isinstance(AttractorPotential.from_pretrained(tmp_path), AttractorPotential)
    assert again.exported() is again
    assert not any(parameter.requires_grad for parameter in again.parameters())
    seen = Latents(unit(3, DIM), torch.tensor([0.0, 1.0, 3.0]))
    solution = LeastAction(again, coupling=0.2)(seen, [0.5, 2.0], queries[0], tube_radius=0.05)
    assert solution.result.ok
    straight = LeastAction(None)(seen, [0.5, 2.0])
    assert float(sphere.distance(solution.points, straight.points).max()) > 1e-3


@pytest.mark.parametrize(("name", "value"), itertools.product(["count", "width", "depth", "sharpness"], [0]))
def test_impossible_networks_are_refused(name, value, unhooked):
    with pytest.raises(ValueError, match="of at least 1 and a sharpness above 0, got"):
        AttractorPotential(DIM, **{name: value})


def test_the_path_by_stations_passes_all_attractors_in_their_order():
    potential = network(count=4)
    query, start, stop = (unit(3, DIM, seed=seed) for seed in (1, 2, 3))
    question = potential.in_gaps(query, start, stop)
    centre = sphere.normalize(potential.asked(query, question).centre)
    at = torch.tensor([0.0, 1 / 3, 2 / 3, 1.0], dtype=torch.float64).expand(3, -1)
    torch.testing.assert_close(potential.stations(question, at), centre)
    near = potential.stations(question, at[:, 1:2] + 1e-6)
    torch.testing.assert_close(near, centre[:, 1:2], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="needs at least 2 of them, got 1; train without stations"):
        network(count=1).stations(question, at)


def test_a_gap_with_one_anchor_is_told_from_one_between_equals():
    potential = network()
    query, start = unit(DIM, seed=1), unit(DIM, seed=2)
    alone = potential.asked(query, potential.in_gaps(query, start, start)).centre
    between = potential.asked(query, potential.in_gaps(query, start, sphere.exp(start, 1e-9 * unit(DIM)))).centre
    assert float((alone - between).detach().norm()) > 1e-3


def test_questions_of_another_size_are_refused(unhooked):
    with pytest.raises(ValueError, match=r"queries of 18 \(make them with in_gaps\), got 6 and 6"):
        network()(unit(3, DIM), unit(DIM))
