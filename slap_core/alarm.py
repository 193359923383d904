"""Would the same have been recovered for a thing that is certainly not there? An alarm against hallucination.

The solver is asked for the query and, in the same batch, for K queries about things that are certainly absent. With
z(t) a recovered latent and g(t) the geodesic's (SLERP's), both over the recovered frames,

    gain     mean of <z, q> - <g, q>     how much closer to its own query the pull brings the path
    moved    mean of d(z, g)             how far it moves the path at all, radians

and the query's gain is ranked among those of the absent ones:

    rank  = (1 + how many absent queries gain at least as much)/(1 + K)
    ratio = the query's gain over the median of the absent ones'

If the absent queries are drawn as the query was and it is absent too, each of the 1 + K ranks is equally likely: only
then is the rank a p-value. The alarm rings where more than a tenth of the absent queries gain at least as much, or the
ratio is below 2.
"""

import dataclasses
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core import sphere
from slap_core.baselines import Lerp, Slerp
from slap_core.least_action import LeastAction
from slap_core.types import Latents

__all__ = ["Alarm", "hallucination_alarm", "weigh"]

NOTHING = 1e-3
"""A gain below this is no recovery."""
SHARE = 0.1
"""Share of the absent queries that may gain as much before the alarm rings."""
RATIO = 2.0
"""How many times the absent ones' median the query must gain."""


@dataclasses.dataclass(frozen=True, eq=False)
class Alarm:
    """How a query fares beside queries about things that are certainly absent."""

    gain: float
    """Mean rise of <latent, query> over the geodesic's."""
    moved: float
    """Mean angle from the geodesic, radians."""
    absent_gain: Float[Tensor, "absent"]
    absent_moved: Float[Tensor, "absent"]
    ratio: float
    """The query's gain over the median of the absent ones'; infinite where theirs is none, 0 where the query's is."""
    rank: float
    """(1 + absent queries that gain at least as much)/(1 + absent queries), in (0, 1]: small is good."""
    converged: bool
    """Whether the solver converged for every query."""

    @property
    def recovered(self) -> bool:
        """Whether the pull brought the path closer to the query at all."""
        return self.gain >= NOTHING

    @property
    def rings(self) -> bool:
        """Whether what is recovered would have been recovered for things that are not there."""
        as_much = float((self.absent_gain >= self.gain).double().mean())
        return self.recovered and (as_much > SHARE or self.ratio < RATIO)

    @property
    def sentence(self) -> str:
        """The verdict for the page."""
        count = len(self.absent_gain)
        as_much = int((self.absent_gain >= self.gain).sum())
        doubt = "" if self.converged else " The solver did not converge for all of them."
        if not self.recovered:
            return f"Nothing is recovered for this query: the pull raises the agreement by {self.gain:.3f}.{doubt}"
        if self.rings:
            what = "What is recovered would have been recovered for things that are certainly not there too"
        else:
            what = "What is recovered is the query's own"
        ratio = "where theirs rises by nothing" if math.isinf(self.ratio) else f"{self.ratio:.2g} times their median"
        return (
            f"{what}: of {count} absent things, {as_much} gain at least as much agreement with their own words "
            f"(the query's rises by {self.gain:.3f}, {ratio}).{doubt}"
        )


def hallucination_alarm(
    solver: LeastAction,
    seen: Latents,
    times: Float[Tensor, "time"] | Sequence[float],
    query: Float[Tensor, "dim"],
    absent: Float[Tensor, "absent dim"],
) -> Alarm:
    """How the recovered path answers the query, beside how it answers things that are not there.

    Args:
        solver: what recovers.
        seen: the anchors.
        times: seconds of the frames to recover.
        query: what was asked for.
        absent: at least one query about what is certainly in no frame; as many and as like the query as can be had.

    Raises:
        ValueError: if there is no absent query, nothing to recover, or the queries do not fit the latents.
    """
    if query.ndim != 1 or absent.ndim != 2 or not len(absent) or absent.shape[1] != len(query):
        raise ValueError(
            f"hallucination_alarm needs one query (dim) and at least one absent query (absent, dim), got "
            f"{tuple(query.shape)} and {tuple(absent.shape)}."
        )
    asked = torch.cat([query[None], absent.to(query)])
    (solution,) = solver.scan(seen, times, asked, couplings=[solver.coupling])
    if not len(solution.times):
        raise ValueError("hallucination_alarm needs something to recover, got no times.")
    flat = solver.options.geometry == "euclidean"
    straight = (Lerp() if flat else Slerp())(seen, times).points
    return weigh(
        *_answers(solution.points, straight.to(solution.points), asked.detach().cpu().to(solution.points), flat=flat),
        converged=solution.result.ok,
    )


def weigh(gain: Float[Tensor, "asked"], moved: Float[Tensor, "asked"], *, converged: bool = True) -> Alarm:
    """The alarm from gains and moves, those of the query first.

    Args:
        gain: of the query, then of the absent ones.
        moved: likewise, radians.
        converged: whether the solver converged for all.

    Raises:
        ValueError: for fewer than two, or numbers that are not finite.
    """
    gain, moved = gain.detach().cpu().double(), moved.detach().cpu().double()
    if len(gain) < 2 or not bool(gain.isfinite().all() and moved.isfinite().all()):
        raise ValueError(f"weigh needs finite numbers of the query and at least one absent query, got {gain.tolist()}.")
    own, others = float(gain[0]), gain[1:]
    middle = float(others.quantile(0.5))
    return Alarm(
        gain=own,
        moved=float(moved[0]),
        absent_gain=others,
        absent_moved=moved[1:],
        ratio=0.0 if own < NOTHING else own / middle if middle >= NOTHING else math.inf,
        rank=float(1 + (others >= own).sum()) / (1 + len(others)),
        converged=converged,
    )


def _answers(
    points: Float[Tensor, "asked time dim"],
    straight: Float[Tensor, "time dim"],
    queries: Float[Tensor, "asked dim"],
    *,
    flat: bool,
) -> tuple[Float[Tensor, "asked"], Float[Tensor, "asked"]]:
    """Gain and move of each query."""
    apart = (points - straight).norm(dim=-1) if flat else sphere.distance(points, straight)
    towards = sphere.normalize(queries)[:, :, None]
    gain = (sphere.normalize(points) @ towards - sphere.normalize(straight) @ towards).squeeze(-1)
    return gain.mean(-1), apart.mean(-1)
