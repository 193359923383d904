"""Train the probe that says what a latent shows of what is hidden.

    python -m slap_core.training.probe --out runs/probe

Its examples are the hidden frames of Tunnel World's training scenes: their cut-away latents with what is hidden in
them, and latents of moments without actors, in which nothing is. It never sees a recovered latent.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slap_core.pretrained import load_encoder, write_card
from slap_core.probe import Probe, prompt_latents
from slap_core.training import command_line, loop
from slap_core.training.gap_scenes import GapScenes
from slap_core.training.scene_file import SceneSettings, gap_scenes
from slap_core.training.team import team

__all__ = ["Examples", "ProbeSettings", "absent", "examples_of", "main", "score", "train"]


@dataclasses.dataclass(frozen=True)
class ProbeSettings(SceneSettings, loop.LoopSettings):
    """Settings of the probe and its training."""

    out: pathlib.Path = pathlib.Path("runs/probe")
    """Folder for weights, card and checkpoint."""
    encoder: str = "bundled"
    """Whose latents; any name that `load_encoder` knows."""
    steps: int = 3000
    """Steps of the optimiser."""
    batch: int = 256
    """Latents per step."""
    learning_rate: float = 1e-3
    """The highest learning rate."""
    width: int = 256
    """Units of each hidden layer."""
    weight_decay: float = 0.1
    """Of AdamW."""
    dropout: float = 0.3
    """Share of the hidden units that is left out in training."""
    noise: float = 0.3
    """Length of the random vector that is added to a latent in training, before it is normalised."""
    scenes: int = 4800
    """Tunnel World training scenes that are drawn and encoded, once."""
    nodes: int = 12
    """Dropped frames of each of them, at most."""
    evenly: bool = True
    """Whether the dropped frames are those at even distances, or random ones."""
    data: pathlib.Path = pathlib.Path("runs/probe_scenes.safetensors")
    """File of the drawn scenes: read where it exists, else written."""


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Latents and what is hidden in them; -1 in rows of objects that are not."""

    latents: Float[Tensor, "example dim"]
    without: Float[Tensor, "example dim"]
    """Of the same moments without actors."""
    kind: Int64[Tensor, "example actor"]
    colour: Int64[Tensor, "example actor"]
    place: Int64[Tensor, "example actor"]

    def __len__(self) -> int:
        return len(self.latents)

    @property
    def hidden(self) -> Bool[Tensor, "example actor"]:
        """Which objects are hidden."""
        return self.place >= 0

    def select(self, index: Tensor) -> "Examples":
        """Some of them."""
        return Examples(*(getattr(self, field.name)[index] for field in dataclasses.fields(self)))


def examples_of(scenes: GapScenes) -> Examples:
    """The cut-away latents of the hidden frames of scenes, with what is hidden in them."""
    row, node = (scenes.hidden & scenes.nodes()).nonzero(as_tuple=True)
    at = (row, node)
    return Examples(scenes.target[at], scenes.empty[at], scenes.kind[row], scenes.colour[row], scenes.place[at])


def absent(scenes: GapScenes) -> Examples:
    """Moments without actors, to be told apart from other such moments of the same scene: nothing is hidden."""
    row, node = (scenes.hidden & scenes.nodes()).nonzero(as_tuple=True)
    same = torch.cat([row[1:] == row[:-1], row.new_zeros(1, dtype=torch.bool)])
    other = torch.where(same, node.roll(-1), node)
    nothing = torch.full_like(scenes.place[row, node], -1)
    return Examples(scenes.empty[row, other], scenes.empty[row, node], scenes.kind[row], scenes.colour[row], nothing)


