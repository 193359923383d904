"""Slot attention, and the decoder that judges it.

Slots s compete for tokens x. With layer norms on both, and attention a = softmax over the *slots* of
<q(s), k(x)> / sqrt(dim), every slot is updated by the weighted mean of the tokens it won,

    u = sum_x (a + eps) v(x) / sum_x (a + eps),    s <- GRU(u, s),    s <- s + MLP(norm(s)),

three times, from noise of learnable Gaussians. Before each update slots attend to each other, s <- s + A(norm(s)), so
that two of them need not take the same: A is nothing before training. The state that enters the GRU is the slot itself,
not its layer norm. The weighted mean makes the result depend on the number of slots: use as many as in training. Where
the tokens come in parts (the frames of a clip) slots attend to all of them at once, so that a slot is the same thing in
every part, and the last update is made from each part alone.

The decoder predicts the tokens at every place from each slot, and a logit; softmax of the logits over the slots mixes
the predictions. Where a slot is it is told by the attention's centre and spread.

Source: Locatello et al., Object-Centric Learning with Slot Attention, 2020 (there slots do not attend to each other);
Seitzer et al., Bridging the Gap to Real-World Object-Centric Learning, 2023 (DINOSAUR: tokens as the target, MLP
decoder); Biza et al., Invariant Slot Attention, 2023 (places relative to slots).
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Fourier", "SlotAttention", "SlotDecoder", "Standardise"]

HEADS = 4
"""Of the attention among slots."""


class Fourier(nn.Module):
    """Smooth learned embeddings of coordinates in [0, 1]: sines of a few octaves, then a linear map.

    Args:
        axes: number of coordinates.
        dim: of the embedding.
        bands: octaves; the shortest period is 2 / 2^(bands - 1).
        gain: of the initial weights. Where places are added to tokens, below 1: slots that see places before contents
            split the frame by position and stay there.
    """

    def __init__(self, axes: int, dim: int, *, bands: int, gain: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("frequency", math.pi * 2.0 ** torch.arange(bands), persistent=False)
        self.project = nn.Linear(axes * (2 * bands + 1), dim)
        with torch.no_grad():
            self.project.weight *= gain
            self.project.bias.zero_()

    def forward(self, position: Float[Tensor, "*batch axis"]) -> Float[Tensor, "*batch dim"]:
        """The embedding of each position."""
        angle = position.unsqueeze(-1) * self.frequency
        waves = torch.cat([2 * position.unsqueeze(-1) - 1, angle.sin(), angle.cos()], dim=-1)
        return self.project(waves.flatten(-2))


class Standardise(nn.Module):
    """Tokens with zero mean and unit variance in each dimension, by statistics that were measured once."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def measure(self, tokens: Float[Tensor, "*batch dim"]) -> None:
        """Take mean and standard deviation from these tokens."""
        tokens = tokens.flatten(0, -2).float()
        deviation = tokens.std(0, correction=0)
        # Dimensions that hardly vary would be all noise at unit variance.
        floor = 0.1 * deviation.square().mean().sqrt() + torch.finfo(torch.float32).eps
        self.mean.copy_(tokens.mean(0))
        self.scale.copy_(deviation.clamp_min(floor))

    def forward(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """The tokens less the mean, over the standard deviation."""
        return (tokens.float() - self.mean) / self.scale


class SlotAttention(nn.Module):
    """Slot attention as a step and its repetition.

    Args:
        dim: of slots and tokens, a multiple of 4.
        slots: how many there are, each of which starts from a Gaussian of its own.
        iterations: how often slots are updated.
        eps: added to the attention before it is normalised over the tokens.
        competes: whether tokens choose among slots. Without, each slot chooses among tokens by itself, as the queries
            of a Q-Former do: the ablation.
    """

    def __init__(self, dim: int, *, slots: int, iterations: int = 3, eps: float = 1e-8, competes: bool = True) -> None:
        super().__init__()
        self.iterations, self.eps, self.competes = iterations, eps, competes
        self.mean = nn.Parameter(torch.randn(slots, dim) / dim**0.5)
        self.log_std = nn.Parameter(torch.full((dim,), -2.0))
        self.norm_tokens, self.norm_slots, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key, self.value = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.norm_among, self.among = nn.LayerNorm(dim), nn.MultiheadAttention(dim, HEADS, batch_first=True)
        nn.init.zeros_(self.among.out_proj.weight)
        nn.init.zeros_(self.among.out_proj.bias)
        self.gru = nn.GRUCell(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))

    def start(self, noise: Float[Tensor, "batch slot dim"]) -> Float[Tensor, "batch slot dim"]:
        """Slots to start from: standard normal `noise`, given the learned means and standard deviation."""
        return self.mean + self.log_std.exp() * noise

    def aware(self, slots: Float[Tensor, "batch slot dim"]) -> Float[Tensor, "batch slot dim"]:
        """The slots after they have attended to each other."""
        others = self.norm_among(slots)
        return slots + self.among(others, others, others, need_weights=False)[0]

    def step(
        self,
        slots: Float[Tensor, "batch slot dim"],
        keys: Float[Tensor, "batch token dim"],
        values: Float[Tensor, "batch token dim"],
        *,
        parts: int = 1,
    ) -> tuple[Float[Tensor, "sets slot dim"], Float[Tensor, "batch slot token"]]:
        """The slots after one iteration, for each part, and the attention that moved them; it sums to 1 over the slots.

        Args:
            slots: before the iteration.
            keys: of the tokens.
            values: of the tokens.
            parts: of equal length that the tokens come in, one after the other.
        """
        slots = self.aware(slots)
        query = self.query(self.norm_slots(slots))
        logits = query @ keys.mT / keys.shape[-1] ** 0.5
        weights = logits.softmax(dim=1 if self.competes else -1) + self.eps
        attention = weights / weights.sum(1, keepdim=True)
        weights = weights.unflatten(-1, (parts, -1)).transpose(1, 2)
        updates = (weights / weights.sum(-1, keepdim=True)) @ values.unflatten(1, (parts, -1))
        slots = slots.repeat_interleave(parts, 0)
        slots = self.gru(updates.flatten(0, 2), slots.flatten(0, 1)).view_as(slots)
        return slots + self.mlp(self.norm_mlp(slots)), attention

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], noise: Float[Tensor, "batch slot dim"], *, parts: int = 1
    ) -> tuple[Float[Tensor, "sets slot dim"], Float[Tensor, "batch slot token"]]:
        """The slots of each part of the tokens, part after part, and the attention of the last iteration."""
        tokens = self.norm_tokens(tokens)
        keys, values, slots = self.key(tokens), self.value(tokens), self.start(noise)
        for remaining in reversed(range(self.iterations)):
            slots, attention = self.step(slots, keys, values, parts=1 if remaining else parts)
        return slots, attention


