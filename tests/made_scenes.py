"""Scenes that are made up: hidden frames lie off the geodesic, always to the same side."""

import torch

from slap_core import sphere
from slap_core.gaps import find_gaps
from slap_core.stretches import Stretches
from slap_core.training.gap_scenes import GapScenes
from slap_core.training.queries import QUERIES

DIM = 8


def unit(*shape, generator):
    return sphere.normalize(torch.randn(*shape, generator=generator))


def scenes(count=24):
    """So many of them, with three dropped frames each."""
    generator = torch.Generator().manual_seed(count)
    anchors = unit(2 * count, DIM, generator=generator)
    inner = (2.0 * torch.arange(count)[:, None] + torch.tensor([0.25, 0.5, 0.75])).flatten()
    gaps = find_gaps(torch.arange(2.0 * count), inner)
    queries = unit(count, len(QUERIES), DIM, generator=generator)
    geodesic = Stretches.of(anchors, gaps, queries[:, 0]).geodesic()
    aside = unit(DIM, generator=torch.Generator().manual_seed(1))
    target = sphere.normalize(geodesic + aside * torch.tensor([0.8, 1.0, 0.8])[:, None])
    none = torch.zeros(count, 1, dtype=torch.long)
    return GapScenes(
        anchors=anchors,
        gaps=gaps,
        target=target,
        observed=target,
        empty=target,
        hidden=torch.tensor([True, True, False]).expand(count, 3),
        queries=queries,
        outcome=none[:, 0],
        kind=none,
        colour=none,
        place=none[:, None].expand(count, 3, 1),
        seed=torch.arange(count),
    )
