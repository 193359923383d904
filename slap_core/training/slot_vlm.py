"""The projector of slots and paths into the frozen language model's embeddings, in the paper's stages.

    python -m slap_core.training.slots                                                     stage 1: slots
    python -m slap_core.training.slot_vlm --stage single --out runs/single                 stage 2: each branch alone
    python -m slap_core.training.slot_vlm --stage joint --start runs/single --out runs/vlm stage 3: all branches

In stage 2 each projection learns what its tokens should say (see `sayings`), then to answer by them alone, in turn; in
stage 3 all learn together. Encoder, slots and language model are frozen. Clips come at 100, 50, 25 or 10 % of their
frames, and paths by every method that is compared, so that the projector reads all of them; least action's most often
(a third).

Source: Xu et al., Slot-VLM: Object-Event Slots for Video-Language Modeling, 2024 (the stages).
"""

import collections
import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slap_core.baselines import Slerp, ZeroOrderHold
from slap_core.evidence import BRANCHES
from slap_core.hub import network_folder
from slap_core.language_model import LanguageModel, load_language_model
from slap_core.pretrained import load_baseline, load_encoder, load_slots, write_card
from slap_core.question_paths import QuestionPath, hidden_potential
from slap_core.slot_vlm import Projector, ProjectorConfig
from slap_core.slots import SlowFastSlots
from slap_core.training import command_line, loop
from slap_core.training.interview_files import gathered
from slap_core.training.interviews import RATES, Asked, Interviews, draw_interviews
from slap_core.training.language_model import draw_stories
from slap_core.training.question_batches import VARIANTS, Batch, read, told
from slap_core.training.sayings import Saying, saying_of
from slap_core.tunnel_world import COARSE_PLACES, COLOURS, KINDS, Story, prompt, seeds

__all__ = [
    "ProjectorSettings",
    "batches_of",
    "draw_training",
    "interviews_of",
    "main",
    "methods",
    "phrases",
    "train",
    "unfitted",
    "words_in",
]

SHARES = {"zoh": 0.1, "slerp": 0.15, "slerp_shown": 0.15, "latent_ode": 0.1, "latent_ode_shown": 0.15, "slap": 0.35}
"""How often each method's paths are learned from."""


@dataclasses.dataclass(frozen=True)
class ProjectorSettings(loop.LoopSettings):
    """Settings of the projector and its training."""

    out: pathlib.Path = pathlib.Path("runs/slot_vlm")
    """Folder for weights, card and checkpoint."""
    stage: Literal["single", "joint"] = "joint"
    """Each branch alone, in turn; or all together."""
    start: pathlib.Path | None = None
    """Folder of a projector to go on from; None: a new one."""
    branches: tuple[str, ...] = BRANCHES
    """What the language model is shown."""
    variant: Literal["slots", "untrained", "mean", "queries"] = "slots"
    """For comparison: slots without stage 1, means, or a Q-Former, whose branch is called dense."""
    language: str = "bundled"
    """The language model; any name that `load_language_model` knows."""
    data: pathlib.Path = pathlib.Path("runs/interviews")
    """Folder where drawn clips are kept; what it lacks is drawn."""
    workers: int = 2
    """Processes that draw."""
    scenes: int = 4000
    """Tunnel World training scenes, each at one share of its frames."""
    first: int = 100_000
    """The first of them: the slots and rivals have learned from others."""
    steps: int = 1500
    """Steps of the optimiser; in the stage of single branches, of each."""
    batch: int = 6
    """Clips per step."""
    questions: int = 8
    """Of each clip."""
    learning_rate: float = 1.5e-3
    """The highest learning rate."""
    dim_hidden: int = 256
    """Width of the projections."""
    path_layers: int = 1
    """Of the transformer over the latents of a path."""
    said_steps: int = 4000
    """Of each branch alone, before it is asked: its tokens learn the clauses that they should say; 0: from answers
    alone."""
    anchor: float = 0.3
    """What these clauses count while answers are learned."""
    apart: float = 0.2
    """Share of the steps with the path alone, and of those without it, where all branches learn together."""


