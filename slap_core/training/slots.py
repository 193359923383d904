"""Slots by reconstruction and by masks, on the tokens that an encoder sees in Tunnel World.

    python -m slap_core.training.slots --out runs/slots

Clips are rendered and encoded once, and shown forwards or backwards. In each step slow slots reconstruct the tokens of
some frames of some of them and are told which of them show which object (`slot_masks`), fast slots reconstruct the
deviations of all of their frames, cell by cell, and are told when what shows in a cell changes. The two branches share
a step and nothing else: their losses add, and neither sees the other's gradient.
The result is a folder: config.json, model.safetensors, card. A training can go on from such a folder, with other clips,
with one branch alone:

    python -m slap_core.training.slots --start runs/slots --branch slow --seed 1 --out runs/longer

Source: Xu et al., Slot-VLM, 2024: stage 1 of three; the masks are ours.
"""

import dataclasses
import pathlib
import typing
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slap_core import tunnel_world
from slap_core.encoders import OpenClipEncoder
from slap_core.metrics import dead_slots, mask_entropy
from slap_core.pretrained import load_card, load_encoder, write_card
from slap_core.slot_branches import usual
from slap_core.slots import SlotConfig, SlowFastSlots
from slap_core.training import command_line, loop
from slap_core.training.slot_masks import events, owned, told

__all__ = ["Clips", "SlotSettings", "explanation", "main", "train", "tunnel_world_tokens"]

SCORES = ("slow", "fast", "masks", "shared", "uneven", "events", "slow_dead", "slow_entropy")


@dataclasses.dataclass(frozen=True, eq=False)
class Clips:
    """Clips of equal length."""

    tokens: Float[Tensor, "clip time height width dim"]
    cover: Float[Tensor, "clip time object height width"]
    """Which share of each token each object covers."""
    background: Float[Tensor, "clip height width dim"]
    """What is usual at each place."""

    def select(self, index: Int64[Tensor, "some"], backwards: Bool[Tensor, "some"]) -> "Clips":
        """Some of the clips, in float32, forwards or backwards."""
        time = torch.arange(self.tokens.shape[1], device=index.device)
        time = torch.where(backwards[:, None], time.flip(0), time)
        tokens, cover = (table[index[:, None], time].float() for table in (self.tokens, self.cover))
        return Clips(tokens, cover, self.background[index].float())


@dataclasses.dataclass(frozen=True)
class SlotSettings(loop.LoopSettings):
    """Settings of the slots and their training."""

    out: pathlib.Path = pathlib.Path("runs/slots")
    """Folder for weights, card and checkpoint."""
    encoder: str = "bundled"
    """Whose tokens; any name that `load_encoder` knows."""
    start: pathlib.Path | None = None
    """Folder of trained slots to go on from, of the same sizes; None: new ones."""
    branch: typing.Literal["both", "slow", "fast"] = "both"
    """Which slots to train; the others stay as they are."""
    steps: int = 6000
    """Steps of the optimiser."""
    batch: int = 8
    """Clips per step."""
    learning_rate: float = 1.5e-3
    """The highest learning rate."""
    warmup: int = 100
    """Steps over which the learning rate rises."""
    clips: int = 2048
    """Clips that are drawn and encoded, once; each step takes some of them."""
    frames: int = 24
    """Frames per clip, evenly over the scene."""
    slow_frames: int = 8
    """Frames of each clip that the slow slots learn from in a step."""
    explained_frames: int = 2
    """As many frames a clip are reconstructed from the slow slots: it takes most of the time."""
    slow_weight: float = 0.1
    """Of the slow slots' reconstruction, beside the masks."""
    fast_weight: float = 0.1
    """Of the fast slots' reconstruction, beside the events."""
    mask_weight: float = 1.0
    """Of masks and events; 0: slots learn by reconstruction alone."""
    apart_weight: float = 0.2
    """Of objects, or events, having slots of their own, beside the masks."""
    even_weight: float = 0.3
    """Of an even division, among the other slow slots, of what shows no object."""
    image_size: int = 96
    """Pixels of a side of the rendered frames."""
    dim_slot: int = 128
    """Dimensions of a slot."""
    dim_hidden: int = 96
    """Width of the decoders' layers."""
    slow_slots: int = 8
    """Slots of each frame."""
    fast_slots: int = 8
    """Slots of each cell."""
    fast_grid: int = 4
    """Rows, and columns, of cells."""

    def config(self, dim_token: int) -> SlotConfig:
        """The networks' sizes for tokens of that dimension."""
        masks = " and their masks" if self.mask_weight else ""
        return SlotConfig(
            dim_token,
            dim_slot=self.dim_slot,
            dim_hidden=self.dim_hidden,
            slow_slots=self.slow_slots,
            fast_slots=self.fast_slots,
            fast_grid=self.fast_grid,
            origin=f"Slots trained on drawn scenes (Tunnel World){masks} for {self.steps} steps.",
        )

    def model(self, dim_token: int) -> SlowFastSlots:
        """The slots to train: new ones, not seeded, or those to go on from.

        Raises:
            ValueError: if those to go on from have other sizes.
        """
        config = self.config(dim_token)
        if self.start is None:
            return SlowFastSlots(config)
        load_card(self.start)  # raises where a file is not what was saved
        first = SlowFastSlots.from_pretrained(self.start)
        if dataclasses.replace(first.config, origin="") != dataclasses.replace(config, origin=""):
            raise ValueError(
                f"The slots in {self.start} have other sizes ({first.config}) than the settings ({config}); give the "
                "sizes, and the encoder, that they were trained with."
            )
        which = {"both": "all", "slow": "the slow ones", "fast": "the fast ones"}[self.branch]
        origin = f"{first.config.origin.removesuffix('.')}, {which} for {self.steps} more."
        model = SlowFastSlots(dataclasses.replace(config, origin=origin))  # made anew: its config is what is saved
        model.load_state_dict(first.state_dict())
        return model


