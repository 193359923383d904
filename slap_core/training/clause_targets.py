"""What the tokens of a path should say: the clause of the thing that is asked for, at each moment of the clip.

The language model has learned to read clauses of which each is one embedding, the sum of those of its words (see
`language_model`). So what a token of the path has to become where its time is a moment of the language is known: the
clause of the thing that the path is of, or nothing where it is not in the picture. Told so, the projection need not
find the words out through the language model alone.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from slap_core.answering import subject
from slap_core.language_model import LanguageModel
from slap_core.slot_vlm import STEPS
from slap_core.training.interviews import Asked
from slap_core.tunnel_world import COLOURS, KINDS, Story, account
from slap_core.tunnel_world.clip_asking import FRACTIONS, MOMENTS

__all__ = ["Targets", "clauses"]


def clauses(story: Story, about: str, moment: int) -> list[list[str]]:
    """The clauses of the things that `about` names at a moment, in words; all things where it names none."""
    words = about.split()
    kind = next((word for word in words if word in KINDS), None)
    colour = next((word for word in words if word in COLOURS), None)
    begin = MOMENTS[moment].split()
    found = [clause for clause in account(story) if clause[: len(begin)] == begin and clause[-1] != "nothing"]
    return [c for c in found if (kind is None or kind in c) and (colour is None or colour in c)]


class Targets:
    """The tokens that paths should become, by the stories of the clips.

    Args:
        language: whose words.
        stories: of the scenes, by their seeds.
        tokens: of each latent of a path.
    """

    def __init__(self, language: LanguageModel, stories: dict[int, Story], *, tokens: int) -> None:
        self._table: nn.Embedding = language.model.get_input_embeddings()
        self._lookup = language.tokenizer.get_vocab()
        self._stories, self._tokens = stories, tokens
        self._known: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}

    def of(
        self, asked: Sequence[Asked]
    ) -> tuple[Float[Tensor, "question step token dim"], Bool[Tensor, "question step token"]]:
        """The target of each token of the path of each question, and which tokens have one."""
        found = [self._one(one.scene, subject(one.text)) for one in asked]
        target, told = (torch.stack(part) for part in zip(*found, strict=True))
        return target, told

    def _one(self, scene: int, about: str) -> tuple[Tensor, Tensor]:
        if (scene, about) not in self._known:
            dim = self._table.embedding_dim
            target = torch.zeros(STEPS, self._tokens, dim)
            told = torch.zeros(STEPS, self._tokens, dtype=torch.bool)
            for moment, fraction in enumerate(FRACTIONS):
                step = round(fraction * (STEPS - 1))
                told[step, 0] = True  # where the thing is not in the picture, its first token says nothing
                for k, clause in enumerate(clauses(self._stories[scene], about, moment)[: self._tokens]):
                    ids = torch.tensor([self._lookup[word] for word in clause])
                    target[step, k] = self._table.weight.detach()[ids].sum(0)
                    told[step, k] = True
            self._known[scene, about] = target, told
        return self._known[scene, about]

    def loss(self, found: Float[Tensor, "question position dim"], asked: Sequence[Asked]) -> Float[Tensor, ""]:
        """The mean squared error of the tokens that have a target, as a share of the targets' variance."""
        target, told = self.of(asked)
        tokens = found.unflatten(1, (STEPS, self._tokens))
        error = (tokens - target)[told].square().mean()
        return error / target[told].square().mean().clamp_min(1e-6)
