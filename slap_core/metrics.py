"""Scores of recovered latents and of slots' masks.

- Drift: 1 - cos(recovered, true), in [0, 2]; 0 is perfect, 1 is unrelated.
- FG-ARI: the adjusted Rand index between predicted and true segments over foreground tokens alone: 1 where they agree
  up to a renaming, about 0 for chance, below 0 for worse. Background is left out: how to split it is nobody's truth.
- Mean best overlap: the mean over objects of the largest intersection over union with any predicted segment.
- Risk and coverage: a method that may abstain answers the share (coverage) of the cases of which it is most confident;
  the mean risk of those over coverage is its curve. The area under it, less that of an oracle that knows each risk, is
  what the confidence costs: 0 for a perfect order of the cases, positive for any other.
- Intervals: 95 % percentile bootstraps over whole units (scenes, clips), whose cases are not independent of each other.
- Mask entropy: how undecided tokens are between slots, in nat, from 0 (each has one owner) to log(slots).
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int, Int64
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

__all__ = [
    *("RiskCoverage", "bootstrap_interval", "dead_slots", "drift", "fg_ari", "mask_entropy", "mean_best_overlap"),
    "risk_coverage",
]


@dataclasses.dataclass(frozen=True, eq=False)
class RiskCoverage:
    """What is risked by answering more and more cases, the most confident ones first."""

    coverage: Float64[Tensor, "case"]
    """Share answered: 1/cases, 2/cases, ..., 1."""
    risk: Float64[Tensor, "case"]
    """Mean risk of the cases answered; among equally confident ones, in the mean over all of their orders."""
    threshold: Float64[Tensor, "case"]
    """Confidence of the last case answered, decreasing."""
    area: float
    """Mean of `risk`: the area under the curve."""
    oracle_area: float
    """The same where confidence is the exact order of the risks."""

    @property
    def excess(self) -> float:
        """How much area is lost to the oracle; 0 at best."""
        return self.area - self.oracle_area

    def at(self, coverage: float) -> float:
        """The confidence from which at least this share of the cases is answered.

        Raises:
            ValueError: for a coverage outside (0, 1].
        """
        if not 0 < coverage <= 1:
            raise ValueError(f"coverage must be in (0, 1], got {coverage!r}.")
        return float(self.threshold[(self.coverage >= coverage - 1e-12).nonzero()[0]])


def bootstrap_interval(
    statistic: Callable[[Int64[Tensor, "unit"]], float], units: int, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of a statistic of `units` scenes: its quantiles over scenes drawn with replacement.

    Args:
        statistic: of the scenes of these numbers, some of them repeated; draws of which it is NaN do not count.
        units: how many scenes there are.
        draws: how often they are drawn.
        seed: of the draws.

    Raises:
        ValueError: for fewer than one scene or draw.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if units < 1 or draws < 1:
        raise ValueError(f"bootstrap_interval needs at least 1 unit and 1 draw, got {units} and {draws}.")
    rng = np.random.default_rng(seed)
    found = [statistic(torch.from_numpy(rng.integers(units, size=units))) for _ in range(draws)]
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)


def drift(
    recovered: Float[Tensor, "*batch time dim"], true: Float[Tensor, "*#batch time dim"]
) -> Float[Tensor, "*batch time"]:
    """1 - cos of the angle between each recovered latent and the true one.

    Computed as half the squared distance of the unit vectors, so that close latents keep their digits.
    """
    return (F.normalize(recovered, dim=-1) - F.normalize(true, dim=-1)).square().sum(-1) / 2


def fg_ari(predicted: Int[Tensor, "*shape"], true: Int[Tensor, "*shape"], *, background: int = 0) -> float:
    """The adjusted Rand index of the predicted segments over the tokens whose true label is not `background`.

    All axes count as one set: pass one frame for image FG-ARI, a whole clip (time, height, width) for video FG-ARI,
    where a segment has to keep its label through the clip. NaN where there is no foreground. With a single true object
    the index can only be 1 (one segment) or 0: average over scenes of two or more.

    Args:
        predicted: the segment of each token: masks' argmax over slots.
        true: the object of each token.
        background: the label in `true` that is left out.

    Raises:
        ValueError: if the two have different shapes.

    Source: Greff et al., Multi-Object Representation Learning with Iterative Variational Inference, 2019.
    """
    if predicted.shape != true.shape:
        raise ValueError(
            f"fg_ari compares labels token by token, got shapes {tuple(predicted.shape)} and {tuple(true.shape)}; "
            "resample one of them."
        )
    foreground = true != background
    if not bool(foreground.any()):
        return float("nan")
    return float(adjusted_rand_score(true[foreground].cpu().numpy(), predicted[foreground].cpu().numpy()))


def mean_best_overlap(predicted: Int[Tensor, "*shape"], true: Int[Tensor, "*shape"], *, background: int = 0) -> float:
    """The mean over the true objects of the largest intersection over union with a predicted segment, in [0, 1].

    All axes count as one set, as in `fg_ari`. NaN where there is no object.

    Args:
        predicted: the segment of each token.
        true: the object of each token.
        background: the label in `true` that is no object.

    Raises:
        ValueError: if the two have different shapes.

    Source: Pont-Tuset et al., Multiscale Combinatorial Grouping, 2017.
    """
    if predicted.shape != true.shape:
        raise ValueError(
            f"mean_best_overlap compares labels token by token, got shapes {tuple(predicted.shape)} and "
            f"{tuple(true.shape)}; resample one of them."
        )
    overlaps = []
    for label in true[true != background].unique():
        own = true == label
        segments, common = predicted[own].unique(return_counts=True)
        sizes = torch.stack([(predicted == segment).sum() for segment in segments])
        overlaps.append(float((common / (sizes + own.sum() - common)).max()))
    return sum(overlaps) / len(overlaps) if overlaps else float("nan")


def mask_entropy(masks: Float[Tensor, "*batch slot token"]) -> Float[Tensor, "*batch"]:
    """The mean entropy of the tokens' distribution over slots, in nat.

    Args:
        masks: sum to 1 over the slots.
    """
    return torch.special.entr(masks).sum(-2).mean(-1)


def dead_slots(masks: Float[Tensor, "*batch slot token"]) -> Int[Tensor, "*batch"]:
    """The number of slots that are no token's largest: slots that stand for nothing.

    Args:
        masks: sum to 1 over the slots; put the frames of a clip into the token axis to count slots that never win.
    """
    winners = F.one_hot(masks.argmax(-2), masks.shape[-2])
    return (~winners.bool().any(-2)).sum(-1)


def risk_coverage(confidence: Float[Tensor, "case"], risk: Float[Tensor, "case"]) -> RiskCoverage:
    """The curve of mean risk over coverage, and its area.

    Args:
        confidence: of each case, in any unit; what is higher is answered earlier. Infinities are in order.
        risk: of each case, lower is better: an error, or 1 for a wrong answer and 0 for a right one.

    Raises:
        ValueError: for no case, different numbers of confidences and risks, or any that is NaN or a risk not finite.

    Source: Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, 2017; the excess over the oracle:
    Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation, 2019.

    >>> risk_coverage(torch.tensor([3.0, 1.0, 2.0]), torch.tensor([0.0, 1.0, 0.0])).excess
    0.0
    """
    if confidence.shape != risk.shape or not len(risk):
        raise ValueError(
            f"risk_coverage needs one confidence and one risk for each case, got {tuple(confidence.shape)} and "
            f"{tuple(risk.shape)}."
        )
    if bool(confidence.isnan().any()) or not bool(risk.isfinite().all()):
        raise ValueError("risk_coverage needs confidences that are numbers and finite risks; drop the cases that fail.")
    confidence, risk = confidence.detach().cpu().double(), risk.detach().cpu().double()
    threshold, order = confidence.sort(descending=True)
    # Equally confident cases each count as their mean, whatever order they came in.
    _, tie, count = threshold.unique_consecutive(return_inverse=True, return_counts=True)
    total = torch.zeros(len(count), dtype=torch.float64).index_add_(0, tie, risk[order])
    answered = torch.arange(1, len(risk) + 1, dtype=torch.float64)
    curve = (total / count)[tie].cumsum(0) / answered
    oracle = risk.sort().values.cumsum(0) / answered
    return RiskCoverage(
        coverage=answered / len(risk),
        risk=curve,
        threshold=threshold,
        area=float(curve.mean()),
        oracle_area=float(oracle.mean()),
    )
