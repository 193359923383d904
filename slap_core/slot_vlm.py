"""What is known of a clip, projected into the space of a frozen language model's embeddings: tokens before a question.

Three kinds of them:

- *slow slots*: each object slot of each of up to 8 kept frames, with where it looks (its mask's centre and share) and
  when;
- *fast slots*: each event slot of each cell of the coarse grid, with its cell, its mean time, and how long;
- *path latents*: the path of what the question is about at 11 even times of the clip, each marked as seen or recovered;
  several tokens each, for a latent says several things at once. Beside each latent stands how near it is to some
  phrases, by the encoder's own text tower: what is known of language need not be learned again.

Kept frames alone are looked at. Each kind has a projection of its own: layer norm, a hidden layer to which embeddings
of where and when are added, and a linear map into the language model's space. They are trained with the language model
frozen, in three stages (see `training.slot_vlm`).

Source: Xu et al., Slot-VLM: Object-Event Slots for Video-Language Modeling, 2024 (slots, projection, stages); the path
and its marks are ours.
"""

import dataclasses
from collections.abc import Sequence

import torch
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from slap_core.slot_attention import Fourier
from slap_core.slots import SlowFast, SlowFastSlots
from slap_core.types import Path, Tokens

__all__ = ["BRANCHES", "STEPS", "Evidence", "Projector", "ProjectorConfig", "gather", "path_evidence", "slot_evidence"]

BRANCHES = ("slow", "fast", "path")
"""In this order before a question; "dense" stands in for the first two in the ablation with a Q-Former."""
STEPS = 11
"""Times of the clip at which the path is looked at: tenths."""
SHARPNESS = 40.0
"""Inverse temperature of the bundled encoder's cosines, about as in its own training."""
PLACES = {"slow": 4, "fast": 5, "path": 2, "dense": 4}
"""Numbers that say where and when: row, column, share, time; row, column, time, duration, share; time, recovered."""


@dataclasses.dataclass(frozen=True)
class ProjectorConfig:
    """What a projector is built from."""

    dim_language: int
    """Of the language model's embeddings."""
    dim_slot: int = 128
    dim_latent: int = 256
    dim_hidden: int = 256
    """Of each projection's hidden layer."""
    path_tokens: int = 4
    """Tokens for each latent of the path."""
    phrases: int = 0
    """Phrases that the latents of the path are compared with."""
    bands: int = 4
    """Octaves of the sines that say where and when."""
    queries: int = 0
    """Of a Q-Former over tokens in the place of both kinds of slots; 0: slots."""
    encoder: str = "bundled"
    """Whose slots and latents."""
    language: str = "bundled"
    """Which language model."""


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

    @property
    def branches(self) -> tuple[str, ...]:
        """Those there are, in order."""
        return tuple(name for name in ("dense", *BRANCHES) if name in self.vectors)


def slot_evidence(slots: SlowFastSlots, seen: Tokens, span: tuple[float, float], *, seed: int = 0) -> Evidence:
    """The slots of the kept frames.

    Args:
        slots: for the tokens' encoder.
        seen: tokens of the kept frames.
        span: first and last time of the whole clip, seconds.
        seed: of the noise that slots start from.
    """
    found = slots(seen, seed=seed)
    when = _fractions(seen.times, span)
    slow, fast = _slow(found, when), _fast(found, when, slots.config.fast_grid)
    vectors, places = ({"slow": a, "fast": b} for a, b in zip(slow, fast, strict=True))
    return Evidence(vectors, places, {name: torch.ones(len(v), dtype=torch.bool) for name, v in vectors.items()})


def _slow(found: SlowFast, when: Tensor) -> tuple[Tensor, Tensor]:
    attention = found.slow_attention
    frames, slots, height, width = attention.shape
    rows, columns = ((torch.arange(n).to(attention) + 0.5) / n for n in (height, width))
    mass = attention.sum((2, 3))
    row = (attention.sum(3) * rows).sum(2) / mass.clamp_min(1e-6)
    column = (attention.sum(2) * columns).sum(2) / mass.clamp_min(1e-6)
    time = when[found.frames.to(when.device)].to(attention)[:, None].expand(-1, slots)
    places = torch.stack([row, column, mass / (height * width), time], -1).flatten(0, 1)
    return found.vectors[: frames * slots], places


def _fast(found: SlowFast, when: Tensor, grid: int) -> tuple[Tensor, Tensor]:
    attention = found.fast_attention.mT  # (cell, slot, time)
    cells, slots, time = attention.shape
    mass = attention.sum(2)
    mean = (attention * when.to(attention)).sum(2) / mass.clamp_min(1e-6)
    spread = ((attention * (when.to(attention) - mean.unsqueeze(2)).square()).sum(2) / mass.clamp_min(1e-6)).sqrt()
    index = torch.arange(cells, device=attention.device)
    row, column = (((part + 0.5) / grid)[:, None].expand(-1, slots) for part in (index // grid, index % grid))
    places = torch.stack([row, column, mean, spread, mass / time], -1).flatten(0, 1)
    return found.vectors[-cells * slots :], places


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
        return {name: nn.utils.rnn.pad_sequence([t[name] for t in tables], batch_first=True) for name in tables[0]}

    return Evidence(*map(stacked, _columns(parts)))


def _columns(parts: Sequence[Evidence]) -> list[list[dict[str, Tensor]]]:
    return [[part.tables()[k] for part in parts] for k in range(3)]


def _fractions(times: Tensor, span: tuple[float, float]) -> Float[Tensor, "time"]:
    return ((times.double() - span[0]) / max(span[1] - span[0], 1e-9)).clamp(0, 1).float()


class _Projection(nn.Module):
    """From one kind of vectors to tokens of the language model."""

    def __init__(self, config: ProjectorConfig, *, dim: int, axes: int, tokens: int, phrases: int = 0) -> None:
        super().__init__()
        self.tokens = tokens
        self.dim = 2 * dim if phrases else dim
        """What is read of each vector: without phrases, a path's query is not."""
        if phrases:
            self.read = nn.Sequential(
                _Worded(phrases, dim), nn.Linear(_Worded.features(phrases, dim), config.dim_hidden)
            )
        else:
            self.read = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, config.dim_hidden))
        self.where = Fourier(axes, config.dim_hidden, bands=config.bands)
        self.write = nn.Sequential(
            nn.GELU(),
            nn.Linear(config.dim_hidden, config.dim_hidden),
            nn.GELU(),
            nn.Linear(config.dim_hidden, tokens * config.dim_language),
        )

    def forward(self, vectors: Float[Tensor, "*batch token dim"], places: Float[Tensor, "*batch token axis"]) -> Tensor:
        """The tokens of each vector, one after the other."""
        found = self.write(self.read(vectors[..., : self.dim]) + self.where(places))
        return found.unflatten(-1, (self.tokens, -1)).flatten(-3, -2)


