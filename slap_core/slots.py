"""Slow and fast slots: a clip's dense patch tokens as few vectors, each with a mask of what it stands for.

- Slow slots stand for *objects*: slot attention inside each of a few frames at full resolution; an embedding of time is
  added to the slots afterwards.
- Fast slots stand for *events*: slot attention along time at each cell of a coarse grid; an embedding of time is added
  to the tokens before. They see each cell's deviation from its own mean over the clip: what never changes is no event.

Both are trained by reconstruction: a decoder predicts the tokens from the slots. Tokens are standardised per dimension,
so that the loss reads as a share of variance: 1 is what the mean token achieves.

Times enter as fractions of the clip, places as fractions of the frame, so that any number of frames and any token grid
will do. Noise is drawn on the CPU from a seed, the same for all frames and cells of a clip: like frames get like slots.

Source: Xu et al., Slot-VLM: Object-Event Slots for Video-Language Modeling, 2024.
"""

import dataclasses

import torch
import torch.nn.functional as F
from einops import rearrange
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from slap_core.slot_attention import Fourier, SlotAttention, SlotDecoder, Standardise
from slap_core.stages import Slotted
from slap_core.types import Tokens

__all__ = ["FastSlots", "SlotConfig", "Slots", "SlowFast", "SlowFastSlots", "SlowSlots", "fractions", "match_slots"]


@dataclasses.dataclass(frozen=True)
class SlotConfig:
    """What a pair of slot networks is built from.

    Raises:
        ValueError: if a number is below 1.
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


class _Branch(nn.Module):
    """Standardise, embed, attend, decode: what slow and fast slots have in common."""

    def __init__(self, config: SlotConfig, *, axes: int, slots: int) -> None:
        super().__init__()
        self.slots = slots
        self.standardise = Standardise(config.dim_token)
        self.embed = nn.Sequential(
            nn.LayerNorm(config.dim_token),
            nn.Linear(config.dim_token, config.dim_slot),
            nn.GELU(),
            nn.Linear(config.dim_slot, config.dim_slot),
        )
        self.place = Fourier(axes, config.dim_slot, bands=config.bands, gain=0.3)
        self.attention = SlotAttention(config.dim_slot, iterations=config.iterations, competes=config.competes)
        self.decoder = SlotDecoder(axes, config.dim_slot, config.dim_hidden, config.dim_token, bands=config.bands)

    def noise(self, sets: int, *, generator: torch.Generator, shared: bool) -> Float[Tensor, "batch slot dim"]:
        """Standard normal noise for every set of tokens, the same for all of them if `shared`."""
        shape = (1 if shared else sets, self.slots, self.attention.mean.numel())
        noise = torch.randn(shape, generator=generator, device=generator.device)
        return noise.expand(sets, -1, -1).to(self.attention.mean.device)

    def explain(
        self,
        target: Float[Tensor, "batch token feature"],
        place: Float[Tensor, "token axis"],
        noise: Float[Tensor, "batch slot dim"],
    ) -> Slots:
        vectors, attention = self.attention(self.embed(target) + self.place(place), noise)
        reconstruction, masks = self.decoder(vectors, attention, place)
        return Slots(vectors, attention, masks, reconstruction, attention.mT @ self.decoder.held(vectors), target)


class SlowSlots(_Branch):
    """Objects: slot attention inside each frame."""

    def __init__(self, config: SlotConfig) -> None:
        super().__init__(config, axes=2, slots=config.slow_slots)
        self.when = Fourier(1, config.dim_slot, bands=config.bands)

    def measure(self, tokens: Float[Tensor, "*clip frame height width dim"]) -> None:
        """Take the statistics for standardisation from these tokens."""
        self.standardise.measure(tokens)

    def forward(
        self, tokens: Float[Tensor, "frame height width dim"], *, generator: torch.Generator, shared: bool = True
    ) -> Slots:
        """Slots of each frame; tokens in rows.

        Args:
            tokens: of frames that are looked at one by one.
            generator: where the slots' noise comes from.
            shared: whether all frames start from the same noise.
        """
        _, height, width, _ = tokens.shape
        rows, columns = (_middles(n, tokens.device) for n in (height, width))
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).flatten(0, 1)
        target = self.standardise(tokens.flatten(1, 2))
        return self.explain(target, place, self.noise(len(tokens), generator=generator, shared=shared))


class FastSlots(_Branch):
    """Events: slot attention along time at each cell of a coarse grid."""

    def __init__(self, config: SlotConfig) -> None:
        super().__init__(config, axes=1, slots=config.fast_slots)
        self.grid = config.fast_grid

    def deviations(
        self, tokens: Float[Tensor, "*clip time height width dim"]
    ) -> Float[Tensor, "*clip rows columns time dim"]:
        """Tokens pooled over each cell, less the cell's mean over the clip."""
        *clip, time, _, _, dim = tokens.shape
        pooled = F.adaptive_avg_pool2d(rearrange(tokens.float(), "... t h w d -> (... t) d h w"), self.grid)
        pooled = pooled.view(*clip, time, dim, self.grid, self.grid)
        return rearrange(pooled - pooled.mean(-4, keepdim=True), "... t d h w -> ... h w t d")

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
        return self.explain(self.standardise(deviations), when.unsqueeze(-1), noise)


