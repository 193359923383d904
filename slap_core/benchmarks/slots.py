"""How well slots find objects and events, against exact masks.

    python -m slap_core.benchmarks.slots --out DIR [--scenes N] [--seeds A-B]

Scenes of Tunnel World in which two to four objects show. Objects: the frames that slow slots look at, masks made as
large as the picture, each pixel its strongest slot's; scored over the pixels of objects alone (FG-ARI), over a whole
clip (video) and frame by frame where at least two show (image), and by mean best overlap (mBO). Events: the frames
before, during and after something hides; frames are clustered into three by what the fast slots of all cells attend
to, and compared with the truth by normalised mutual information (NMI).

    trained      the shipped slots
    fitted       slots fitted to each clip alone (`slap_core.fit_slots`)
    untrained    the shipped ones' sizes, initial weights
    qformer      fitted alike, but each query chooses among tokens by itself, as those of a Q-Former do
    kmeans       clusters of the clip's tokens, with a weight on their place; and of pooled tokens for events
    chunks       three equal parts of time, for events

Dead slots win no pixel of a clip; they are counted on scenes of three objects. Entropy is that of the masks, in nat.
Masks are attention; all slots of a clip start from the same noise. Intervals are bootstraps over scenes.
"""

import argparse
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from slap_core.benchmarks.output import markdown_table, write
from slap_core.benchmarks.seed_range import unseen_seeds
from slap_core.encoders import OpenClipEncoder
from slap_core.fitting.slots import fit_slots_steps
from slap_core.metrics import bootstrap_interval, dead_slots, fg_ari, mask_entropy, mean_best_overlap
from slap_core.pretrained import load_encoder, load_slots
from slap_core.slots import FastSlots, SlowFastSlots
from slap_core.stages import finished
from slap_core.training.hidden_runs import hiding, longest
from slap_core.tunnel_world import Rendered, Scenes, render, sample
from slap_core.types import Tokens

__all__ = ["COLUMNS", "Found", "Marked", "main", "mark", "measure", "variants"]

SCENES = 96
"""Drawn by default; about two thirds of them have two to four objects."""
SIZE = 96
"""Pixels of a side, of what is encoded; masks are compared at half of it."""
SLOTS = 8
WHERE = 3.0
"""Weight of a token's place, picture widths, beside its standardised contents of unit variance in all: k-means' best
video FG-ARI of 0, 1 and 3 on validation scenes."""
COLUMNS = ("video_fg_ari", "image_fg_ari", "mbo", "event_nmi", "dead_slots", "entropy")


@dataclasses.dataclass(frozen=True, eq=False)
class Marked:
    """A clip's tokens, and what is to be found in them."""

    tokens: Tokens
    objects: Int64[Tensor, "time height width"]
    """The object of each pixel, from 1; 0 where there is none."""
    count: int
    """Objects that ever show."""
    events: Int64[Tensor, "time"] | None
    """0 before, 1 while and 2 after something hides; None where nothing does, or no other frame is left."""


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What a variant says of a clip; None for what it says nothing of."""

    frames: Int64[Tensor, "frame"]
    """To which the masks belong."""
    masks: Float[Tensor, "frame slot rows columns"] | None
    """They sum to 1 over the slots."""
    moments: Float[Tensor, "time feature"] | Int64[Tensor, "time"] | None
    """What tells frames apart, or which event each belongs to."""


Variant = Callable[[Tokens], Found]


def mark(encoder: OpenClipEncoder, chosen: Int64[Tensor, "scene"]) -> list[Marked]:
    """The scenes in which two to four objects show; all of their frames."""
    found = []
    for part in chosen.split(8):
        scenes = sample(part)
        for k in range(len(part)):
            one = scenes.select(torch.tensor([k]))
            pictures = render(one, size=SIZE, layers=("observed",)).observed[0]
            truth = render(one, size=SIZE // 2, layers=(), masks=True)
            shown = truth.visible_masks[0]
            objects = torch.where(shown.amax(1) > 0.5, shown.argmax(1) + 1, 0)
            count = len(objects[objects > 0].unique())
            if not 2 <= count <= 4:
                continue
            tokens = torch.cat([encoder.images(some)[1] for some in pictures.split(64)]).cpu()
            times = torch.arange(len(tokens), dtype=torch.float64)
            found.append(Marked(Tokens(tokens, times, (0.0, 0.0, 1.0, 1.0)), objects, count, _events(one, truth)))
    return found


def _events(scene: Scenes, truth: Rendered) -> Int64[Tensor, "time"] | None:
    """Of the longest run in which an actor hides; None if nothing but one event would be left."""
    away = hiding(scene, truth)[0].any(-1)
    if not bool(away.any()) or bool(away.all()):
        return None
    first, last = longest(away)
    time = torch.arange(len(away))
    return (time >= first).long() + (time > last).long()


def by_slots(make: Callable[[Tokens], SlowFastSlots]) -> Variant:
    """What slots attend to."""

    def found(tokens: Tokens) -> Found:
        slots = make(tokens)(tokens)
        moments = slots.fast_attention.transpose(0, 1).flatten(1)
        return Found(slots.frames, slots.slow_attention, moments)

    return found


def by_clusters(fast: FastSlots, frames: Callable[[int], Int64[Tensor, "frame"]]) -> Variant:
    """k-means of a clip's tokens, with their place, and of pooled tokens as slots see them."""

    def found(tokens: Tokens) -> Found:
        at = frames(len(tokens.values))
        values = tokens.values[at]
        _, rows, columns, dim = values.shape
        contents = (values - values.mean((0, 1, 2))) / values.std((0, 1, 2)).clamp_min(1e-6) / dim**0.5
        places = torch.stack(torch.meshgrid(torch.arange(rows) / rows, torch.arange(columns) / columns, indexing="ij"))
        place = WHERE * places.movedim(0, -1).expand(len(at), -1, -1, -1)
        points = torch.cat([contents, place], -1).flatten(0, 2)
        label = torch.from_numpy(_cluster(points, SLOTS)).long()
        masks = F.one_hot(label, SLOTS).view(len(at), rows, columns, SLOTS).movedim(-1, 1).float()
        pooled = fast.standardise(fast.deviations(tokens.values).flatten(0, -3)).transpose(0, 1).flatten(1)
        return Found(at, masks, pooled)

    return found