class _Worded(nn.Module):
    """Latents, and how near each is to some phrases, by itself and together with the query.

    Softmax of the cosines of the latent is what it shows, of those of the query what is asked for, and of the sum of
    both, a product of the two, what it shows of the thing that is asked for.
    """

    def __init__(self, phrases: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("phrases", torch.zeros(phrases, dim))

    @staticmethod
    def features(phrases: int, dim: int) -> int:
        """How many numbers come out for each latent."""
        return dim + 4 * phrases

    def forward(self, vectors: Float[Tensor, "*batch both"]) -> Float[Tensor, "*batch feature"]:
        """All of size about 1, as layers want it; latent and query stand in one row."""
        latents, query = vectors.split(self.dim, -1)
        near, asked = latents @ self.phrases.mT, query @ self.phrases.mT
        spread = near.std(-1, keepdim=True).clamp_min(1e-6)
        shares = [(SHARPNESS * cosine).softmax(-1) for cosine in (near, asked, near + asked)]
        return torch.cat(
            [
                latents * self.dim**0.5,
                (near - near.mean(-1, keepdim=True)) / spread,
                *(share * self.phrases.shape[0] ** 0.5 for share in shares),
            ],
            -1,
        )


class _Queried(nn.Module):
    """A Q-Former in small: learned queries that attend to tokens, none of which has to choose between them."""

    def __init__(self, config: ProjectorConfig) -> None:
        super().__init__()
        self.tokens = 1
        self.read = nn.Sequential(nn.LayerNorm(config.dim_slot), nn.Linear(config.dim_slot, config.dim_hidden))
        self.where = Fourier(PLACES["dense"], config.dim_hidden, bands=config.bands)
        self.queries = nn.Parameter(torch.randn(config.queries, config.dim_hidden) / config.dim_hidden**0.5)
        self.attend = nn.MultiheadAttention(config.dim_hidden, 4, batch_first=True)
        self.write = nn.Sequential(
            nn.LayerNorm(config.dim_hidden),
            nn.Linear(config.dim_hidden, config.dim_hidden),
            nn.GELU(),
            nn.Linear(config.dim_hidden, config.dim_language),
        )

    def forward(
        self,
        vectors: Float[Tensor, "batch token dim"],
        places: Float[Tensor, "batch token axis"],
        held: Bool[Tensor, "batch token"],
    ) -> Float[Tensor, "batch query language"]:
        """The tokens of each query."""
        seen = self.read(vectors) + self.where(places)
        queries = self.queries.expand(len(seen), -1, -1)
        return self.write(queries + self.attend(queries, seen, seen, key_padding_mask=~held, need_weights=False)[0])


class Projector(nn.Module, PyTorchModelHubMixin):
    """Slots and latents as tokens of a language model.

    Args:
        config: sizes; saved as config.json by `save_pretrained`.
    """

    def __init__(self, config: ProjectorConfig) -> None:
        super().__init__()
        self.config = config
        dims = {"slow": config.dim_slot, "fast": config.dim_slot, "path": config.dim_latent}
        sizes = {name: config.path_tokens if name == "path" else 1 for name in BRANCHES}
        names = ["path"] if config.queries else list(BRANCHES)
        phrases = {"path": config.phrases}
        self.branch = nn.ModuleDict(
            {
                name: _Projection(
                    config, dim=dims[name], axes=PLACES[name], tokens=sizes[name], phrases=phrases.get(name, 0)
                )
                for name in names
            }
        )
        if config.queries:
            self.branch["dense"] = _Queried(config)

    def compare_with(self, phrases: Float[Tensor, "phrase dim"]) -> None:
        """Take the latents of the phrases, as many as `config.phrases`."""
        self.branch["path"].read[0].phrases.copy_(phrases)

    def forward(
        self, evidence: Evidence
    ) -> tuple[Float[Tensor, "*batch position dim"], Bool[Tensor, "*batch position"]]:
        """The tokens of the branches there are, branch after branch, and which of them count."""
        found, held = [], []
        for name in evidence.branches:
            projection = self.branch[name]
            vectors, places, there = (table[name] for table in evidence.tables())
            if name == "dense":
                found.append(projection(vectors.float(), places, there))
                held.append(there.new_ones(found[-1].shape[:-1]))
            else:
                found.append(projection(vectors.float(), places))
                held.append(there.repeat_interleave(projection.tokens, -1))
        return torch.cat(found, -2), torch.cat(held, -1)
