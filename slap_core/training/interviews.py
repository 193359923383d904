"""Clips of Tunnel World with questions about them, as a language model is to be asked: slots, paths, words.

Each clip comes at one share of its frames or several. Slots look at the frames that are kept; for every thing that is
asked about there is a path by each of the methods (see `question_paths`), at most: where methods share, one is drawn.
Drawing and encoding takes longer than learning: what was drawn is kept (see `interview_files`).
"""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from slap_core.encoders import OpenClipEncoder
from slap_core.evidence import STEPS, Evidence, gather, moment_frames, path_evidence, slot_evidence
from slap_core.question_paths import QuestionPath
from slap_core.slots import SlowFastSlots
from slap_core.training.slot_clauses import slot_clauses
from slap_core.tunnel_world import Scenes, Story, interview, render, sample
from slap_core.tunnel_world.clip_asking import stories
from slap_core.types import Latents, Tokens

__all__ = [
    "FRAMES",
    "RATES",
    "Asked",
    "Interviews",
    "draw_interviews",
    "kept_frames",
]

FRAMES = 51
"""Of a clip; the path is looked at in every fifth."""
RATES = (1.0, 0.5, 0.25, 0.1)
"""Shares of the frames that are kept."""
SIZE = 96
"""Pixels of a side."""
POOLED = 6
"""Rows, and columns, of tokens that are kept for those who look at tokens themselves."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """A question about one of the clips, and the paths of what it is about."""

    clip: int
    """Index of its slots."""
    paths: dict[str, int]
    """By method: index of the path."""
    rate: float
    scene: int
    text: str
    answer: str
    type: str
    split: str


@dataclasses.dataclass(frozen=True, eq=False)
class Interviews:
    """Questions, and the evidence for them."""

    slots: Evidence
    """Of all clips: the branches slow and fast, and what ablations see instead (see `draw_interviews`)."""
    paths: Evidence
    """All paths."""
    asked: tuple[Asked, ...]
    clauses: dict[str, tuple[tuple[str, ...], ...]]
    """By branch of slots, for each clip: what each token should say (see `slot_clauses`)."""

    def evidence(self, chosen: Sequence[Asked], methods: Sequence[str]) -> Evidence:
        """What stands before these questions, by one method for each."""
        clips = torch.tensor([one.clip for one in chosen])
        paths = torch.tensor([one.paths[method] for one, method in zip(chosen, methods, strict=True)])
        return gather([self.slots.at(clips), self.paths.at(paths)])


def kept_frames(rate: float) -> Int64[Tensor, "kept"]:
    """The frames that are kept of a clip: so many, evenly, the first and the last among them."""
    return torch.linspace(0, FRAMES - 1, max(2, int(rate * FRAMES))).round().long()


def draw_interviews(
    encoder: OpenClipEncoder,
    slots: Mapping[str, SlowFastSlots],
    methods: Mapping[str, QuestionPath],
    scene_seeds: Int64[Tensor, "scene"],
    *,
    rates: Sequence[float] = RATES,
    every_rate: bool = False,
    every_method: bool = False,
    oracle: bool = False,
    share: Mapping[str, float] | None = None,
    dense: bool = False,
) -> Interviews:
    """The scenes of `scene_seeds`, rendered, encoded, and asked about; a function of its arguments.

    Args:
        encoder: of the frames.
        slots: by name; "" is the main one, whose branches are slow and fast; those of another are slow_NAME, fast_NAME.
        methods: of paths.
        scene_seeds: see `tunnel_world.SPLITS`.
        rates: shares of the frames that are kept.
        every_rate: each clip at all of them; else at one, in turn.
        every_method: each thing by all methods; else by one, drawn by the scene.
        oracle: also a path through the latents of the cut-away, of the name "oracle".
        share: of each method, where one is drawn; default: alike.
        dense: also keep pooled tokens of the frames that slow slots look at, as the branch "dense", and means over
            frames and cells, as slow_mean and fast_mean.
    """
    found: list[Evidence] = []
    paths: list[Evidence] = []
    asked: list[Asked] = []
    clauses: dict[str, list[tuple[str, ...]]] = collections.defaultdict(list)
    span, steps = (0.0, float(FRAMES - 1)), torch.arange(0, FRAMES, (FRAMES - 1) // (STEPS - 1))
    weights = torch.tensor([1.0 if share is None else share[name] for name in methods])
    for number, seed in enumerate(scene_seeds.tolist()):
        scene = sample(torch.tensor([seed]), frames=FRAMES)
        some = list(rates) if every_rate else [rates[number % len(rates)]]
        index = torch.cat([kept_frames(rate) for rate in some]).unique()
        rendered = render(scene, index[None], size=SIZE, masks=True)
        latents, tokens = encoder.images(rendered.observed[0])
        (story,) = stories(scene, render(scene, steps[None], size=24, layers=()))
        questions = interview(story, variant=seed)
        words = list(dict.fromkeys(question.about for question in questions))
        queries = encoder.text(words)
        truth = _cut_away(encoder, scene, steps) if oracle else None
        generator = torch.Generator().manual_seed(seed)
        for rate in some:
            kept = kept_frames(rate)
            at = torch.searchsorted(index, kept)
            seen = Latents(latents[at], kept.double())
            looked = Tokens(tokens[at], kept.double())
            masks = rendered.visible_masks[0, at]
            things = list(zip(scene.kind[0].tolist(), scene.colour[0].tolist(), strict=True))
            evidence, words_of = _slots(slots, looked, span, masks, things, story, dense=dense)
            found.append(evidence)
            for branch, said in words_of.items():
                clauses[branch].append(said)
            of: dict[str, dict[str, int]] = {}
            for word, query in zip(words, queries, strict=True):
                names = list(methods)
                if not every_method:
                    names = [names[int(torch.multinomial(weights, 1, generator=generator))]]
                of[word] = {}
                for name in names:
                    solution, holds = methods[name](seen, steps.double(), query)
                    of[word][name] = len(paths)
                    paths.append(_half(path_evidence(solution.path, seen.times[holds], span, query)))
                if truth is not None:
                    of[word]["oracle"] = len(paths)
                    marks = paths[-1].places["path"]
                    held = torch.ones(STEPS, dtype=torch.bool)
                    true = torch.cat([truth, query.expand(STEPS, -1)], -1)
                    paths.append(Evidence({"path": true.half()}, {"path": marks}, {"path": held}))
            asked += [
                Asked(len(found) - 1, of[q.about], rate, seed, q.text, q.answer, q.type, q.split) for q in questions
            ]
    return Interviews(gather(found), gather(paths), tuple(asked), {name: tuple(said) for name, said in clauses.items()})


def _cut_away(encoder: OpenClipEncoder, scene: Scenes, steps: Tensor) -> Tensor:
    return encoder.images(render(scene, steps[None], size=SIZE, layers=("cut_away",)).cut_away[0])[0]


def _slots(
    slots: Mapping[str, SlowFastSlots],
    looked: Tokens,
    span: tuple[float, float],
    masks: Float[Tensor, "time object height width"],
    things: Sequence[tuple[int, int]],
    story: Story,
    *,
    dense: bool,
) -> tuple[Evidence, dict[str, tuple[str, ...]]]:
    """The evidence of each of these slots, and what their tokens should say, both by branch."""
    vectors, places, held, clauses = {}, {}, {}, {}
    frames = moment_frames(looked.times, span)
    for name, network in slots.items():
        looks = network(looked, frames=frames)
        one = slot_evidence(looks, network, looked, span)
        said = slot_clauses(looks, looked.times / span[1], masks, things, story)
        for branch in one.branches:
            key = f"{branch}_{name}" if name else branch
            vectors[key], places[key], held[key] = (table[branch] for table in one.tables())
            clauses[key] = said[branch]
    if dense:
        some = looked.values[frames].permute(0, 3, 1, 2)
        when = looked.times[frames].float() / span[1]
        pooled = F.adaptive_avg_pool2d(some, POOLED)
        vectors["dense"] = pooled.flatten(2).mT.flatten(0, 1)
        rows = (torch.arange(POOLED) + 0.5) / POOLED
        grid = torch.stack(torch.meshgrid(rows, rows, indexing="ij"), -1).flatten(0, 1)
        each = torch.full((POOLED**2, 1), 1 / POOLED**2)
        places["dense"] = torch.cat([torch.cat([grid, each, torch.full_like(each, float(t))], -1) for t in when])
        vectors["slow_mean"] = some.mean((2, 3))
        places["slow_mean"] = torch.stack([torch.tensor([0.5, 0.5, 1.0, float(t)]) for t in when])
        cells = F.adaptive_avg_pool2d(looked.values.permute(0, 3, 1, 2), 4).mean(0).flatten(1).mT
        where = torch.stack([torch.tensor([(i // 4 + 0.5) / 4, (i % 4 + 0.5) / 4, 0.5, 0.5, 1.0]) for i in range(16)])
        vectors["fast_mean"], places["fast_mean"] = cells, where
        for name in ("dense", "slow_mean", "fast_mean"):
            held[name] = torch.ones(len(vectors[name]), dtype=torch.bool)
    return _half(Evidence(vectors, places, held)), clauses


def _half(evidence: Evidence) -> Evidence:
    vectors = {name: value.half() for name, value in evidence.vectors.items()}
    return Evidence(vectors, evidence.places, evidence.held)