QUERIES = 64
"""Of the Q-Former that stands in for slots."""


def methods() -> dict[str, QuestionPath]:
    """Those of `SHARES`: with all anchors, or with those alone that show what is asked for."""
    ode = load_baseline("latent_ode")
    return {
        "zoh": QuestionPath(ZeroOrderHold(), shown=False),
        "slerp": QuestionPath(Slerp(), shown=False),
        "slerp_shown": QuestionPath(Slerp()),
        "latent_ode": QuestionPath(ode, shown=False),
        "latent_ode_shown": QuestionPath(ode),
        "slap": QuestionPath(hidden_potential()),
    }


def unfitted(slots: SlowFastSlots) -> SlowFastSlots:
    """The same slots without stage 1: random weights, but for what tokens are standardised by."""
    fresh = loop.initialise(lambda: SlowFastSlots(slots.config), seed=0)
    statistics = {k: v for k, v in slots.state_dict().items() if "standardise" in k or "unusual" in k}
    fresh.load_state_dict(statistics, strict=False)
    return fresh.eval().requires_grad_(False)


def interviews_of(settings: ProjectorSettings) -> Interviews:
    """The training clips, drawn or from the folder."""
    made_from = {"shares": str(SHARES), "rates": str(RATES)}
    some = seeds("train", settings.scenes, start=settings.first)
    return gathered(settings.data, made_from, some, draw_training, workers=settings.workers)


@torch.no_grad()
def draw_training(some: Int64[Tensor, "scene"]) -> Interviews:
    """Interviews of these scenes as the projector, and its variants, learn from them."""
    slots = load_slots()
    both = {"": slots, "untrained": unfitted(slots)}
    return draw_interviews(load_encoder(), both, methods(), some, share=SHARES, dense=True)


def batches_of(
    interviews: Interviews, language: LanguageModel, settings: ProjectorSettings
) -> Callable[[int], Iterator[Batch]]:
    """Given a step, batches from that step on; a function of seed and step."""
    by_clip: dict[int, list[Asked]] = collections.defaultdict(list)
    for one in interviews.asked:
        by_clip[one.clip].append(one)
    clips = list(by_clip.values())

    def batches(first: int) -> Iterator[Batch]:
        for step in range(first, settings.steps):
            generator = loop.generator_of(settings.seed, step)
            chosen: list[Asked] = []
            for at in torch.randint(len(clips), (settings.batch,), generator=generator).tolist():
                mine = clips[at]
                order = torch.randperm(len(mine), generator=generator).tolist() * settings.questions
                chosen += [mine[k] for k in order[: settings.questions]]
            paths = [next(iter(one.paths)) for one in chosen]
            yield read(interviews, language, chosen, paths, settings.batch, variant=settings.variant)

    return batches


def phrases() -> list[str]:
    """What a latent may show, in words that the bundled encoder was taught: every thing in every place."""
    things = [
        prompt(kind=kind, colour=colour, place=place) for kind in KINDS for colour in COLOURS for place in COARSE_PLACES
    ]
    return [*things, prompt()]


def words_in(texts: Sequence[str]) -> Float[Tensor, "phrase word"]:
    """Which kinds, colours and places are in each phrase: 1 where it is, else 0."""
    return torch.tensor(
        [[float(word in text.split()) for word in (*KINDS, *COLOURS, *COARSE_PLACES)] for text in texts]
    )