def tunnel_world_tokens(
    encoder: OpenClipEncoder, settings: SlotSettings, *, split: str = "train"
) -> Callable[[int], Iterator[Clips]]:
    """Given a step, batches of clips from that step on, on the encoder's device; a function of seed and step.

    The clips are drawn and encoded once, here: encoding them anew would take nearly all of a step.

    Args:
        encoder: on the device on which to render.
        settings: of the training.
        split: of Tunnel World's seeds.
    """
    index = torch.linspace(0, 47, settings.frames).round().long().to(encoder.device)
    scene_seeds = tunnel_world.seeds(split, settings.clips, start=settings.seed * settings.clips, device=encoder.device)
    pool, cover = [], []
    for part in scene_seeds.split(8):
        scenes = tunnel_world.sample(part, frames=48)
        drawn = tunnel_world.render(
            scenes, index.expand(len(part), -1), size=settings.image_size, layers=("observed",), masks=True
        )
        _, tokens = encoder.images(drawn.observed.flatten(0, 1))
        pool.append(tokens.half().unflatten(0, (len(part), settings.frames)))  # half: a pool of 2,048 is 2.7 GB
        shares = F.adaptive_avg_pool2d(drawn.visible_masks.flatten(0, 1), tokens.shape[1:3])
        cover.append(shares.half().unflatten(0, (len(part), settings.frames)))
    clips = Clips(torch.cat(pool), torch.cat(cover), torch.cat([usual(part).half() for part in pool]))

    def batches(first: int) -> Iterator[Clips]:
        count = len(clips.tokens)
        for step in range(first, settings.steps):
            generator = loop.generator_of(settings.seed, step)
            chosen = torch.randperm(count, generator=generator)[: settings.batch].to(clips.tokens.device)
            backwards = torch.rand(len(chosen), generator=generator) < 0.5
            yield clips.select(chosen, backwards.to(clips.tokens.device))

    return batches


def explanation(
    model: SlowFastSlots, clips: Clips, generator: torch.Generator, settings: SlotSettings
) -> dict[str, Tensor]:
    """The objective on a batch of clips, and what goes into it.

    "slow" and "fast" are the shares of variance that the decoders leave unexplained, "masks", "shared", "uneven" and
    "events" are those of `slot_masks`; "slow_dead" is the mean number of slots that win no token of a clip,
    "slow_entropy" the mean entropy of its attention, in nat.

    Args:
        model: on the clips' device.
        clips: of equal length.
        generator: on the CPU; draws frames and the slots' noise.
        settings: of the training.
    """
    slow = _slow(model, clips, generator, settings) if settings.branch != "fast" else {}
    fast = _fast(model, clips, generator, settings) if settings.branch != "slow" else {}
    return {**slow, **fast, "loss": torch.stack([part["loss"] for part in (slow, fast) if part]).sum()}


