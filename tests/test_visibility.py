"""The stiffness of anchors against Hooke's law and made-up dips (float64)."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from slap_core import sphere
from slap_core.least_action import LeastAction
from slap_core.types import Latents
from slap_core.visibility import stiffness_from_fraction, stiffness_from_query

INF = math.inf


def aligned(*cosines: float) -> tuple[Latents, torch.Tensor]:
    """Anchors with these alignments with the query."""
    c = torch.tensor(cosines, dtype=torch.float64)
    points = torch.stack([c, (1 - c**2).sqrt(), 0 * c], 1)
    return Latents(points, torch.arange(float(len(c)))), torch.tensor([1.0, 0, 0], dtype=torch.float64)


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0.01, 0.99), mass=st.floats(0.2, 5), seed=st.integers(0, 1000))
def test_the_path_goes_the_visible_share_of_the_way_to_the_anchor(share, mass, seed):
    points = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    stiffness = stiffness_from_fraction(torch.tensor([1.0, share, 1.0], dtype=torch.float64), mass=mass)
    solve = LeastAction(None, mass=mass, geometry="euclidean", tolerance=1e-11)
    found = solve(Latents(points, torch.tensor([0.0, 2.0, 4.0])), [1.0, 2.0, 3.0], stiffness=stiffness)
    expected = share * points[1] + (1 - share) * (points[0] + points[2]) / 2
    torch.testing.assert_close(found.points[1], expected)


def test_from_nothing_to_the_whole():
    found = stiffness_from_fraction(torch.tensor([1.0, 0.0, 0.25, 0.9, 0.9995]))
    assert found[0] == found[4] == INF
    assert 0 < found[1] <= 1e-6 < found[2] < found[3] < INF


@pytest.mark.parametrize("visible", [[0.0, 0.0], [0.3], [0.2, 0.6, 0.6]])
def test_the_most_visible_ones_stay_hard(visible):
    visible = torch.tensor(visible)
    assert torch.equal(stiffness_from_fraction(visible).isinf(), visible == visible.max())


def test_dips_are_soft_in_proportion_and_runs_of_them_too():
    seen, query = aligned(0.5, 0.51, 0.2, 0.5, 0.49, 0.5, 0.35, 0.1, 0.3, 0.5, 0.51)
    found = stiffness_from_query(seen, query, noise=0.02)
    assert found.isfinite().nonzero().flatten().tolist() == [2, 6, 7, 8]
    # Depth 0.3, of which 0.06 are noise: v = 0.2, kappa = 2 v/(1 - v).
    assert float(found[2]) == pytest.approx(0.5)
    assert found[7] < found[8] < found[6]


def test_a_slope_and_both_ends_have_no_dip():
    seen, query = aligned(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.1)
    assert bool(stiffness_from_query(seen, query, noise=0.01).isinf().all())


def test_the_clips_own_noise_hides_what_it_explains():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        noisy = 0.4 + 0.03 * torch.randn(30, generator=generator)
        noisy[13] = 0.0
        seen, query = aligned(*noisy.tolist())
        found = stiffness_from_query(seen, query).isfinite()
        assert bool(found[13])
        assert int(found.sum()) <= 3


def test_noise_is_not_known_of_few_anchors():
    seen, query = aligned(0.5, 0.5, 0.0, 0.5, 0.5)
    assert bool(stiffness_from_query(seen, query).isinf().all())
    assert stiffness_from_query(seen, query, noise=0.01).isfinite().tolist() == [False, False, True, False, False]


def test_a_hidden_frame_no_longer_drags_the_path():
    """What the camera saw while the object was hidden lies off the straight way that the object itself took."""
    s = torch.linspace(0, 1, 8, dtype=torch.float64)[:, None]
    truth = sphere.normalize(torch.cat([1 - 0.3 * s, s, 0.6 + 0 * s], 1))
    seen = truth.clone()
    seen[4] = sphere.normalize(torch.tensor([0.7, 0.5, -0.4], dtype=torch.float64))
    query = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    latents, times = Latents(seen, torch.arange(8.0)), torch.arange(0.5, 7)
    stiffness = stiffness_from_query(latents, query)
    assert stiffness.isfinite().nonzero().flatten().tolist() == [4]
    solve, middle = LeastAction(None), sphere.slerp(truth[:-1], truth[1:], torch.tensor(0.5, dtype=torch.float64))
    hard, soft = (
        sphere.distance(solve(latents, times, stiffness=kappa).points, middle).max() for kappa in (None, stiffness)
    )
    assert soft < hard / 2


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, q: stiffness_from_fraction(torch.tensor([0.2, 1.1])), r"one share in \[0, 1\] for each anchor"),
        (lambda s, q: stiffness_from_fraction(torch.tensor([math.nan])), "one share in"),
        (lambda s, q: stiffness_from_fraction(torch.zeros(0)), "one share in"),
        (lambda s, q: stiffness_from_fraction(torch.ones(2), mass=0.0), "mass must be a finite number above 0"),
        (lambda s, q: stiffness_from_query(s, q[:2]), "one finite query of 3 dimensions"),
        (lambda s, q: stiffness_from_query(s, 0 * q), "that is not zero"),
        (lambda s, q: stiffness_from_query(s, q, reach=0), "reach must be at least 1"),
        (lambda s, q: stiffness_from_query(s, q, noise=0.0), "noise above 0, got 3 and 0.0"),
        (lambda s, q: stiffness_from_query(s, q, mass=math.nan), "mass must be"),
    ],
)
def test_what_holds_no_anchor_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(*aligned(0.1, 0.2, 0.3))
