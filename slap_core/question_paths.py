"""The path of what a question is about: through the anchors that show it, and recovered everywhere else.

A kept frame in which the thing is hidden shows what hides it, and would hold the path there. So anchors that do not
show what is asked for are let go (a spring of no stiffness, see `visibility`), and what is recovered between the others
is what hides: by least action with the potential that was shaped to recover it, or by any other method. Where no anchor
shows it, all of them hold: nothing is known that would pull the path away from what is seen.
"""

import copy
import dataclasses
import functools
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from slap_core.baselines import Slerp
from slap_core.cards import chosen_coupling
from slap_core.gaps import find_gaps
from slap_core.least_action import LeastAction
from slap_core.potential import calibrated_cosine
from slap_core.pretrained import load_potential
from slap_core.types import Latents, PotentialFunction, Solution
from slap_core.visibility import showing

__all__ = ["Landscape", "Pulled", "QuestionPath", "hidden_potential"]

TOLERANCE, ACCURACY = 1e-2, 5e-2
"""Of the solver, radians: a language model reads nothing finer."""


@dataclasses.dataclass(frozen=True, eq=False)
class QuestionPath:
    """A method of recovering what a question is about."""

    method: Callable[..., Solution]
    """An `Interpolator`."""
    shown: bool = True
    """Whether only the anchors that show it hold the path; else all do."""

    def anchors(self, seen: Latents, query: Float[Tensor, "dim"]) -> Bool[Tensor, "anchor"]:
        """Which of them hold it."""
        return showing(seen, query) if self.shown else torch.ones(len(seen), dtype=torch.bool)

    def __call__(
        self, seen: Latents, times: Float[Tensor, "time"], query: Float[Tensor, "dim"]
    ) -> tuple[Solution, Bool[Tensor, "anchor"]]:
        """The path, with nodes at `times` (seconds), and which anchors hold it."""
        holds = self.anchors(seen, query)
        held = seen.select(holds.nonzero().flatten())
        return self.method(held, times[~torch.isin(times, held.times)], query), holds


@dataclasses.dataclass(frozen=True, eq=False)
class Landscape:
    """Least action in the potential that was shaped through the solver, without certificates: an interpolator."""

    potential: PotentialFunction
    coupling: float
    """lambda in the longest gap, its length being the unit of time: shorter ones are pulled less, as T^2."""

    def __call__(
        self, seen: Latents, times: Float[Tensor, "time"] | Sequence[float], query: Float[Tensor, "dim"] | None = None
    ) -> Solution:
        """The path of least action."""
        solver = LeastAction(self.potential, tolerance=TOLERANCE, accuracy=ACCURACY)
        gaps = find_gaps(seen.times, times)
        longest = float(gaps.length.max()) if len(gaps) else 1.0  # in units of the mean one
        *_, (found,) = solver.scan_chunks(seen, times, query, couplings=[self.coupling / longest**2])
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class Pulled:
    """Least action in the cosine to the query, calibrated to the clip: for encoders without a learned potential."""

    coupling: float = 0.05

    def __call__(
        self, seen: Latents, times: Float[Tensor, "time"] | Sequence[float], query: Float[Tensor, "dim"] | None = None
    ) -> Solution:
        """The path of least action."""
        potential = None if query is None else calibrated_cosine(Slerp()(seen, times).points, query)
        return LeastAction(potential, coupling=self.coupling)(seen, times, query)


@functools.cache
def hidden_potential() -> Landscape:
    """The landscape that is shipped for the bundled encoder."""
    potential = copy.deepcopy(load_potential(recipe="solver"))
    return Landscape(potential, chosen_coupling("solver"))
