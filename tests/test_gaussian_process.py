"""The string's Gaussian process: exact cases, and an independent one."""

import math

import numpy as np
import pytest
import sklearn.gaussian_process as sk
import torch
from loud import DIM, SEEN, TIMES, loud, unit

from slap_core import sphere
from slap_core.baselines import Slerp
from slap_core.gaussian_process import GaussianProcessRegressor
from slap_core.rivals import DirectRegressor
from slap_core.types import Latents, Result

QUERIES = unit(2, DIM, seed=5)


def close_together(count, size=1e-3):
    """Anchors within a patch that is as good as flat, at uneven times."""
    base = unit(DIM)
    aside = sphere.tangent(base, torch.randn(count, DIM, generator=torch.Generator().manual_seed(3)).double())
    times = torch.tensor([0.0, 0.7, 1.0, 2.6, 4.0], dtype=torch.float64)[:count]
    return Latents(sphere.exp(base, size * aside), times)


@pytest.mark.parametrize("count", [1, 2])
def test_without_inner_anchors_it_is_its_mean(count):
    network = loud(DirectRegressor)
    seen = SEEN.select(range(count))
    found, expected = GaussianProcessRegressor(network)(seen, TIMES, QUERIES), network(seen, TIMES, QUERIES)
    assert torch.equal(found.points, expected.points)
    assert found.method == "Regressor + GP"
    assert found.result is expected.result


def test_exact_anchors_around_a_geodesic_give_the_geodesic_through_all():
    seen = close_together(5)
    times = torch.linspace(-0.5, 4.5, 23, dtype=torch.float64)
    found, expected = GaussianProcessRegressor(Slerp())(seen, times), Slerp()(seen, times)
    torch.testing.assert_close(found.points, expected.points, atol=1e-8, rtol=0)
    assert torch.equal(found.path(seen.times), sphere.normalize(seen.points))


def test_a_soft_anchor_is_a_spring_on_the_string():
    """A plucked string: pulled at t by a spring of stiffness kappa it yields by k/(k + 1/kappa), k = t (1 - t)."""
    seen = close_together(3, size=1e-4)
    t, kappa = 0.7, 5.0
    answer = GaussianProcessRegressor(Slerp(), stiffness=kappa)(seen, [0.35, 0.7])
    straight = Slerp()(seen.select([0, 2]), [0.35, 0.7]).points
    yielded = t * (1 - t) / (t * (1 - t) + 1 / kappa)
    expected = yielded * (seen.points[1] - straight[1])
    torch.testing.assert_close(answer.points[1] - straight[1], expected, atol=2e-8, rtol=0)
    torch.testing.assert_close(answer.points[0] - straight[0], expected / 2, atol=2e-8, rtol=0)


class Bridge(sk.kernels.Kernel):
    """min(s, t) (1 - max(s, t)), for scikit-learn."""

    def __init__(self):
        pass

    def __call__(self, x, y=None, eval_gradient=False):
        y = x if y is None else y
        return np.minimum(x, y.T) * (1 - np.maximum(x, y.T))

    def diag(self, x):
        return (x * (1 - x))[:, 0]

    def is_stationary(self):
        return False


def test_an_independent_library_finds_the_same_mean():
    seen = close_together(5)
    times = torch.tensor([0.2, 0.9, 1.5, 3.0], dtype=torch.float64)
    mean = Slerp()(seen.select([0, 4]), times).points
    known = Slerp()(seen.select([0, 4]), seen.times[1:-1]).points
    regressor = sk.GaussianProcessRegressor(Bridge(), alpha=1 / 3.0, optimizer=None)
    regressor.fit((seen.times[1:-1] / 4)[:, None].numpy(), (seen.points[1:-1] - known).numpy())
    expected = mean + torch.from_numpy(regressor.predict((times / 4)[:, None].numpy()))
    found = GaussianProcessRegressor(Slerp(), stiffness=3.0)(seen, times).points
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_stiffness_goes_from_the_mean_to_the_anchor():
    network = loud(DirectRegressor)
    outer = network(SEEN.select([0, 2]), [1.5, 3.0], QUERIES).points
    hard = GaussianProcessRegressor(network)(SEEN, [1.5, 3.0], QUERIES).points
    weak, strong = (GaussianProcessRegressor(network, stiffness=k)(SEEN, [1.5, 3.0], QUERIES) for k in (1e-7, 1e7))
    torch.testing.assert_close(weak.points, outer, atol=1e-5, rtol=0)
    torch.testing.assert_close(strong.points, hard, atol=1e-5, rtol=0)
    torch.testing.assert_close(strong.path(SEEN.times)[:, 1], SEEN.points[1:2].expand(2, -1), atol=1e-5, rtol=0)


def test_every_node_is_a_unit_vector_and_anchors_are_anchors():
    solution = GaussianProcessRegressor(loud(DirectRegressor))(SEEN, TIMES, QUERIES)
    assert solution.times.tolist() == TIMES
    assert solution.points.shape == (2, len(TIMES), DIM)
    torch.testing.assert_close(solution.points.norm(dim=-1), torch.ones(2, len(TIMES), dtype=torch.float64))
    torch.testing.assert_close(solution.path(SEEN.times), SEEN.points.expand(2, -1, -1))
    assert solution.result is Result.CLOSED_FORM
    # Beyond the outer anchors the inner one says nothing.
    ends = loud(DirectRegressor)(SEEN.select([0, 2]), TIMES, QUERIES).points[:, [0, -2, -1]]
    torch.testing.assert_close(solution.points[:, [0, -2, -1]], ends)


def test_nothing_to_recover():
    solution = GaussianProcessRegressor(Slerp())(SEEN, SEEN.times)
    assert solution.result is Result.NOTHING_TO_RECOVER
    torch.testing.assert_close(solution.points, SEEN.points)


@pytest.mark.parametrize("stiffness", [0.0, -1.0, math.nan])
def test_a_stiffness_out_of_range_is_refused(stiffness):
    with pytest.raises(ValueError, match="stiffness must be above 0"):
        GaussianProcessRegressor(Slerp(), stiffness=stiffness)


def test_latents_off_the_sphere_are_refused():
    with pytest.raises(ValueError, match=r"Regressor \+ GP works on the unit sphere"):
        GaussianProcessRegressor(Slerp())(Latents(2 * SEEN.points, SEEN.times), TIMES)
