"""How well the bundled encoder sees and reads: python -m slap_core.benchmarks.encoder --out DIR.

On test scenes of Tunnel World, zero-shot by prompts:

- joint: kind, colour and place (left, middle, right) of the one object of a cut-away frame, top-1 among all
  combinations and "empty"; the same for the colour-kind pairs, the occluder and the background that no training scene
  shows (seeds of training scenes are moved into the test range for these);
- empty: "empty" against any object, among the same prompts, balanced over frames with one object and with none;
- occluder: which of the occluders of training stands in an otherwise empty frame;
- retrieval: R@1 from picture to caption among 256 different captions, one drawn from each picture; any caption that is
  true of the picture counts, for short ones are true of several.

Writes encoder.json (the scores, and their 95 % Wilson intervals under "intervals") and encoder.md and prints the table;
`--card` also records the scores in the encoder's card.
"""

import argparse
import pathlib
from collections.abc import Sequence

import scipy.stats
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from slap_core.benchmarks.output import markdown_table, write
from slap_core.benchmarks.seed_range import seed_range
from slap_core.encoders import OpenClipEncoder
from slap_core.pretrained import load_card, load_encoder, weights_folder, write_card
from slap_core.probe import candidate_latents
from slap_core.training.claims import Facts, draw_claims
from slap_core.training.pictures import draw_pictures, facts_of
from slap_core.training.sentences import sentences
from slap_core.tunnel_world import (
    COARSE_PLACES,
    COLOURS,
    HELD_OUT,
    HELD_OUT_OCCLUDER,
    KINDS,
    OCCLUDERS,
    SPLITS,
    prompt,
    render,
    sample,
    seeds,
)

__all__ = ["ROWS", "main", "measure", "table"]

SIZE = 96
CAPTIONS = 256
AT_ONCE = 512
"""Scenes drawn together; a set of captions comes from one such part."""
EMPTY = len(KINDS) * len(COLOURS) * len(COARSE_PLACES)
"""The index of "empty" behind all combinations of kind, colour and place."""

Scores = dict[str, float | None]
"""By name, each in [0, 1]; None where no scene of the range shows what is measured."""
Intervals = dict[str, tuple[float, float] | None]

ROWS = {
    "joint_accuracy": 'kind, colour and place at once, top-1 of 216 and "empty"',
    "joint_accuracy_held_out_pairs": "the same, colour-kind pairs never seen in training",
    "joint_accuracy_held_out_occluder": "the same, occluder never seen in training",
    "joint_accuracy_held_out_background": "the same, background never seen in training",
    "kind_accuracy": "kind alone",
    "colour_accuracy": "colour alone",
    "place_accuracy": "place alone",
    "empty_accuracy": '"empty" against an object, balanced',
    "occluder_accuracy": "which occluder, of 7",
    "retrieval_r1": "picture to caption, R@1 among 256",
}
"""What each score is, as tables say it."""


def measure(encoder: OpenClipEncoder, scene_seeds: Int64[Tensor, "scene"]) -> tuple[Scores, Intervals]:
    """The scores on scenes of these seeds, and their 95 % intervals."""
    candidates = candidate_latents(encoder.text)
    parts = [_measure_part(encoder, candidates, part) for part in scene_seeds.split(AT_ONCE)]
    right = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    found, absent = (right.pop(name) for name in ("_found", "_absent"))
    scores = {name: _mean(value) for name, value in right.items()}
    intervals = {name: _interval(value) for name, value in right.items()}
    balanced = [_mean(found), _mean(absent)]
    scores["empty_accuracy"] = None if None in balanced else round(sum(balanced) / 2, 4)
    ends = [_interval(found), _interval(absent)]
    # Of the mean of two: the mean of the ends, which is wider than need be.
    intervals["empty_accuracy"] = (
        None if None in ends else tuple(round(sum(end) / 2, 4) for end in zip(*ends, strict=True))
    )
    return scores, intervals


def table(scores: Scores, intervals: Intervals) -> str:
    """The scores as a Markdown table."""
    rows = []
    for name, what in ROWS.items():
        value, ends = scores[name], intervals[name]
        cells = ["-", "-"] if value is None or ends is None else [f"{value:.3f}", f"{ends[0]:.3f} to {ends[1]:.3f}"]
        rows.append([what, *cells])
    return markdown_table(["score", "value", "95 % interval"], rows)


