"""Object paths against the cut-away: what hides, is it carried through as what it is, and where it is?

Every frame in four of a Tunnel World scene is kept. For each actor that hides, the object whose masks overlap it most
in the kept frames stands for it; in the frames in which it hides, the object's latents are compared with those of a
picture that shows the actor alone as the cut-away does, cut out by its exact mask, and its centre with the actor's.

    slerp    the geodesic between the object's own anchors; in the picture, a straight line
    slap     least action with the potential that is shaped through the solver, at the lambda of its card
    hold     the picture only: where it was last seen
"""

import dataclasses
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slap_core import metrics, sphere
from slap_core.encoders import OpenClipEncoder
from slap_core.least_action import LeastAction
from slap_core.object_paths import background, follow_objects, moments, object_latents
from slap_core.potential import Potential
from slap_core.slots import SlowFastSlots
from slap_core.stages import ObjectPath
from slap_core.training.hidden_runs import hiding, longest
from slap_core.tunnel_world import Rendered, render, sample
from slap_core.types import Clip

__all__ = ["Hidden", "hidden_objects"]

KEEP_EVERY = 4
SIZE = 96
OVERLAP = 0.3
"""Intersection over union from which an object stands for an actor."""
WORDS = "an object"
"""The query: nothing about what hides is told."""
FULL = (0.0, 0.0, 1.0, 1.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Hidden:
    """Means over the frames in which one actor hides; None where no object stands for it."""

    drift: dict[str, float] | None
    """1 - cos, by method."""
    place: dict[str, float] | None
    """Distance of the centres, widths of the picture, by method."""


def hidden_objects(
    encoder: OpenClipEncoder,
    slots: SlowFastSlots,
    potential: Potential,
    coupling: float,
    chosen: Int64[Tensor, "scene"],
) -> list[Hidden]:
    """One for each actor that hides and is seen in a kept frame, scene by scene.

    Args:
        encoder: of the frames.
        slots: for the encoder.
        potential: that pulls.
        coupling: its lambda.
        chosen: seeds of scenes.
    """
    solver = LeastAction(potential, coupling=coupling)
    query = sphere.normalize(encoder.text([WORDS])[0].double())
    found = []
    for seed in chosen:
        scene = sample(seed[None])
        drawn = render(scene, size=SIZE, layers=("observed", "cut_away"), masks=True)
        hides = hiding(scene, drawn)[0]
        kept = torch.arange(0, len(hides), KEEP_EVERY)
        shown = drawn.visible_masks[0][kept]
        actors = [a for a in range(hides.shape[1]) if bool(hides[:, a].any()) and bool((shown[:, a] > 0.5).any())]
        if not actors:
            continue
        clip = Clip(drawn.observed[0], torch.arange(len(hides), dtype=torch.float64))
        _, tokens = encoder.encode(clip)
        paths = list(follow_objects(slots, encoder, clip, tokens, kept, solver, query))
        found += [_judged(encoder, clip, drawn, paths, kept, hides[:, a], a) for a in actors]
    return found


def _judged(
    encoder: OpenClipEncoder,
    clip: Clip,
    drawn: Rendered,
    paths: Sequence[ObjectPath],
    kept: Int64[Tensor, "kept"],
    hides: Bool[Tensor, "time"],
    actor: int,
) -> Hidden:
    one = _standing_for(drawn.visible_masks[0][kept, actor], paths, kept)
    if one is None:
        return Hidden(None, None)
    first, last = longest(hides)
    index = torch.arange(first, last + 1)
    masks = drawn.amodal_masks[0][index, actor]
    true = object_latents(encoder, drawn.cut_away[0][index], masks, background(clip.frames[kept]), FULL)
    drift = {
        name.lower(): float(metrics.drift(sphere.normalize(solution.path(clip.times[index])), true).mean())
        for name, solution in one.solutions.items()
    }
    centre, _ = moments(masks)
    before = one.seen[:first].nonzero().flatten()
    held = one.place[int(before[-1]) if len(before) else int(one.seen.nonzero()[0])]
    place = {"slap": one.place[index], "hold": held}
    return Hidden(drift, {name: float((at - centre).norm(dim=-1).mean()) for name, at in place.items()})


def _standing_for(
    shown: Float[Tensor, "kept height width"], paths: Sequence[ObjectPath], kept: Int64[Tensor, "kept"]
) -> ObjectPath | None:
    """The object that overlaps an actor most in the frames in which it is seen; None where that is little."""

    def overlap(one: ObjectPath) -> float:
        masks = torch.where(one.seen[kept, None, None], one.masks[kept], 0.0)
        own = F.interpolate(masks[:, None], shown.shape[1:], mode="bilinear", align_corners=False)[:, 0] > 0.5
        actor = shown > 0.5
        return float((own & actor).sum()) / max(float((own | actor).sum()), 1.0)

    best = max(paths, key=overlap, default=None)
    return best if best is not None and overlap(best) >= OVERLAP else None
