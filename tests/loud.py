"""Trained networks start as SLERP: these have something to say."""

import torch

from slap_core import sphere
from slap_core.force_field import ForceField
from slap_core.latent_ode import LatentODE
from slap_core.rivals import AutoregressiveTransformer, DirectRegressor
from slap_core.types import Latents

DIM = 6
SMALL = {
    DirectRegressor: {"width": 8, "depth": 2},
    AutoregressiveTransformer: {"width": 8, "layers": 1, "heads": 2},
    LatentODE: {"hidden": 4, "width": 8},
    ForceField: {"width": 8},
}


def quiet(kind, **options):
    """A small network as it is before training, float64."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(DIM, **{**SMALL[kind], **options}).double().eval()


def loud(kind, **options):
    """A small network with random weights everywhere, float64."""
    gentle = {"coupling": 0.1} if kind is ForceField else {}  # random forces are hard to balance
    network = quiet(kind, **{**gentle, **options})
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.4 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return network


def unit(*shape, seed=0):
    """Random unit vectors, float64."""
    return sphere.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


SEEN = Latents(unit(3, DIM), torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))
TIMES = [0.5, 1.2, 1.9, 2.0, 2.5, 3.1, 3.7, 4.5, 6.0]
