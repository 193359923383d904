"""Scenes in which something hides: which frames are dropped, and which latents are drawn of them."""

import pytest
import torch

from slap_core.pretrained import load_encoder
from slap_core.training.gap_scenes import draw_gap_scenes
from slap_core.tunnel_world import seeds


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


def test_random_moments_lie_in_order_within_each_part_of_the_stretch(encoder):
    drawn = draw_gap_scenes(encoder, seeds("train", 24), most=4, evenly=False, layers=(), size=32)
    even = draw_gap_scenes(encoder, seeds("train", 24), most=4, layers=(), size=32)
    assert torch.equal(drawn.seed, even.seed)
    assert not torch.equal(drawn.gaps.elapsed, even.gaps.elapsed)
    for gaps in (drawn.gaps, even.gaps):
        for row, count, length, free in zip(gaps.elapsed, gaps.count, gaps.length, gaps.free, strict=True):
            times = row[:count]
            assert bool((times.diff() > 0).all())
            assert float(times[0]) > 0
            if bool(free):  # the far end is among them
                assert float(times[-1]) == float(length)
            else:
                assert float(times[-1]) < float(length)
    parts = drawn.gaps.elapsed[~drawn.gaps.free & (drawn.gaps.count == 4)]
    assert bool(((parts * 4).floor() - torch.arange(4)).abs().le(1).all())


def test_layers_that_are_not_asked_for_are_not_drawn(encoder):
    some = seeds("train", 6)
    whole = draw_gap_scenes(encoder, some, most=3, size=32)
    bare = draw_gap_scenes(encoder, some, most=3, layers=(), size=32)
    assert bare.observed is None
    assert bare.empty is None
    torch.testing.assert_close(bare.target, whole.target, atol=1e-5, rtol=0)
    torch.testing.assert_close(bare.anchors, whole.anchors, atol=1e-5, rtol=0)
    assert bare.select(torch.tensor([2, 0])).empty is None
    seen = draw_gap_scenes(encoder, some, most=3, layers=("observed",), size=32)
    torch.testing.assert_close(seen.observed, whole.observed, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="besides the cut-away are observed and empty, got cut_away"):
        draw_gap_scenes(encoder, some, layers=("cut_away",))
