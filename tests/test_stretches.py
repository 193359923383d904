"""What a network is told of a stretch, and where its correction counts."""

import torch
from loud import DIM, SEEN, TIMES, unit

from slap_core.gaps import find_gaps
from slap_core.stretches import MOMENT_FEATURES, Stretches, moments

QUERIES = unit(3, DIM, seed=5)


def test_a_network_is_told_the_anchors_the_query_and_how_far_it_is():
    gaps = find_gaps(SEEN.times, TIMES)
    rows = Stretches.of(SEEN.points, gaps, QUERIES[[0, 1, 2, 0]])
    assert len(rows) == 4
    assert rows.gaps.free.tolist() == [True, False, False, True]
    latents = 4 * torch.cat([SEEN.points[1], SEEN.points[2], QUERIES[2]])
    expected = torch.cat([latents, torch.zeros(1, dtype=torch.float64)])
    assert torch.equal(rows.boundary()[2], expected)
    assert torch.equal(rows.boundary()[3, DIM : 2 * DIM], torch.zeros(DIM, dtype=torch.float64))
    torch.testing.assert_close(rows.fraction()[2], torch.tensor([0.25, 0.55, 0.85], dtype=torch.float64))
    torch.testing.assert_close(rows.fraction()[3, :2], torch.tensor([0.25, 1.0], dtype=torch.float64))
    assert rows.mask().sum(1).tolist() == [1, 2, 3, 2]
    assert moments(rows.fraction()).shape == (4, 3, MOMENT_FEATURES)


def test_a_correction_is_weighed_by_where_it_is():
    rows = Stretches.of(SEEN.points, find_gaps(SEEN.times, TIMES), QUERIES[[0, 0, 0, 0]])
    # As large as the geodesic and orthogonal to all of it: the tangent of the angle between them is the weight.
    aside = torch.linalg.svd(SEEN.points).Vh[-1]
    along = (rows.corrected(aside.expand(4, 3, DIM)) @ aside).asin().tan()
    expected = torch.tensor([0.75, 0.99, 0.51], dtype=torch.float64)
    torch.testing.assert_close(along[2], expected)
    torch.testing.assert_close(along[3, :2], torch.tensor([0.25, 1.0], dtype=torch.float64))
