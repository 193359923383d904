"""A potential fitted to one clip: what it gains where there is something to gain, and that it never costs."""

import itertools
import math

import pytest
import torch

from slap_core import LeastAction, fit_potential, sphere
from slap_core.baselines import Slerp
from slap_core.fitting import fit_potential_steps
from slap_core.fitting.potential import leave_out
from slap_core.metrics import drift
from slap_core.stages import Progress
from slap_core.types import Latents

DIM = 16


def noisy_clip(count=25, *, noise=0.5, seed=0):
    """Latents that scatter about one direction: the best estimate of a missing one lies nearer to that direction."""
    generator = torch.Generator().manual_seed(seed)
    centre = sphere.normalize(torch.randn(DIM, generator=generator))
    points = sphere.normalize(centre + noise * torch.randn(count, DIM, generator=generator) / DIM**0.5 * 2)
    return Latents(points, torch.arange(count) / 5), centre[None]


def smooth_clip(count=13):
    angle = torch.linspace(0, 1.5, count)
    points = torch.zeros(count, DIM)
    points[:, 0], points[:, 1] = angle.cos(), angle.sin()
    return Latents(points, torch.arange(count) / 5), torch.eye(DIM)[:1]


def test_a_fit_recovers_noisy_latents_better_than_slerp():
    """On frames that the fit never saw, not even to be judged by."""
    clip, query = noisy_clip(49)
    seen, dropped = clip.select(torch.arange(0, 49, 2)), clip.select(torch.arange(1, 49, 2))
    potential = fit_potential(seen, query, steps=40)
    assert potential.fitted.strength > 0
    assert potential.fitted.fitted < potential.fitted.slerp
    assert "it did not learn from" in potential.fitted.sentence
    found = LeastAction(potential, coupling=0.5)(seen, dropped.times, query[0])
    assert found.result.ok
    fitted = drift(found.points, dropped.points).mean()
    assert fitted < 0.95 * drift(Slerp()(seen, dropped.times).points, dropped.points).mean()


def test_a_fit_is_made_for_its_coupling():
    """A tenth of lambda, ten times the scale: the same pull."""
    clip, query = noisy_clip(25)
    one, other = (fit_potential(clip, query, coupling=coupling, steps=3) for coupling in (0.5, 0.05))
    assert other.fitted.coupling == 0.05
    assert one.fitted.fitted == pytest.approx(other.fitted.fitted, rel=1e-3)
    assert float(other.scale) == pytest.approx(10 * float(one.scale), rel=1e-3)


def test_where_slerp_is_exact_nothing_pulls():
    clip, query = smooth_clip()
    potential = fit_potential(clip, query, steps=5)
    assert potential.fitted.strength == 0
    assert "nothing pulls" in potential.fitted.sentence
    times = clip.times[:-1] + 0.1
    found = LeastAction(potential, coupling=5.0)(clip, times, query[0])
    torch.testing.assert_close(found.points, Slerp()(clip, times).points, atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_too_few_frames_to_judge_by_mean_no_pull(count):
    clip, query = noisy_clip(count)
    potential = fit_potential(clip, query, steps=2)
    assert potential.fitted.judged == 0
    assert math.isnan(potential.fitted.slerp)
    assert "too few kept frames" in potential.fitted.sentence
    assert float(potential(clip.points, query[0]).abs().max()) == 0


def test_a_fit_is_a_function_of_its_seed_and_leaves_the_global_generator():
    clip, query = noisy_clip(9)
    state = torch.get_rng_state()
    first, again, other = (fit_potential(clip, query, steps=2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.network[0].weight, again.network[0].weight)
    assert not torch.equal(first.network[0].weight, other.network[0].weight)
    assert torch.equal(torch.get_rng_state(), state)
    assert not first.training
    assert not any(p.requires_grad for p in first.parameters())


def test_progress_is_told_and_a_fit_can_be_cancelled():
    clip, query = noisy_clip(9)
    told = []
    fit_potential(clip, query, steps=2, on_step=told.append)
    assert told == [Progress("potential", 0.5), Progress("potential", 1.0)]
    fit = fit_potential_steps(clip, query, steps=10**9)
    assert len(list(itertools.islice(fit, 2))) == 2
    fit.close()
    with pytest.raises(StopIteration):
        next(fit)


def test_what_cannot_be_fitted_is_refused(unhooked):
    clip, query = noisy_clip(9)
    with pytest.raises(ValueError, match=r"needs queries of shape \(queries, 16\) and at least 1 step, got \(1, 15\)"):
        fit_potential(clip, query[:, 1:])
    with pytest.raises(ValueError, match="for a coupling above 0, got 0"):
        fit_potential(clip, query, coupling=0)
    with pytest.raises(ValueError, match="and 0 steps"):
        fit_potential(clip, query, steps=0)
    with pytest.raises(ValueError, match=r"fit_potential \(queries\) works on the unit sphere"):
        fit_potential(clip, 2 * query)
    with pytest.raises(ValueError, match=r"fit_potential \(latents\) works on the unit sphere"):
        fit_potential(Latents(2 * clip.points, clip.times), query)


def test_left_out_frames_lie_between_the_kept_ones():
    clip, query = noisy_clip(40)
    lessons = leave_out(clip, query, count=20, generator=torch.Generator().manual_seed(0), subject=3)
    assert len(lessons) == 20
    assert lessons.subject.tolist() == [3] * 20
    assert lessons.gaps.length.tolist() == pytest.approx([1.0] * 20)

    def place(point):
        return int((clip.points - point).norm(dim=-1).argmin())

    lengths = set()
    for k in range(20):
        start, stop = (place(lessons.anchors[gap[k]]) for gap in (lessons.gaps.start, lessons.gaps.stop))
        inner = [place(point) for point in lessons.target[k, : int(lessons.gaps.count[k])]]
        elapsed = lessons.gaps.elapsed[k, : len(inner)]
        assert start < inner[0] <= inner[-1] < stop
        expected = [(i - start) / (stop - start) for i in inner]
        assert elapsed.tolist() == pytest.approx(expected, abs=1e-5)
        assert float(lessons.weight[k].sum()) == pytest.approx(1.0)
        lengths.add(stop - start)
    assert len(lengths) > 5
