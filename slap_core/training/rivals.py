"""The trained rivals of the landscape, on the scenes and targets that it is trained on.

    python -m slap_core.training.rivals --method regressor --out runs/regressor

Every step takes some of the stretches in which something hides, with noise on their anchors and queries, asks each
about one of its four queries at random, and compares the path with the latents of the cut-away frames, by the weights
that count for the potential:

    loss = mean over stretches of their weighted mean of 1 - cos(z, cut-away) + the method's own penalty

As the attractors of the potential, the values of the force field are taught to be stations of the right paths first.
The scenes are drawn and encoded once and kept in a file, for a resumption, the other methods and the potential.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from slap_core.learned import LearnedInterpolator
from slap_core.pretrained import baseline_class, load_encoder, write_card
from slap_core.shaping import Exercises, drift
from slap_core.training import command_line, loop
from slap_core.training.lessons import Lessons, asked, excerpt, lessons_of_scenes
from slap_core.training.scene_file import SceneSettings
from slap_core.training.team import Team, team

__all__ = ["Batch", "RivalSettings", "batches", "main", "train", "validate"]

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
    steps: int = 8000
    """Steps of the optimiser."""
    batch: int = 64
    """Stretches per step."""
    learning_rate: float = 1e-3
    """The highest learning rate."""
    weight_decay: float = 0.05
    """Of AdamW."""
    noise: float = 0.3
    """Length of the random vector that is added to anchors and queries in every step, before they are normalised."""
    stations: float = 0.6
    """Share of the steps, the first ones, in which the values of a force field are taught to lie on the right paths."""


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Which stretches, asked about in which way."""

    index: Int[Tensor, "batch"]
    query: Int[Tensor, "batch"]
    early: bool
    """Whether a method that has a first part of its training is in it."""
    nodes: int | None = None
    """Nodes to which the stretches are padded; None: as many as the longest of them has."""


def batches(lessons: Exercises, settings: RivalSettings, first: int) -> Iterator[Batch]:
    """Random stretches with one of their queries each; a function of seed and step."""
    for step in range(first, settings.steps):
        generator = loop.generator_of(settings.seed, step)
        index = torch.randint(len(lessons), (settings.batch,), generator=generator)
        query = torch.randint(lessons.queries.shape[1], (settings.batch,), generator=generator)
        yield Batch(index, query, step < settings.stations * settings.steps)


def divided(batch: Batch, crew: Team, lessons: Exercises) -> Batch:
    """The part of a batch that is this process's own, padded as the whole batch is."""
    nodes = int(lessons.gaps.count[batch.index].max())
    return dataclasses.replace(batch, index=crew.rows(batch.index), query=crew.rows(batch.query), nodes=nodes)


@torch.no_grad()
def validate(model: LearnedInterpolator, lessons: Lessons) -> dict[str, float]:
    """The drift for each of the four queries beside SLERP's, and the share of stretches that converged."""
    scores, converged = {}, []
    judged, every = lessons.validation, torch.arange(len(lessons.validation))
    for number, name in enumerate(lessons.names):
        stretches = asked(judged, torch.full_like(every, number))
        path, solved = model.solve(stretches)
        scores[f"validation drift, {name} query"] = float(drift(path, judged, every)[lessons.scored].mean())
        converged.append(solved.float().mean())
    slerp = drift(stretches.geodesic(), judged, every)
    scores["validation drift, SLERP"] = float(slerp[lessons.scored].mean())
    if model.iterates:
        scores["validation: converged"] = float(torch.stack(converged).mean())
    return scores


def train(settings: RivalSettings, lessons: Lessons) -> tuple[LearnedInterpolator, dict[str, float]]:
    """The trained rival, on the CPU, and its scores.

    Args:
        settings: of this run.
        lessons: to learn from and to be judged by.
    """
    device = loop.resolve_device(settings.device)
    kind, dim = baseline_class(settings.method), lessons.train.target.shape[-1]
    sizes = {} if settings.width is None else {"width": settings.width}
    model = loop.initialise(lambda: kind(dim, **sizes), seed=settings.seed).to(device)
    material = lessons.to(device).train

    def objective(batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        lesson = excerpt(material, batch.index, noise=settings.noise, generator=generator, nodes=batch.nodes)
        stretches, every = asked(lesson, batch.query), torch.arange(len(lesson))
        path = model.station_path(stretches) if batch.early else None
        if path is not None:
            away = drift(path, lesson, every).mean()
            return {"loss": away, "drift": away}
        if model.iterates:
            model.eval()  # a force that changes while it is balanced has no path
        path, penalty = model.training_path(stretches, lesson.target, generator)
        away = drift(path, lesson, every).mean()
        return {"loss": away + penalty, "drift": away, "penalty": penalty}

    log = loop.fit(
        model,
        objective,
        lambda first: batches(material, settings, first),
        settings,
        # The penalty of a force that is balanced is a mean over nodes, and of these rows have more and fewer.
        divide=None if model.iterates else lambda batch, crew: divided(batch, crew, material),
    )
    scores = {"train drift": log[-1]["drift"], **validate(model.cpu(), lessons.to(torch.device("cpu")))}
    scores |= {"minutes": loop.minutes(log)}
    return model, {name: round(value, 4) for name, value in scores.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    settings = command_line.parse(RivalSettings, "Train a rival of the landscape on hidden stretches.", arguments)
    encoder = load_encoder(settings.encoder, device=str(loop.resolve_device(settings.device)))
    model, scores = train(settings, lessons_of_scenes(encoder, settings))
    if not team().first:
        return
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
