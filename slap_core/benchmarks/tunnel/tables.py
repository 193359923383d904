"""What the tunnel test writes: every number with its interval as CSV and JSON, the totals as Markdown."""

import csv
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from slap_core.benchmarks.output import markdown_table
from slap_core.benchmarks.tunnel.scores import COLUMNS, Estimate

__all__ = ["PAPER", "across", "as_json", "by_condition", "by_outcome", "markdown", "totals", "write_csv"]

Summary = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Estimate]]]]
"""Method -> outcome -> query -> column."""

PAPER = {
    "zoh": (24.3, 1.2, 0.45),
    "slerp": (41.5, 2.1, 0.38),
    "latent_ode": (58.2, 3.4, 0.29),
    "autoregressive": (68.1, 3.9, 0.25),
    "static": (70.5, None, None),
    "slap_paper": (83.9, 4.7, 0.14),
    "slap_pure_inertia": (41.5, None, None),
    "slap_pure_potential": (62.0, None, None),
}
"""Accuracy in percent, permanence and drift as the paper states them, for its own data and protocol, which are not
public; its autoregressive row is Video-LLaMA 3."""


def write_csv(path: pathlib.Path, summary: Summary, scenes: Mapping[str, int]) -> None:
    """One row for each method, outcome and query; each column with `_low` and `_high`.

    Args:
        path: of the file.
        summary: of all methods.
        scenes: how many each outcome has.
    """
    names = [f"{column}{end}" for column in COLUMNS for end in ("", "_low", "_high")]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "outcome", "query", "scenes", *names])
        for method, outcomes in summary.items():
            for outcome, queries in outcomes.items():
                for query, columns in queries.items():
                    cells = [_cell(v) for name in COLUMNS for v in vars(columns[name]).values()]
                    writer.writerow([method, outcome, query, scenes[outcome], *cells])


def as_json(summary: Summary) -> dict[str, Any]:
    """The same as nested dictionaries of [value, low, high]; null for what is not to be measured."""

    def numbers(estimate: Estimate) -> list[float | None]:
        return [None if math.isnan(v) else round(v, 5) for v in vars(estimate).values()]

    return {
        method: {
            outcome: {query: {name: numbers(v) for name, v in columns.items()} for query, columns in queries.items()}
            for outcome, queries in outcomes.items()
        }
        for method, outcomes in summary.items()
    }


def totals(record: Mapping[str, Any]) -> dict[str, Any]:
    """The little of tunnel.json that the page shows: each method's means over all outcomes and queries.

    Args:
        record: what the tunnel test writes, with "seeds", "scenes", "couplings" and "methods".
    """
    means = {
        method: {name: outcomes["all"]["all"][name] for name in ("accuracy", "permanence", "drift")}
        for method, outcomes in record["methods"].items()
    }
    return {
        **{name: record[name] for name in ("seeds", "couplings")},
        "scenes": record["scenes"]["all"],
        "methods": means,
    }


def markdown(summary: Summary, couplings: Mapping[str, float], *, outcome: str) -> str:
    """Methods down; accuracy for each query, then totals, and the paper's figures in columns of their own."""
    queries = ("true", "distractor", "absent", "generic")
    head = ["method", "λ", *(f"accuracy, {query}" for query in queries), "accuracy", "95 %", "by probe"]
    head += ["false positives", "permanence", "drift", "relative drift", "*paper: accuracy*", "*permanence*", "*drift*"]
    lines = []
    for method, outcomes in summary.items():
        whole = outcomes[outcome]["all"]
        paper = PAPER.get(method, (None, None, None))
        cells = [
            method,
            f"{couplings[method]:g}" if method in couplings else "",
            *(f"{outcomes[outcome][query]['accuracy'].value:.3f}" for query in queries),
            f"**{whole['accuracy'].value:.3f}**",
            f"{whole['accuracy'].low:.3f} to {whole['accuracy'].high:.3f}",
            _rounded(whole["probe_accuracy"].value, 3),
            _rounded(whole["false_positive_rate"].value, 3),
            _rounded(whole["permanence"].value, 2),
            _rounded(whole["drift"].value, 4),
            _rounded(whole["drift_relative"].value, 2),
            *("" if value is None else f"*{value:g}*" for value in paper),
        ]
        lines.append(cells)
    return markdown_table(head, lines)


def by_outcome(summary: Summary, outcomes: Sequence[str], column: str = "accuracy") -> str:
    """Methods down, outcomes across: one column, over all queries."""
    rows = [
        [method, *(_rounded(found[outcome]["all"][column].value, 3) for outcome in outcomes)]
        for method, found in summary.items()
    ]
    return markdown_table(["method", *outcomes], rows)


def across(conditions: Mapping[str, Summary], column: str) -> str:
    """Methods down, conditions across: one column over all outcomes and queries, with its interval."""
    found = {
        name: {method: outcomes["all"]["all"] for method, outcomes in summary.items()}
        for name, summary in conditions.items()
    }
    return by_condition(found, column)


def by_condition(found: Mapping[str, Mapping[str, Mapping[str, Estimate]]], column: str) -> str:
    """Methods down, conditions across: one column of condition -> method -> column, with its interval."""

    def cell(estimate: Estimate) -> str:
        return f"{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"

    methods = next(iter(found.values()))
    rows = [[method, *(cell(columns[method][column]) for columns in found.values())] for method in methods]
    return markdown_table(["method", *found], rows)


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.5g}"


def _rounded(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
