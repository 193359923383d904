"""Bands and suggestions against dense covariances, closed forms and sampled paths (float64)."""

import math

import numpy as np
import pytest
import torch

from slap_core import sphere
from slap_core.continuation import solve_all
from slap_core.gaps import find_gaps, green_matrix
from slap_core.least_action import LeastAction
from slap_core.problems import Problems
from slap_core.suggestions import suggest_frames
from slap_core.types import Latents
from slap_core.uncertainty import MOST, TYPICAL, anchors_temperatures, posterior_of


def points(count: int, *, dim: int = 5, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sphere.normalize(torch.randn(count, dim, dtype=torch.float64, generator=generator))


def bumpy(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    drawn = (z * query).sum(-1)
    return 3 * torch.tanh(2 * drawn) + torch.sin(3 * z[..., 0] + drawn)


SEEN_TIMES = torch.tensor([1.0, 2.0, 3.5], dtype=torch.float64)
TIMES = torch.tensor([0.2, 0.6, 1.2, 1.5, 1.9, 2.5, 2.9, 3.0, 4.0], dtype=torch.float64)


def solved(solver: LeastAction, dim: int = 5, *, stiffness: list[float] | None = None, query: bool = True) -> Problems:
    seen = Latents(points(3, dim=dim), SEEN_TIMES)
    problems = Problems.of(
        solver.options,
        seen,
        TIMES,
        points(1, dim=dim, seed=9)[0] if query else None,
        torch.tensor([solver.coupling], dtype=torch.float64),
        stiffness,
    )
    for _ in solve_all(problems):
        pass
    return problems


def test_without_a_pull_it_is_a_pinned_brownian_motion():
    problems = solved(LeastAction(None, mass=1.7, geometry="euclidean"), query=False)
    posterior = posterior_of(problems, 0, temperature=0.3)
    gaps = find_gaps(SEEN_TIMES, TIMES)
    green = green_matrix(gaps) / 1.7
    for k, band in enumerate(posterior.bands):
        node = gaps.node_of[gaps.gap_of == k]
        expected = 0.3 * green[k][node][:, node]
        torch.testing.assert_close(band.variance(), 5 * expected.diagonal())
        torch.testing.assert_close(
            band.score_variance(2 * torch.eye(5).double()[:1])[0], 4 * expected.diagonal(), atol=1e-12, rtol=1e-9
        )
    assert posterior.proper
    assert posterior.times.tolist() == TIMES.tolist()


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
@pytest.mark.parametrize("stiffness", [None, [math.inf, 3.0, math.inf]])
def test_a_basis_that_is_too_small_comes_close_to_the_whole_space(geometry, stiffness):
    """The potential bends in three directions only; the rest of 16 is the string's."""
    solver = LeastAction(bumpy, coupling=0.6, geometry=geometry)
    problems = solved(solver, 16, stiffness=stiffness)
    whole, part = (posterior_of(problems, 0, temperature=1.0, rank=rank) for rank in (16, 11))
    torch.testing.assert_close(part.radius(), whole.radius(), rtol=1e-6, atol=1e-9)
    concepts = points(4, dim=16, seed=3)
    torch.testing.assert_close(part.score_deviation(concepts), whole.score_deviation(concepts), rtol=1e-5, atol=1e-9)
    for one, other in zip(part.bands, whole.bands, strict=True):
        torch.testing.assert_close(one.gains(), other.gains(), rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(one.gains(concepts[0]), other.gains(concepts[0]), rtol=1e-5, atol=1e-9)


def test_the_covariance_is_the_inverse_of_the_second_differences_of_the_action():
    solver = LeastAction(bumpy, coupling=0.6, geometry="euclidean", discretisation="frames", tolerance=1e-11)
    problems = solved(solver, 3)
    band = posterior_of(problems, 0, temperature=1.0, rank=3).bands[1]
    recovered = problems.gaps.gap_of == 1
    path = problems.points[0, 0, recovered].flatten()
    times = torch.cat([SEEN_TIMES[:1], TIMES[recovered], SEEN_TIMES[1:2]]) / problems.gaps.time_unit_seconds
    query, ends = points(1, dim=3, seed=9)[0], points(3, dim=3)

    def action(z: torch.Tensor) -> torch.Tensor:
        chain = torch.cat([ends[:1], z.view(-1, 3), ends[1:2]])
        steps = times.diff()
        kinetic = (chain.diff(dim=0).square().sum(-1) / (2 * steps)).sum()
        return kinetic - 0.6 * ((steps[1:] + steps[:-1]) / 2 * bumpy(chain[1:-1], query)).sum()

    expected = torch.linalg.inv(torch.autograd.functional.hessian(action, path))
    torch.testing.assert_close(band.within.reshape(expected.shape), expected, rtol=1e-7, atol=1e-10)


def test_what_is_seen_is_known_and_tells_what_was_promised():
    problems = solved(LeastAction(bumpy, coupling=0.6), 8)
    query = points(1, dim=8, seed=9)[0]
    for band in posterior_of(problems, 0, rank=6).bands:
        for concept in (None, query):
            gains = band.gains(concept)
            for frame in range(len(band.times)):
                rest = band.observed(frame)

                before, after = (
                    float(some.weight @ (some.variance() if concept is None else some.score_variance(concept[None])[0]))
                    for some in (band, rest)
                )
                assert before - after == pytest.approx(float(gains[frame]), rel=1e-6)
                assert float(rest.variance()[frame]) == pytest.approx(0, abs=1e-10)


def test_the_temperature_is_that_of_the_anchors_steps():
    """Brownian motion of a known variance, from many anchors; the second half of the clip twice as lively."""
    generator = torch.Generator().manual_seed(0)
    times = torch.rand(4000, generator=generator, dtype=torch.float64).cumsum(0)
    steps = torch.randn(3999, 3, generator=generator, dtype=torch.float64) * (0.7 * times.diff()).sqrt()[:, None]
    steps[2000:] *= 2**0.5
    seen = Latents(torch.cat([torch.zeros(1, 3).double(), steps.cumsum(0)]), times)
    solver = LeastAction(None, mass=2.0, geometry="euclidean")
    asked = (times[:-1] + times[1:]) / 2
    problems = Problems.of(solver.options, seen, asked, None, torch.zeros(1, dtype=torch.float64))
    unit = 2.0 * 0.7 * problems.gaps.time_unit_seconds
    found = torch.tensor(anchors_temperatures(problems))
    assert float(found[:2000].mean()) == pytest.approx(1.25 * unit, rel=0.05)
    assert float(found[2000:].mean()) == pytest.approx(1.75 * unit, rel=0.05)


def test_the_temperature_of_a_free_end_is_the_clips():
    problems = solved(LeastAction(None), query=False)
    before, first, second, after = anchors_temperatures(problems)
    assert before == after == pytest.approx((first + second) / 2)
    alone = Problems.of(
        LeastAction(None).options, Latents(points(1), torch.zeros(1)), [1.0], None, torch.zeros(1, dtype=torch.float64)
    )
    assert anchors_temperatures(alone) == pytest.approx([TYPICAL / 4])


def test_a_single_step_is_weighed_with_a_typical_one():
    step = 1.3
    seen = Latents(torch.tensor([[1.0, 0, 0], [math.cos(step), math.sin(step), 0]]).double(), torch.tensor([0.0, 5.0]))
    problems = Problems.of(LeastAction(None).options, seen, [2.0, 6.0], None, torch.zeros(1, dtype=torch.float64))
    clip = (step**2 + TYPICAL) / 2
    assert anchors_temperatures(problems) == pytest.approx([(step**2 + clip) / 2 / 2, clip / 2])


@pytest.mark.parametrize("freedom", [math.inf, 4.0])
def test_a_level_is_the_share_of_drawn_paths_within_the_radius(freedom):
    """Latents drawn from the posterior, with a temperature that is known or drawn."""
    problems = solved(LeastAction(bumpy, coupling=0.6, geometry="euclidean"), 3)
    posterior = posterior_of(problems, 0, temperature=0.7, rank=3).scaled(0.5, freedom=freedom)
    concepts = points(2, dim=3, seed=5)
    generator = torch.Generator().manual_seed(0)
    tau = torch.ones(20000).double()
    if math.isfinite(freedom):  # the inverse of a chi-squared of 4
        tau = freedom / torch.randn(20000, 4, generator=generator, dtype=torch.float64).square().sum(1)
    start = 0
    for band in posterior.bands:
        for frame in range(len(band.times)):
            root = torch.linalg.cholesky(band.within[frame, :, frame])
            drawn = torch.randn(20000, 3, generator=generator, dtype=torch.float64) @ root.mT * tau.sqrt()[:, None]
            for level in (0.5, 0.9):
                inside = drawn.norm(dim=1) <= posterior.radius(level)[start + frame]
                assert float(inside.double().mean()) == pytest.approx(level, abs=0.03)
                scores = (drawn @ band.basis.mT @ concepts.mT).abs()
                inside = scores <= posterior.score_radius(concepts, level)[:, start + frame]
                assert inside.double().mean(0).tolist() == pytest.approx([level] * 2, abs=0.015)
        start += len(band.times)


def test_scaling_is_another_temperature():
    problems = solved(LeastAction(bumpy, coupling=0.6), 8)
    hot, cold = (posterior_of(problems, 0, temperature=tau, rank=6) for tau in (1.2, 0.3))
    warmed = cold.scaled(4.0)
    torch.testing.assert_close(warmed.radius(), hot.radius())
    torch.testing.assert_close(warmed.radius(0.9), hot.radius(0.9))
    torch.testing.assert_close(warmed.score_deviation(points(2, dim=8)), hot.score_deviation(points(2, dim=8)))
    assert [band.temperature for band in warmed.bands] == pytest.approx([1.2] * len(warmed.bands))
    # Of directions that are all alike, as many as there are.
    string = posterior_of(solved(LeastAction(None, geometry="euclidean"), 5, query=False), 0, rank=2)
    torch.testing.assert_close(string.bands[0].spread(), torch.full_like(string.bands[0].spread(), 5))


@pytest.mark.usefixtures("unhooked")
def test_levels_and_scales_that_do_not_exist_are_refused():
    posterior = LeastAction(None)(Latents(points(2), torch.tensor([0.0, 1.0])), [0.5], bands=True).posterior
    for level in (0, 1.0, math.nan):
        with pytest.raises(ValueError, match="A level is a probability between 0 and 1"):
            posterior.radius(level)
        with pytest.raises(ValueError, match="A level is a probability between 0 and 1"):
            posterior.score_radius(points(2), level)
    for factor, freedom in ((0.0, math.inf), (math.inf, math.inf), (1.0, 0.0)):
        with pytest.raises(ValueError, match="scaled by a finite factor above 0"):
            posterior.scaled(factor, freedom=freedom)


def test_frames_of_a_long_stretch_that_were_left_out_lie_between_the_others():
    seen = Latents(points(2), torch.tensor([0.0, 10.0]))
    times = torch.linspace(0.05, 9.95, 199, dtype=torch.float64)
    posterior = LeastAction(None, geometry="euclidean")(seen, times, bands=True).posterior
    assert len(posterior.times) == MOST
    found = np.interp(times.numpy(), posterior.times.numpy(), posterior.radius().numpy())
    expected = (5 * posterior.bands[0].temperature * times / 10 * (1 - times / 10)).sqrt()
    assert found[8:-8] == pytest.approx(expected.numpy()[8:-8], rel=0.01)  # an arch, steep at its feet
    assert found == pytest.approx(expected.numpy(), rel=0.1)


def test_frames_in_the_middle_of_long_gaps_are_suggested_first():
    seen = Latents(points(3), torch.tensor([0.0, 2.0, 10.0]))
    times = torch.tensor([0.5, 1.0, 1.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], dtype=torch.float64)
    solution = LeastAction(None)(seen, times, bands=True)
    chosen = suggest_frames(solution, 20)
    assert float(chosen[0]) == 6.0
    assert sorted(chosen.tolist()) == times.tolist()


def test_the_action_is_cut_into_even_parts():
    seen = Latents(points(2), torch.tensor([0.0, 8.0]))
    times = torch.arange(1.0, 8.0, dtype=torch.float64)
    solution = LeastAction(bumpy, coupling=0.3)(seen, times, points(1, seed=4)[0], bands=True)
    chosen = suggest_frames(solution, 7, by="action")
    assert sorted(chosen.tolist()) == times.tolist()
    band = solution.posterior.bands[0]
    share = (band.density - band.density.min()) * band.weight
    first = int((band.times == chosen[0]).nonzero())
    assert max(share[:first].sum(), share[first + 1 :].sum()) <= share.sum() / 2 + share.max() / 2 + 1e-12


@pytest.mark.usefixtures("unhooked")
def test_suggestions_that_cannot_be_made_are_refused():
    seen = Latents(points(2), torch.tensor([0.0, 1.0]))
    solve = LeastAction(None)
    with pytest.raises(ValueError, match=r"solve with bands=True"):
        suggest_frames(solve(seen, [0.5]), 1)
    solution = solve(seen, [0.5], bands=True)
    with pytest.raises(ValueError, match="count must be at least 1 frame, got 0"):
        suggest_frames(solution, 0)
    with pytest.raises(ValueError, match='by must be "latent"'):
        suggest_frames(solution, 1, by="luck")
    with pytest.raises(ValueError, match="only where there was one"):
        suggest_frames(solution, 1, by="query")
    with pytest.raises(ValueError, match="A band belongs to one query"):
        solve(seen, [0.5], points(2, seed=3), bands=True)


def test_nothing_dropped_has_no_band():
    seen = Latents(points(2), torch.tensor([0.0, 1.0]))
    posterior = LeastAction(None)(seen, [], bands=True).posterior
    assert posterior.bands == ()
    assert len(posterior.radius()) == len(posterior.times) == 0
    assert posterior.score_deviation(points(2)).shape == posterior.score_radius(points(2), 0.5).shape == (2, 0)
