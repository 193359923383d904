"""How well the bundled encoder sees and reads: python -m slap_core.benchmarks.encoder --out DIR.

On test scenes of Tunnel World, zero-shot by prompts:

- joint: kind, colour and place (left, middle, right) of the one object of a cut-away frame, top-1 among all
  combinations and "empty"; the same for the colour-kind pairs that no training scene shows;
- empty: "empty" against any object, among the same prompts, balanced over frames with one object and with none;
- occluder: which of the occluders of training stands in an otherwise empty frame;
- retrieval: R@1 from picture to caption among 256 different captions, one drawn from each picture; any caption that is
  true of the picture counts, for short ones are true of several.

Writes encoder.json and prints the table; `--card` also records the scores in the encoder's card.
"""

import argparse
import json
import pathlib
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from slap_core.encoders import OpenClipEncoder
from slap_core.pretrained import load_card, load_encoder, weights_folder, write_card
from slap_core.training.claims import Facts, draw_claims
from slap_core.training.pictures import draw_pictures, facts_of
from slap_core.training.sentences import sentences
from slap_core.tunnel_world import (
    COARSE_PLACES,
    COLOURS,
    HELD_OUT_OCCLUDER,
    KINDS,
    NOTHING,
    OCCLUDERS,
    prompt,
    render,
    sample,
    seeds,
)

__all__ = ["main", "measure"]

SIZE = 96
CAPTIONS = 256
EMPTY = len(KINDS) * len(COLOURS) * len(COARSE_PLACES)
"""The index of "empty" behind all combinations of kind, colour and place."""


def measure(encoder: OpenClipEncoder, scene_seeds: Int64[Tensor, "scene"]) -> dict[str, float]:
    """The scores, each in [0, 1], on scenes of these seeds."""
    prompts = [
        prompt(kind=kind, colour=colour, place=place) for kind in KINDS for colour in COLOURS for place in COARSE_PLACES
    ]
    candidates = torch.cat([encoder.text(prompts), _ensemble(encoder, NOTHING)])
    objects, facts = _frames(scene_seeds, layer="cut_away", outcome="through", held_out="none")
    pairs, pair_facts = _frames(scene_seeds, layer="cut_away", outcome="through", held_out="pairs")
    nothing, _ = _frames(scene_seeds, layer="empty", outcome="empty", held_out="none")
    chosen = _top(encoder, objects, candidates)
    hit = (chosen != EMPTY).float().mean() / 2 + (_top(encoder, nothing, candidates) == EMPTY).float().mean() / 2
    return {
        "joint_accuracy": _mean(chosen == _combination(facts)),
        "joint_accuracy_held_out_pairs": _mean(_top(encoder, pairs, candidates) == _combination(pair_facts)),
        "retrieval_r1": _retrieval(encoder, scene_seeds),
        "empty_accuracy": round(float(hit), 4),
        "occluder_accuracy": _occluders(encoder, scene_seeds),
        "colour_accuracy": _mean(chosen // 3 % len(COLOURS) == facts.colour[:, 0]),
        "kind_accuracy": _mean(chosen // (3 * len(COLOURS)) == facts.kind[:, 0]),
        "place_accuracy": _mean((chosen % 3 == facts.place[:, 0] // 2) & (chosen != EMPTY)),
    }


def _frames(
    scene_seeds: Int64[Tensor, "scene"], *, layer: str, **choices: str
) -> tuple[UInt8[Tensor, "image height width 3"], Facts]:
    """One frame of each scene without extras; those in which the object is not in the picture are left out."""
    scenes = sample(scene_seeds, extras=0, **choices)
    moment = (scene_seeds * 7919 % scenes.frames)[:, None]
    rendered = render(scenes, moment, size=SIZE, layers=(layer,))
    facts = facts_of(scenes, rendered, layer=layer)
    there = facts.visible[:, 0] if layer == "cut_away" else torch.ones(len(scene_seeds), dtype=torch.bool)
    return getattr(rendered, layer)[there, 0], Facts(**{name: value[there] for name, value in vars(facts).items()})


def _combination(facts: Facts) -> Int64[Tensor, "image"]:
    return (facts.kind[:, 0] * len(COLOURS) + facts.colour[:, 0]) * 3 + facts.place[:, 0] // 2


def _ensemble(encoder: OpenClipEncoder, texts: Sequence[str]) -> Float[Tensor, "1 dim"]:
    mean = encoder.text(texts).mean(0, keepdim=True)
    return mean / mean.norm()


def _images(encoder: OpenClipEncoder, images: UInt8[Tensor, "image height width 3"]) -> Float[Tensor, "image dim"]:
    return torch.cat([encoder.images(part.to(encoder.device))[0].cpu() for part in images.split(64)])


def _top(
    encoder: OpenClipEncoder, images: UInt8[Tensor, "image height width 3"], texts: Float[Tensor, "text dim"]
) -> Int64[Tensor, "image"]:
    return (_images(encoder, images) @ texts.T).argmax(1)


def _occluders(encoder: OpenClipEncoder, scene_seeds: Int64[Tensor, "scene"]) -> float:
    trained = [i for i in range(len(OCCLUDERS)) if i != HELD_OUT_OCCLUDER]
    images, facts = _frames(scene_seeds, layer="empty", outcome="empty", held_out="none")
    texts = encoder.text([prompt(occluder=i) for i in trained])
    return _mean(torch.tensor(trained)[_top(encoder, images, texts)] == facts.occluder)


def _retrieval(encoder: OpenClipEncoder, scene_seeds: Int64[Tensor, "scene"]) -> float:
    """Mean R@1 over as many sets of 256 pictures with different captions as the seeds give, at least one."""
    images, facts = draw_pictures(scene_seeds, size=SIZE)
    claims = draw_claims(facts, generator=torch.Generator().manual_seed(0))
    written = sentences(claims, seed=0)
    distinct = torch.tensor(sorted({text: i for i, text in reversed(list(enumerate(written)))}.values()))
    sets = distinct.split(CAPTIONS)
    sets = [part for part in sets if len(part) == CAPTIONS] or list(sets)
    latents, truth = _images(encoder, images), claims.true_of(facts)
    texts = encoder.text(written)
    right = [truth[part][:, part].gather(1, (latents[part] @ texts[part].T).argmax(1, keepdim=True)) for part in sets]
    return _mean(torch.cat(right))


def _mean(right: Tensor) -> float:
    return round(float(right.float().mean()), 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Zero-shot scores of the bundled encoder on Tunnel World.")
    parser.add_argument("--encoder", default="bundled", help="bundled or local-dir:FOLDER")
    parser.add_argument("--seeds", default=None, help="A-B: scenes from seed A to seed B; default: 2,048 test scenes")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for encoder.json")
    parser.add_argument("--card", action="store_true", help="also record the scores in the bundled encoder's card")
    options = parser.parse_args(arguments)
    if options.seeds:
        first, _, last = options.seeds.partition("-")
        chosen = torch.arange(int(first), int(last) + 1)
    else:
        chosen = seeds("test", 2048)
    scores = measure(load_encoder(options.encoder), chosen)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "encoder.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    for name, value in scores.items():
        print(f"{name:32} {value:.4f}")
    if options.card:
        card = load_card(weights_folder("encoder"))
        scored = {name: value for name, value in card["scores"].items() if not name.startswith("test ")}
        card["scores"] = scored | {f"test {name}": value for name, value in scores.items()}
        write_card(weights_folder("encoder"), card)


if __name__ == "__main__":
    main()
