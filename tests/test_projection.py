"""The latent map: what PCA and UMAP must keep."""

import pytest
import torch
import umap

from slap_core import sphere
from slap_core.baselines import Slerp, ZeroOrderHold
from slap_core.types import Latents
from slap_core.views.projection import project


def circle(frames=41, dim=6):
    """A great circle in `dim` dimensions: flat, so that PCA to two dimensions loses nothing."""
    angle = torch.linspace(0, 2.5, frames, dtype=torch.float64)
    points = torch.zeros(frames, dim, dtype=torch.float64)
    points[:, 1], points[:, 4] = angle.cos(), angle.sin()
    return Latents(points, torch.arange(frames, dtype=torch.float64))


def mapped(truth, method, *, keep=4, seed=0, query=None):
    index = torch.arange(len(truth))
    kept, dropped = index[index % keep == 0], index[index % keep != 0]
    seen = truth.select(kept)
    times = truth.times[dropped]
    solutions = {"ZOH": ZeroOrderHold()(seen, times), "SLERP": Slerp()(seen, times)}
    return project(truth, seen, solutions, query, method=method, seed=seed), kept, dropped


def test_pca_of_a_plane_keeps_every_distance():
    truth = circle()
    flat, kept, dropped = mapped(truth, "PCA")
    torch.testing.assert_close(torch.cdist(flat.truth, flat.truth), torch.cdist(truth.points, truth.points))
    torch.testing.assert_close(flat.anchors, flat.truth[kept])
    # SLERP at constant speed on a great circle is the truth itself.
    torch.testing.assert_close(flat.recovered["SLERP"], flat.truth[dropped])
    torch.testing.assert_close(flat.paths["SLERP"][dropped], flat.recovered["SLERP"])
    assert flat.trustworthiness > 0.99


