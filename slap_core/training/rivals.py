"""The trained rivals of the landscape, on the scenes and targets that it is trained on.

    python -m slap_core.training.rivals --method regressor --out runs/regressor
    python -m slap_core.training.rivals --method force_field --steps 1200 --batch 32 --learning-rate 5e-4

The force field's steps are dear, and a fast learner upsets its balance. Longer is not better: what validation scenes
ask for is --steps 4000 of the regressor (8,000 of twice the width: worse), 1000 of the transformer, 1500 of the ODE.

Every step takes some of the stretches in which something hides, asks each about one of its four queries at random, and
compares the path with the latents of the cut-away frames, at all dropped frames alike:

    loss = mean over frames of (1 - cos(z, cut-away)) + the method's own penalty

The scenes are drawn and encoded once and kept in a file, for a resumption, the other methods and the potential.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.learned import LearnedInterpolator
from slap_core.pretrained import baseline_class, load_encoder, write_card
from slap_core.stretches import Stretches
from slap_core.training import command_line, loop
from slap_core.training.gap_scenes import QUERIES, GapScenes
from slap_core.training.scene_file import SceneSettings, gap_scenes

__all__ = ["RivalSettings", "batches", "drift", "main", "train"]

WHAT: Final = {
    "latent_ode": "A latent ODE over each stretch between anchors.",
    "regressor": "A perceptron from anchors, query and time to the latent.",
    "autoregressive": "A causal transformer that rolls forward from the left anchor.",
    "force_field": "A learned force without a potential, in the string's response.",
}
"""What the cards say, by method."""


@dataclasses.dataclass(frozen=True)
class RivalSettings(SceneSettings, loop.LoopSettings):
    """Settings of the rivals and their training."""

    out: pathlib.Path = pathlib.Path("runs/rivals")
    """Folder for weights, card and checkpoint."""
    method: Literal["latent_ode", "regressor", "autoregressive", "force_field"] = "regressor"
    """Which rival."""
    width: int | None = None
    """Units of each hidden layer; by default the method's own."""
    encoder: str = "bundled"
    """Whose latents; any name that `load_encoder` knows."""
    steps: int = 800
    """Steps of the optimiser."""
    batch: int = 64
    """Stretches per step."""
    learning_rate: float = 1e-3
    """The highest learning rate."""


def batches(scenes: GapScenes, settings: RivalSettings, first: int) -> Iterator[tuple[Stretches, Tensor]]:
    """Random stretches with one of their queries each, and their targets; a function of seed and step."""
    for step in range(first, settings.steps):
        generator = loop.generator_of(settings.seed, step)
        chosen = scenes.select(torch.randperm(len(scenes), generator=generator)[: settings.batch])
        which = torch.randint(len(QUERIES), (len(chosen),), generator=generator)
        query = chosen.queries[torch.arange(len(chosen)), which]
        yield Stretches.of(chosen.anchors, chosen.gaps, query), chosen.target


def drift(path: Float[Tensor, "scene node dim"], scenes: GapScenes) -> Float[Tensor, ""]:
    """Mean of 1 - cos to the cut-away latents over the hidden frames of each scene, then over scenes."""
    away = 1 - (path * scenes.target).sum(-1)
    hidden = scenes.hidden.to(away)
    return ((away * hidden).sum(1) / hidden.sum(1).clamp_min(1)).mean()


@torch.no_grad()
def validate(model: LearnedInterpolator, scenes: GapScenes) -> dict[str, float]:
    """The drift for each of the four queries beside SLERP's, and the share of stretches that converged."""
    scores, converged = {}, []
    for number, name in enumerate(QUERIES):
        stretches = Stretches.of(scenes.anchors, scenes.gaps, scenes.queries[:, number])
        path, solved = model.solve(stretches)
        scores[f"validation drift, {name} query"] = float(drift(path, scenes))
        converged.append(solved.float().mean())
    scores["validation drift, SLERP"] = float(drift(stretches.geodesic(), scenes))
    if model.iterates:
        scores["validation: converged"] = float(torch.stack(converged).mean())
    return scores


def train(
    settings: RivalSettings, scenes: GapScenes, validation: GapScenes
) -> tuple[LearnedInterpolator, dict[str, float]]:
    """The trained rival, on the CPU, and its scores.

    Args:
        settings: of this run.
        scenes: to learn from.
        validation: for the scores.
    """
    device = loop.resolve_device(settings.device)
    kind, dim = baseline_class(settings.method), scenes.target.shape[-1]
    sizes = {} if settings.width is None else {"width": settings.width}
    model = loop.initialise(lambda: kind(dim, **sizes), seed=settings.seed).to(device)

    def objective(batch: tuple[Stretches, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        stretches, target = batch
        stretches, target = stretches.to(device), target.to(device)
        path, penalty = model.training_path(stretches, target, generator)
        away = (1 - (path * target).sum(-1))[stretches.mask()].mean()
        return {"loss": away + penalty, "drift": away, "penalty": penalty}

    log = loop.fit(model, objective, lambda first: batches(scenes, settings, first), settings)
    scores = {"train drift": log[-1]["drift"], **validate(model.cpu(), validation), "minutes": loop.minutes(log)}
    return model, {name: round(value, 4) for name, value in scores.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    settings = command_line.parse(RivalSettings, "Train a rival of the landscape on hidden stretches.", arguments)
    encoder = load_encoder(settings.encoder, device=str(loop.resolve_device(settings.device)))
    drawn = gap_scenes(encoder, settings)
    model, scores = train(settings, drawn["train"], drawn["validation"])
    settings.out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(settings.out)
    write_card(
        settings.out,
        {
            "title": f"{model.method}, a rival of the landscape",
            "what": WHAT[settings.method],
            "trained_on": f"hidden stretches of {settings.scenes:,} Tunnel World training scenes, each asked with its "
            f"four queries, encoder {settings.encoder}",
            "command": command_line.command("slap_core.training.rivals", arguments),
            "seed": settings.seed,
            "scores": scores,
            "licence": "Apache-2.0",
        },
    )


if __name__ == "__main__":
    main()
