"""How firmly an anchor holds the path, from how much of the queried object it shows.

A kept frame in which the object is hidden says little about where the object is: as a hard anchor it forces the path
through a latent of what hides it. A spring of stiffness kappa (see `action`) holds the path less. Between two gaps of
the mean length T and without a pull, Hooke's law puts the path at

    z = (kappa a + (mu/T) (b + c)) / (kappa + 2 mu/T)

with a the anchor's latent, b and c its neighbours'. So that the path goes the visible share v of the way from where it
would be without the anchor, (b + c)/2, to a,

    kappa = 2 (mu/T) v / (1 - v),

0 for what is hidden and infinite, a hard anchor, for what is whole.

*From the query alone* the visible share is read off how the alignment <a_i, q> dips. The level that an anchor should
reach is what the best of a few anchors before it and the best of a few behind it both reach (as water would stand in
the dip); what it lacks is its depth. A slope has no depth, nor have the first and the last anchor, which stay hard.
With s the clip's own noise, the depth that noise explains is e = 3 s, and

    v = 1 where depth <= e,    v = e/depth below.

s is 1.4826 MAD(differences)/sqrt(2) of neighbouring alignments, at least 0.01/3: half of the differences may be of
dips. With fewer than 6 anchors a dip and noise cannot be told apart so, and all stay hard unless s is given.

*Which anchors show it at all* is simpler where what alignments mean is known, as it is for the bundled encoder: those
within a fixed reach of the clip's best, however long the others last, and at either end.
"""

import math

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from slap_core import sphere
from slap_core.types import Latents

__all__ = ["showing", "stiffness_from_fraction", "stiffness_from_query"]

WHOLE = 0.999
"""What shows this share is as good as whole: its anchor is hard."""
SLACK = 1e-6
"""Stiffness of an anchor that shows nothing, mu/T: the solver wants a number above 0."""
LEAST_NOISE = 0.01 / 3
"""Of an alignment: what repeats exactly is not known exactly."""
FEWEST = 6
"""Anchors from which a dip can be told from noise."""
SHOWN = 0.25
"""An anchor of the bundled encoder shows what is asked for where its alignment with the query is at least this."""
REACH = 0.13
"""Below the clip's best alignment; by validation scenes, where 0.99 of what is visible lies within, 0.998 of what hides
lies beyond."""


def stiffness_from_fraction(visible: Float[Tensor, "anchor"], *, mass: float = 1.0) -> Float64[Tensor, "anchor"]:
    """The stiffness of each anchor, for `LeastAction(...)(seen, times, query, stiffness=...)`.

    The most visible anchors stay hard whatever they show: something has to hold the path.

    Args:
        visible: share of the queried object that each anchor shows, in [0, 1].
        mass: the solver's mu; the unit of the result is that of mu/T, T the mean length of the gaps.

    Raises:
        ValueError: for no anchor, shares outside [0, 1], or a mass that is not above 0.

    >>> stiffness_from_fraction(torch.tensor([1.0, 0.5, 1.0])).tolist()
    [inf, 2.0, inf]
    """
    visible = torch.as_tensor(visible, dtype=torch.float64).detach().cpu()
    if visible.ndim != 1 or not len(visible) or not bool(((visible >= 0) & (visible <= 1)).all()):
        arrived = visible.tolist() if visible.numel() <= 8 else f"shape {tuple(visible.shape)}"
        raise ValueError(f"stiffness_from_fraction needs one share in [0, 1] for each anchor, got {arrived}.")
    _require_mass(mass)
    hard = (visible >= WHOLE) | (visible == visible.max())
    return torch.where(hard, math.inf, (2 * mass * visible / (1 - visible)).clamp_min(SLACK * mass))


def stiffness_from_query(
    seen: Latents,
    query: Float[Tensor, "dim"],
    *,
    mass: float = 1.0,
    reach: int = 3,
    noise: float | None = None,
) -> Float64[Tensor, "anchor"]:
    """The stiffness of each anchor from how far its alignment with the query dips below its neighbours'.

    A thing that leaves the picture and comes back within `reach` anchors dips as one that hides does: the two cannot be
    told apart here. Runs of up to 2 `reach` - 1 hidden anchors are found.

    Args:
        seen: the anchors.
        query: what is looked for.
        mass: the solver's mu; see `stiffness_from_fraction`.
        reach: anchors on either side that say what level an anchor should reach.
        noise: standard deviation of an alignment from anchor to anchor; default: the clip's own.

    Raises:
        ValueError: for a query of other dimensions or none, a reach below 1, or noise or a mass that is not above 0.
    """
    if query.shape != seen.points.shape[1:] or not bool(query.isfinite().all()) or not bool(query.any()):
        raise ValueError(
            f"stiffness_from_query needs one finite query of {seen.points.shape[1]} dimensions that is not zero, got "
            f"shape {tuple(query.shape)}."
        )
    if reach < 1 or (noise is not None and not noise > 0):
        raise ValueError(f"reach must be at least 1 and noise above 0, got {reach} and {noise}.")
    _require_mass(mass)
    if noise is None and len(seen) < FEWEST:
        return torch.full((len(seen),), math.inf, dtype=torch.float64)
    points, query = (x.detach().cpu().double() for x in (seen.points, query))
    alignment = sphere.normalize(points) @ sphere.normalize(query)
    explained = 3 * (_noise(alignment) if noise is None else noise)
    return stiffness_from_fraction((explained / _depth(alignment, reach).clamp_min(explained)), mass=mass)


def showing(
    seen: Latents, query: Float[Tensor, "dim"], *, reach: float = REACH, least: float = SHOWN
) -> Bool[Tensor, "anchor"]:
    """Which anchors show what is looked for; all of them where none does, for then nothing is known of it.

    Args:
        seen: the anchors.
        query: what is looked for, in the same space.
        reach: how far below the best alignment one may lie; by default that of the bundled encoder.
        least: the least alignment of an anchor that shows it.

    Raises:
        ValueError: for a query of other dimensions.
    """
    if query.shape != seen.points.shape[1:]:
        raise ValueError(
            f"showing needs one query of {seen.points.shape[1]} dimensions, got shape {tuple(query.shape)}."
        )
    points, query = (x.detach().cpu().double() for x in (seen.points, query))
    alignment = sphere.normalize(points) @ sphere.normalize(query)
    if not len(alignment) or float(alignment.max()) < least:
        return torch.ones(len(seen), dtype=torch.bool)
    return (alignment >= alignment.max() - reach) & (alignment >= least)


def _depth(alignment: Float64[Tensor, "anchor"], reach: int) -> Float64[Tensor, "anchor"]:
    """How far each value lies below the lower one of the maxima before and behind it; 0 at least."""
    edge = alignment.new_full((reach,), -torch.inf)
    before = torch.cat([edge, alignment]).unfold(0, reach, 1)[: len(alignment)].amax(-1)
    behind = torch.cat([alignment, edge]).unfold(0, reach, 1)[1:].amax(-1)
    return (torch.minimum(before, behind) - alignment).clamp_min(0)


def _noise(alignment: Float64[Tensor, "anchor"]) -> float:
    step = alignment.diff()
    spread = (step - step.median()).abs().median()
    return max(1.4826 * float(spread) / math.sqrt(2), LEAST_NOISE)


def _require_mass(mass: float) -> None:
    if not (math.isfinite(mass) and mass > 0):
        raise ValueError(f"mass must be a finite number above 0, got {mass!r}.")
