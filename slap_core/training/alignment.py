"""Losses that align pictures with words, where captions count as negatives by weight.

With the logits s = scale <z, t>, and w(z, t) from 0 (true, or not to be decided) to 1 (false), each is of the form

    - log e^s(own) / (e^s(own) + sum_t w(z, t) e^s(t)).

Source: Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021 (but for weights).
"""

import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["contrastive_loss", "encode_text", "rivals_loss"]

_LEAST = 1e-30
"""Stands for a weight of 0: a row of nothing but infinities has no gradient."""


def contrastive_loss(
    images: Float[Tensor, "image dim"],
    texts: Float[Tensor, "caption dim"],
    scale: Float[Tensor, ""],
    weight: Float[Tensor, "image caption"],
) -> Float[Tensor, ""]:
    """InfoNCE in both directions between each picture and its own caption, in nat.

    The first captions are those of the pictures, in their order; further ones are negatives of pictures only. Each
    negative counts by its weight: exp(logit) times that is its part of the denominator.
    """
    own = torch.eye(*weight.shape, dtype=torch.bool, device=weight.device)
    logits = scale * images.float() @ texts.float().T + weight.masked_fill(own, 1).clamp_min(_LEAST).log()
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits[:, : len(logits)].T, target)) / 2


def rivals_loss(
    images: Float[Tensor, "image dim"],
    texts: Float[Tensor, "caption dim"],
    scale: Float[Tensor, ""],
    truth: Bool[Tensor, "image caption"],
    weight: Float[Tensor, "image caption"],
    rivals: Bool[Tensor, "group caption"],
) -> Float[Tensor, ""]:
    """Each true caption against the weighted negatives of its group; mean over captions, pictures, groups, in nat."""
    logits = scale * images.float() @ texts.float().T
    against = logits + weight.clamp_min(_LEAST).log()
    losses = []
    for group in rivals:
        inside, right = logits[:, group], truth[:, group]
        each = F.softplus(against[:, group].logsumexp(1, keepdim=True) - inside).masked_fill(~right, 0)
        losses.append((each.sum(1) / right.sum(1).clamp_min(1)).mean())
    return torch.stack(losses).mean()


def encode_text(model: open_clip.CLIP, tokens: Int[Tensor, "caption token"]) -> Float[Tensor, "caption dim"]:
    """Unit latents as open_clip's own `encode_text` gives them, of captions that are shorter than the context.

    open_clip computes all positions up to the context's length; most captions have a third as many.
    """
    length = tokens.shape[1]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    ends = x[torch.arange(len(x), device=x.device), tokens.argmax(1)]
    return F.normalize(ends @ model.text_projection, dim=-1)
