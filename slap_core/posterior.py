"""What is believed of a path beside its most probable course: normal distributions along its stretches.

A covariance C over the frames of a stretch gives a *band* around each recovered latent (the root of its trace) and each
concept's score, and says which frame to look at next: to see frame f takes C_.f C_ff^-1 C_f. off the covariance.

C is kept in two parts: written out in the span of a basis, and one small matrix for every direction beyond it.
`uncertainty` computes it; here are only tensors, on the CPU.
"""

import dataclasses

import torch
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["Band", "Posterior"]


@dataclasses.dataclass(frozen=True, eq=False)
class Band:
    """The posterior along one stretch."""

    times: Float64[Tensor, "frame"]
    """Seconds."""
    weight: Float64[Tensor, "frame"]
    """The time that each frame stands for, in units of T."""
    basis: Float64[Tensor, "dim rank"]
    within: Float64[Tensor, "frame rank frame rank"]
    """Covariance in the span of the basis."""
    beyond: Float64[Tensor, "frame frame"]
    """Covariance of each direction outside of it."""
    density: Float64[Tensor, "frame"]
    """Action per unit of time, T - lambda P."""
    temperature: float
    """The tau that turned action into probability."""
    proper: bool
    """Whether the Hessian was positive as it is."""

    @property
    def directions(self) -> int:
        """How many directions lie beyond the basis."""
        return self.basis.shape[0] - self.basis.shape[1]

    def variance(self) -> Float64[Tensor, "frame"]:
        """The trace of each latent's covariance, squared radians."""
        own = torch.einsum("iaia->i", self.within)
        return own + self.directions * self.beyond.diagonal()

    def score_variance(self, concepts: Float[Tensor, "concept dim"]) -> Float64[Tensor, "concept frame"]:
        """The variance of <z, concept> at each frame."""
        inside = concepts.double() @ self.basis
        outside = (concepts.double().square().sum(-1) - inside.square().sum(-1)).clamp_min(0)
        own = torch.einsum("ca,iaib,cb->ci", inside, self.within, inside)
        return own.clamp_min(0) + outside[:, None] * self.beyond.diagonal()

    def gains(self, concept: Float[Tensor, "dim"] | None = None) -> Float64[Tensor, "frame"]:
        """By how much seeing each frame would lower the time integral of the variance, of latents or of a score."""
        own = torch.einsum("iaib->iab", self.within)
        answers = torch.linalg.pinv(own, hermitian=True)
        alone = self.beyond.square() / self.beyond.diagonal().clamp_min(1e-300)  # (of frame, by frame)
        if concept is None:
            told = torch.einsum("jaib,ibc,jaic->ji", self.within, answers, self.within) + self.directions * alone
        else:
            inside = concept.double() @ self.basis
            outside = (concept.double().square().sum() - inside.square().sum()).clamp_min(0)
            shared = torch.einsum("a,jaib->jib", inside, self.within)
            told = torch.einsum("jib,ibc,jic->ji", shared, answers, shared) + outside * alone
        return self.weight @ told

    def without(self, frame: int) -> "Band":
        """The band of the other frames."""
        rest = torch.arange(len(self.times)) != frame
        return dataclasses.replace(
            self,
            times=self.times[rest],
            weight=self.weight[rest],
            within=self.within[rest][:, :, rest],
            beyond=self.beyond[rest][:, rest],
            density=self.density[rest],
        )

    def observed(self, frame: int) -> "Band":
        """What remains once that frame is known."""
        column = self.within[:, :, frame]
        taken = torch.einsum("iab,bc,jdc->iajd", column, torch.linalg.pinv(column[frame], hermitian=True), column)
        beside = self.beyond[:, frame]
        return dataclasses.replace(
            self,
            within=self.within - taken,
            beyond=self.beyond - torch.outer(beside, beside) / beside[frame].clamp_min(1e-300),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Posterior:
    """How sure a solution for one query is."""

    bands: tuple[Band, ...]
    """Of each stretch, in order of time."""
    query: Float64[Tensor, "dim"] | None

    @property
    def times(self) -> Float64[Tensor, "frame"]:
        """Seconds of the frames with a band."""
        return torch.cat([band.times for band in self.bands]) if self.bands else torch.zeros(0).double()

    @property
    def proper(self) -> bool:
        """Whether the Hessian was positive on every stretch."""
        return all(band.proper for band in self.bands)

    def radius(self) -> Float64[Tensor, "frame"]:
        """Root mean square distance of the latents from the path, radians."""
        return torch.cat([band.variance().sqrt() for band in self.bands]) if self.bands else torch.zeros(0).double()

    def score_deviation(self, concepts: Float[Tensor, "concept dim"]) -> Float64[Tensor, "concept frame"]:
        """Standard deviation of each concept's score <z, concept>."""
        if not self.bands:
            return torch.zeros(len(concepts), 0).double()
        return torch.cat([band.score_variance(concepts).sqrt() for band in self.bands], 1)
