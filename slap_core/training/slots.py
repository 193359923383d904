"""Slots by reconstruction, on the tokens that an encoder sees in Tunnel World.

    python -m slap_core.training.slots --out runs/slots

Clips are rendered and encoded once; in each step slow slots reconstruct the tokens of some frames of some of them,
fast slots the deviations of all of their frames, cell by cell. The two branches share a step and nothing else: their
losses add, and neither sees the other's gradient. The result is a folder: config.json, model.safetensors, card.

Source: Xu et al., Slot-VLM, 2024: stage 1 of three.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core import tunnel_world
from slap_core.encoders import OpenClipEncoder
from slap_core.metrics import dead_slots, mask_entropy
from slap_core.pretrained import load_encoder, write_card
from slap_core.slots import SlotConfig, SlowFastSlots
from slap_core.training import command_line, loop

__all__ = ["SlotSettings", "main", "reconstruction", "train", "tunnel_world_tokens"]

SCORES = ("slow", "fast", "slow_dead", "slow_entropy")
ClipTokens = Float[Tensor, "clip time height width dim"]


@dataclasses.dataclass(frozen=True)
class SlotSettings(loop.LoopSettings):
    """Settings of the slots and their training."""

    out: pathlib.Path = pathlib.Path("runs/slots")
    """Folder for weights, card and checkpoint."""
    encoder: str = "bundled"
    """Whose tokens; any name that `load_encoder` knows."""
    steps: int = 1500
    """Steps of the optimiser."""
    batch: int = 8
    """Clips per step."""
    learning_rate: float = 2e-3
    """The highest learning rate."""
    warmup: int = 100
    """Steps over which the learning rate rises."""
    clips: int = 768
    """Clips that are drawn and encoded, once; each step takes some of them."""
    frames: int = 16
    """Frames per clip, evenly over the scene."""
    slow_frames: int = 4
    """Frames of each clip that the slow slots learn from in a step."""
    image_size: int = 96
    """Pixels of a side of the rendered frames."""
    dim_slot: int = 128
    """Dimensions of a slot."""
    dim_hidden: int = 192
    """Width of the decoders' layers."""
    slow_slots: int = 8
    """Slots of each frame."""
    fast_slots: int = 8
    """Slots of each cell."""
    fast_grid: int = 4
    """Rows, and columns, of cells."""

    def config(self, dim_token: int) -> SlotConfig:
        """The networks' sizes for tokens of that dimension."""
        return SlotConfig(
            dim_token,
            dim_slot=self.dim_slot,
            dim_hidden=self.dim_hidden,
            slow_slots=self.slow_slots,
            fast_slots=self.fast_slots,
            fast_grid=self.fast_grid,
            origin=f"Slots trained on drawn scenes (Tunnel World) for {self.steps} steps.",
        )


def tunnel_world_tokens(
    encoder: OpenClipEncoder, settings: SlotSettings, *, split: str = "train"
) -> Callable[[int], Iterator[ClipTokens]]:
    """Given a step, batches of clips' tokens from that step on, on the encoder's device; a function of seed and step.

    The clips are drawn and encoded once, here: encoding them anew would take nearly all of a step.

    Args:
        encoder: on the device on which to render.
        settings: of the training.
        split: of Tunnel World's seeds.
    """
    index = torch.linspace(0, 47, settings.frames).round().long().to(encoder.device)
    scene_seeds = tunnel_world.seeds(split, settings.clips, start=settings.seed * settings.clips, device=encoder.device)
    pool = []
    for part in scene_seeds.split(8):
        scenes = tunnel_world.sample(part, frames=48)
        pictures = tunnel_world.render(
            scenes, index.expand(len(part), -1), size=settings.image_size, layers=("observed",)
        ).observed
        _, tokens = encoder.images(pictures.flatten(0, 1))
        pool.append(tokens.half().unflatten(0, (len(part), settings.frames)))  # half: a pool of 768 clips is 0.7 GB
    clips = torch.cat(pool)

    def batches(first: int) -> Iterator[ClipTokens]:
        for step in range(first, settings.steps):
            chosen = torch.randperm(len(clips), generator=loop.generator_of(settings.seed, step))[: settings.batch]
            yield clips[chosen.to(clips.device)].float()

    return batches


def reconstruction(
    model: SlowFastSlots, clips: ClipTokens, generator: torch.Generator, *, slow_frames: int
) -> dict[str, Tensor]:
    """The objective on a batch of clips, and what goes into it.

    "slow" and "fast" are the shares of variance that the decoders leave unexplained; "slow_dead" is the mean number of
    slots of a frame that win no token, "slow_entropy" the mean entropy of its attention, in nat.

    Args:
        model: on the clips' device.
        clips: tokens of clips of equal length.
        generator: on the CPU; draws frames and the slots' noise.
        slow_frames: frames of each clip for the slow slots.
    """
    count, time = clips.shape[:2]
    chosen = torch.rand(count, time, generator=generator).argsort(1)[:, :slow_frames].to(clips.device)
    frames = clips[torch.arange(count, device=clips.device)[:, None], chosen].flatten(0, 1)
    slow = model.slow(frames, generator=generator, shared=False)
    when = torch.linspace(0, 1, time, device=clips.device)
    fast = model.fast(clips, when, generator=generator, shared=False)
    return {
        "loss": slow.loss + fast.loss,
        "slow": slow.unexplained,
        "fast": fast.unexplained,
        "slow_dead": dead_slots(slow.attention).float().mean(),
        "slow_entropy": mask_entropy(slow.attention).mean(),
    }


def train(
    settings: SlotSettings, batches: Callable[[int], Iterator[ClipTokens]]
) -> tuple[SlowFastSlots, list[loop.Row]]:
    """The trained slots, in evaluation mode on the device of the batches, and the log of their training.

    Args:
        settings: of this run.
        batches: given a step, the clips' tokens from that step on.
    """
    sample = next(iter(batches(0)))
    model = loop.initialise(lambda: SlowFastSlots(settings.config(sample.shape[-1])), seed=settings.seed)
    model.to(sample.device).measure(sample)

    def objective(clips: ClipTokens, generator: torch.Generator) -> dict[str, Tensor]:
        return reconstruction(model, clips, generator, slow_frames=settings.slow_frames)

    return model, loop.fit(model, objective, batches, settings)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    settings = command_line.parse(SlotSettings, "Train slots on an encoder's tokens of Tunnel World.", arguments)
    encoder = load_encoder(settings.encoder, device=str(loop.resolve_device(settings.device)))
    model, log = train(settings, tunnel_world_tokens(encoder, settings))
    model.cpu().save_pretrained(settings.out)
    write_card(
        settings.out,
        {
            "title": "Slow and fast slots",
            "what": "Slot attention over a frame's patch tokens (objects) and along time at each cell (events).",
            "trained_on": f"the tokens of the encoder {settings.encoder!r} on {settings.clips:,} Tunnel World "
            f"training clips of {settings.frames} frames",
            "command": command_line.command("slap_core.training.slots", arguments),
            "seed": settings.seed,
            "scores": {
                f"train {name}": round(log[-1][name], 4) for name in ("slow", "fast", "slow_dead", "slow_entropy")
            },
            "licence": "Apache-2.0",
        },
    )


if __name__ == "__main__":
    main()
