"""A potential by the paper's recipe: InfoNCE, a Sobolev penalty, spectral norm.

    python -m slap_core.training.potential --objective paper --out runs/potential

For a claim in words with latent q that is true of a picture with latent z, the negatives are the latents of the other
pictures of the batch of which the claim is false:

    loss = - log exp(f(z, q) / tau) / sum_k exp(f(z_k, q) / tau)  +  gamma E |grad_z f|^2

The gradient is penalised at points between two pictures of a batch, where paths run. Then the scale is calibrated on
validation clips: the median tangential gradient along SLERP paths becomes 8.

Source: Fang and Fang, arXiv 2605.30750 (the loss; number of negatives, tau, gamma and width are not given there and are
settings here).
"""

import dataclasses
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slap_core import sphere
from slap_core.encoders import OpenClipEncoder
from slap_core.potential import Potential, calibrate
from slap_core.pretrained import load_encoder
from slap_core.training import loop
from slap_core.training.claims import Facts, draw_claims
from slap_core.training.pictures import draw_pictures
from slap_core.training.potential_settings import PaperSettings
from slap_core.training.sentences import sentences
from slap_core.training.team import Team
from slap_core.tunnel_world import seeds
from slap_core.types import PotentialFunction

__all__ = ["info_nce", "sobolev", "train"]

VALIDATION_PAIRS = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Latents of pictures and claims, and which claims are true of which pictures."""

    latents: Float[Tensor, "image dim"]
    queries: Float[Tensor, "claim dim"]
    truth: Bool[Tensor, "image claim"]
    own: Int64[Tensor, "claim"]
    """The picture about which each claim was made."""

    def divided(self, crew: Team) -> "Batch":
        """This process's claims, against all pictures."""
        queries, truth, own = crew.rows(self.queries), crew.rows(self.truth.T).T, crew.rows(self.own)
        return Batch(self.latents, queries, truth, own)


def info_nce(potential: PotentialFunction, batch: Batch, *, tau: float) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The loss in nat, and the share of claims whose highest latent is one of which they are true."""
    values = potential(batch.latents[None], batch.queries[:, None])  # (claim, image)
    other = torch.arange(len(batch.latents), device=values.device) != batch.own[:, None]
    logits = (values / tau).masked_fill(batch.truth.T & other, -math.inf)
    right = batch.truth.T.gather(1, values.argmax(1, keepdim=True)).float().mean()
    return F.cross_entropy(logits, batch.own), right


def sobolev(potential: Potential, batch: Batch, generator: torch.Generator) -> Float[Tensor, ""]:
    """E |grad_z f|^2 at random points of the geodesics between pictures of the batch."""
    other = batch.latents.roll(1, 0)[batch.own]
    fraction = torch.rand(len(other), generator=generator).to(other)
    z = sphere.slerp(batch.latents[batch.own], other, fraction).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(potential(z, batch.queries).sum(), z, create_graph=True)
    return gradient.square().sum(-1).mean()


def encode_pictures(
    encoder: OpenClipEncoder, scene_seeds: Int64[Tensor, "image"], *, size: int
) -> tuple[Float[Tensor, "image dim"], Facts]:
    """Latents of one picture of each scene, and their facts, on the encoder's device."""
    latents, facts = [], []
    for part in scene_seeds.to(encoder.device).split(256):
        images, shown = draw_pictures(part, size=size)
        latents.append(encoder.images(images)[0])
        facts.append(shown)
    return torch.cat(latents), Facts(**{name: torch.cat([getattr(f, name) for f in facts]) for name in vars(facts[0])})


def batches(
    encoder: OpenClipEncoder,
    latents: Float[Tensor, "image dim"],
    facts: Facts,
    settings: PaperSettings,
    first: int,
) -> Iterator[Batch]:
    """Random pictures with new claims for every step from `first` on; a function of seed and step."""
    for step in range(first, settings.steps):
        generator = torch.Generator(latents.device).manual_seed(settings.seed * 1_000_003 + step)
        chosen = torch.randperm(len(latents), generator=generator, device=latents.device)[: settings.batch]
        shown = Facts(**{name: value[chosen] for name, value in vars(facts).items()})
        claims = draw_claims(shown, generator=generator)
        queries = encoder.text(sentences(claims, seed=settings.seed * settings.steps + step)).to(latents)
        own = torch.arange(len(chosen), device=latents.device)
        yield Batch(latents[chosen], queries, claims.true_of(shown), own)


def train(settings: PaperSettings) -> tuple[Potential, dict[str, float]]:
    """The trained and calibrated potential, on the CPU, and its scores."""
    device = loop.resolve_device(settings.device)
    encoder = load_encoder(settings.encoder, device=str(device))
    potential = loop.initialise(lambda: settings.network(encoder.dim), seed=settings.seed).to(device)

    def objective(batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        contrast, right = info_nce(potential, batch, tau=settings.tau)
        roughness = sobolev(potential, batch, generator)
        return {
            "loss": contrast + settings.gamma * roughness,
            "info_nce": contrast,
            "right": right,
            "sobolev": roughness,
        }

    pool = encode_pictures(encoder, seeds("train", settings.pictures), size=settings.image_size)
    log = loop.fit(
        potential, objective, lambda first: batches(encoder, *pool, settings, first), settings, divide=Batch.divided
    )
    exported = potential.exported()
    held_out = encode_pictures(encoder, seeds("validation", 2 * VALIDATION_PAIRS), size=settings.image_size)
    last = next(batches(encoder, *held_out, dataclasses.replace(settings, steps=1, batch=2 * VALIDATION_PAIRS), 0))
    pairs = last.latents.view(VALIDATION_PAIRS, 2, -1)
    factor = calibrate(exported, pairs, last.queries[::2])
    with torch.no_grad():
        _, right = info_nce(exported, last, tau=settings.tau)
    scores = {f"train {name}": log[-1][name] for name in ("loss", "info_nce", "right", "sobolev")}
    scores |= {f"validation: highest of {2 * VALIDATION_PAIRS} latents is right": float(right), "calibration": factor}
    return exported.cpu(), {name: round(value, 4) for name, value in scores.items()}
