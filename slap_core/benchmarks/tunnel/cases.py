"""What the tunnel test asks: one gap each, its anchors, and everything that is known about what is hidden in it.

Every outcome has as many scenes as any other. The anchors are real frames in which an actor shows whole, where it ever
does; only in *inside* there is another one between them, in which it is hidden. Each case is asked about in the four
ways of `training.gap_scenes`, and the answer is the same for all. What is scored are the hidden frames, in which an
actor shows at most a hundredth of itself (in *empty*, those in which one might have been hidden).
"""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from slap_core.encoders import OpenClipEncoder
from slap_core.training.gap_scenes import GapScenes, draw_gap_scenes
from slap_core.training.queries import query_pairs
from slap_core.tunnel_world import OUTCOMES, Scenes, sample
from slap_core.types import Latents

__all__ = ["BASIC", "Case", "another", "cases_of", "draw_cases", "glimpse"]

BASIC = ("through", "stays", "emerges", "empty")
"""The outcomes that are decided by their anchors."""


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One gap; times are in units of its length, counted from its first anchor."""

    outcome: int
    """Of `OUTCOMES`."""
    seed: int
    seen: Latents
    """One anchor where the other end is free; three in *inside*."""
    times: Float64[Tensor, "node"]
    """Of the frames to recover."""
    queries: Float[Tensor, "query dim"]
    """In the order of `training.gap_scenes.QUERIES`."""
    asked: tuple[tuple[int, int] | None, ...]
    """Kind and colour that each query is about; None for the generic one."""
    target: Float[Tensor, "node dim"]
    """Latents of the cut-away frames."""
    observed: Float[Tensor, "node dim"]
    empty: Float[Tensor, "node dim"]
    scored: Bool[Tensor, "node"]
    kind: Int64[Tensor, "actor"]
    """-1 where there is none."""
    colour: Int64[Tensor, "actor"]
    place: Int64[Tensor, "node actor"]
    """Of six; -1 where the actor is not hidden."""
    in_front: tuple[tuple[int, int], ...]
    """Kind and colour of everything that stands in front."""

    @property
    def present(self) -> bool:
        """Whether something is hidden there."""
        return bool((self.place[self.scored] >= 0).any())


def draw_cases(
    encoder: OpenClipEncoder,
    seeds: Int64[Tensor, "scene"],
    *,
    outcomes: Sequence[str] = OUTCOMES,
    held_out: str = "none",
    most: int = 12,
    parts: float = 0.0,
    change: Callable[[Scenes], Scenes] | None = None,
) -> list[Case]:
    """The cases of the scenes of these seeds, the outcomes in turn.

    Scenes in which nothing shows outside of the stretch, or nothing is to be scored, are left out.

    Args:
        encoder: of the frames.
        seeds: of the scenes.
        outcomes: which.
        held_out: as for `tunnel_world.sample`.
        most: frames to recover in a gap, evenly over it where there are more.
        parts: share of the scenes whose anchors need not show more than a fifth of an actor.
        change: what is done to the scenes before they are drawn.
    """
    scenes = draw_gap_scenes(
        encoder, seeds, outcomes=outcomes, held_out=held_out, most=most, parts=parts, change=change
    )
    return cases_of(scenes, held_out=held_out, change=change)


def cases_of(
    scenes: GapScenes, *, held_out: str = "none", change: Callable[[Scenes], Scenes] | None = None
) -> list[Case]:
    """Each stretch as a case of its own, but for those with nothing to score; arguments as they were drawn with."""
    extras, asked = {}, {}
    for outcome in scenes.outcome.unique().tolist():
        of_it = (scenes.outcome == outcome).nonzero().flatten()
        cast = sample(scenes.seed[of_it].cpu(), outcome=OUTCOMES[outcome], held_out=held_out)
        cast = cast if change is None else change(cast)
        pairs = query_pairs(cast)
        for row, k in enumerate(of_it.tolist()):
            asked[k] = pairs[row]
            there = (cast.present[row] & ~cast.actor[row]).nonzero().flatten().tolist()
            extras[k] = tuple((int(cast.kind[row, j]), int(cast.colour[row, j])) for j in there)
    cases = []
    for k in range(len(scenes)):
        seen, times = scenes.asked(k)
        count = len(times)
        scored = scenes.hidden[k, :count].cpu()
        if not bool(scored.any()):
            continue
        case = Case(
            outcome=int(scenes.outcome[k]),
            seed=int(scenes.seed[k]),
            seen=Latents(seen.points.cpu(), seen.times),
            times=times,
            queries=scenes.queries[k].cpu(),
            asked=asked[k],
            **{name: getattr(scenes, name)[k, :count].cpu() for name in ("target", "observed", "empty", "place")},
            scored=scored,
            kind=scenes.kind[k].cpu(),
            colour=scenes.colour[k].cpu(),
            in_front=extras[k],
        )
        cases.append(_looked_inside(case) if OUTCOMES[case.outcome] == "inside" else case)
    return cases


def glimpse(case: Case, nodes: Sequence[int], latents: Float[Tensor, "glimpse dim"]) -> Case:
    """The case with further anchors, at these of its frames, which are no longer to be recovered."""
    rest = torch.ones(len(case.times), dtype=torch.bool)
    rest[list(nodes)] = False
    times, order = torch.cat([case.seen.times, case.times[list(nodes)]]).sort()
    points = torch.cat([case.seen.points, latents])[order]
    kept = {name: getattr(case, name)[rest] for name in ("times", "target", "observed", "empty", "scored", "place")}
    return dataclasses.replace(case, seen=Latents(points, times), **kept)


def another(cases: Sequence[Case], k: int) -> Case:
    """Another case than the k-th: a scene of another outcome, where there are enough."""
    step = 1 if len(cases) <= len(OUTCOMES) + 1 else len(OUTCOMES) + 1
    return cases[(k - step) % len(cases)]


def _looked_inside(case: Case) -> Case:
    """With the middle one of the hidden frames as the camera saw it for a third anchor, where others are left."""
    hidden = case.scored.nonzero().flatten()
    if len(hidden) < 3 or len(case.seen) < 2:
        return case
    middle = int(hidden[len(hidden) // 2])
    return glimpse(case, [middle], case.observed[middle : middle + 1])