@dataclasses.dataclass(frozen=True, eq=False)
class SlowFast:
    """The slow and fast slots of a clip.

    Slow slot i means the same thing in every frame; the fast slots of a cell are in the order of their mean times.
    """

    frames: Int[Tensor, "frame"]
    """Indices of the frames that the slow slots look at."""
    slow: Slots
    """One set for each of `frames`."""
    fast: Slots
    """One set for each cell, row by row."""
    size: tuple[int, int]
    """Rows and columns of tokens."""
    vectors: Float[Tensor, "slot dim"]
    """All slots, frame by frame, then cell by cell, the slow ones with their embedding of time: what a language model
    reads."""

    @property
    def slow_attention(self) -> Float[Tensor, "frame slot height width"]:
        """What each slow slot attended to; sums to 1 over the slots."""
        return self.slow.attention.unflatten(-1, self.size)

    @property
    def slow_masks(self) -> Float[Tensor, "frame slot height width"]:
        """What each slow slot explains: the decoder's masks; sums to 1 over the slots."""
        return self.slow.masks.unflatten(-1, self.size)

    @property
    def fast_attention(self) -> Float[Tensor, "cell time slot"]:
        """When each fast slot attended to its cell; sums to 1 over the slots."""
        return self.fast.attention.mT

    @property
    def fast_masks(self) -> Float[Tensor, "cell time slot"]:
        """When each fast slot explains its cell: the decoder's masks; sums to 1 over the slots."""
        return self.fast.masks.mT


