"""Networks that go from the anchors to the path without any action: the direct regressor and the transformer.

Both are told what the landscape is told (the two anchors a and b, the query q, the elapsed fraction s of the stretch)
and answer with a correction of the geodesic that vanishes at the anchors (see `stretches`):

    direct regressor       c(s)  = f(a, b, q, s)                        every moment by itself
    autoregressive         c(s_i) = f(q, b, a, z_1, ..., z_{i-1}, s_i)   each frame from those before it

The regressor is the plainest thing that can be trained on the same targets, and the one to beat; the transformer is the
stand-in for the autoregressive row of the paper. What the transformer recovers depends on which frames are asked for.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slap_core.learned import LearnedInterpolator, silent
from slap_core.stretches import MOMENT_FEATURES, Stretches, moments

__all__ = ["AutoregressiveTransformer", "DirectRegressor"]

TRUE_SHARE = 0.25
"""Of the latents that the transformer is given in training."""
SAMPLING_PASSES = 2
"""Passes in which it makes the others itself."""


class DirectRegressor(LearnedInterpolator):
    """A perceptron from anchors, query and time to the latent; before training it is SLERP.

    Args:
        dim: dimensions of the latent space.
        width: units of each hidden layer.
        depth: hidden layers.
        dropout: share of the hidden units that is left out in training.
    """

    method = "Regressor"

    def __init__(self, dim: int, *, width: int = 512, depth: int = 3, dropout: float = 0.1) -> None:
        super().__init__(dim)
        self.boundary = nn.Linear(3 * dim + 1, width)
        self.moment = nn.Linear(MOMENT_FEATURES, width * depth, bias=False)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.dropout = nn.Dropout(dropout)
        self.head = silent(width, dim)

    def recover(self, stretches: Stretches) -> Float[Tensor, "batch node dim"]:
        """Unit latents at the nodes."""
        # Time enters every layer: what it changes is not a small addition to what the anchors say.
        time, *later = self.moment(moments(stretches.fraction())).chunk(1 + len(self.hidden), -1)
        x = nn.functional.silu(self.boundary(stretches.boundary())[:, None] + time)
        for layer, time in zip(self.hidden, later, strict=True):
            x = x + self.dropout(nn.functional.silu(layer(x) + time))
        return stretches.corrected(self.head(x))


class AutoregressiveTransformer(LearnedInterpolator):
    """A causal transformer that rolls forward from the left anchor; before training it is SLERP.

    Its tokens are the query, the far anchor (zero beyond a free end), the near anchor, and the recovered latents one
    by one. The token of a latent says in time features when the next one is due. Beyond a free end before the first
    anchor it rolls backwards in time, as all methods count there.

    Args:
        dim: dimensions of the latent space.
        width: of the tokens.
        layers: of the transformer.
        heads: of its attention.
    """

    method = "Autoregressive"

    def __init__(self, dim: int, *, width: int = 128, layers: int = 2, heads: int = 4) -> None:
        super().__init__(dim)
        self.prefix = nn.ModuleList([nn.Linear(dim, width), nn.Linear(dim + 1, width)])
        self.token = nn.Linear(dim + 2 * MOMENT_FEATURES, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = silent(width, dim)

    def next(
        self, stretches: Stretches, given: Float[Tensor, "batch known dim"]
    ) -> Float[Tensor, "batch following dim"]:
        """The latents at the nodes 0, 1, ..., each foretold from those of `given` before it.

        Args:
            stretches: with at least one node more than are given.
            given: latents at the first nodes, none or more.
        """
        due = stretches.fraction()[:, : given.shape[1] + 1]
        now = torch.cat([torch.zeros_like(due[:, :1]), due[:, :-1]], 1)
        latents = torch.cat([stretches.start[:, None], given], 1)
        free = stretches.free()[:, None]
        far = torch.cat([stretches.stop * (1 - free), free], -1)
        prefix = [self.prefix[0](stretches.query)[:, None], self.prefix[1](far)[:, None]]
        tokens = torch.cat([*prefix, self.token(torch.cat([latents, moments(due), moments(due - now)], -1))], 1)
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], device=tokens.device, dtype=tokens.dtype)
        known = self.blocks(tokens, mask=mask, is_causal=True)[:, len(prefix) :]
        whole = stretches.gaps.elapsed.shape[1]
        correction = nn.functional.pad(self.head(known), (0, 0, 0, whole - due.shape[1]))
        return stretches.corrected(correction)[:, : due.shape[1]]

    def recover(self, stretches: Stretches) -> Float[Tensor, "batch node dim"]:
        """Unit latents at the nodes, each from the network's own before it."""
        path = stretches.start.new_zeros(len(stretches), 0, self.dim)
        for _ in range(stretches.gaps.elapsed.shape[1]):
            path = torch.cat([path, self.next(stretches, path)[:, -1:]], 1)
        return path

    def training_path(
        self, stretches: Stretches, target: Float[Tensor, "batch node dim"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch node dim"], Float[Tensor, ""]]:
        """The path foretold from latents a quarter of which are true and the rest the network's own; no penalty.

        Given true latents only, a network never meets its own errors. This is scheduled sampling: passes without a
        graph replace the true latents by what was foretold from them, and then from that.

        Source: Mihaylova and Martins, "Scheduled Sampling for Transformers", 2019.
        """
        true = (torch.rand(target.shape[:2], generator=generator) < TRUE_SHARE).to(target.device)[..., None]
        given = target
        with torch.no_grad():
            for _ in range(SAMPLING_PASSES):
                given = torch.where(true, target, self.next(stretches, given[:, :-1]))
        path = self.next(stretches, given[:, :-1])
        return path, path.new_zeros(())
