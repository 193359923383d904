"""What is known of a clip, projected into the space of a frozen language model's embeddings: tokens before a question.

Each kind of evidence (see `evidence`) has a projection of its own: layer norm, a hidden layer to which embeddings of
where and when are added, and a linear map into the language model's space. A latent of the path becomes several tokens,
for it says several things at once; the latents of a path attend to each other, for what hides is told by what is seen
before and after. A latent is not read by itself: the encoder's own text tower says how near it is to phrases about
every thing in every place, and what is read are the shares of kinds, colours and places among these, so that what is
known of language need not be learned again, and what is learned of one thing holds for all. They are trained with the
language model frozen, in three stages (see `training.slot_vlm`).

Source: Xu et al., Slot-VLM: Object-Event Slots for Video-Language Modeling, 2024 (slots, projection, stages); the path
and its marks are ours.
"""

import dataclasses
from collections.abc import Sequence

import torch
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Bool, Float
from torch import Tensor, nn

from slap_core.evidence import BRANCHES, Evidence
from slap_core.slot_attention import Fourier

__all__ = ["Projector", "ProjectorConfig"]

SHARPNESS = 40.0
"""Inverse temperature of the bundled encoder's cosines, about as in its own training."""
INSISTENCE = 4.0
"""How much more the query counts than the latent where nothing but the thing that is asked for is to be read."""
PLACES = {"slow": 4, "fast": 5, "path": 2, "dense": 4}
"""Numbers that say where and when: row, column, share, time; row, column, time, duration, share; time, recovered."""


@dataclasses.dataclass(frozen=True)
class ProjectorConfig:
    """What a projector is built from."""

    dim_language: int
    """Of the language model's embeddings."""
    dim_slot: int = 128
    dim_token: int = 192
    """Of the mean of tokens beside each slot; 0: no mean."""
    dim_latent: int = 256
    dim_hidden: int = 256
    """Of each projection's hidden layer."""
    path_tokens: int = 4
    """Tokens for each latent of the path."""
    phrases: int = 0
    """Phrases that the latents of the path are compared with."""
    words: int = 0
    """Kinds, colours and places in them."""
    path_layers: int = 0
    """Of a transformer over the latents of a path; 0: each is read by itself."""
    bands: int = 4
    """Octaves of the sines that say where and when."""
    queries: int = 0
    """Of a Q-Former over tokens in the place of both kinds of slots; 0: slots."""
    encoder: str = "bundled"
    """Whose slots and latents."""
    language: str = "bundled"
    """Which language model."""


class _Projection(nn.Module):
    """From one kind of vectors to tokens of the language model."""

    def __init__(
        self, config: ProjectorConfig, *, dims: Sequence[int], axes: int, tokens: int, phrases: int = 0, layers: int = 0
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.dim = 2 * sum(dims) if phrases else sum(dims)
        """What is read of each vector: without phrases, a path's query is not."""
        if phrases:
            (dim,) = dims
            worded = _Worded(phrases, config.words, dim)
            self.read = nn.Sequential(worded, nn.Linear(worded.features, config.dim_hidden))
        else:
            self.read = nn.Sequential(_Parts(dims), nn.Linear(sum(dims), config.dim_hidden))
        self.where = Fourier(axes, config.dim_hidden, bands=config.bands)
        self.mix = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    config.dim_hidden, 4, 2 * config.dim_hidden, 0.0, "gelu", batch_first=True, norm_first=True
                )
                for _ in range(layers)
            )
        )
        self.write = nn.Sequential(
            nn.GELU(),
            nn.Linear(config.dim_hidden, config.dim_hidden),
            nn.GELU(),
            nn.Linear(config.dim_hidden, tokens * config.dim_language),
        )

    def forward(self, vectors: Float[Tensor, "*batch token dim"], places: Float[Tensor, "*batch token axis"]) -> Tensor:
        """The tokens of each vector, one after the other."""
        found = self.write(self.mix(self.read(vectors[..., : self.dim]) + self.where(places)))
        return found.unflatten(-1, (self.tokens, -1)).flatten(-3, -2)


class _Parts(nn.Module):
    """Layer norm of each part of a vector by itself."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = tuple(dims)
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for dim in dims])

    def forward(self, vectors: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """The same shape."""
        parts = zip(self.norms, vectors.split(self.dims, -1), strict=True)
        return torch.cat([norm(part) for norm, part in parts], -1)


class _Worded(nn.Module):
    """What latents show, in shares of words.

    Softmax of the cosines with all phrases, of the latent is what it shows, of the query what is asked for, and of the
    sum of both, a product of the two, what it shows of the thing that is asked for, the more so the more the query
    counts. Of each, the shares of the phrases with a word are summed. Beside these stands how near the latent is to
    what is asked for, to the nearest phrase, and to the last one, which names no thing.
    """

    def __init__(self, phrases: int, words: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.features = 4 * words + 3
        """How many numbers come out for each latent."""
        self.register_buffer("phrases", torch.zeros(phrases, dim))
        self.register_buffer("words", torch.zeros(phrases, words))

    def forward(self, vectors: Float[Tensor, "*batch both"]) -> Float[Tensor, "*batch feature"]:
        """All of size about 1, as layers want it; latent and query stand in one row."""
        latents, query = vectors.split(self.dim, -1)
        near, asked = latents @ self.phrases.mT, query @ self.phrases.mT
        shares = [(SHARPNESS * c).softmax(-1) for c in (near, asked, near + asked, near + INSISTENCE * asked)]
        distances = [(shares[1] * near).sum(-1), near.amax(-1), near[..., -1]]
        return torch.cat([*(3 * share @ self.words for share in shares), 10 * torch.stack(distances, -1)], -1)


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
        slot = [dim for dim in (config.dim_slot, config.dim_token) if dim]
        dims = {"slow": slot, "fast": slot, "path": [config.dim_latent]}
        sizes = {name: config.path_tokens if name == "path" else 1 for name in BRANCHES}
        names = ["path"] if config.queries else list(BRANCHES)
        phrases = {"path": config.phrases}
        self.branch = nn.ModuleDict(
            {
                name: _Projection(
                    config,
                    dims=dims[name],
                    axes=PLACES[name],
                    tokens=sizes[name],
                    phrases=phrases.get(name, 0),
                    layers=config.path_layers if name == "path" else 0,
                )
                for name in names
            }
        )
        if config.queries:
            self.branch["dense"] = _Queried(config)

    def compare_with(self, phrases: Float[Tensor, "phrase dim"], words: Float[Tensor, "phrase word"]) -> None:
        """Take the latents of the phrases, as many as `config.phrases`, and which of `config.words` each contains."""
        worded = self.branch["path"].read[0]
        worded.phrases.copy_(phrases)
        worded.words.copy_(words)

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