def batches(
    something: Examples, nothing: Examples, settings: ProbeSettings, first: int
) -> Iterator[tuple[Examples, Examples]]:
    """Three times as many examples of something as of nothing, for every step from `first` on."""
    there = something.hidden.any(-1).nonzero().flatten()
    for step in range(first, settings.steps):
        generator = loop.generator_of(settings.seed, step)
        some = torch.randint(len(there), (3 * settings.batch // 4,), generator=generator)
        none = torch.randint(len(nothing), (settings.batch // 4,), generator=generator)
        yield something.select(there[some]), nothing.select(none)


@torch.no_grad()
def score(probe: Probe, examples: Examples) -> dict[str, float]:
    """How often the belief is right: on what, what and where (several hidden: any of them), and on "nothing"."""
    belief = probe(examples.latents, examples.without)
    kind, colour, place = (value[:, None] for value in belief.named())
    there, says = examples.hidden.any(-1), belief.present > 0
    what = examples.hidden & (examples.kind == kind) & (examples.colour == colour)

    def share(right: Tensor) -> float:
        return float((right.any(-1) & says)[there].double().mean())

    return {
        "something is said to be something": float(says[there].double().mean()),
        "nothing is said to be nothing": float((~says[~there]).double().mean()),
        "what": share(what),
        "what and which of three places": share(what & (examples.place // 2 == place // 2)),
        "what and which of six places": share(what & (examples.place == place)),
    }


def train(
    settings: ProbeSettings, scenes: dict[str, GapScenes], prompts: Float[Tensor, "kind colour place dim"]
) -> tuple[Probe, dict[str, float]]:
    """The trained probe, on the CPU, and its scores on validation scenes.

    Args:
        settings: of this run.
        scenes: "train" and "validation".
        prompts: of `probe.prompt_latents`.
    """
    device = loop.resolve_device(settings.device)
    something, nothing = examples_of(scenes["train"]), absent(scenes["train"])
    dim = something.latents.shape[-1]
    probe = loop.initialise(lambda: Probe(dim, width=settings.width, dropout=settings.dropout), seed=settings.seed)
    probe.prompts.copy_(prompts)

    def objective(batch: tuple[Examples, Examples], generator: torch.Generator) -> dict[str, Tensor]:
        losses = {}
        for name, part in zip(("something", "nothing"), batch, strict=True):
            # Recovered latents are not quite like any picture's.
            far = settings.noise * torch.rand(len(part), 1, generator=generator) / dim**0.5
            shaken = part.latents + far * torch.randn(part.latents.shape, generator=generator)
            belief = probe((shaken / shaken.norm(dim=-1, keepdim=True)).to(device), part.without.to(device))
            facts = (getattr(part, fact).to(device) for fact in ("kind", "colour", "place", "hidden"))
            losses[name] = -belief.log_likelihood(*facts).mean()
        return {"loss": 0.75 * losses["something"] + 0.25 * losses["nothing"], **losses}

    log = loop.fit(
        probe.to(device),
        objective,
        lambda first: batches(something, nothing, settings, first),
        settings,
        divide=lambda batch, crew: tuple(part.select(crew.rows(torch.arange(len(part)))) for part in batch),
    )
    scores = {"train loss": log[-1]["loss"], **score(probe.cpu(), examples_of(scenes["validation"]))}
    return probe, {name: round(value, 4) for name, value in (scores | {"minutes": loop.minutes(log)}).items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    settings = command_line.parse(ProbeSettings, "Train the probe of hidden objects.", arguments)
    encoder = load_encoder(settings.encoder, device=str(loop.resolve_device(settings.device)))
    scenes = gap_scenes(encoder, settings, layers=("empty",))
    probe, scores = train(settings, scenes, prompt_latents(encoder.text))
    if not team().first:
        return
    settings.out.mkdir(parents=True, exist_ok=True)
    probe.save_pretrained(settings.out)
    write_card(
        settings.out,
        {
            "title": "Probe of what is hidden",
            "what": "From a latent, and that of the same moment without actors, to kind, colour and place of a hidden "
            "object, or nothing: an instrument to measure recovered latents by.",
            "trained_on": f"cut-away and empty latents of {settings.scenes:,} Tunnel World training scenes, encoder "
            f"{settings.encoder}",
            "command": command_line.command("slap_core.training.probe", arguments),
            "seed": settings.seed,
            "scores": scores,
            "licence": "Apache-2.0",
        },
    )


if __name__ == "__main__":
    main()