class SlowFastSlots(nn.Module, PyTorchModelHubMixin):
    """Slow and fast slots of a clip's tokens.

    Args:
        config: sizes; saved as config.json by `save_pretrained`.
    """

    def __init__(self, config: SlotConfig) -> None:
        super().__init__()
        self.config = config
        self.slow = SlowSlots(config)
        self.fast = FastSlots(config)

    def frames(self, count: int) -> Int[Tensor, "frame"]:
        """The indices of the frames that slow slots look at in a clip of `count`: evenly spread, ends included."""
        return torch.linspace(0, count - 1, min(self.config.slow_frames, count)).round().long()

    def measure(self, tokens: Float[Tensor, "*clip time height width dim"]) -> None:
        """Take the statistics by which tokens are standardised from these tokens."""
        self.slow.measure(tokens)
        self.fast.measure(tokens)

    @torch.no_grad()
    def forward(self, tokens: Tokens, *, seed: int = 0) -> SlowFast:
        """The slots of a clip.

        Args:
            tokens: on this network's device.
            seed: of the noise that slots start from.

        Raises:
            ValueError: if there are no tokens, or they have another dimension than the network was built for.
        """
        time, *size, dim = tokens.values.shape
        if dim != self.config.dim_token or not tokens.values.numel():
            raise ValueError(
                f"These slots read tokens of dimension {self.config.dim_token} of at least one frame, got a tensor of "
                f"shape {tuple(tokens.values.shape)}; use the encoder they were trained for, or fit_slots."
            )
        generator = torch.Generator().manual_seed(seed)
        frames = self.frames(time)
        when = fractions(tokens.times).to(tokens.values.device)
        slow = self.slow(tokens.values[frames.to(tokens.values.device)], generator=generator)
        slow = slow.ordered(match_slots(slow.vectors))
        fast = self.fast(tokens.values, when, generator=generator)
        fast = fast.ordered(_centre(fast.attention, when).argsort(dim=1))
        timed = slow.vectors + self.slow.when(when[frames.to(when.device), None]).unsqueeze(1)
        vectors = torch.cat([timed.flatten(0, 1), fast.vectors.flatten(0, 1)])
        return SlowFast(frames, slow, fast, (size[0], size[1]), vectors)

    def slotted(self, tokens: Tokens, *, seed: int = 0) -> Slotted:
        """The masks of a clip's slots on the CPU, as the main job yields them; arguments as of a call."""
        found = self(tokens, seed=seed)
        return Slotted(
            frames=found.frames,
            slow=found.slow_attention.cpu(),
            fast=found.fast_attention.cpu(),
            grid=(self.config.fast_grid, self.config.fast_grid),
            box=tokens.box,
            origin=self.config.origin,
        )


def match_slots(slots: Float[Tensor, "frame slot dim"], *, rounds: int = 3) -> Int[Tensor, "frame slot"]:
    """The order that makes slot i of every frame mean the same thing: slots[f, order[f, i]] plays part i.

    Slots of a frame are a set. Frame after frame they are assigned (Hungarian algorithm) to prototypes, the running
    means of what was assigned before, so as to maximise the sum of cosines; further rounds repeat this with the means
    over the whole clip. What all slots share is subtracted first. The parts are numbered as the slots of frame 0.

    Args:
        slots: vectors of slots; each frame has as many.
        rounds: passes over the clip, 1 or more.

    Raises:
        ValueError: if `rounds` is below 1.
    """
    if rounds < 1:
        raise ValueError(f"match_slots needs at least 1 round, got {rounds}.")
    vectors = slots.detach().double().cpu()
    vectors = F.normalize(vectors - vectors.mean((0, 1)), dim=-1)
    order = torch.arange(vectors.shape[1]).repeat(len(vectors), 1)
    prototypes = vectors[0]
    for round_ in range(rounds):
        for frame, candidates in enumerate(vectors):
            parts, chosen = linear_sum_assignment(F.normalize(prototypes, dim=-1) @ candidates.T, maximize=True)
            order[frame, torch.from_numpy(parts)] = torch.from_numpy(chosen)
            if round_ == 0:
                prototypes = vectors[: frame + 1].take_along_dim(order[: frame + 1, :, None], dim=1).mean(0)
        prototypes = vectors.take_along_dim(order[:, :, None], dim=1).mean(0)
    return order[:, order[0].argsort()]


def fractions(times: Float[Tensor, "time"]) -> Float[Tensor, "time"]:
    """Times as fractions of the clip, in [0, 1]; 0 for a single frame."""
    length = times[-1] - times[0]
    return ((times - times[0]) / torch.where(length > 0, length, torch.ones_like(length))).float()


def _middles(count: int, device: torch.device) -> Float[Tensor, "place"]:
    return (torch.arange(count, device=device) + 0.5) / count


def _centre(masks: Float[Tensor, "batch slot time"], when: Float[Tensor, "time"]) -> Float[Tensor, "batch slot"]:
    return (masks * when).sum(-1) / masks.sum(-1).clamp_min(torch.finfo(masks.dtype).tiny)
