"""What projected tokens should say, in the language model's own embeddings.

The language model has learned to read clauses of which each is one embedding, the sum of those of its words (see
`language_model`). So what a token has to become is known: of a slot, the clause of the thing that it looks at (see
`slot_clauses`); of a path, where its time is a moment of the language, the clause of the thing that it is of; nothing,
a zero, where there is none, and between the moments. Told so, a projection need not find the words out through the
language model alone.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from slap_core.answering import subject
from slap_core.evidence import STEPS
from slap_core.language_model import LanguageModel
from slap_core.training.interviews import Asked
from slap_core.tunnel_world import COLOURS, KINDS, Story, account
from slap_core.tunnel_world.clip_asking import FRACTIONS, MOMENTS

__all__ = ["PathTargets", "SlotTargets", "clauses"]


def clauses(story: Story, about: str, moment: int) -> list[list[str]]:
    """The clauses of the things that `about` names at a moment, in words; none where it names none."""
    words = about.split()
    kind = next((word for word in words if word in KINDS), None)
    colour = next((word for word in words if word in COLOURS), None)
    begin = MOMENTS[moment].split()
    if kind is None and colour is None:
        return []
    found = [clause for clause in account(story) if clause[: len(begin)] == begin and clause[-1] != "nothing"]
    return [c for c in found if (kind is None or kind in c) and (colour is None or colour in c)]


def _said(language: LanguageModel, words: Sequence[str]) -> Float[Tensor, "dim"]:
    """The sum of the embeddings of words."""
    table, lookup = language.model.get_input_embeddings(), language.tokenizer.get_vocab()
    return table.weight.detach()[[lookup[word] for word in words]].sum(0)


class SlotTargets:
    """The tokens that slots should become.

    Args:
        language: whose words.
        clauses: of each clip, what each of its slots should say, of one branch (see `Interviews`).
    """

    def __init__(self, language: LanguageModel, clauses: Sequence[Sequence[str]]) -> None:
        number: dict[str, int] = {"": 0}
        rows = [torch.tensor([number.setdefault(words, len(number)) for words in clip]) for clip in clauses]
        self._table = torch.stack([_said(language, words.split()) for words in number])
        self._index = nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def loss(
        self, found: Float[Tensor, "clip token dim"], held: Bool[Tensor, "clip token"], clips: Int64[Tensor, "clip"]
    ) -> Float[Tensor, ""]:
        """The mean squared error of the tokens there are, as a share of the targets' mean square."""
        target = self._table[self._index[clips]][held]
        return (found[held] - target).square().mean() / target.square().mean().clamp_min(1e-6)


class PathTargets:
    """The tokens that paths should become, by the stories of the clips.

    Args:
        language: whose words.
        stories: of the scenes, by their seeds.
        tokens: of each latent of a path.
    """

    def __init__(self, language: LanguageModel, stories: dict[int, Story], *, tokens: int) -> None:
        self._language, self._stories, self._tokens = language, stories, tokens
        self._known: dict[tuple[int, str], Tensor] = {}

    def of(self, asked: Sequence[Asked]) -> Float[Tensor, "question step token dim"]:
        """What each token of the path of each question should become: 0 where it is to say nothing."""
        return torch.stack([self._one(one.scene, subject(one.text)) for one in asked])

    def _one(self, scene: int, about: str) -> Float[Tensor, "step token dim"]:
        if (scene, about) not in self._known:
            target = torch.zeros(STEPS, self._tokens, self._language.dim)
            for moment, fraction in enumerate(FRACTIONS):
                for k, clause in enumerate(clauses(self._stories[scene], about, moment)[: self._tokens]):
                    target[round(fraction * (STEPS - 1)), k] = _said(self._language, clause)
            self._known[scene, about] = target
        return self._known[scene, about]

    def loss(self, found: Float[Tensor, "question position dim"], asked: Sequence[Asked]) -> Float[Tensor, ""]:
        """The mean squared error of the tokens, as a share of the targets' mean square."""
        target = self.of(asked)
        tokens = found.unflatten(1, (STEPS, self._tokens))
        return (tokens - target).square().mean() / target.square().mean().clamp_min(1e-6)
