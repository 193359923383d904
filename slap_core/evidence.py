"""What is known of a clip, for a language model: slots of the kept frames, and the path of what is asked about.

Three kinds of vectors, each with where and when:

- *slow slots*: each object slot of up to 7 kept frames, the first and the last, and those nearest to the moments that
  questions name, with where it looks (its mask's centre and share) and when;
- *fast slots*: each event slot of each cell of the coarse grid, with its cell, its mean time, and how long;
- *path latents*: the path of what the question is about at 11 even times of the clip, each marked as seen or recovered,
  beside its query.

Beside each slot stands the mean of the tokens that it attends to. A slot tells what reconstruction needs, its colour
and place; what kind of thing it is, its tokens tell (on Tunnel World a network reads 38 % of the kinds off slots, 95 %
off the means). Kept frames alone are looked at.
"""

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from slap_core.slots import SlowFast, SlowFastSlots
from slap_core.tunnel_world.clip_asking import FRACTIONS
from slap_core.types import Path, Tokens

__all__ = ["BRANCHES", "STEPS", "Evidence", "gather", "moment_frames", "nearest_frames", "path_evidence"]
__all__ += ["slot_evidence", "together"]

BRANCHES = ("slow", "fast", "path")
"""In this order before a question; "dense" stands in for the first two in the ablation with a Q-Former."""
STEPS = 11
"""Times of the clip at which the path is looked at: tenths."""


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """What stands before a question, for one clip or a batch of clips."""

    vectors: dict[str, Tensor]
    """By branch, (*batch, token, dim): slots and latents."""
    places: dict[str, Tensor]
    """By branch, (*batch, token, axis): where and when, in [0, 1]."""
    held: dict[str, Tensor]
    """By branch, (*batch, token): which of the tokens there are; the others fill up a batch."""

    def only(self, branches: Sequence[str]) -> "Evidence":
        """Some of the branches."""
        return Evidence(*({name: table[name] for name in branches} for table in self.tables()))

    def at(self, index: Int64[Tensor, "some"]) -> "Evidence":
        """Some of a batch."""
        return Evidence(*({name: value[index] for name, value in table.items()} for table in self.tables()))

    def tables(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """Vectors, places and which there are, each by branch."""
        return self.vectors, self.places, self.held

    def __len__(self) -> int:
        """How many clips, of a batch."""
        return len(next(iter(self.held.values())))

    @property
    def branches(self) -> tuple[str, ...]:
        """Those there are, in order."""
        return tuple(name for name in ("dense", *BRANCHES) if name in self.vectors)


def nearest_frames(times: Float[Tensor, "time"], span: tuple[float, float]) -> Int64[Tensor, "moment"]:
    """Of each moment that questions name, the index of the frame that is nearest to it.

    Args:
        times: of the frames, seconds, increasing.
        span: first and last time of the whole clip.
    """
    moments = torch.tensor(FRACTIONS, dtype=torch.float64)
    return (times.double()[:, None] - span[0] - moments * (span[1] - span[0])).abs().argmin(0)


def moment_frames(times: Float[Tensor, "time"], span: tuple[float, float]) -> Int64[Tensor, "frame"]:
    """The indices of the frames that slow slots look at, increasing: those nearest to the moments, and both ends.

    Arguments as for `nearest_frames`.
    """
    return torch.cat([nearest_frames(times, span), torch.tensor([0, len(times) - 1])]).unique()


def slot_evidence(found: SlowFast, slots: SlowFastSlots, seen: Tokens, span: tuple[float, float]) -> Evidence:
    """The slots of the kept frames.

    Args:
        found: `slots(seen, frames=moment_frames(seen.times, span))`.
        slots: for the tokens' encoder.
        seen: tokens of the kept frames.
        span: first and last time of the whole clip, seconds.
    """
    when = _fractions(seen.times, span)
    tokens = slots.slow.standardise(seen.values)
    slow, fast = _slow(found, tokens, when), _fast(found, tokens, when, slots.config.fast_grid)
    vectors, places = ({"slow": a, "fast": b} for a, b in zip(slow, fast, strict=True))
    return Evidence(vectors, places, {name: torch.ones(len(v), dtype=torch.bool) for name, v in vectors.items()})


def _slow(found: SlowFast, tokens: Tensor, when: Tensor) -> tuple[Tensor, Tensor]:
    attention = found.slow_attention
    frames, slots, height, width = attention.shape
    rows, columns = ((torch.arange(n).to(attention) + 0.5) / n for n in (height, width))
    mass = attention.sum((2, 3))
    share = attention / mass[..., None, None].clamp_min(1e-6)
    row, column = (share.sum(3) * rows).sum(2), (share.sum(2) * columns).sum(2)
    time = when[found.frames.to(when.device)].to(attention)[:, None].expand(-1, slots)
    places = torch.stack([row, column, mass / (height * width), time], -1).flatten(0, 1)
    means = torch.einsum("fshw,fhwd->fsd", share, tokens[found.frames.to(tokens.device)]).flatten(0, 1)
    return torch.cat([found.vectors[: frames * slots], means], -1), places


def _fast(found: SlowFast, tokens: Tensor, when: Tensor, grid: int) -> tuple[Tensor, Tensor]:
    attention = found.fast_attention.mT  # (cell, slot, time)
    cells, slots, time = attention.shape
    mass = attention.sum(2)
    share = attention / mass[..., None].clamp_min(1e-6)
    mean = (share * when.to(attention)).sum(2)
    spread = (share * (when.to(attention) - mean.unsqueeze(2)).square()).sum(2).sqrt()
    index = torch.arange(cells, device=attention.device)
    row, column = (((part + 0.5) / grid)[:, None].expand(-1, slots) for part in (index // grid, index % grid))
    places = torch.stack([row, column, mean, spread, mass / time], -1).flatten(0, 1)
    pooled = nn.functional.adaptive_avg_pool2d(tokens.permute(0, 3, 1, 2), grid).flatten(2)
    means = torch.einsum("cst,tdc->csd", share, pooled).flatten(0, 1)
    return torch.cat([found.vectors[-cells * slots :], means], -1), places


def path_evidence(
    path: Path, anchors: Float[Tensor, "anchor"], span: tuple[float, float], query: Float[Tensor, "dim"]
) -> Evidence:
    """The path at `STEPS` even times of the clip, beside its query; times of no anchor are marked as recovered.

    Args:
        path: of what the question is about.
        anchors: times of the frames that hold it, seconds.
        span: first and last time of the clip.
        query: what the question is about, a unit latent.
    """
    times = torch.linspace(*span, STEPS, dtype=torch.float64)
    points = path(times).float()
    points = points / points.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    near = (times[:, None] - anchors.double()).abs().amin(1) if len(anchors) else torch.full((STEPS,), torch.inf)
    recovered = near > 0.01 * max(span[1] - span[0], 1e-9)
    places = torch.stack([_fractions(times, span), recovered.float()], -1)
    points = torch.cat([points, query.float().expand(STEPS, -1)], -1)
    return Evidence({"path": points}, {"path": places}, {"path": torch.ones(STEPS, dtype=torch.bool)})


def gather(parts: Sequence[Evidence]) -> Evidence:
    """One batch out of the evidence of several clips, filled up to the longest; or of one clip's branches, joined.

    Evidence of different branches is joined, of the same branches stacked.
    """
    if len({part.branches for part in parts}) > 1:
        return Evidence(*({k: v for table in tables for k, v in table.items()} for tables in _columns(parts)))

    def stacked(tables: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {name: _filled([table[name] for table in tables]) for name in tables[0]}

    return Evidence(*map(stacked, _columns(parts)))


def together(batches: Sequence[Evidence]) -> Evidence:
    """One batch out of several, filled up to the longest."""

    def stacked(tables: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {name: _filled([row for table in tables for row in table[name]]) for name in tables[0]}

    return Evidence(*map(stacked, _columns(batches)))


def _filled(rows: Sequence[Tensor]) -> Tensor:
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _columns(parts: Sequence[Evidence]) -> list[list[dict[str, Tensor]]]:
    return [[part.tables()[k] for part in parts] for k in range(3)]


def _fractions(times: Tensor, span: tuple[float, float]) -> Float[Tensor, "time"]:
    return ((times.double() - span[0]) / max(span[1] - span[0], 1e-9)).clamp(0, 1).float()