def _measure_part(
    encoder: OpenClipEncoder, candidates: Float[Tensor, "text dim"], scene_seeds: Int64[Tensor, "scene"]
) -> dict[str, Bool[Tensor, "_"]]:
    """What was right, frame by frame, for every score."""
    nothing, _ = _frames(scene_seeds, layer="empty", outcome="empty", held_out="none")
    right = {"_absent": _top(encoder, nothing, candidates) == EMPTY}
    for held_out in HELD_OUT:
        objects, facts = _frames(scene_seeds, layer="cut_away", outcome="through", held_out=held_out)
        chosen = _top(encoder, objects, candidates)
        suffix = "" if held_out == "none" else f"_held_out_{held_out}"
        right[f"joint_accuracy{suffix}"] = chosen == _combination(facts)
        if held_out == "none":
            right["_found"] = chosen != EMPTY
            right["colour_accuracy"] = chosen // 3 % len(COLOURS) == facts.colour[:, 0]
            right["kind_accuracy"] = chosen // (3 * len(COLOURS)) == facts.kind[:, 0]
            right["place_accuracy"] = (chosen % 3 == facts.place[:, 0] // 2) & (chosen != EMPTY)
    right["retrieval_r1"] = _retrieval(encoder, scene_seeds)
    right["occluder_accuracy"] = _occluders(encoder, scene_seeds)
    return right


def _frames(
    scene_seeds: Int64[Tensor, "scene"], *, layer: str, held_out: str, **choices: str
) -> tuple[UInt8[Tensor, "image height width 3"], Facts]:
    """One frame of each scene without extras; those in which the object is not in the picture are left out."""
    if held_out != "none":
        first, end = SPLITS["test"]
        training = scene_seeds < SPLITS["train"][1]
        scene_seeds = torch.where(training, scene_seeds % (end - first) + first, scene_seeds)
    scenes = sample(scene_seeds, extras=0, held_out=held_out, **choices)
    moment = (scene_seeds * 7919 % scenes.frames)[:, None]
    rendered = render(scenes, moment, size=SIZE, layers=(layer,))
    facts = facts_of(scenes, rendered, layer=layer)
    there = facts.visible[:, 0] if layer == "cut_away" else torch.ones(len(scene_seeds), dtype=torch.bool)
    return getattr(rendered, layer)[there, 0], Facts(**{name: value[there] for name, value in vars(facts).items()})


def _combination(facts: Facts) -> Int64[Tensor, "image"]:
    return (facts.kind[:, 0] * len(COLOURS) + facts.colour[:, 0]) * 3 + facts.place[:, 0] // 2


def _images(encoder: OpenClipEncoder, images: UInt8[Tensor, "image height width 3"]) -> Float[Tensor, "image dim"]:
    return torch.cat([encoder.images(part.to(encoder.device))[0].cpu() for part in images.split(64)])


def _top(
    encoder: OpenClipEncoder, images: UInt8[Tensor, "image height width 3"], texts: Float[Tensor, "text dim"]
) -> Int64[Tensor, "image"]:
    if not len(images):
        return torch.zeros(0, dtype=torch.int64)
    return (_images(encoder, images) @ texts.T).argmax(1)


def _occluders(encoder: OpenClipEncoder, scene_seeds: Int64[Tensor, "scene"]) -> Bool[Tensor, "image"]:
    trained = [i for i in range(len(OCCLUDERS)) if i != HELD_OUT_OCCLUDER]
    images, facts = _frames(scene_seeds, layer="empty", outcome="empty", held_out="none")
    texts = encoder.text([prompt(occluder=i) for i in trained])
    return torch.tensor(trained)[_top(encoder, images, texts)] == facts.occluder


def _retrieval(encoder: OpenClipEncoder, scene_seeds: Int64[Tensor, "scene"]) -> Bool[Tensor, "image"]:
    """Whether the highest of `CAPTIONS` different captions is true, for as many pictures (fewer if there are)."""
    images, facts = draw_pictures(scene_seeds, size=SIZE)
    claims = draw_claims(facts, generator=torch.Generator().manual_seed(0))
    written = sentences(claims, seed=0)
    first = {text: i for i, text in reversed(list(enumerate(written)))}.values()
    chosen = torch.tensor(sorted(first)[:CAPTIONS])
    texts = encoder.text([written[i] for i in chosen.tolist()])
    truth = claims.true_of(facts)[chosen][:, chosen]
    return truth.gather(1, (_images(encoder, images[chosen]) @ texts.T).argmax(1, keepdim=True)).squeeze(1)


def _mean(right: Bool[Tensor, "_"]) -> float | None:
    return round(float(right.float().mean()), 4) if len(right) else None


def _interval(right: Bool[Tensor, "_"]) -> tuple[float, float] | None:
    if not len(right):
        return None
    ends = scipy.stats.binomtest(int(right.sum()), len(right)).proportion_ci(0.95, method="wilson")
    return round(float(ends.low), 4), round(float(ends.high), 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Zero-shot scores of the bundled encoder on Tunnel World.")
    parser.add_argument("--encoder", default="bundled", help="bundled or local-dir:FOLDER")
    parser.add_argument("--seeds", default=None, help="A-B: scenes from seed A to seed B; default: 2,048 test scenes")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for encoder.json")
    parser.add_argument("--card", action="store_true", help="also record the scores in the bundled encoder's card")
    options = parser.parse_args(arguments)
    try:
        chosen = seed_range(options.seeds) if options.seeds is not None else seeds("test", 2048)
        scores, intervals = measure(load_encoder(options.encoder), chosen)
    except ValueError as error:
        parser.error(str(error))
    record = {**scores, "intervals": intervals, "scenes": len(chosen)}
    write(options.out, "encoder", record, table(scores, intervals))
    if options.card:
        card = load_card(weights_folder("encoder"))
        scored = {name: value for name, value in card["scores"].items() if not name.startswith("test ")}
        card["scores"] = scored | {f"test {name}": value for name, value in scores.items()}
        write_card(weights_folder("encoder"), card)


if __name__ == "__main__":
    main()