def test_three_axes_keep_what_lies_in_them_and_say_how_much():
    truth = circle()
    bent = truth.points.clone()
    bent[:, 2] = 0.4 * torch.sin(3 * truth.times / 10)
    truth = Latents(sphere.normalize(bent), truth.times)
    for method in ("PCA", "UMAP"):
        found, _, dropped = mapped(truth, method, query=truth.points[7])
        solid = found.solid
        torch.testing.assert_close(torch.cdist(solid.truth, solid.truth), torch.cdist(truth.points, truth.points))
        torch.testing.assert_close(solid.query, solid.truth[7])
        torch.testing.assert_close(solid.paths["ZOH"][dropped], solid.truth[dropped // 4 * 4])
        assert solid.explained == pytest.approx(1)
        if method == "PCA":
            torch.testing.assert_close(solid.truth[:, :2], found.truth)
    noisy = torch.cat([truth.points, 0.5 * torch.randn(41, 9, generator=torch.Generator().manual_seed(0))], 1)
    assert 0.2 < mapped(Latents(sphere.normalize(noisy), truth.times), "PCA")[0].solid.explained < 0.9


def test_zero_order_hold_is_drawn_at_its_anchor():
    flat, _, dropped = mapped(circle(), "PCA")
    torch.testing.assert_close(flat.recovered["ZOH"], flat.truth[dropped // 4 * 4])


def test_the_query_is_projected_like_a_point():
    truth = circle()
    flat, _, _ = mapped(truth, "PCA", query=truth.points[7])
    torch.testing.assert_close(flat.query, flat.truth[7])


@pytest.mark.parametrize("method", ["PCA", "UMAP"])
def test_the_scan_is_placed_on_the_map_of_the_others(method):
    truth = circle()
    index = torch.arange(len(truth))
    kept, dropped = index[index % 4 == 0], index[index % 4 != 0]
    seen, times = truth.select(kept), truth.times[dropped]
    solutions = {"ZOH": ZeroOrderHold()(seen, times), "SLERP": Slerp()(seen, times)}
    points = torch.stack([solutions[name].points for name in ("SLERP", "ZOH", "SLERP")])
    flat = project(truth, seen, solutions, truth.points[7], method=method, scan=points)
    alone = project(truth, seen, solutions, truth.points[7], method=method)
    assert alone.scan is None
    torch.testing.assert_close(flat.truth, alone.truth)  # it does not move what was there
    torch.testing.assert_close(flat.scan[0], flat.scan[2])
    near = 1e-6 if method == "PCA" else 0.2 * float(flat.truth.amax() - flat.truth.amin())
    torch.testing.assert_close(flat.scan[0], flat.recovered["SLERP"], atol=near, rtol=0)
    torch.testing.assert_close(flat.scan[1], flat.recovered["ZOH"], atol=near, rtol=0)


@pytest.mark.parametrize("method", ["PCA", "UMAP"])
def test_the_map_stays_where_it_is_when_lambda_is_another(method):
    truth = circle()
    index = torch.arange(len(truth))
    kept, dropped = index[index % 4 == 0], index[index % 4 != 0]
    seen, times = truth.select(kept), truth.times[dropped]
    straight, held = Slerp()(seen, times), ZeroOrderHold()(seen, times)
    scan = torch.stack([straight.points, held.points, straight.points])
    maps = [
        project(truth, seen, {"SLERP": straight, "SLAP": asked}, truth.points[7], method=method, scan=scan)
        for asked in (straight, held)
    ]
    for one in (maps[0], maps[0].solid):
        two = maps[1] if one is maps[0] else maps[1].solid
        torch.testing.assert_close(one.truth, two.truth, atol=0, rtol=0)
        torch.testing.assert_close(one.paths["SLERP"], two.paths["SLERP"], atol=0, rtol=0)
        torch.testing.assert_close(one.scan, two.scan, atol=0, rtol=0)
        torch.testing.assert_close(one.paths["SLAP"][kept], one.truth[kept], atol=1e-9, rtol=0)
        near = 0.2 * float(one.truth.amax() - one.truth.amin())
        torch.testing.assert_close(one.paths["SLAP"][dropped], one.scan[0], atol=near, rtol=0)
        torch.testing.assert_close(two.paths["SLAP"][dropped], one.scan[1], atol=near, rtol=0)
    torch.testing.assert_close(maps[1].recovered["SLAP"], maps[1].paths["SLAP"][dropped])


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_few_frames_fall_back_on_pca(frames):
    flat, _, _ = mapped(circle(frames), "UMAP")
    assert flat.method == "PCA"
    assert "at least 8" in flat.note
    assert flat.truth.shape == (frames, 2)
    assert bool(flat.truth.isfinite().all())
    assert flat.trustworthiness is None


def test_identical_frames_do_not_fail():
    truth = Latents(torch.ones(20, 3) / 3**0.5, torch.arange(20.0))
    flat, _, _ = mapped(truth, "UMAP")
    assert flat.method == "PCA"
    assert bool(flat.truth.isfinite().all())


@pytest.mark.slow
def test_umap_is_seeded_and_separates_clusters():
    generator = torch.Generator().manual_seed(0)
    noise = 0.05 * torch.randn(40, 16, generator=generator, dtype=torch.float64)
    centre = torch.zeros(40, 16, dtype=torch.float64)
    centre[:20, 0], centre[20:, 1] = 1, 1
    truth = Latents(sphere.normalize(centre + noise), torch.arange(40.0))
    first, *_ = mapped(truth, "UMAP", seed=1)
    again, *_ = mapped(truth, "UMAP", seed=1)
    assert first.method == "UMAP"
    torch.testing.assert_close(first.truth, again.truth)
    one, two = first.truth[:20].mean(0), first.truth[20:].mean(0)
    spread = (first.truth[:20] - one).norm(dim=-1).mean()
    assert (one - two).norm() > 2 * spread
    assert first.trustworthiness > 0.6


def test_umap_leaves_torch_as_many_threads_as_it_had(monkeypatch):
    """numba sets OpenMP's number of threads, once in a process, and torch has the same OpenMP."""
    fit = umap.UMAP.fit_transform

    def greedy(self, points):
        torch.set_num_threads(threads + 3)
        return fit(self, points)

    monkeypatch.setattr(umap.UMAP, "fit_transform", greedy)
    threads = torch.get_num_threads()
    assert mapped(circle(), "UMAP")[0].method == "UMAP"
    assert torch.get_num_threads() == threads
