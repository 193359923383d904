"""The two branches of slots: objects in the frames of a clip, and events along time.

- Slow slots stand for *objects*: slot attention over the tokens of a few frames at full resolution, all at once, so
  that a slot is the same object in all of them. Tokens come with how far they are from what is usual at their place in
  the clip, and with their neighbours: what moves, and differs from what is around it, is an object. An embedding of
  time is added to the slots afterwards.
- Fast slots stand for *events*: slot attention along time at each cell of a coarse grid; an embedding of time is added
  to the tokens before. They see how far each cell is from what is usual in it: what never changes is no event.

A decoder predicts the tokens from the slots, by which they are trained. Tokens are standardised per dimension, so that
the loss reads as a share of variance: 1 is what the mean token achieves.

Source: Xu et al., Slot-VLM: Object-Event Slots for Video-Language Modeling, 2024. There slots of each frame are found
apart; that all frames share them is ours.
"""

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from slap_core.slot_attention import HEADS, Fourier, SlotAttention, SlotDecoder, Standardise

__all__ = ["Attended", "FastSlots", "SlotConfig", "Slots", "SlowSlots", "pooled", "usual"]


@dataclasses.dataclass(frozen=True)
class SlotConfig:
    """What a pair of slot networks is built from.

    Raises:
        ValueError: if a number is below 1, or the slots' dimension no multiple of 4.
    """

    dim_token: int
    """Dimensions of the encoder's patch tokens."""
    dim_slot: int = 128
    dim_hidden: int = 192
    """Width of the decoder's layers."""
    slow_frames: int = 8
    """Frames that the slow slots look at, spread evenly over the clip."""
    slow_slots: int = 8
    """Per frame."""
    fast_grid: int = 4
    """Rows, and columns, of cells that the fast slots look at."""
    fast_slots: int = 8
    """Per cell."""
    iterations: int = 3
    """Of slot attention."""
    competes: bool = True
    """Whether tokens choose among slots; without, slots are the queries of a Q-Former."""
    bands: int = 4
    """Octaves of the sines that say where and when: the finest has a period of 2 / 2^(bands - 1) frames or clips."""
    origin: str = "Untrained: these masks mean nothing."
    """A sentence for the page: trained by whom on what, or fitted to this clip."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is int and value < 1:
                raise ValueError(f"SlotConfig needs {field.name} of at least 1, got {value}.")
        if self.dim_slot % HEADS:
            raise ValueError(f"SlotConfig needs a dim_slot that {HEADS} divides, got {self.dim_slot}.")


@dataclasses.dataclass(frozen=True, eq=False)
class Slots:
    """What slot attention found in each set of tokens, and how well the slots explain the tokens."""

    vectors: Float[Tensor, "batch slot dim"]
    attention: Float[Tensor, "batch slot token"]
    """Of the last iteration; sums to 1 over the slots."""
    masks: Float[Tensor, "batch slot token"]
    """The decoder's share of each slot in each token; sums to 1 over the slots."""
    reconstruction: Float[Tensor, "batch token feature"]
    by_attention: Float[Tensor, "batch token feature"]
    """What each slot holds wherever it is, mixed by the attention instead of the decoder's masks."""
    target: Float[Tensor, "batch token feature"]
    """Standardised tokens."""

    @property
    def unexplained(self) -> Float[Tensor, ""]:
        """The mean squared error of the decoder's reconstruction: the share of the tokens' variance not explained."""
        return F.mse_loss(self.reconstruction, self.target)

    @property
    def loss(self) -> Float[Tensor, ""]:
        """The objective: the mean squared errors of both reconstructions.

        The second makes the attention itself decide: alone, the decoder's error leaves it soft for a long time.
        """
        return self.unexplained + F.mse_loss(self.by_attention, self.target)

    def ordered(self, order: Int[Tensor, "batch slot"]) -> "Slots":
        """The same slots, slot i of batch b being what was slot order[b, i]."""

        def take(x: Tensor) -> Tensor:
            return x.take_along_dim(order.to(x.device).unsqueeze(-1), dim=1)

        return dataclasses.replace(
            self, vectors=take(self.vectors), attention=take(self.attention), masks=take(self.masks)
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Attended:
    """Slots of each set of tokens before they are asked what they explain."""

    vectors: Float[Tensor, "batch slot dim"]
    attention: Float[Tensor, "batch slot token"]
    target: Float[Tensor, "batch token feature"]
    place: Float[Tensor, "token axis"]
    """Of the tokens of every set."""

    def select(self, index: Int[Tensor, "some"]) -> "Attended":
        """Some of the sets."""
        return Attended(self.vectors[index], self.attention[index], self.target[index], self.place)


class _Branch(nn.Module):
    """Standardise, attend, decode: what slow and fast slots have in common."""

    def __init__(self, config: SlotConfig, *, axes: int, slots: int) -> None:
        super().__init__()
        self.slots = slots
        self.standardise = Standardise(config.dim_token)
        self.place = Fourier(axes, config.dim_slot, bands=config.bands, gain=0.3)
        self.attention = SlotAttention(
            config.dim_slot, slots=slots, iterations=config.iterations, competes=config.competes
        )
        self.decoder = SlotDecoder(axes, config.dim_slot, config.dim_hidden, config.dim_token, bands=config.bands)

    def noise(self, sets: int, *, generator: torch.Generator, shared: bool) -> Float[Tensor, "batch slot dim"]:
        """Standard normal noise for every set of tokens, the same for all of them if `shared`."""
        shape = (1 if shared else sets, self.slots, self.attention.mean.shape[-1])
        noise = torch.randn(shape, generator=generator, device=generator.device)
        return noise.expand(sets, -1, -1).to(self.attention.mean.device)

    def compete(
        self,
        tokens: Float[Tensor, "sets every dim"],
        target: Float[Tensor, "batch token feature"],
        place: Float[Tensor, "token axis"],
        noise: Float[Tensor, "sets slot dim"],
    ) -> Attended:
        """Slots of embedded tokens, in as many parts as there are targets for each set."""
        parts = len(target) // len(tokens)
        vectors, attention = self.attention(tokens, noise, parts=parts)
        return Attended(vectors, attention.unflatten(-1, (parts, -1)).transpose(1, 2).flatten(0, 1), target, place)

    def explain(self, found: Attended) -> Slots:
        """What the slots make of the tokens."""
        reconstruction, masks = self.decoder(found.vectors, found.attention, found.place)
        held = found.attention.mT @ self.decoder.held(found.vectors)
        return Slots(found.vectors, found.attention, masks, reconstruction, held, found.target)


class SlowSlots(_Branch):
    """Objects: slot attention over the frames of a clip."""

    def __init__(self, config: SlotConfig) -> None:
        super().__init__(config, axes=2, slots=config.slow_slots)
        self.unusual = Standardise(config.dim_token)
        self.mix = nn.Sequential(nn.LayerNorm(2 * config.dim_token), nn.Linear(2 * config.dim_token, config.dim_slot))
        self.around = nn.Conv2d(config.dim_slot, config.dim_slot, 3, padding=1, groups=config.dim_slot)
        self.embed = nn.Sequential(nn.GELU(), nn.Linear(config.dim_slot, config.dim_slot))
        self.moment = Fourier(1, config.dim_slot, bands=config.bands, gain=0.3)
        self.when = Fourier(1, config.dim_slot, bands=config.bands)

    def measure(self, tokens: Float[Tensor, "*clip frame height width dim"]) -> None:
        """Take the statistics for standardisation from these tokens."""
        self.standardise.measure(tokens)
        self.unusual.measure(tokens.float() - usual(tokens).unsqueeze(-4))

    def deviation(
        self, tokens: Float[Tensor, "*clip frame height width dim"]
    ) -> Float[Tensor, "*clip frame height width"]:
        """How far each token is from what is usual at its place: the mean square over the standardised dimensions."""
        return self.unusual(tokens.float() - usual(tokens).unsqueeze(-4)).square().mean(-1)

    def forward(self, *tokens: Tensor, **options: Any) -> Slots:
        """Slots of each frame and what they explain; arguments as of `attend`."""
        return self.explain(self.attend(*tokens, **options))

    def attend(
        self,
        tokens: Float[Tensor, "clip frame height width dim"],
        when: Float[Tensor, "clip frame"],
        *,
        background: Float[Tensor, "clip height width dim"],
        generator: torch.Generator,
        shared: bool = True,
    ) -> Attended:
        """Slots of each frame, frame after frame, clip after clip; tokens in rows.

        Args:
            tokens: of frames of one or more clips.
            when: the frames' times as fractions of the clip, in [0, 1].
            background: what is usual at each place of the clip, of all its frames (see `usual`).
            generator: where the slots' noise comes from.
            shared: whether all clips start from the same noise.
        """
        clips, _, height, width, _ = tokens.shape
        rows, columns = (_middles(n, tokens.device) for n in (height, width))
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).flatten(0, 1)
        target = self.standardise(tokens)
        mixed = self.mix(torch.cat([target, self.unusual(tokens - background[:, None])], -1))
        around = self.around(rearrange(mixed, "c f h w d -> (c f) d h w"))
        mixed = mixed + rearrange(around, "(c f) d h w -> c f h w d", c=clips)
        found = self.embed(mixed).flatten(2, 3) + self.place(place) + self.moment(when[..., None])[:, :, None]
        noise = self.noise(clips, generator=generator, shared=shared)
        return self.compete(found.flatten(1, 2), target.flatten(2, 3).flatten(0, 1), place, noise)


