"""The lambda of each landscape, on validation scenes: the one of least mean drift, whatever the outcome or query."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.benchmarks.tunnel.cases import Case
from slap_core.benchmarks.tunnel.methods import Landscape
from slap_core.metrics import drift
from slap_core.tunnel_world import OUTCOMES
from slap_core.types import PotentialFunction

__all__ = ["COUPLINGS", "choose_couplings", "drifts"]

COUPLINGS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Lambdas to choose among."""


def drifts(landscape: Landscape, cases: Sequence[Case], couplings: Sequence[float]) -> Float[Tensor, "coupling"]:
    """Mean drift at each lambda, outcomes and queries weighing the same; infinite where over 1 % did not converge."""
    total = torch.zeros(len(OUTCOMES), len(couplings), dtype=torch.float64)
    count = torch.zeros(len(OUTCOMES))
    failed = torch.zeros(len(couplings))
    for case in cases:
        solutions = landscape.scan(case.seen, case.times, case.queries, couplings=couplings)
        for k, solution in enumerate(solutions):
            far = drift(solution.points[:, case.scored], case.target[case.scored])
            total[case.outcome, k] += far.mean().double()
            failed[k] += not solution.result.ok
        count[case.outcome] += 1
    there = count > 0
    mean = (total[there] / count[there][:, None]).mean(0)
    return mean.masked_fill(failed > 0.01 * len(cases), torch.inf)


def choose_couplings(
    potentials: Mapping[str, PotentialFunction], cases: Sequence[Case], couplings: Sequence[float] = COUPLINGS
) -> dict[str, float]:
    """The best lambda of each potential on these cases."""
    return {
        name: couplings[int(drifts(Landscape(potential, 0.0), cases, couplings).argmin())]
        for name, potential in potentials.items()
    }
