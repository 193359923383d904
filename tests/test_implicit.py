"""Derivatives of solved paths, against problems solved again and against unrolled iterations (float64)."""

import pytest
import torch

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.descent import minimize
from slap_core.gaps import find_gaps
from slap_core.implicit import Adjoint, force, residual, solve_adjoint
from slap_core.potential import Potential

DIM = 5
ANCHORS, TIMES = [1.0, 2.0], [0.3, 0.7, 1.1, 1.25, 1.8, 2.2, 2.9]
"""An open end, an uneven gap and another open end: padding in two of three."""


def unit(*shape, seed=0):
    return sphere.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


def network(seed=0, *, gain=2.5, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        potential = Potential(DIM, width=8, depth=2, spectral_norm=False, **options).double()
    with torch.no_grad():
        for layer in list(potential.network)[::2]:
            layer.weight.mul_(gain)
    return potential


def problems(potential, geometry="sphere", *, coupling=None, gap=(0, 1, 2)):
    gaps, gap = find_gaps(ANCHORS, TIMES), torch.tensor(gap)
    anchors = unit(2, DIM, seed=3)
    query = unit(len(gap), 1, DIM, seed=4)
    return DiscreteAction.of(
        potential,
        anchors,
        gaps,
        gap=gap,
        coupling=torch.full((len(gap),), 0.6).double() if coupling is None else coupling,
        query=query,
        mass=1.3,
        geometry=geometry,
    )


def solve(action):
    with torch.no_grad():
        found = minimize(action, action.geodesic(), tolerance=1e-11, iterations=300)
    assert bool((found.step < 1e-9).all())
    return found.z


def loss_of(path, action):
    """Some function of the nodes that exist, quadratic."""
    aim = unit(*path.shape, seed=9)
    return (((path - aim).square() + path * aim.roll(1, -1)) * (action.force_weight.detach() > 0)[..., None]).sum()


def directional(potential, geometry, direction, *, size, coupling=None, turn=0.0):
    """The loss of paths solved again at weights moved by `size` along a direction."""
    moved = [(p, p.detach().clone()) for p in potential.parameters()]
    with torch.no_grad():
        for (p, old), d in zip(moved, direction, strict=True):
            p.copy_(old + size * d)
        action = problems(potential, geometry, coupling=None if coupling is None else coupling + size * turn)
        value = float(loss_of(solve(action), action))
        for p, old in moved:
            p.copy_(old)
    return value


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_gradients_of_weights_are_those_of_solving_again(geometry, context, unhooked):
    potential = network(context=context)
    action = problems(potential, geometry)
    adjoint = Adjoint(action, solve(action), tolerance=1e-12)
    loss_of(adjoint.path, action).backward()
    assert not bool(adjoint.dropped.any())
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in potential.parameters()]
        found = sum(
            float((p.grad * d).sum())
            for p, d in zip(potential.parameters(), direction, strict=True)
            if p.grad is not None
        )
        ahead, behind = (directional(potential, geometry, direction, size=size) for size in (1e-5, -1e-5))
        assert found == pytest.approx((ahead - behind) / 2e-5, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_gradients_of_lambda_are_those_of_solving_again(geometry):
    potential = network()
    coupling = torch.tensor([0.3, 0.6, 0.9], dtype=torch.float64, requires_grad=True)
    action = problems(potential, geometry, coupling=coupling)
    adjoint = Adjoint(action, solve(action), tolerance=1e-12)
    loss_of(adjoint.path, action).backward()
    still = [torch.zeros_like(p) for p in potential.parameters()]
    turns = torch.eye(3, dtype=torch.float64)
    for k in range(3):
        ahead, behind = (
            directional(potential, geometry, still, size=size, coupling=coupling.detach(), turn=turns[k])
            for size in (1e-5, -1e-5)
        )
        assert float(coupling.grad[k]) == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_gradients_are_those_of_unrolled_iterations(geometry, unhooked):
    potential = network(context=True)
    action = problems(potential, geometry, gap=(1,))
    adjoint = Adjoint(action, solve(action), tolerance=1e-12)
    loss_of(adjoint.path, action).backward()
    found = [None if p.grad is None else p.grad.clone() for p in potential.parameters()]
    potential.zero_grad()
    string = problems(None, geometry, gap=(1,))
    z = action.geodesic()
    for _ in range(150):
        z = z.requires_grad_(True) if z.is_leaf else z
        (pull,) = torch.autograd.grad(potential(z, action.query).sum(), z, create_graph=True)
        slope = string.evaluate(z).gradient - action.force_weight[..., None] * action.tangent(z, pull)
        z = action.retract(z, -0.5 * action.precondition(z, slope))
    torch.testing.assert_close(z.detach(), adjoint.z, atol=1e-8, rtol=0)
    loss_of(z, action).backward()
    for mine, p in zip(found, potential.parameters(), strict=True):
        if mine is not None:
            torch.testing.assert_close(mine, p.grad, rtol=1e-5, atol=1e-5 * float(p.grad.abs().max()))


def test_any_differentiable_potential_has_a_force():
    """A plain function of autograd, whose own parameter learns; P = strength <q, z>, so df/dstrength = f / strength."""
    strength = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    action = problems(lambda z, query: strength * (z * query).sum(-1))
    z = action.geodesic()
    u = unit(*z.shape, seed=5)
    pull = force(action, z)
    (slope,) = torch.autograd.grad((u * pull).sum(), strength)
    assert float(slope) == pytest.approx(float((u * pull).detach().sum()) / 0.7)
    cosine = problems(lambda z, query: (z * query).sum(-1))
    torch.testing.assert_close(pull.detach(), 0.7 * force(cosine, z).detach())


def test_the_adjoint_solves_its_system():
    potential = network()
    action = problems(potential)
    z = solve(action)
    slope = unit(*z.shape, seed=6)
    u, definite = solve_adjoint(action, z, slope, tolerance=1e-12)
    assert bool(definite.all())
    exists = (action.force_weight > 0)[..., None]
    torch.testing.assert_close(action.hessian(z)(u), action.tangent(z, slope) * exists, atol=1e-9, rtol=0)
    assert bool((u[~exists.expand_as(u)] == 0).all())


def test_the_residual_is_the_solvers_step_and_vanishes_at_solutions():
    potential = network()
    action = problems(potential)
    start = action.geodesic()
    with torch.no_grad():
        step = action.precondition(start, action.evaluate(start).gradient)
    torch.testing.assert_close(residual(action, start).detach(), step)
    assert float(residual(action, solve(action)).detach().abs().max()) < 1e-9
    residual(action, start).square().sum().backward()
    assert all(p.grad is not None for p in list(potential.parameters())[:-1])


def test_a_saddle_gives_no_gradient_and_is_counted():
    """Between two strong attractions on either side the geodesic is stationary and no minimum."""
    strength = torch.tensor(60.0, dtype=torch.float64, requires_grad=True)
    action = problems(lambda z, query: strength * (z * query).sum(-1).square(), gap=(1, 1))
    normal = torch.linalg.svd(torch.cat([action.string.start, action.string.stop]))[2][
        -1
    ]  # at a right angle to the geodesic
    query = torch.stack([normal, 0.01 * normal])[:, None]
    action = problems(lambda z, query: strength * (z * query).sum(-1).square(), gap=(1, 1))
    action = DiscreteAction(**{**vars(action), "query": query})
    adjoint = Adjoint(action, action.geodesic(), tolerance=1e-10)
    (adjoint.path * query).sum().backward()
    assert adjoint.dropped.tolist() == [True, False]
    assert bool(strength.grad.isfinite())


def test_unconverged_problems_get_the_gradient_of_a_few_steps():
    """Near a solution many damped steps and the adjoint agree; few steps go a part of the way."""
    potential = network()
    action = problems(potential)
    z = solve(action)
    grads = []
    for converged in (True, False):
        potential.zero_grad()
        adjoint = Adjoint(action, z, converged=torch.full((3,), converged), tolerance=1e-10)
        loss_of(adjoint.path, action).backward()
        grads.append(torch.cat([p.grad.flatten() for p in list(potential.parameters())[:-1]]))
        assert not bool(adjoint.dropped.any())
    assert float(torch.cosine_similarity(*grads, dim=0)) > 0.99
    # 1 - alpha H G contracts by about a half in each of the five steps.
    torch.testing.assert_close(grads[1], grads[0], rtol=0, atol=0.1 * float(grads[0].abs().max()))
