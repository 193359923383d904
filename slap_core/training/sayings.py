"""Branches of the projector whose tokens learn the clauses that they should say; no questions are asked.

What they should say stands in `clause_targets`. It is learned first, and goes on counting a little while answers are
learned: through the language model alone tokens would drift to where it was never taught to read, and do so only for
the training clips.
"""

import dataclasses
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slap_core.language_model import LanguageModel
from slap_core.slot_vlm import Projector
from slap_core.training import loop
from slap_core.training.clause_targets import PathTargets, SlotTargets
from slap_core.training.interviews import Interviews
from slap_core.training.question_batches import VARIANTS, seen_by
from slap_core.tunnel_world import Story

__all__ = ["Saying", "saying_of"]

PATHS = 128
"""In a step."""
CLIPS = 16
"""In a step, of slots."""


@dataclasses.dataclass(frozen=True, eq=False)
class Saying:
    """What a branch learns to say."""

    count: int
    """Paths, or clips."""
    size: int
    """Of them in a step."""
    loss: Callable[[Int64[Tensor, "some"]], Float[Tensor, ""]]
    """Of some of them."""

    def draw(self, generator: torch.Generator) -> Int64[Tensor, "some"]:
        """Some of them, at random."""
        return torch.randint(self.count, (self.size,), generator=generator)

    def fit(self, model: Projector, settings: loop.LoopSettings) -> list[loop.Row]:
        """Train what the model has thawed by this alone."""

        def batches(first: int) -> Iterator[Tensor]:
            for step in range(first, settings.steps):
                yield self.draw(loop.generator_of(settings.seed, step))

        def objective(index: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
            return {"loss": self.loss(index)}

        return loop.fit(model, objective, batches, settings)


def saying_of(
    model: Projector,
    language: LanguageModel,
    interviews: Interviews,
    branch: str,
    stories: dict[int, Story] | None,
    variant: str,
) -> Saying | None:
    """What a branch should say of the clips; None where that is not known.

    Args:
        model: the projector.
        language: whose words.
        interviews: the training clips.
        branch: of the projector.
        stories: of the scenes by their seeds; None: it is not known what paths should say.
        variant: one of `VARIANTS`.
    """
    if branch == "path" and stories is not None:
        of_paths = PathTargets(language, stories, tokens=model.config.path_tokens)

        def of_questions(index: Tensor) -> Tensor:
            asked = [interviews.asked[k] for k in index.tolist()]
            paths = interviews.paths.at(torch.tensor([next(iter(one.paths.values())) for one in asked]))
            return of_paths.loss(model(paths)[0], asked)

        return Saying(len(interviews.asked), PATHS, of_questions)
    clauses = interviews.clauses.get(VARIANTS[variant].get(branch, branch), ())
    if not any(words for said in clauses for words in said):
        return None
    of_slots = SlotTargets(language, clauses)

    def of_clips(index: Tensor) -> Tensor:
        return of_slots.loss(*model(seen_by(interviews.slots.at(index), variant).only([branch])), index)

    return Saying(len(interviews.slots), CLIPS, of_clips)
