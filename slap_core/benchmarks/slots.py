"""How well slots find objects and events, against exact masks.

    python -m slap_core.benchmarks.slots --out DIR [--scenes N] [--seeds A-B]

Scenes of Tunnel World in which two to four objects show. Objects: the frames that slow slots look at, masks made as
large as the picture, each pixel its strongest slot's; scored over the pixels of objects alone (FG-ARI), over a whole
clip (video) and frame by frame where at least two show (image), and by mean best overlap (mBO). Events: the frames
before, during and after something hides; time is cut into three stretches by what the fast slots of all cells attend
to (`events.cut`), and compared with the truth by normalised mutual information (NMI). Whose masks these are says
`slot_variants`, how objects are carried through what hides them `hidden_objects`.

Dead slots win no pixel of a clip; they are counted on scenes of three objects. Entropy is that of the masks, in nat.
Masks are attention; all slots of a clip start from the same noise. Intervals are bootstraps over scenes.
"""

import argparse
import copy
import dataclasses
import pathlib
import sys
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int64
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from slap_core import events
from slap_core.benchmarks.hidden_objects import Hidden, hidden_objects
from slap_core.benchmarks.output import markdown_table, write
from slap_core.benchmarks.seed_range import seed_range
from slap_core.benchmarks.slot_variants import Found, variants
from slap_core.encoders import OpenClipEncoder
from slap_core.metrics import bootstrap_interval, dead_slots, fg_ari, mask_entropy, mean_best_overlap
from slap_core.pretrained import chosen_coupling, load_encoder, load_potential, load_slots
from slap_core.training.hidden_runs import hiding, longest
from slap_core.tunnel_world import Rendered, Scenes, render, sample, seeds, split_of
from slap_core.types import Clip, Tokens

__all__ = ["COLUMNS", "Marked", "carried", "main", "mark", "measure", "summarise"]

SCENES = 96
"""Drawn by default; about two thirds of them have two to four objects."""
SIZE = 96
"""Pixels of a side, of what is encoded; masks are compared at half of it."""
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
            _, tokens = encoder.encode(Clip(pictures, torch.arange(len(pictures), dtype=torch.float64)))
            found.append(Marked(tokens, objects, count, _events(one, truth)))
    return found


def _events(scene: Scenes, truth: Rendered) -> Int64[Tensor, "time"] | None:
    """Of the longest run in which an actor hides; None if nothing but one event would be left."""
    away = hiding(scene, truth)[0].any(-1)
    if not bool(away.any()) or bool(away.all()):
        return None
    first, last = longest(away)
    time = torch.arange(len(away))
    return (time >= first).long() + (time > last).long()


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
        label = found.moments if found.moments.ndim == 1 else events.cut(found.moments, 3)
        scores["event_nmi"] = float(normalized_mutual_info_score(clip.events.numpy(), label.numpy()))
    return scores


def summarise(scores: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float, float] | None]:
    """Mean and 95 % interval of each column over the clips that have it."""
    return {name: _mean([row[name] for row in scores]) for name in COLUMNS}


def carried(found: Sequence[Hidden]) -> dict[str, dict[str, tuple[float, float, float] | None]]:
    """Mean drift and error of the place, with their intervals, by method, of the objects that were found."""
    records = {
        "object_path_drift": (("slap", "slerp"), [one.drift for one in found if one.drift]),
        "object_place_error": (("slap", "hold"), [one.place for one in found if one.place]),
    }
    return {
        name: {method: _mean([row[method] for row in rows]) for method in methods}
        for name, (methods, rows) in records.items()
    }


def _mean(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Mean and 95 % interval of those that are numbers; None where none is."""
    numbers = torch.tensor(values, dtype=torch.float64)
    numbers = numbers[~numbers.isnan()]
    if not len(numbers):
        return None
    low, high = bootstrap_interval(lambda index: float(numbers[index].mean()), len(numbers))
    return float(numbers.mean()), low, high


def _rounded(value: tuple[float, float, float] | None) -> float | None:
    return None if value is None else round(value[0], 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How well slots find objects and events.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for slots.json and .md")
    parser.add_argument(
        "--seeds", default=None, help="A-B: any scenes, those of the training split are counted; default: test scenes"
    )
    parser.add_argument("--scenes", type=int, default=SCENES, help="so many test scenes, where no seeds are given")
    parser.add_argument("--steps", type=int, default=200, help="of the slots that are fitted to each clip")
    options = parser.parse_args(arguments)
    try:
        chosen = seeds("test", options.scenes) if options.seeds is None else seed_range(options.seeds)
    except ValueError as error:
        parser.error(str(error))
    training = sum(split_of(int(seed)) == "train" for seed in chosen)
    if training:
        print(f"{training} of these scenes are of the training split: the slots may have seen them.", file=sys.stderr)
    encoder, slots = load_encoder(), load_slots()
    clips = mark(encoder, chosen)
    if not clips:
        parser.error("none of these scenes shows two to four objects; give --seeds more of them.")
    rows = variants(slots, steps=options.steps)
    scores = {name: [measure(variant(clip.tokens), clip) for clip in clips] for name, variant in rows.items()}
    found = {name: summarise(some) for name, some in scores.items()}
    ahead = [
        ours["event_nmi"] - parts["event_nmi"] for ours, parts in zip(scores["trained"], scores["chunks"], strict=True)
    ]
    potential = copy.deepcopy(load_potential(recipe="solver")).double()
    hidden = hidden_objects(encoder, slots, potential, chosen_coupling("solver"), chosen)
    paths = carried(hidden)
    record = {column: {name: _rounded(row[column]) for name, row in found.items()} for column in COLUMNS}
    record |= {name: {method: _rounded(value) for method, value in row.items()} for name, row in paths.items()}
    record |= {"hidden_objects": len(hidden), "hidden_objects_found": sum(one.drift is not None for one in hidden)}
    record |= {"event_nmi_ahead_of_chunks": _mean(ahead)}
    record |= {
        "intervals": found | paths,
        "scenes": len(clips),
        "seeds": [int(chosen[0]), int(chosen[-1])],
        "training_scenes": training,
    }

    def cell(value: tuple[float, float, float] | None) -> str:
        return "" if value is None else f"{value[0]:.3f} ({value[1]:.3f}–{value[2]:.3f})"

    head = ["slots", "video FG-ARI", "image FG-ARI", "mBO", "event NMI", "dead slots", "entropy"]
    lines = [[name, *(cell(row[column]) for column in COLUMNS)] for name, row in found.items()]
    tables = [markdown_table(head, lines)]
    lines = [[name, method, cell(value)] for name, row in paths.items() for method, value in row.items()]
    tables.append(markdown_table(["hidden objects", "method", "mean (95 %)"], lines))
    write(options.out, "slots", record, "\n".join(tables))


if __name__ == "__main__":
    main()