class FastSlots(_Branch):
    """Events: slot attention along time at each cell of a coarse grid."""

    def __init__(self, config: SlotConfig) -> None:
        super().__init__(config, axes=1, slots=config.fast_slots)
        self.embed = nn.Sequential(
            nn.Linear(config.dim_token, config.dim_slot),
            nn.GELU(),
            nn.Linear(config.dim_slot, config.dim_slot),
        )
        self.grid = config.fast_grid

    def deviations(
        self, tokens: Float[Tensor, "*clip time height width dim"]
    ) -> Float[Tensor, "*clip rows columns time dim"]:
        """Tokens pooled over each cell, less what is usual in it."""
        cells = pooled(tokens, self.grid)
        return rearrange(cells - usual(cells).unsqueeze(-4), "... t h w d -> ... h w t d")

    def measure(self, tokens: Float[Tensor, "*clip time height width dim"]) -> None:
        """Take the statistics for standardisation from these tokens."""
        self.standardise.measure(self.deviations(tokens))

    def forward(
        self,
        tokens: Float[Tensor, "*clip time height width dim"],
        when: Float[Tensor, "time"],
        *,
        generator: torch.Generator,
        shared: bool = True,
    ) -> Slots:
        """Slots of each cell, cells in rows, clip after clip.

        Args:
            tokens: of all frames of one or more clips.
            when: the frames' times as fractions of the clip, in [0, 1].
            generator: where the slots' noise comes from.
            shared: whether all cells start from the same noise.
        """
        return self.along_time(self.deviations(tokens).flatten(0, -3), when, generator=generator, shared=shared)

    def along_time(
        self,
        deviations: Float[Tensor, "cell time dim"],
        when: Float[Tensor, "time"],
        *,
        generator: torch.Generator,
        shared: bool = True,
    ) -> Slots:
        """Slots of cells whose `deviations` are known; the other arguments are those of a call."""
        noise = self.noise(len(deviations), generator=generator, shared=shared)
        target, when = self.standardise(deviations), when.unsqueeze(-1)
        return self.explain(self.compete(self.embed(target) + self.place(when), target, when, noise))


def usual(tokens: Float[Tensor, "*clip time height width dim"]) -> Float[Tensor, "*clip height width dim"]:
    """What is usual at each place of a clip: the median of its frames in each dimension."""
    return tokens.float().median(-4).values


def pooled(
    tokens: Float[Tensor, "*clip time height width dim"], grid: int
) -> Float[Tensor, "*clip time rows columns dim"]:
    """The mean token of each cell of a grid with so many rows and columns."""
    *clip, time, _, _, dim = tokens.shape
    cells = F.adaptive_avg_pool2d(rearrange(tokens.float(), "... t h w d -> (... t) d h w"), grid)
    return rearrange(cells.view(*clip, time, dim, grid, grid), "... t d h w -> ... t h w d")


def _middles(count: int, device: torch.device) -> Float[Tensor, "place"]:
    return (torch.arange(count, device=device) + 0.5) / count
