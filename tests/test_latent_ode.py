"""The latent ODE: an adaptive flow that does not depend on where it is read."""

import pytest
import scipy.integrate
import torch
from loud import DIM, SEEN, TIMES, loud, unit

from slap_core.gaps import find_gaps
from slap_core.latent_ode import LatentODE
from slap_core.stretches import Stretches

QUERY = unit(DIM, seed=5)


def test_the_path_does_not_depend_on_how_many_frames_are_asked_for():
    network = loud(LatentODE)
    few = network(SEEN, [1.5, 3.0], QUERY).points
    many = network(SEEN, torch.linspace(1, 4, 61, dtype=torch.float64), QUERY).path([1.5, 3.0])
    torch.testing.assert_close(few, many, atol=1e-7, rtol=0)


def test_an_independent_integrator_finds_the_same_flow():
    network = loud(LatentODE)
    rows = Stretches.of(SEEN.points, find_gaps(SEEN.times, TIMES), QUERY.expand(4, -1))
    with torch.no_grad():
        found = network.recover(rows)[2]
        state = network.recognition(rows.boundary())[2]
        flow = scipy.integrate.solve_ivp(
            lambda _, h: (network.speed * network.field(torch.from_numpy(h))).numpy(),
            (0, 1),
            state.numpy(),
            t_eval=rows.fraction()[2].numpy(),
            rtol=1e-9,
            atol=1e-9,
        )
        correction = torch.zeros(4, 3, DIM, dtype=torch.float64)
        correction[2] = network.decoder(torch.from_numpy(flow.y.T))
        expected = rows.corrected(correction)[2]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_tighter_tolerance_comes_closer():
    exact = loud(LatentODE, rtol=1e-10, atol=1e-10)(SEEN, TIMES, QUERY).points
    errors = [
        float((loud(LatentODE, rtol=tolerance, atol=tolerance)(SEEN, TIMES, QUERY).points - exact).abs().max())
        for tolerance in (1e-2, 1e-6)
    ]
    assert errors[1] < 1e-5
    assert errors[1] < errors[0]


def test_it_learns_through_the_integrator():
    network = loud(LatentODE)
    rows = Stretches.of(SEEN.points, find_gaps(SEEN.times, TIMES), QUERY.expand(4, -1))
    path, penalty = network.training_path(rows, rows.geodesic(), torch.Generator())
    assert float(penalty) == 0
    path.square().mul(torch.arange(DIM)).sum().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in network.parameters())


def test_tolerances_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"rtol and atol must be above 0, got 0\.0 and 1e-05"):
        LatentODE(4, rtol=0.0)
