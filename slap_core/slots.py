"""Slow and fast slots: a clip's dense patch tokens as few vectors, each with a mask of what it stands for.

Slow slots stand for objects, fast ones for events: what the two see is told in `slot_branches`.

Times enter as fractions of the clip, places as fractions of the frame, so that any number of frames and any token grid
will do. Noise is drawn on the CPU from a seed, the same for all cells of a clip: like cells get like slots.

Source: Xu et al., Slot-VLM: Object-Event Slots for Video-Language Modeling, 2024.
"""

import dataclasses

import torch
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Float, Int
from torch import Tensor, nn

from slap_core.sampling import spread
from slap_core.slot_branches import FastSlots, SlotConfig, Slots, SlowSlots, usual
from slap_core.stages import Slotted
from slap_core.types import Tokens

__all__ = ["FastSlots", "SlotConfig", "Slots", "SlowFast", "SlowFastSlots", "SlowSlots", "fractions"]


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
        return spread(count, self.config.slow_frames)

    @property
    def slow_slots(self) -> int:
        """Per frame."""
        return self.config.slow_slots

    def deviation(self, values: Float[Tensor, "time height width dim"]) -> Float[Tensor, "time height width"]:
        """How far each token is from what is usual at its place: the mean square over the standardised dimensions."""
        return self.slow.deviation(values)

    def measure(self, tokens: Float[Tensor, "*clip time height width dim"]) -> None:
        """Take the statistics by which tokens are standardised from these tokens."""
        self.slow.measure(tokens)
        self.fast.measure(tokens)

    @torch.no_grad()
    def forward(self, tokens: Tokens, *, seed: int = 0, frames: Int[Tensor, "frame"] | None = None) -> SlowFast:
        """The slots of a clip.

        Args:
            tokens: on this network's device.
            seed: of the noise that slots start from.
            frames: indices of those that slow slots look at, increasing; default: as `self.frames` says.

        Raises:
            ValueError: if there are no tokens, or they have another dimension than the network was built for.
        """
        self._check(tokens)
        time, *size, _ = tokens.values.shape
        generator = torch.Generator().manual_seed(seed)
        frames = self.frames(time) if frames is None else frames
        when = fractions(tokens.times).to(tokens.values.device)
        at = frames.to(tokens.values.device)
        background = usual(tokens.values)[None]
        slow = self.slow(tokens.values[at][None], when[at][None], background=background, generator=generator)
        fast = self.fast(tokens.values, when, generator=generator)
        fast = fast.ordered(_centre(fast.attention, when).argsort(dim=1))
        timed = slow.vectors + self.slow.when(when[at, None]).unsqueeze(1)
        vectors = torch.cat([timed.flatten(0, 1), fast.vectors.flatten(0, 1)])
        return SlowFast(frames, slow, fast, (size[0], size[1]), vectors)

    @torch.no_grad()
    def attention(self, tokens: Tokens, *, seed: int = 0) -> Float[Tensor, "time slot height width"]:
        """What each slow slot attends to in all of these frames; sums to 1 over the slots. Arguments as of a call."""
        self._check(tokens)
        values, when = tokens.values[None], fractions(tokens.times).to(tokens.values.device)[None]
        generator = torch.Generator().manual_seed(seed)
        found = self.slow.attend(values, when, background=usual(values), generator=generator)
        return found.attention.unflatten(-1, values.shape[2:4])

    def _check(self, tokens: Tokens) -> None:
        if tokens.values.shape[-1] != self.config.dim_token or not tokens.values.numel():
            raise ValueError(
                f"These slots read tokens of dimension {self.config.dim_token} of at least one frame, got a tensor of "
                f"shape {tuple(tokens.values.shape)}; use the encoder they were trained for, or ClusteredSlots."
            )

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


def fractions(times: Float[Tensor, "time"]) -> Float[Tensor, "time"]:
    """Times as fractions of the clip, in [0, 1]; 0 for a single frame."""
    length = times[-1] - times[0]
    return ((times - times[0]) / torch.where(length > 0, length, torch.ones_like(length))).float()


def _centre(masks: Float[Tensor, "batch slot time"], when: Float[Tensor, "time"]) -> Float[Tensor, "batch slot"]:
    return (masks * when).sum(-1) / masks.sum(-1).clamp_min(torch.finfo(masks.dtype).tiny)
