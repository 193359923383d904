"""What a latent is believed to show of what is hidden: whether anything is there, what, and where.

A probe measures recovered latents: it is a small network, trained on latents z of *cut-away* frames of Tunnel World, in
which hidden objects are drawn over what hides them. It is also told the latent e of the same moment *without* actors,
so that it can leave out what stands in front. Its belief is

    p(something) = sigmoid(f_0),
    p(kind, colour, place | something) = softmax(alpha <z - kappa e, t> + f_kind + f_colour + f_place)

with t the latents of the prompts "a <colour> <kind> on the <place>" and f a perceptron of (z, z - e): prompts that are
corrected, kinds and colours each for themselves, so that pairs that it was never shown can be named.

Where several objects are hidden, training asks for any of them: the loss is -log of the sum of their probabilities.

Source: Alain and Bengio, "Understanding intermediate layers using linear classifier probes", 2016 (ours is not linear).
"""

import dataclasses
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from slap_core.tunnel_world import COARSE_PLACES, COLOURS, KINDS, NOTHING, PLACES, prompt

__all__ = ["Belief", "Probe", "candidate_latents", "prompt_latents"]


def prompt_latents(text: Callable[[Sequence[str]], Tensor]) -> Float[Tensor, "kind colour place dim"]:
    """The latents of "a <colour> <kind> on the <place>", three places.

    Args:
        text: from prompts to their unit latents, `text` of an encoder.
    """
    prompts = [
        prompt(kind=kind, colour=colour, place=place) for kind in KINDS for colour in COLOURS for place in COARSE_PLACES
    ]
    return text(prompts).unflatten(0, (len(KINDS), len(COLOURS), len(COARSE_PLACES))).detach().cpu()


def candidate_latents(text: Callable[[Sequence[str]], Tensor]) -> Float[Tensor, "text dim"]:
    """`prompt_latents` one a row, and that of "nothing" last, the mean of what may be said for it.

    Args:
        text: from prompts to their unit latents, `text` of an encoder.
    """
    nothing = text(NOTHING).mean(0, keepdim=True).detach().cpu()
    return torch.cat([prompt_latents(text).flatten(0, 2), nothing / nothing.norm()])


@dataclasses.dataclass(frozen=True, eq=False)
class Belief:
    """Logits of what is hidden, one row for each latent."""

    present: Float[Tensor, "*batch"]
    """Above 0 where something is believed to be hidden."""
    what: Float[Tensor, "*batch kind colour place"]
    """Of kind, colour and place (of `tunnel_world.PLACES`, from left to right), if something is there."""

    def named(self) -> tuple[Int64[Tensor, "*batch"], Int64[Tensor, "*batch"], Int64[Tensor, "*batch"]]:
        """The likeliest kind, colour and place, whether or not anything is believed to be there."""
        _, colours, places = self.what.shape[-3:]
        best = self.what.flatten(-3).argmax(-1)
        return best // (colours * places), best // places % colours, best % places

    def position(self) -> Float[Tensor, "*batch"]:
        """The expected place of the object's centre, in widths of the picture from its left edge."""
        share = self.what.flatten(-3).softmax(-1).unflatten(-1, self.what.shape[-3:]).sum((-3, -2))
        middle = (torch.arange(share.shape[-1], device=share.device) + 0.5) / share.shape[-1]
        return share @ middle

    def log_likelihood(
        self,
        kind: Int64[Tensor, "*batch object"],
        colour: Int64[Tensor, "*batch object"],
        place: Int64[Tensor, "*batch object"],
        hidden: Bool[Tensor, "*batch object"],
    ) -> Float[Tensor, "*batch"]:
        """Log-probability, in nat, that any of the hidden objects is named; of "nothing" where none is hidden."""
        _, colours, places = self.what.shape[-3:]
        index = (kind.clamp_min(0) * colours + colour.clamp_min(0)) * places + place.clamp_min(0)
        each = self.what.flatten(-3).log_softmax(-1).gather(-1, index).masked_fill(~hidden, -torch.inf)
        there = hidden.any(-1)
        some = torch.where(there[..., None], each, 0.0).logsumexp(-1)
        return torch.where(there, F.logsigmoid(self.present) + some, F.logsigmoid(-self.present))


class Probe(nn.Module, PyTorchModelHubMixin):
    """From a latent, and that of the same moment without actors, to the belief about what is hidden.

    Args:
        dim: dimensions of the latents.
        width: units of each of two hidden layers.
        dropout: share of them that is left out in training.
    """

    def __init__(self, dim: int, *, width: int = 256, dropout: float = 0.3) -> None:
        super().__init__()
        self.dim = dim
        self.sizes = (1, len(KINDS), len(COLOURS), len(PLACES))
        self.network = nn.Sequential(
            *(nn.Linear(2 * dim, width), nn.SiLU(), nn.Dropout(dropout)),
            *(nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout)),
            nn.Linear(width, sum(self.sizes)),
        )
        self.alpha = nn.Parameter(torch.tensor(40.0))
        self.kappa = nn.Parameter(torch.tensor(0.4))
        self.register_buffer("prompts", torch.zeros(len(KINDS), len(COLOURS), len(COARSE_PLACES), dim))

    def forward(self, latents: Float[Tensor, "*batch dim"], without: Float[Tensor, "*#batch dim"]) -> Belief:
        """The belief about each latent.

        Args:
            latents: to be read.
            without: of the same moments without actors.

        Raises:
            ValueError: if the latents have other dimensions than the probe.
        """
        if latents.shape[-1] != self.dim or without.shape[-1] != self.dim:
            raise ValueError(
                f"This probe reads latents of {self.dim} dimensions, got {latents.shape[-1]} and {without.shape[-1]}; "
                "use the encoder it was trained for."
            )
        z, e = torch.broadcast_tensors(latents.to(self.alpha), without.to(self.alpha))
        # Coordinates of a unit vector are of size 1/sqrt(dim): as inputs they should be of size 1.
        found = self.network(torch.cat([z, z - e], -1) * self.dim**0.5)
        present, kind, colour, place = found.split(self.sizes, -1)
        each = len(PLACES) // len(COARSE_PLACES)
        what = self.prompted(z, e).repeat_interleave(each, -1)
        what = what + kind[..., :, None, None] + colour[..., None, :, None] + place[..., None, None, :]
        return Belief(present.squeeze(-1), what)

    def prompted(
        self, latents: Float[Tensor, "*batch dim"], without: Float[Tensor, "*#batch dim"]
    ) -> Float[Tensor, "*batch kind colour place"]:
        """The prompts' own logits for three places, without the perceptron's correction."""
        z, e = latents.to(self.alpha), without.to(self.alpha)
        return torch.einsum("...d,kcpd->...kcp", self.alpha * (z - self.kappa * e), self.prompts)
