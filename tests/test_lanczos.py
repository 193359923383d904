"""Stopping Lanczos's method early: known to the accuracy asked for, and nothing negative missed."""

import pytest
import torch

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.attractors import AttractorPotential
from slap_core.gaps import find_gaps
from slap_core.lanczos import lanczos
from slap_core.potential import Potential
from slap_core.spectrum import hessian_matrix, hessian_spectrum

STEPS = 16
DIM = 12


def posed(potential, couplings, *, geometry="euclidean", query=None):
    """One gap of 8 nodes, under several lambdas."""
    generator = torch.Generator().manual_seed(0)
    anchors = sphere.normalize(torch.randn(2, DIM, generator=generator).double())
    action = DiscreteAction.of(
        potential,
        anchors,
        find_gaps([0.0, 1.0], torch.linspace(0.1, 0.9, 3).double()),
        gap=torch.zeros(len(couplings), dtype=torch.long),
        coupling=torch.tensor(couplings, dtype=torch.float64),
        query=query,
        mass=1.0,
        geometry=geometry,
        nodes=8,
    )
    return action, action.geodesic()


def found(action, z, accuracy):
    return lanczos(
        action,
        z,
        lambda some: lambda force: action.select(some).precondition(z[some], force),
        steps=STEPS,
        accuracy=accuracy,
        generator=torch.Generator().manual_seed(0),
    )


def bent(z, query):
    """Curved in one direction only: beside one eigenvalue that falls with lambda, and a few near 1, all are 1."""
    return 5 * z[..., 0].square()


def steep(z, query):
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(20, DIM, generator=generator).double()
    return torch.tanh(z @ weight.T).sum(-1)


@pytest.mark.parametrize("geometry", ["euclidean", "sphere"])
@pytest.mark.parametrize("potential", [bent, steep])
def test_a_problem_ends_when_it_is_known_well_enough(potential, geometry):
    action, z = posed(potential, [0.0, 0.01, 0.02, 0.03, 0.05, 0.1, 3.0], geometry=geometry)
    values, bound = found(action, z, 0.1)
    taken = values.isfinite().sum(1)
    assert int(taken.min()) < STEPS
    for k in range(len(z)):
        exact = torch.linalg.eigvalsh(
            hessian_matrix(action, z, problem=k, weight=action.string.weight, metric="string")
        )
        least = float(values[k, 0])
        assert float(exact[0]) <= least + 1e-9
        assert float((exact - least).abs().min()) <= float(bound[k]) + 1e-9
        if taken[k] < STEPS:
            assert least - float(exact[0]) <= 0.1 * abs(least)
            assert float(bound[k]) <= 0.1 * abs(least)
        assert (least < 0) == (float(exact[0]) < 0)


def test_all_steps_are_taken_where_no_accuracy_is_asked_for():
    action, z = posed(steep, [0.2, 0.9])
    assert bool(found(action, z, None)[0].isfinite().all())
    whole = hessian_spectrum(action, z, weight=action.string.weight, steps=60, dense_limit=1)
    quick = hessian_spectrum(action, z, weight=action.string.weight, steps=60, dense_limit=1, accuracy=0.05)
    torch.testing.assert_close(quick.eigenvalue, whole.eigenvalue, rtol=0.05, atol=0)
    assert bool((quick.bound >= whole.bound).all())
    assert quick.negative.tolist() == whole.negative.tolist()


@pytest.mark.parametrize("kind", ["perceptron", "attractors"])
def test_single_precision_is_enough_where_not_all_digits_are_asked_for(kind):
    """A learned potential in double precision is asked in single; what is found is known to less, and says so."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        potential = (
            (Potential(DIM, width=16) if kind == "perceptron" else AttractorPotential(DIM, width=16)).double().eval()
        )
    action, z = posed(potential, [0.05, 0.4], query=sphere.normalize(torch.ones(DIM, dtype=torch.float64)))
    action = action.asked()
    assert action.rough().evaluate(z).gradient.dtype == torch.float64
    steps = {"steps": 12, "dense_limit": 1}
    whole = hessian_spectrum(action, z, weight=action.string.weight, **steps)
    rough = hessian_spectrum(action, z, weight=action.string.weight, accuracy=1e-9, **steps)
    assert not torch.equal(rough.eigenvalue, whole.eigenvalue)
    torch.testing.assert_close(rough.eigenvalue, whole.eigenvalue, rtol=0, atol=1e-5)
    assert bool((rough.bound > whole.bound).all())
    assert rough.negative.tolist() == whole.negative.tolist()


def test_a_problem_that_goes_on_alone_is_solved_as_before():
    """Those that are done leave the batch; the values of the others are those of a batch of their own."""
    action, z = posed(bent, [0.0, 0.01, 0.02, 1.9])
    together, _ = found(action, z, 0.02)
    assert together[3].isfinite().all()  # negative eigenvalues are counted
    assert not together[:3].isfinite().all(1).any()
    exact = torch.linalg.eigvalsh(hessian_matrix(action, z, problem=3, weight=action.string.weight, metric="string"))
    assert float(together[3, 0]) == pytest.approx(float(exact[0]), rel=0.02)