def chunks(tokens: Tokens) -> Found:
    """Three equal parts of time."""
    time = torch.arange(len(tokens.values))
    return Found(time, None, time * 3 // len(time))


def variants(slots: SlowFastSlots, *, steps: int) -> dict[str, Variant]:
    """The rows.

    Args:
        slots: the trained ones.
        steps: of those that are fitted.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        untrained = SlowFastSlots(slots.config).eval()

    def new(tokens: Tokens) -> SlowFastSlots:
        untrained.measure(tokens.values[None])
        return untrained

    return {
        "trained": by_slots(lambda tokens: slots),
        "fitted": by_slots(lambda tokens: finished(fit_slots_steps(tokens, steps=steps))),
        "untrained": by_slots(new),
        "kmeans": by_clusters(slots.fast, slots.frames),
        "qformer": by_slots(lambda tokens: finished(fit_slots_steps(tokens, steps=steps, competes=False))),
        "chunks": chunks,
    }


def measure(found: Found, clip: Marked) -> dict[str, float]:
    """The scores of one clip, NaN for what there is nothing to say of."""
    scores = dict.fromkeys(COLUMNS, float("nan"))
    if found.masks is not None:
        true = clip.objects[found.frames]
        masks = F.interpolate(found.masks, size=true.shape[1:], mode="bilinear", align_corners=False)
        label = masks.argmax(1)
        pairs = [(one, of) for one, of in zip(label, true, strict=True) if len(of[of > 0].unique()) > 1]
        scores["video_fg_ari"] = fg_ari(label, true)
        scores["image_fg_ari"] = float(np.mean([fg_ari(*pair) for pair in pairs])) if pairs else float("nan")
        scores["mbo"] = mean_best_overlap(label, true)
        flat = found.masks.transpose(0, 1).flatten(1)
        scores["entropy"] = float(mask_entropy(flat))
        if clip.count == 3:
            scores["dead_slots"] = float(dead_slots(masks.transpose(0, 1).flatten(1)))
    if found.moments is not None and clip.events is not None:
        label = found.moments.numpy() if found.moments.ndim == 1 else _cluster(found.moments, 3)
        scores["event_nmi"] = float(normalized_mutual_info_score(clip.events.numpy(), label))
    return scores


def _cluster(points: Float[Tensor, "point feature"], count: int) -> np.ndarray:
    return KMeans(count, n_init=4, random_state=0).fit_predict(points.double().numpy())


def summarise(scores: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float, float] | None]:
    """Mean and 95 % interval of each column over the clips that have it."""
    found: dict[str, tuple[float, float, float] | None] = {}
    for name in COLUMNS:
        values = torch.tensor([row[name] for row in scores], dtype=torch.float64)
        values = values[~values.isnan()]
        if not len(values):
            found[name] = None
            continue
        low, high = bootstrap_interval(lambda index, values=values: float(values[index].mean()), len(values))
        found[name] = (float(values.mean()), low, high)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How well slots find objects and events.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for slots.json and .md")
    parser.add_argument("--seeds", default=None, help="A-B: scenes outside the training split; default: test scenes")
    parser.add_argument("--scenes", type=int, default=SCENES, help="so many test scenes, where no seeds are given")
    parser.add_argument("--steps", type=int, default=200, help="of the slots that are fitted to each clip")
    options = parser.parse_args(arguments)
    try:
        chosen = unseen_seeds(options.seeds, options.scenes)
    except ValueError as error:
        parser.error(str(error))
    clips = mark(load_encoder(), chosen)
    if not clips:
        parser.error("none of these scenes shows two to four objects; give --seeds more of them.")
    rows = variants(load_slots(), steps=options.steps)
    found = {name: summarise([measure(variant(clip.tokens), clip) for clip in clips]) for name, variant in rows.items()}
    record = {
        column: {name: None if row[column] is None else round(row[column][0], 4) for name, row in found.items()}
        for column in COLUMNS
    }
    record |= {"intervals": found, "scenes": len(clips), "seeds": [int(chosen[0]), int(chosen[-1])]}

    def cell(value: tuple[float, float, float] | None) -> str:
        return "" if value is None else f"{value[0]:.3f} ({value[1]:.3f}–{value[2]:.3f})"

    head = ["slots", "video FG-ARI", "image FG-ARI", "mBO", "event NMI", "dead slots", "entropy"]
    lines = [[name, *(cell(row[column]) for column in COLUMNS)] for name, row in found.items()]
    write(options.out, "slots", record, markdown_table(head, lines))


if __name__ == "__main__":
    main()
