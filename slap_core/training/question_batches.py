"""Questions and answers as a frozen language model reads them, many to a row: for learning and for scoring.

The questions of a clip share its slots: they stand in one row, [slots] [path, question, answer] [path, question,
answer] ..., where no question sees another, and each has the positions that it would have alone. So the model reads the
slots once for all of them, and says what it would say to each alone.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slap_core.evidence import Evidence
from slap_core.language_model import LanguageModel, asked
from slap_core.training.interviews import Asked, Interviews

__all__ = ["IGNORED", "VARIANTS", "Batch", "answered", "packed", "read", "seen_by", "told"]

IGNORED: Final = -100
"""The label of a position that is not learned."""
VARIANTS = {
    "slots": {"slow": "slow", "fast": "fast"},
    "untrained": {"slow": "slow_untrained", "fast": "fast_untrained"},
    "mean": {"slow": "slow_mean", "fast": "fast_mean"},
    "queries": {"dense": "dense"},
}
"""What stands in the place of slots: those of stage 1, of none, means over frames and cells, or a Q-Former's tokens."""


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Questions of some clips: as many of each."""

    evidence: Evidence
    """Of every question; those of a clip share their slots."""
    ids: Int64[Tensor, "question word"]
    """Question and answer, filled up on the right."""
    labels: Int64[Tensor, "question word"]
    """What each word is to be followed by, where it is of the answer; else `IGNORED`."""
    clips: int
    asked: tuple[Asked, ...] = ()


def seen_by(evidence: Evidence, variant: str) -> Evidence:
    """The evidence of a variant, by the names of its branches."""
    names = {**VARIANTS[variant], "path": "path"}
    tables = ({name: table[key] for name, key in names.items() if key in table} for table in evidence.tables())
    return Evidence(*tables)


def read(
    interviews: Interviews,
    language: LanguageModel,
    chosen: Sequence[Asked],
    paths: Sequence[str],
    clips: int,
    *,
    variant: str = "slots",
) -> Batch:
    """The batch of these questions, as many of each of `clips` clips, clip after clip.

    Args:
        interviews: what they are of.
        language: whose words.
        chosen: the questions.
        paths: by which method, for each.
        clips: how many.
        variant: one of `VARIANTS`.
    """
    end = language.tokenizer.eos_token_id
    rows, labels = [], []
    for one in chosen:
        asked, answer = language.ids(language.prompt(one.text)), [*language.ids(one.answer), end]
        rows.append(torch.tensor([*asked, *answer[:-1]]))
        labels.append(torch.tensor([*[IGNORED] * (len(asked) - 1), *answer]))
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    padded = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=IGNORED)
    return Batch(seen_by(interviews.evidence(chosen, paths), variant), ids, padded, clips, tuple(chosen))


def told(
    projector: Callable[[Evidence], tuple[Tensor, Tensor]] | None,
    language: LanguageModel,
    batch: Batch,
    branches: Sequence[str],
) -> dict[str, Tensor]:
    """The mean negative log-likelihood of the answers' words (nat), and the share of them that would be said.

    Args:
        projector: from evidence to tokens, and which of them count; None where no branch is shown.
        language: frozen.
        batch: the questions.
        branches: of the evidence that is shown.
    """
    logits = _logits(projector, language, batch, branches)
    chosen = batch.labels != IGNORED
    found, true = logits[chosen], batch.labels[chosen]
    return {"loss": F.cross_entropy(found.float(), true), "right": (found.argmax(-1) == true).float().mean()}


@torch.no_grad()
def answered(
    projector: Callable[[Evidence], tuple[Tensor, Tensor]] | None,
    language: LanguageModel,
    batch: Batch,
    branches: Sequence[str],
) -> Bool[Tensor, "question"]:
    """Which questions are answered, greedily, word for word and to the end, as the truth; arguments as for `told`."""
    said = _logits(projector, language, batch, branches).argmax(-1)
    return ((said == batch.labels) | (batch.labels == IGNORED)).all(-1)


def packed(
    transformer: Callable[..., Any],
    shared: Float[Tensor, "row before dim"],
    held: Bool[Tensor, "row before"],
    own: Float[Tensor, "question position dim"],
    inside: Bool[Tensor, "question position"],
    places: Int64[Tensor, "row before"] | None = None,
) -> Float[Tensor, "question position dim"]:
    """What a transformer makes of questions that stand in one row behind what they share, and do not see each other.

    Args:
        transformer: of transformers, without its head.
        shared: embeddings that all questions of a row see.
        held: which of them there are.
        own: embeddings of each question, as many questions for each row, row after row.
        inside: which of them there are; behind the last one anything may stand.
        places: positions of what is shared, in order; None: 0, 1, 2, ...
    """
    rows, before = held.shape
    each, length = len(own) // rows, own.shape[1]
    inputs = torch.cat([shared, own.reshape(rows, each * length, -1)], 1)
    valid = torch.cat([held, inside.reshape(rows, each * length)], 1)
    block = torch.cat([torch.full((before,), -1), torch.arange(each).repeat_interleave(length)]).to(own.device)
    may = ((block[:, None] == block) | (block == -1)).tril()
    mask = (may & valid[:, None]) | torch.eye(len(block), dtype=torch.bool, device=own.device)  # what is not there
    first = (held.long().cumsum(1) - 1).clamp_min(0) if places is None else places
    behind = (first.masked_fill(~held, -1).amax(1, keepdim=True) if before else first.new_full((rows, 1), -1)) + 1
    position = [first, behind + torch.arange(length, device=first.device).repeat(each)]
    found = transformer(inputs_embeds=inputs, attention_mask=mask[:, None], position_ids=torch.cat(position, 1))
    return found.last_hidden_state[:, before:].reshape(len(own), length, -1)


def _logits(
    projector: Callable[[Evidence], tuple[Tensor, Tensor]] | None,
    language: LanguageModel,
    batch: Batch,
    branches: Sequence[str],
) -> Tensor:
    """What is said after each word of each question."""
    each = len(batch.ids) // batch.clips
    table = language.model.get_input_embeddings()
    shared, own = [name for name in branches if name != "path"], [name for name in branches if name == "path"]
    parts = [table(torch.full((batch.clips, 1), language.tokenizer.bos_token_id))]
    held = [torch.ones(batch.clips, 1, dtype=torch.bool)]
    if shared:
        some = batch.evidence.only(shared).at(torch.arange(0, len(batch.ids), each))
        tokens, there = projector(some)
        parts.append(tokens)
        held.append(there)
    words, inside = asked(language.model, batch.ids), torch.ones(batch.ids.shape, dtype=torch.bool)
    if own:
        tokens, there = projector(batch.evidence.only(own))
        words, inside = torch.cat([tokens.to(words), words], 1), torch.cat([there, inside], 1)
    hidden = packed(
        language.model.model, torch.cat([part.to(words) for part in parts], 1), torch.cat(held, 1), words, inside
    )
    return language.model.lm_head(hidden[:, -batch.ids.shape[1] :])
