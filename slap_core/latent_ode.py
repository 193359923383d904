"""The latent ODE: a hidden state that flows by a learned vector field, read out wherever it is asked.

For each stretch a recognition network turns what is known (anchors a and b, query q) into a hidden state, which then
flows through the stretch as s runs from 0 to 1; a decoder reads the latent off as a correction of the geodesic that
vanishes at the anchors (see `stretches`),

    h(0) = r(a, b, q),    dh/ds = f(h),    c(s) = d(h(s)).

The flow is integrated by an adaptive Runge-Kutta method of order 5 with dense output: its steps, and hence the path, do
not depend on which moments are asked for. f is bounded (tanh), so that the flow never blows up.

Source: Chen et al., "Neural Ordinary Differential Equations", 2018; Rubanova et al., "Latent ODEs for Irregularly-
Sampled Time Series", 2019. Ours is its deterministic mode, one state a stretch instead of one a clip: what a clip shows
beyond the anchors of a stretch is not told to the other methods either.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchdiffeq import odeint

from slap_core.learned import LearnedInterpolator, silent
from slap_core.stretches import Stretches

__all__ = ["LatentODE"]


def _largest_row(error: Tensor) -> Tensor:
    """The error of the worst stretch: each is held to the tolerance, whatever the others do."""
    return error.square().mean(-1).sqrt().max()


class LatentODE(LearnedInterpolator):
    """A latent ODE over each stretch; before training it is SLERP.

    Args:
        dim: dimensions of the latent space.
        hidden: dimensions of the state that flows.
        width: units of each network's hidden layer.
        rtol: relative tolerance of each step of the integrator.
        atol: absolute tolerance.

    Raises:
        ValueError: if a tolerance is not above 0.
    """

    method = "Latent ODE"

    def __init__(self, dim: int, *, hidden: int = 64, width: int = 256, rtol: float = 1e-5, atol: float = 1e-5) -> None:
        super().__init__(dim)
        if not (rtol > 0 and atol > 0):
            raise ValueError(f"rtol and atol must be above 0, got {rtol} and {atol}.")
        self.rtol, self.atol = rtol, atol
        self.recognition = nn.Sequential(nn.Linear(3 * dim + 1, width), nn.SiLU(), nn.Linear(width, hidden))
        self.field = nn.Sequential(nn.Linear(hidden, width), nn.Tanh(), nn.Linear(width, hidden), nn.Tanh())
        self.decoder = nn.Sequential(nn.Linear(hidden, width), nn.SiLU(), silent(width, dim))
        # How far the state can flow in one stretch; learned, from a gentle start.
        self.speed = nn.Parameter(torch.ones(hidden))

    def recover(self, stretches: Stretches) -> Float[Tensor, "batch node dim"]:
        """Unit latents at the nodes."""
        # The integrator takes one list of moments for the whole batch: all that occur in it.
        moments, which = stretches.fraction().double().unique(return_inverse=True)
        begin = torch.zeros_like(moments[:1])
        flow = odeint(
            lambda _, state: self.speed * self.field(state),
            self.recognition(stretches.boundary()),
            torch.cat([begin, moments]),
            rtol=self.rtol,
            atol=self.atol,
            method="dopri5",
            options={"norm": _largest_row},
        )
        rows = torch.arange(len(stretches), device=flow.device)[:, None]
        return stretches.corrected(self.decoder(flow[1:][which, rows]))