def train(
    settings: ProjectorSettings,
    language: LanguageModel,
    interviews: Interviews,
    words: Float[Tensor, "phrase dim"] | None = None,
    stories: dict[int, Story] | None = None,
) -> tuple[Projector, list[loop.Row]]:
    """The projector after one stage, in evaluation mode, and the log of its training.

    Args:
        settings: of this run.
        language: frozen.
        interviews: the training clips.
        words: latents of `phrases()`, with which those of the path are compared.
        stories: of the scenes by their seeds, from which paths learn what they should say; None: from answers alone.
    """
    config = ProjectorConfig(
        language.dim,
        dim_hidden=settings.dim_hidden,
        path_layers=settings.path_layers,
        language=language.name,
        **_dims(interviews, settings.variant),
        queries=QUERIES if settings.variant == "queries" else 0,
        phrases=0 if words is None else len(words),
        words=0 if words is None else words_in(phrases()).shape[1],
    )
    model = loop.initialise(lambda: Projector(config), seed=settings.seed)
    if words is not None:
        model.compare_with(words, words_in(phrases()))
    if settings.start is not None:
        model = Projector.from_pretrained(network_folder(settings.start))
    language.model.requires_grad_(False)
    batches = batches_of(interviews, language, settings)
    stages = [[name] for name in settings.branches] if settings.stage == "single" else [list(settings.branches)]
    log: list[loop.Row] = []
    sayings = {
        name: saying_of(model, language, interviews, name, stories, settings.variant)
        for name in (model.branch if settings.said_steps else ())
    }
    for branches in stages:
        for name, projection in model.branch.items():
            projection.requires_grad_(name in branches)
        kept = [one for name in branches if (one := sayings.get(name)) is not None]

        def objective(
            batch: Batch, generator: torch.Generator, branches: list[str] = branches, kept: list[Saying] = kept
        ) -> dict[str, Tensor]:
            found = told(model, language, batch, _some(branches, settings, generator))
            for one in kept if settings.anchor else ():
                found["loss"] = found["loss"] + settings.anchor * one.loss(one.draw(generator))
            return found

        if len(stages) > 1:
            for one in kept:
                first = {"out": settings.out / "said" / branches[0], "steps": settings.said_steps, "log_every": 200}
                log += one.fit(model, dataclasses.replace(settings, **first))
        out = settings.out / branches[0] if len(stages) > 1 else settings.out
        log += loop.fit(model, objective, batches, dataclasses.replace(settings, out=out))
    return model, log


def _dims(interviews: Interviews, variant: str) -> dict[str, int]:
    """Of what stands in the place of slots: a slot and a mean of tokens, or the latter alone."""
    both = interviews.slots.vectors[next(iter(VARIANTS[variant].values()))].shape[-1]
    token = interviews.slots.vectors["dense"].shape[-1]
    return {"dim_slot": token, "dim_token": 0} if both == token else {"dim_slot": both - token, "dim_token": token}


def _some(branches: list[str], settings: ProjectorSettings, generator: torch.Generator) -> list[str]:
    """In some steps the path alone, or all but the path: no branch is to lean on another."""
    u = float(torch.rand((), generator=generator))
    if len(branches) < 2 or "path" not in branches or u >= 2 * settings.apart:
        return branches
    return ["path"] if u < settings.apart else [name for name in branches if name != "path"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    settings = command_line.parse(ProjectorSettings, "Train the projector of slots and paths.", arguments)
    language = load_language_model(settings.language)
    words = load_encoder().text(phrases())
    interviews = interviews_of(settings)
    scenes = sorted({one.scene for one in interviews.asked})
    stories = dict(zip(scenes, draw_stories(torch.tensor(scenes)), strict=True))
    model, log = train(settings, language, interviews, words, stories)
    model.requires_grad_(True).half().save_pretrained(settings.out)
    line = command_line.command("slap_core.training.slot_vlm", arguments, start=settings.start)
    scores = {f"train {name}": round(log[-1][name], 4) for name in ("loss", "right")}
    write_card(
        settings.out,
        {
            "title": "Projector of slots and paths",
            "what": "Slow slots, fast slots and the latents of a path, as tokens of the frozen language model.",
            "trained_on": f"questions about {settings.scenes:,} Tunnel World training scenes at 100, 50, 25 or 10 % of "
            f"their frames; stage: {settings.stage}",
            "command": line,
            "seed": settings.seed,
            "scores": scores,
            "licence": "Apache-2.0",
        },
    )


if __name__ == "__main__":
    main()
