"""The resonance curve of the tunnel test: accuracy, drift and convergence over lambda, and the five regimes.

Regimes are those of `slap_core.resonance`, by accuracy; where over 1 % of the paths are not found, lambda is in chaos.
The paper's scan (accuracy 41.5, 65.2, 83.9, 79.1 and 31 % at lambda -> 0, 0.1, 0.5, 1 and above 5) is of its own data.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.benchmarks.output import markdown_table
from slap_core.benchmarks.tunnel.cases import Case
from slap_core.benchmarks.tunnel.methods import Landscape
from slap_core.benchmarks.tunnel.scores import MEASURED, measure, summarise
from slap_core.probe import Probe
from slap_core.resonance import Regime, regimes
from slap_core.types import PotentialFunction

__all__ = ["COUPLINGS", "Sweep", "sweep", "table"]

COUPLINGS = (
    *(0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 2.0),
    *(2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0),
)
"""Lambdas of the scan."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sweep:
    """What is measured at each lambda, outcomes and queries weighing the same."""

    couplings: tuple[float, ...]
    accuracy: Float[Tensor, "coupling estimate"]
    """Mean, and the ends of its 95 % interval."""
    drift: Float[Tensor, "coupling estimate"]
    unconverged: Float[Tensor, "coupling"]
    """Share of cases with a path that was not found."""
    regimes: tuple[Regime, ...]

    @property
    def best(self) -> int:
        """Number of lambda*, where accuracy is highest."""
        return int(self.accuracy[:, 0].argmax())

    def as_json(self) -> dict[str, Any]:
        """Everything in plain numbers."""
        return {
            "couplings": list(self.couplings),
            "accuracy": self.accuracy.tolist(),
            "drift": self.drift.tolist(),
            "unconverged": self.unconverged.tolist(),
            "regimes": [regime.value for regime in self.regimes],
            "best": self.couplings[self.best],
        }


def sweep(
    potential: PotentialFunction, cases: Sequence[Case], probe: Probe, couplings: Sequence[float] = COUPLINGS
) -> Sweep:
    """The scan of one potential over the cases."""
    values = torch.zeros(len(couplings), len(cases), len(MEASURED), 4, dtype=torch.float64)
    failed = torch.zeros(len(couplings), dtype=torch.float64)
    for number, case in enumerate(cases):
        found = Landscape(potential, 0.0).scan(case.seen, case.times, case.queries, couplings=couplings)
        for k, solution in enumerate(found):
            values[k, number] = measure(solution.points, case, probe)
            failed[k] += not solution.result.ok
    rows = [summarise(table, cases, resamples=300)["all"]["all"] for table in values]
    estimates = {
        name: torch.tensor([list(vars(row[name]).values()) for row in rows], dtype=torch.float64)
        for name in ("accuracy", "drift")
    }
    failed = failed / len(cases)
    lambdas = torch.tensor(couplings, dtype=torch.float64)
    found_there = failed <= 0.01
    return Sweep(
        couplings=tuple(couplings),
        unconverged=failed,
        regimes=regimes(lambdas, estimates["accuracy"][:, 0], found=found_there),
        **estimates,
    )


def table(found: dict[str, Sweep]) -> str:
    """Lambda down; accuracy, drift and regime of each potential across."""
    head = ["λ", *(f"{name}: {what}" for name in found for what in ("accuracy", "drift", "unconverged", "regime"))]
    lines = []
    for k, coupling in enumerate(next(iter(found.values())).couplings):
        cells = [f"{coupling:g}"]
        for one in found.values():
            mark = " (λ*)" if k == one.best else ""
            cells += [f"{one.accuracy[k, 0]:.3f}{mark}", f"{one.drift[k, 0]:.4f}", f"{one.unconverged[k]:.2f}"]
            cells += [one.regimes[k].value]
        lines.append(cells)
    return markdown_table(head, lines)
