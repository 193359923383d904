"""The same networks trained from several seeds: how much of a figure is the luck of one training.

A folder of replicas has folders 0, 1, ..., one for each training seed, each with `potential`, `regressor` and
`force_field` as their trainers leave them. The lambda of a potential is what its training chose on validation
stretches, as its card says.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from slap_core.benchmarks.output import markdown_table
from slap_core.benchmarks.tunnel.cases import Case
from slap_core.benchmarks.tunnel.methods import Landscape
from slap_core.benchmarks.tunnel.scores import Estimate, measure, summarise
from slap_core.learned import LearnedInterpolator
from slap_core.potential import Potential
from slap_core.pretrained import baseline_class, load_card, weights_folder
from slap_core.probe import Probe

__all__ = ["COLUMNS", "Replica", "by_training_seed", "replicas", "spread_table"]

SHIPPED = {"potential": "potential_through_solver", "regressor": "regressor", "force_field": "force_field"}
"""What a replica is made of, and the names under which one of them is shipped."""
COLUMNS = (
    *(("accuracy", "all"), ("accuracy", "basic"), ("accuracy", "worst"), ("drift", "all"), ("permanence", "all")),
    ("false_positive_rate", "all"),
)
"""What is told of each training seed: column and outcome, over all queries."""


@dataclasses.dataclass(frozen=True, eq=False)
class Replica:
    """The networks of one training seed."""

    landscape: Landscape
    regressor: LearnedInterpolator
    field: LearnedInterpolator


def replicas(folder: pathlib.Path | None) -> list[Replica]:
    """Those of the folders 0, 1, ... in `folder`, or the shipped one.

    Raises:
        ValueError: if there is no folder 0, or one lacks a network.
    """
    if folder is None:
        return [_replica({name: weights_folder(shipped) for name, shipped in SHIPPED.items()})]
    found = []
    while (seed := folder / str(len(found))).is_dir():
        parts = {name: seed / name for name in SHIPPED}
        missing = [name for name, part in parts.items() if not (part / "config.json").is_file()]
        if missing:
            raise ValueError(f"{folder.name}/{seed.name} lacks {', '.join(missing)}; train them.")
        found.append(_replica(parts))
    if not found:
        raise ValueError(f"{folder.name!r} holds no folder 0 with {', '.join(SHIPPED)}; train them.")
    return found


def _replica(parts: Mapping[str, pathlib.Path]) -> Replica:
    coupling = float(load_card(parts["potential"])["scores"]["coupling"])
    regressor, field = (
        baseline_class(name).from_pretrained(parts[name]).eval().requires_grad_(False)
        for name in ("regressor", "force_field")
    )
    return Replica(Landscape(Potential.from_pretrained(parts["potential"]), coupling), regressor, field)


def by_training_seed(
    trained: Sequence[Replica], cases: Sequence[Case], probe: Probe
) -> dict[str, list[dict[str, Estimate]]]:
    """Method -> for each training seed, "column, outcome" over all queries."""
    found: dict[str, list[dict[str, Estimate]]] = {}
    for replica in trained:
        rows = {"slap": replica.landscape, "regressor": replica.regressor, "field": replica.field}
        for name, method in rows.items():
            values = [measure(method(case.seen, case.times, case.queries).points, case, probe) for case in cases]
            summary = summarise(torch.stack(values), cases)
            row = {f"{column}, {outcome}": summary[outcome]["all"][column] for column, outcome in COLUMNS}
            found.setdefault(name, []).append(row)
    return found


def spread_table(found: Mapping[str, Sequence[Mapping[str, Estimate]]]) -> str:
    """Methods down; the mean over the training seeds of each column, its standard deviation, the least and the most."""
    names = list(next(iter(found.values()))[0])

    def cell(values: Sequence[float]) -> str:
        deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
        return f"{np.mean(values):.4f} ± {deviation:.4f} ({min(values):.4f}–{max(values):.4f})"

    rows = [[method, *(cell([row[name].value for row in each]) for name in names)] for method, each in found.items()]
    return markdown_table(["method", *names], rows)
