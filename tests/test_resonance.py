"""Regimes, conjugate points and the envelope theorem against closed forms (float64)."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from slap_core.action import DiscreteAction
from slap_core.descent import minimize
from slap_core.gaps import find_gaps
from slap_core.resonance import Regime, conjugate_point, envelope_check, regimes
from slap_core.spectrum import hessian_spectrum, string_eigenvalue

MASS = 1.3
GAPS = find_gaps([0.0, 1.0], [0.15, 0.3, 0.55, 0.8])
ANCHORS = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0]], dtype=torch.float64)


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def scan(
    potential: object, couplings: torch.Tensor, geometry: str = "euclidean"
) -> tuple[DiscreteAction, torch.Tensor]:
    """The solutions for each lambda, in one batch."""
    action = DiscreteAction.of(
        potential,
        ANCHORS,
        GAPS,
        gap=torch.zeros(len(couplings), dtype=torch.long),
        coupling=couplings,
        query=None,
        mass=MASS,
        geometry=geometry,
    )
    found = minimize(action, action.geodesic(), tolerance=1e-11, iterations=200)
    assert (found.step < 1e-9).all()
    return action, found.z


def test_the_papers_scan_has_its_five_regimes():
    found = regimes(numbers(0, 0.1, 0.5, 1, 5), numbers(41.5, 65.2, 83.9, 79.1, 31))
    assert found == tuple(Regime)
    assert found[2] == "resonance"


def test_regimes_do_not_depend_on_the_scores_unit():
    couplings = numbers(0, 0.1, 0.2, 0.3, 0.5, 0.8, 1, 2, 5)
    drift = numbers(0.38, 0.375, 0.3, 0.142, 0.14, 0.141, 0.2, 0.37, 0.6)
    expected = ["ballistic"] * 2 + ["weak"] + ["resonance"] * 3 + ["strong", "chaos", "chaos"]
    assert list(regimes(couplings, -drift)) == expected
    assert list(regimes(couplings, 7 - 100 * drift)) == expected


def test_where_minima_are_not_found_there_is_chaos():
    couplings, score = numbers(0, 1, 2, 3), numbers(0.0, 0.5, 1.0, math.nan)
    found = torch.tensor([True, True, True, False])
    assert list(regimes(couplings, score, found=found)) == ["ballistic", "weak", "resonance", "chaos"]
    found = torch.tensor([True, True, False, False])
    assert list(regimes(couplings, score, found=found)) == ["ballistic", "resonance", "chaos", "chaos"]


def test_a_pull_that_helps_nowhere_has_no_resonance():
    assert list(regimes(numbers(0, 1, 2), numbers(0.5, 0.5, 0.4))) == ["ballistic", "ballistic", "chaos"]


def test_the_conjugate_point_of_a_quadratic_potential_is_where_lambda_kappa_is_mu_sigma():
    """The eigenvalue falls linearly: interpolation is exact, whatever the scan's grid."""
    kappa = 2.5
    exact = MASS * float(string_eigenvalue(GAPS)[0]) / kappa
    couplings = exact * numbers(0, 0.2, 0.7, 0.95, 1.3, 2)
    action, z = scan(lambda z, q: kappa / 2 * z.square().sum(-1), couplings[:4])
    # Beyond it there is no minimum; the branch goes on as the stationary point of the same linear equation.
    beyond = DiscreteAction.of(
        action.potential, 0 * ANCHORS, GAPS, gap=torch.zeros(2, dtype=torch.long), coupling=couplings[4:],
        query=None, mass=MASS, geometry="euclidean",
    )  # fmt: skip
    weight = GAPS.weights()
    eigenvalue = torch.cat(
        [
            hessian_spectrum(action, z, weight=weight.expand(4, -1)).eigenvalue,
            hessian_spectrum(beyond, beyond.geodesic(), weight=weight.expand(2, -1)).eigenvalue,
        ]
    )
    found = conjugate_point(couplings, eigenvalue)
    assert found.coupling == pytest.approx(exact)
    assert (found.below, found.above) == pytest.approx((0.95 * exact, 1.3 * exact))
    assert conjugate_point(couplings[:4], eigenvalue[:4]) is None
    assert conjugate_point(couplings, torch.where(eigenvalue > 0, eigenvalue, torch.nan)) is None


def test_zero_itself_is_no_minimum():
    found = conjugate_point(numbers(0, 1, 2), numbers(1, 0, -3))
    assert (found.coupling, found.below, found.above) == (1, 0, 1)


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_the_least_action_obeys_the_envelope_theorem(geometry):
    def potential(z: torch.Tensor, query: None) -> torch.Tensor:
        return torch.tanh(2 * z[..., 2]) + torch.sin(3 * z[..., 0])

    deviations = []
    for count in (9, 17):
        couplings = torch.linspace(0, 1, count, dtype=torch.float64) ** 2  # uneven
        action, z = scan(potential, couplings, geometry)
        integral = (GAPS.weights() * potential(z, None)).sum(-1)
        found = envelope_check(couplings, action.evaluate(z).value, integral)
        assert found.concave
        assert found.steepening <= 0
        deviations.append(found.deviation)
    assert deviations[1] < 2e-3
    assert deviations[0] / deviations[1] > 3  # second order in the step
    wrong = envelope_check(couplings, action.evaluate(z).value, 1.1 * integral)
    assert wrong.deviation == pytest.approx(0.1 / 1.1, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_parabola_obeys_it_to_the_last_digit(seed):
    """P = <q, z>: S*(lambda) is quadratic, and differences of second order are exact on any grid."""
    generator = torch.Generator().manual_seed(seed)
    couplings = torch.cat([numbers(0), torch.rand(6, generator=generator, dtype=torch.float64).cumsum(0) + 0.1])
    slope, bend = torch.randn(2, generator=generator, dtype=torch.float64)
    action = 0.3 + slope * couplings - bend.abs() * couplings**2
    found = envelope_check(couplings, action, 2 * bend.abs() * couplings - slope)
    assert found.deviation < 1e-9
    assert found.concave
    assert not envelope_check(couplings, -action, action).concave


def test_without_a_potential_nothing_deviates():
    found = envelope_check(numbers(0, 1, 3), numbers(0.7, 0.7, 0.7), numbers(0, 0, 0))
    assert (found.deviation, found.concave, found.steepening) == (0, True, 0)


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: regimes(numbers(0, 2, 1), numbers(0, 1, 2)), "regimes needs at least 1 finite and increasing lambdas"),
        (lambda: regimes(numbers(0, 1), numbers(0)), "regimes needs one score for each of 2 lambdas, got 1"),
        (lambda: regimes(numbers(1, 2), numbers(0, 1)), "starts with a minimum at lambda = 0, got lambda from 1"),
        (lambda: regimes(numbers(0, 2), numbers(0, math.nan)), "regimes needs a finite score"),
        (lambda: conjugate_point(numbers(0, 1), numbers(-1, 1)), "starts as a minimum, got the eigenvalue -1"),
        (lambda: conjugate_point(numbers(), numbers()), "conjugate_point needs at least 1"),
        (lambda: envelope_check(numbers(0, 1), numbers(0, 1), numbers(0, 1)), "envelope_check needs at least 3"),
        (
            lambda: envelope_check(numbers(0, 1, 2), numbers(0, 1, 2), numbers(0, 1)),
            "needs one potential_integral for each of 3 lambdas, got 2",
        ),
    ],
)
def test_scans_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