def _slow(model: SlowFastSlots, clips: Clips, generator: torch.Generator, settings: SlotSettings) -> dict[str, Tensor]:
    tokens, device = clips.tokens, clips.tokens.device
    count, time = tokens.shape[:2]
    chosen = torch.rand(count, time, generator=generator).argsort(1)[:, : settings.slow_frames].sort(1).values
    chosen, every = chosen.to(device), torch.arange(count, device=device)[:, None]
    when = torch.linspace(0, 1, time, device=device)
    attended = model.slow.attend(
        tokens[every, chosen], when[chosen], background=clips.background, generator=generator, shared=False
    )
    some = torch.randperm(len(attended.vectors), generator=generator)[: count * settings.explained_frames]
    slow = model.slow.explain(attended.select(some.to(device)))
    attention = attended.attention.unflatten(0, (count, -1)).transpose(1, 2).flatten(2)
    objects = told(attention, owned(clips.cover[every, chosen].flatten(3).transpose(1, 2).flatten(2)))
    by_masks = objects.loss + settings.even_weight * objects.uneven + settings.apart_weight * objects.shared
    return {
        "loss": settings.slow_weight * slow.loss + settings.mask_weight * by_masks,
        "slow": slow.unexplained,
        "masks": objects.loss,
        "shared": objects.shared,
        "uneven": objects.uneven,
        "slow_dead": dead_slots(attention).float().mean(),
        "slow_entropy": mask_entropy(attention).mean(),
    }


def _fast(model: SlowFastSlots, clips: Clips, generator: torch.Generator, settings: SlotSettings) -> dict[str, Tensor]:
    when = torch.linspace(0, 1, clips.tokens.shape[1], device=clips.tokens.device)
    fast = model.fast(clips.tokens, when, generator=generator, shared=False)
    happens = told(fast.attention, events(clips.cover, settings.fast_grid))
    by_masks = happens.loss + settings.apart_weight * happens.shared
    return {
        "loss": settings.fast_weight * fast.loss + settings.mask_weight * by_masks,
        "fast": fast.unexplained,
        "events": happens.loss,
    }


def train(settings: SlotSettings, batches: Callable[[int], Iterator[Clips]]) -> tuple[SlowFastSlots, list[loop.Row]]:
    """The trained slots, in evaluation mode on the device of the batches, and the log of their training.

    Args:
        settings: of this run.
        batches: given a step, the clips from that step on.
    """
    sample = next(iter(batches(0))).tokens
    model = loop.initialise(lambda: settings.model(sample.shape[-1]), seed=settings.seed).to(sample.device)
    if settings.start is None:
        model.measure(sample)
    model.slow.requires_grad_(settings.branch != "fast")
    model.fast.requires_grad_(settings.branch != "slow")

    def objective(clips: Clips, generator: torch.Generator) -> dict[str, Tensor]:
        return explanation(model, clips, generator, settings)

    return model, loop.fit(model, objective, batches, settings)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    settings = command_line.parse(SlotSettings, "Train slots on an encoder's tokens of Tunnel World.", arguments)
    encoder = load_encoder(settings.encoder, device=str(loop.resolve_device(settings.device)))
    model, log = train(settings, tunnel_world_tokens(encoder, settings))
    model.cpu().save_pretrained(settings.out)
    line = command_line.command("slap_core.training.slots", arguments)
    learned = (
        f"the tokens of the encoder {settings.encoder!r} on {settings.clips:,} Tunnel World training clips of "
        f"{settings.frames} frames" + (", and their masks" if settings.mask_weight else "")
    )
    scores = {f"train {name}": round(log[-1][name], 4) for name in SCORES if name in log[-1]}
    if settings.start:
        first = load_card(settings.start)
        learned = f"{first['trained_on']}; then ({settings.branch}) {learned}"
        line, scores = f"{first['command']} && {line}", {**first["scores"], **scores}
    write_card(
        settings.out,
        {
            "title": "Slow and fast slots",
            "what": "Slot attention over a frame's patch tokens (objects) and along time at each cell (events).",
            "trained_on": learned,
            "command": line,
            "seed": settings.seed,
            "scores": scores,
            "licence": "Apache-2.0",
        },
    )


if __name__ == "__main__":
    main()
