"""The resonance curve of the tunnel test: accuracy, drift and convergence over lambda, and the five regimes.

Regimes are those of `slap_core.resonance`, by accuracy; where over 1 % of the paths are not found, lambda is in chaos.
The paper's scan (accuracy 41.5, 65.2, 83.9, 79.1 and 31 % at lambda -> 0, 0.1, 0.5, 1 and above 5) is of its own data.

Beside accuracy stands what it costs: Lambda = lambda M/(mu sigma_1), M bounding the Riemannian Hessian of P everywhere.
Below 1 the path is sure to be the only one.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.benchmarks.output import markdown_table
from slap_core.benchmarks.tunnel.cases import Case
from slap_core.benchmarks.tunnel.methods import Landscape
from slap_core.benchmarks.tunnel.scores import MEASURED, measure, summarise
from slap_core.curvature import global_bounds
from slap_core.gaps import find_gaps
from slap_core.potential import Potential
from slap_core.probe import Probe
from slap_core.resonance import Regime, regimes
from slap_core.spectrum import string_eigenvalue
from slap_core.types import PotentialFunction

__all__ = ["COUPLINGS", "Sweep", "sweep", "sweep_chunks", "table"]

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
    softness: Float[Tensor, "coupling"]
    """Lambda, the median over the cases with one gap, asked about what hides; NaN for a potential without bounds."""
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
            "Lambda": [None if math.isnan(value) else value for value in self.softness.tolist()],
            "regimes": [regime.value for regime in self.regimes],
            "best": self.couplings[self.best],
        }


def sweep(
    potential: PotentialFunction, cases: Sequence[Case], probe: Probe, couplings: Sequence[float] = COUPLINGS
) -> Sweep:
    """The scan of one potential over the cases."""
    *_, found = sweep_chunks(potential, cases, probe, couplings)
    return found


def sweep_chunks(
    potential: PotentialFunction, cases: Sequence[Case], probe: Probe, couplings: Sequence[float] = COUPLINGS
) -> Iterator[Sweep | None]:
    """What `sweep` returns, yielded last; before it, after each chunk of work, None: a place to stop."""
    values = torch.zeros(len(couplings), len(cases), len(MEASURED), 4, dtype=torch.float64)
    failed = torch.zeros(len(couplings), dtype=torch.float64)
    curvature = torch.tensor([_curvature(potential, case) for case in cases], dtype=torch.float64)
    for number, case in enumerate(cases):
        found = []
        for chunk in Landscape(potential, 0.0).scan_chunks(case.seen, case.times, case.queries, couplings=couplings):
            found = chunk
            yield None
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
    yield Sweep(
        couplings=tuple(couplings),
        unconverged=failed,
        softness=lambdas * curvature.nanmedian(),
        regimes=regimes(lambdas, estimates["accuracy"][:, 0], found=found_there),
        **estimates,
    )


def _curvature(potential: PotentialFunction, case: Case) -> float:
    """M/(mu sigma_1) for the true query; NaN where there is a third anchor, or no bound."""
    if not isinstance(potential, Potential) or len(case.seen) > 2:
        return math.nan
    gaps = find_gaps(case.seen.times, case.times)
    start, stop = (case.seen.points[int(end[0])] for end in (gaps.start, gaps.stop))
    question = potential.in_gaps(case.queries[:1], start[None], stop[None])
    return global_bounds(potential, question[0]).riemannian / float(string_eigenvalue(gaps)[0])


def table(found: dict[str, Sweep]) -> str:
    """Lambda down; accuracy, drift and regime of each potential across."""
    columns = ("accuracy", "drift", "unconverged", "Λ", "regime")
    head = ["λ", *(f"{name}: {what}" for name in found for what in columns)]
    lines = []
    for k, coupling in enumerate(next(iter(found.values())).couplings):
        cells = [f"{coupling:g}"]
        for one in found.values():
            mark = " (λ*)" if k == one.best else ""
            cells += [f"{one.accuracy[k, 0]:.3f}{mark}", f"{one.drift[k, 0]:.4f}", f"{one.unconverged[k]:.2f}"]
            cells += [f"{one.softness[k]:.3g}", one.regimes[k].value]
        lines.append(cells)
    return markdown_table(head, lines)