class SlotDecoder(nn.Module):
    """Tokens predicted from each slot alone, mixed by masks.

    An MLP is told the slot, the place, and the place as seen from the slot: relative to the centre of what it attends
    to, in units of its spread. Masks start as the Gaussians of those centres and spreads and are refined by the MLP's
    logit: an MLP that has to learn where slots are needs thousands of steps before its masks are more than even. Beside
    the MLP a linear map from slot to token, the same at every place, makes slots with different contents matter from
    the first step.

    The last layers commute with the mixing, for masks sum to 1, so that only the middle layer is computed for every
    pair of slot and token.
    """

    def __init__(self, axes: int, dim_slot: int, dim_hidden: int, dim_token: int, *, bands: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim_slot)
        self.slot = nn.Linear(dim_slot, dim_hidden)
        self.place = Fourier(axes, dim_hidden, bands=bands)
        self.relative = nn.Linear(2 * axes, dim_hidden, bias=False)
        self.middle = nn.Linear(dim_hidden, dim_hidden)
        self.logit = nn.Linear(dim_hidden, 1)
        self.sharpness = nn.Parameter(torch.zeros(()))
        self.token = nn.Linear(dim_hidden, dim_token)
        self.content = nn.Linear(dim_slot, dim_token, bias=False)

    def forward(
        self,
        vectors: Float[Tensor, "batch slot dim"],
        attention: Float[Tensor, "batch slot token"],
        place: Float[Tensor, "token axis"],
    ) -> tuple[Float[Tensor, "batch token feature"], Float[Tensor, "batch slot token"]]:
        """The reconstruction, and the masks that mixed it."""
        seen = self.seen_from(attention, place)
        hidden = self.slot(self.norm(vectors)).unsqueeze(2) + self.place(place)
        hidden = hidden + self.relative(torch.cat([seen, seen.square()], dim=-1))
        hidden = F.gelu(self.middle(F.gelu(hidden)))
        logit = self.logit(hidden).squeeze(-1) - self.sharpness.exp() * seen.square().sum(-1) / 2
        masks = logit.softmax(dim=1)
        tokens = self.token(torch.einsum("bst,bstd->btd", masks, hidden))
        return tokens + masks.mT @ self.held(vectors), masks

    def held(self, vectors: Float[Tensor, "batch slot dim"]) -> Float[Tensor, "batch slot feature"]:
        """The token that each slot stands for wherever it is: a linear map of its layer norm."""
        return self.content(self.norm(vectors))

    @staticmethod
    def seen_from(
        attention: Float[Tensor, "batch slot token"], place: Float[Tensor, "token axis"]
    ) -> Float[Tensor, "batch slot token axis"]:
        """Each place relative to each slot's centre of attention, in units of the attention's spread."""
        weights = attention / attention.sum(-1, keepdim=True).clamp_min(1e-8)
        centre = weights @ place
        offset = place - centre.unsqueeze(2)
        variance = torch.einsum("bst,bsta->bsa", weights, offset.square())
        return (offset / (variance.unsqueeze(2) + 1e-3).sqrt()).clamp(-6, 6)
