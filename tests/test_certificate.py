"""What a certificate counts, and which end of a solver it stands for."""

import math

import pytest
import torch

from slap_core.certificate import certify, result_of
from slap_core.gaps import find_gaps
from slap_core.types import Certificate, Result

GAPS = find_gaps([0.0, 2.0, 6.0], [1.0, 3.0, 4.0, 7.0])


def certificate(*residuals: float) -> Certificate:
    found = torch.tensor(residuals, dtype=torch.float64).reshape(-1, 3)
    return certify(GAPS, found, tolerance=1e-5, coupling=0.5, mass=2.0, iterations=4)


def test_gaps_free_ends_and_the_unit_of_time_are_counted():
    found = certificate(1e-6, 1e-7, 0.0)
    assert (found.gaps, found.free_ends, found.unconverged_gaps) == (2, 1, 0)
    assert found.time_unit_seconds == pytest.approx(3.0)
    assert (found.coupling, found.mass, found.tolerance, found.iterations) == (0.5, 2.0, 1e-5, 4)
    assert found.residual == pytest.approx(1e-6)
    assert found.converged
    assert result_of(found, stalled=False) is Result.CONVERGED


def test_the_tolerance_itself_is_converged():
    assert certificate(1e-5, 0.0, 0.0).converged
    assert not certificate(1.0001e-5, 0.0, 0.0).converged


def test_a_stretch_is_unconverged_if_it_is_for_any_query():
    found = certificate(1e-3, 0.0, 0.0, 1e-2, 0.0, 1e-4)
    assert found.unconverged_gaps == 2
    assert found.residual == pytest.approx(1e-2)
    assert result_of(found, stalled=False) is Result.NOT_CONVERGED
    assert result_of(found, stalled=True) is Result.STALLED


def test_a_residual_that_is_no_number_is_not_converged():
    assert not certificate(math.nan, 0.0, 0.0).converged


def test_nothing_to_recover():
    gaps = find_gaps([0.0, 1.0], [])
    found = certify(gaps, torch.zeros(0, dtype=torch.float64), tolerance=1e-5, coupling=0.5, mass=1.0, iterations=0)
    assert found.converged
    assert found.residual == 0
    assert result_of(found, stalled=False) is Result.NOTHING_TO_RECOVER


@pytest.mark.usefixtures("unhooked")
def test_residuals_of_other_stretches_are_refused():
    with pytest.raises(ValueError, match="one residual for each of 3 stretches, got 2"):
        certify(GAPS, torch.zeros(2), tolerance=1e-5, coupling=0.5, mass=1.0, iterations=0)
