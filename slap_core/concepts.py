"""Concepts: words that are tracked through a clip, and what recovered latents are nearest to.

A concept is words, which the text encoder turns into a unit latent as it does the query. Its *score* at a frame is the
cosine to the latent of that frame: of the true one, or of one that a method recovered.
"""

import dataclasses
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from slap_core import sphere

__all__ = ["Compared", "Nearest", "nearest", "runs"]


@dataclasses.dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest of some known latents to each of many, the nearest first."""

    index: Int[Tensor, "time rank"]
    cosine: Float[Tensor, "time rank"]


@dataclasses.dataclass(frozen=True, eq=False)
class Compared:
    """The latents of all frames beside words and beside the known frames: the true ones ("truth"), SLAP's, SLERP's."""

    words: tuple[str, ...]
    """The query first, where there is one, then the concepts; each once."""
    concepts: Float[Tensor, "concept dim"]
    """Unit latents of the words."""
    scores: Mapping[str, Float[Tensor, "concept time"]]
    """cos(latent, concept)."""
    scan: Float[Tensor, "coupling concept dropped"]
    """The scores of SLAP at every lambda that was scanned."""
    radius: Float[Tensor, "concept time"]
    """How far SLAP's score may be off with probability `level`, by the path's posterior; 0 at kept frames."""
    level: float
    held: Float[Tensor, "concept"] | None
    """The share of dropped frames whose true score is within the radius: `level` if the band kept its word. None where
    nothing was dropped."""
    phrases: tuple[str, ...]
    """What `nearest_phrases` are among: the words, and for the bundled encoder things of its drawn world."""
    nearest_phrases: Mapping[str, Nearest]
    nearest_frames: Mapping[str, Nearest]
    """Among the kept frames, by their number in the clip."""
    own: Mapping[str, Float[Tensor, "time"]]
    """cos(recovered, true); 1 at kept frames."""
    unknown_words: tuple[str, ...] = ()
    """Of the concepts: those that the encoder was never taught."""

    def beats_known(self, method: str, dropped: Int[Tensor, "dropped"]) -> int:
        """In how many dropped frames the method comes nearer to the true frame than any kept frame does."""
        known = self.nearest_frames["truth"].cosine[dropped, 0]
        return int((self.own[method][dropped] > known).sum())

    def agrees(self, method: str, dropped: Int[Tensor, "dropped"]) -> int:
        """In how many dropped frames the phrase nearest to what the method recovered is the true frame's."""
        ours, theirs = (self.nearest_phrases[name].index[dropped, 0] for name in (method, "truth"))
        return int((ours == theirs).sum())


def nearest(points: Float[Tensor, "time dim"], known: Float[Tensor, "known dim"], *, count: int = 3) -> Nearest:
    """The nearest of the known latents to each point, by the cosine; as many as there are, `count` at most.

    Args:
        points: of any length; 0 is equally near to all.
        known: unit vectors.
        count: how many for each point.
    """
    cosine = sphere.normalize(points) @ known.to(points).mT
    best = cosine.sort(descending=True, stable=True, dim=-1)
    return Nearest(best.indices[:, :count], best.values[:, :count])


def runs(index: Int[Tensor, "index"]) -> tuple[Int[Tensor, "run"], ...]:
    """Increasing whole numbers, cut where one is left out.

    >>> [run.tolist() for run in runs(torch.tensor([1, 2, 5]))]
    [[1, 2], [5]]
    """
    return torch.tensor_split(index, (index.diff() > 1).nonzero().flatten() + 1) if len(index) else ()
