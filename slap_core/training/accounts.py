"""Accounts of drawn scenes with questions about them, as batches that a language model learns from."""

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from slap_core.training.question_batches import IGNORED
from slap_core.tunnel_world import COLOURS, KINDS, Story, account, interview
from slap_core.tunnel_world.clip_asking import MOMENTS

__all__ = ["SPREAD", "Lines", "lines_of"]

SPREAD = 256
"""Positions that squeezed accounts are spread over: as many as slots and paths take."""
MOST_TOLD = 4
"""Times that a clause is told at most: a thing is seen by a slow slot, by fast slots of some cells, and by its path."""


@dataclasses.dataclass(frozen=True, eq=False)
class Lines:
    """A batch of accounts, and as many questions about each."""

    words: Int64[Tensor, "told"]
    """Of all accounts, one after the other."""
    line: Int64[Tensor, "told"]
    """Which account a word belongs to."""
    place: Int64[Tensor, "told"]
    """Where it stands; the words of a squeezed clause stand in one place."""
    lengths: Int64[Tensor, "line"]
    """Places of each account; 0 where it is kept back."""
    positions: Int64[Tensor, "line place"]
    """Of the places, as the model counts them."""
    noise: Float[Tensor, "line place"]
    """Of each place's embedding, as a share of the root mean square of them all."""
    ids: Int64[Tensor, "question word"]
    """Question and answer, account after account, filled up on the right."""
    labels: Int64[Tensor, "question word"]
    """What each word is to be followed by, where it is of the answer; else `IGNORED`."""

    def to(self, device: torch.device) -> "Lines":
        """The same on another device."""
        return Lines(*(getattr(self, field.name).to(device) for field in dataclasses.fields(self)))


def lines_of(
    tokenizer: PreTrainedTokenizerFast,
    asked: Sequence[tuple[Story, int]],
    generator: torch.Generator,
    *,
    questions: int,
    squeezed: bool,
    alone: float,
    noise: float = 0.0,
    again: float = 0.0,
    missing: float = 0.0,
    blank: int = 0,
) -> Lines:
    """One account for each story, and some questions of its interview, drawn by the generator.

    Args:
        tokenizer: of the words.
        asked: stories, and the variant of each one's account and interview.
        generator: draws questions and the accounts that are kept back.
        questions: of each story.
        squeezed: whether each clause comes as one embedding.
        alone: share of the accounts that are kept back.
        noise: the most of a squeezed clause, as a share of the root mean square of them all.
        again: of an account the highest share of squeezed clauses that are told again, and as many of those once more.
        missing: share of the squeezed clauses about things that hide which are left out.
        blank: the most places that tell nothing; they and the squeezed clauses are spread over `SPREAD` positions.
    """
    lookup = tokenizer.get_vocab()
    words, line, places, lengths, positions, shares, rows, labels = [], [], [], [], [], [], [], []
    for row, (story, variant) in enumerate(asked):
        kept_back = bool(torch.rand((), generator=generator) < alone)
        mine = interview(story, variant=variant)
        place = 0
        clauses = [] if kept_back else account(story, variant=variant)
        if squeezed and (again or missing or blank):
            clauses = [c for c in clauses if not (missing and _hides(story, c) and _chance(generator) < missing)]
            clauses = _rough(clauses, generator, again=again, blank=blank)
        for clause in [["<start>"], *clauses]:
            for word in clause:
                words.append(lookup[word])
                line.append(row)
                places.append(place)
                place += not squeezed
            place += squeezed
        lengths.append(place)
        spread = squeezed and blank > 0
        positions.append(_spread(place, generator) if spread else torch.arange(place))
        shares.append(noise * torch.rand(place, generator=generator) * squeezed)
        order = torch.randperm(len(mine), generator=generator).tolist() * questions
        for question in (mine[k] for k in order[:questions]):
            said = ["question", *question.text.rstrip("?").split(), "answer", *question.answer.split(), "<end>"]
            ids, first = [lookup[word] for word in said], said.index("answer")
            rows.append(torch.tensor(ids[:-1]))
            labels.append(torch.tensor([IGNORED] * first + ids[first + 1 :]))
    return Lines(
        *map(torch.tensor, (words, line, places, lengths)),
        nn.utils.rnn.pad_sequence(positions, batch_first=True),
        nn.utils.rnn.pad_sequence(shares, batch_first=True),
        nn.utils.rnn.pad_sequence(rows, batch_first=True),
        nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=IGNORED),
    )


def _chance(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


def _hides(story: Story, clause: Sequence[str]) -> bool:
    """Whether a clause tells of a thing that hides at its moment."""
    if clause[-1] == "nothing":
        return False
    moment = next(k for k, words in enumerate(MOMENTS) if " ".join(clause).startswith(words))
    colour, kind = clause[len(MOMENTS[moment].split()) :][:2]
    return story.split((KINDS.index(kind), COLOURS.index(colour)), story.frame(moment)) == "hidden"


def _rough(clauses: Sequence[list[str]], generator: torch.Generator, *, again: float, blank: int) -> list[list[str]]:
    """The clauses, some of them more than once, and some without words among them, in any order."""
    share, more = again * _chance(generator), list(clauses)
    told = list(clauses)
    for _ in range(MOST_TOLD - 1):
        more = [clause for clause in more if _chance(generator) < share]
        told += more
    empty = int(torch.randint(blank + 1, (), generator=generator)) if clauses else 0
    told += [[] for _ in range(empty)]
    return [told[k] for k in torch.randperm(len(told), generator=generator).tolist()]


def _spread(count: int, generator: torch.Generator) -> Int64[Tensor, "place"]:
    """So many positions of `SPREAD`, in order, the first being 0."""
    some = torch.randperm(max(SPREAD, count) - 1, generator=generator)[: count - 1]
    return torch.cat([torch.zeros(1, dtype=torch.int64), 1 + some.sort().values])
