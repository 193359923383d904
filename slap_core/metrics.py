"""Scores of recovered latents and of slots' masks.

- Drift: 1 - cos(recovered, true), in [0, 2]; 0 is perfect, 1 is unrelated.
- FG-ARI: the adjusted Rand index between predicted and true segments over foreground tokens alone: 1 where they agree
  up to a renaming, about 0 for chance, below 0 for worse. Background is left out: how to split it is nobody's truth.
- Mask entropy: how undecided tokens are between slots, in nat, from 0 (each has one owner) to log(slots).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

__all__ = ["dead_slots", "drift", "fg_ari", "mask_entropy"]


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
