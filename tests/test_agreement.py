"""Other starts: they agree where the action is convex, and find the lower of two valleys (float64)."""

import pytest
import torch

from slap_core.action import DiscreteAction
from slap_core.agreement import multi_start_agreement
from slap_core.descent import minimize
from slap_core.gaps import find_gaps

GAPS = find_gaps([1.0, 2.0], [0.2, 0.7, 1.1, 1.25, 1.7, 2.1, 2.5, 3.0])
ANCHORS = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0]], dtype=torch.float64)
QUERY = torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64)


def problems(potential: object, *, coupling: float, geometry: str) -> DiscreteAction:
    return DiscreteAction.of(
        potential,
        ANCHORS,
        GAPS,
        gap=torch.arange(3),
        coupling=torch.full((3,), coupling, dtype=torch.float64),
        query=QUERY,
        mass=1.0,
        geometry=geometry,
    )


def pulled(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    return -torch.nn.functional.softplus(-4 * (z * query).sum(-1))  # concave


def hill(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Attraction that is felt near the query alone: from afar the path stays away."""
    return torch.exp(-25 * (z - query).square().sum(-1))


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_where_the_action_is_convex_all_starts_agree(geometry):
    action = problems(pulled, coupling=1.0, geometry=geometry)
    found = minimize(action, action.geodesic(), tolerance=1e-9, iterations=100)
    agreement = multi_start_agreement(action, found.z, tolerance=1e-9)
    assert agreement.starts.tolist() == agreement.converged.tolist() == [4, 4, 4]
    assert float(agreement.spread.max()) < 1e-7
    assert agreement.lower_by.tolist() == [0, 0, 0]
    torch.testing.assert_close(agreement.lowest, action.evaluate(found.z).value)


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_a_valley_that_the_geodesic_does_not_see_is_found_by_way_of_the_query(geometry):
    action = problems(hill, coupling=15.0, geometry=geometry).select(torch.tensor([1]))
    found = minimize(action, action.geodesic(), tolerance=1e-9, iterations=200)
    assert float(found.step[0]) < 1e-9
    agreement = multi_start_agreement(action, found.z, tolerance=1e-9, iterations=200)
    assert float(agreement.lower_by[0]) > 1
    assert float(agreement.spread[0]) > 0.3
    assert float(agreement.lowest[0]) == pytest.approx(float(action.evaluate(found.z).value[0] - agreement.lower_by[0]))


def test_without_a_query_and_at_random_starts_of_ones_own():
    action = problems(lambda z, q: pulled(z, QUERY), coupling=1.0, geometry="euclidean")
    action = DiscreteAction(**{**vars(action), "query": None})
    found = minimize(action, action.geodesic(), tolerance=1e-9, iterations=100)
    agreement = multi_start_agreement(
        action, found.z, tolerance=1e-9, random_starts=3, generator=torch.Generator().manual_seed(5)
    )
    assert agreement.starts.tolist() == [4, 4, 4]
    assert float(agreement.spread.max()) < 1e-7


@pytest.mark.usefixtures("unhooked")
def test_a_negative_number_of_starts_is_refused():
    action = problems(None, coupling=0.0, geometry="sphere")
    with pytest.raises(ValueError, match="random_starts must be at least 0, got -1"):
        multi_start_agreement(action, action.geodesic(), tolerance=1e-9, random_starts=-1)
