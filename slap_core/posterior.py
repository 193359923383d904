"""What is believed of a path beside its most probable course: normal distributions along its stretches.

A covariance C over the frames of a stretch gives a *band* around each recovered latent (the root of its trace) and each
concept's score, and says which frame to look at next: to see frame f takes C_.f C_ff^-1 C_f. off the covariance.

C is kept in two parts: written out in the span of a basis, and one small matrix for every direction beyond it.
`uncertainty` computes it; here are only tensors, on the CPU.

**Levels.** With C_f a frame's covariance, the squared distance of its latent from the path has mean tr C_f and variance
2 tr C_f^2, and is taken for the gamma distribution of these two moments: that of n = (tr C_f)^2/tr C_f^2 equal
directions. If the temperature is an estimate of nu degrees of freedom, the distance is that of a multivariate t
distribution, and its square over tr C_f of an F distribution of n and nu; a score is the case of n = 1.

Source: Satterthwaite, An approximate distribution of estimates of variance components, 1946 (the matched moments).
"""

import dataclasses
import math

import scipy.stats
import torch
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["Band", "Posterior", "quantile"]


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
    freedom: float = math.inf
    """Degrees of freedom of the temperature's estimate; infinite where it is taken for known."""

    @property
    def directions(self) -> int:
        """How many directions lie beyond the basis."""
        return self.basis.shape[0] - self.basis.shape[1]

    def variance(self) -> Float64[Tensor, "frame"]:
        """The trace of each latent's covariance, squared radians."""
        own = torch.einsum("iaia->i", self.within)
        return own + self.directions * self.beyond.diagonal()

    def spread(self) -> Float64[Tensor, "frame"]:
        """In how many directions each latent varies: (tr C)^2/tr C^2, as many as there are where all are alike."""
        own = torch.einsum("iaib,iaib->i", self.within, self.within)
        square = own + self.directions * self.beyond.diagonal().square()
        return self.variance().square() / square.clamp_min(1e-300)

    def radius(self, level: float | None = None) -> Float64[Tensor, "frame"]:
        """The distance from the path that holds each latent with that probability; None: the root mean square.

        Raises:
            ValueError: for a level outside (0, 1).
        """
        ratio = 1.0 if level is None else quantile(level, self.spread(), freedom=self.freedom)
        return (self.variance() * ratio).sqrt()

    def score_radius(self, concepts: Float[Tensor, "concept dim"], level: float) -> Float64[Tensor, "concept frame"]:
        """The distance from the path's own that holds each <z, concept> with that probability.

        Raises:
            ValueError: for a level outside (0, 1).
        """
        ratio = quantile(level, torch.ones(1, dtype=torch.float64), freedom=self.freedom)
        return (self.score_variance(concepts) * ratio).sqrt()

    def scaled(self, factor: float, *, freedom: float = math.inf) -> "Band":
        """The same at `factor` times the temperature; see `Posterior.scaled`."""
        if not (math.isfinite(factor) and factor > 0 and freedom > 0):
            raise ValueError(
                f"A band is scaled by a finite factor above 0, with more than 0 degrees of freedom, got {factor!r} and "
                f"{freedom!r}."
            )
        return dataclasses.replace(
            self,
            within=factor * self.within,
            beyond=factor * self.beyond,
            temperature=factor * self.temperature,
            freedom=float(freedom),
        )

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
        """Seconds of the frames with a band: of a long stretch 48 at most, evenly, its first and last among them.

        Between them radii and deviations change slowly, and `numpy.interp` gives those of the other frames.
        """
        return torch.cat([band.times for band in self.bands]) if self.bands else torch.zeros(0).double()

    @property
    def proper(self) -> bool:
        """Whether the Hessian was positive on every stretch."""
        return all(band.proper for band in self.bands)

    def radius(self, level: float | None = None) -> Float64[Tensor, "frame"]:
        """How far from the path each latent lies, radians: root mean square, or what holds it with a probability.

        Args:
            level: that probability, between 0 and 1; None for the root mean square.

        Raises:
            ValueError: for a level outside (0, 1).
        """
        found = [band.radius(level) for band in self.bands]
        return torch.cat(found) if found else torch.zeros(0).double()

    def scaled(self, factor: float, *, freedom: float = math.inf) -> "Posterior":
        """The posterior at `factor` times the temperature, as a calibration on known latents may ask for.

        Args:
            factor: of every covariance, above 0; `python -m slap_core.benchmarks.bands` measures it.
            freedom: degrees of freedom of the temperature's estimate, which widen high levels; infinite: it is known.

        Raises:
            ValueError: if either is not above 0, or the factor not finite.
        """
        return dataclasses.replace(self, bands=tuple(band.scaled(factor, freedom=freedom) for band in self.bands))

    def score_deviation(self, concepts: Float[Tensor, "concept dim"]) -> Float64[Tensor, "concept frame"]:
        """Standard deviation of each concept's score <z, concept>."""
        if not self.bands:
            return torch.zeros(len(concepts), 0).double()
        return torch.cat([band.score_variance(concepts).sqrt() for band in self.bands], 1)

    def score_radius(self, concepts: Float[Tensor, "concept dim"], level: float) -> Float64[Tensor, "concept frame"]:
        """How far each concept's score may lie from that of the path with this probability.

        Args:
            concepts: their latents.
            level: the probability, between 0 and 1.

        Raises:
            ValueError: for a level outside (0, 1).
        """
        found = [band.score_radius(concepts, level) for band in self.bands]
        return torch.cat(found, 1) if found else torch.zeros(len(concepts), 0).double()


def quantile(level: float, spread: Float64[Tensor, "*case"], *, freedom: float = math.inf) -> Float64[Tensor, "*case"]:
    """What a squared distance over its expectation does not exceed with this probability.

    Args:
        level: the probability, between 0 and 1.
        spread: in how many directions the latent varies; 1 for a score.
        freedom: degrees of freedom of the temperature's estimate; infinite: it is known.

    Raises:
        ValueError: for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"A level is a probability between 0 and 1, both excluded, got {level!r}.")
    different, inverse = spread.unique(return_inverse=True)  # often all alike, and quantiles are slow
    directions = different.numpy()
    known = math.isinf(freedom)
    found = (
        scipy.stats.chi2.ppf(level, directions) / directions if known else scipy.stats.f.ppf(level, directions, freedom)
    )
    return torch.as_tensor(found, dtype=torch.float64)[inverse]
