"""When is it better not to answer? python -m slap_core.benchmarks.abstention --out DIR.

On stretches of Tunnel World in which something hides, each asked about in four ways (what hides there, something else
in the picture, something absent, "an object"), the path of least action is found at one lambda. Two risks of an answer:

    drift             mean of 1 - cos(recovered, cut-away) over the hidden frames
    wrong presence    share of the hidden frames in which the nearest prompt says "empty" though an actor hides there,
                      or names a thing though none does

and what might tell them beforehand, better when higher:

    alarm             the query's gain less the median gain of 8 certainly absent things (`alarm`)
    eigenvalue        smallest one of the Hessian, relative to the string's
    little moved      minus the mean angle from SLERP
    close anchors     minus the angle between the anchors; a free end counts as a right angle
    narrow band       minus the mean radius of the posterior (`uncertainty`)
    combined          minus the risk that these five together predict (`predicted_risk`), fitted on validation scenes

Each is judged by the excess area of its curve of risk over coverage (`metrics.risk_coverage`): 0 for an oracle;
"any order" is what a confidence that knows nothing has. On validation scenes the least excess area chooses the
confidence (the combined one is cross-fitted there), and the coverage asked for its threshold; what that threshold does
on test scenes is reported, and whether the predicted risks are the realised ones. Intervals are 95 % bootstraps over
scenes.

Writes abstention.json (with the curves), abstention.md and abstention.csv, and prints the tables.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slap_core.benchmarks.confidences import CONFIDENCES, RISKS, measure
from slap_core.benchmarks.hidden_stretches import arguments_of, parser_of
from slap_core.benchmarks.output import markdown_table, write
from slap_core.benchmarks.predicted_risk import predict, reliability
from slap_core.metrics import RiskCoverage, bootstrap_interval, risk_coverage
from slap_core.pretrained import load_encoder, load_potential
from slap_core.sampling import spread
from slap_core.training.queries import QUERIES

__all__ = ["main", "summarise", "table"]

COMBINED = "combined"

Cases = dict[str, Float[Tensor, "case"]]
Known = dict[str, Float[Tensor, "known"]]


def summarise(validation: Known, test: Cases, *, coverage: float, draws: int = 500) -> dict[str, Any]:
    """For each risk and confidence: excess areas, and what the threshold of validation does on the test cases.

    Args:
        validation: risks and confidences, of which the choices are made.
        test: likewise, of which the results are.
        coverage: share of the validation cases to answer.
        draws: of scenes, for the intervals.
    """
    rows, trusted, drawn = [], {}, {}
    for risk in RISKS:
        known, asked = ({name: cases[name] for name in CONFIDENCES} for cases in (validation, test))
        crossed, predicted = predict(
            torch.stack(list(known.values()), 1),
            validation[risk],
            _scene(validation[risk]),
            torch.stack(list(asked.values()), 1),
        )
        known, asked = known | {COMBINED: -crossed}, asked | {COMBINED: -predicted}
        trusted[risk] = reliability(predicted, test[risk], _scene(test[risk]))
        drawn[risk] = {name: _curve(risk_coverage(asked[name], test[risk])) for name in asked}
        curves = {name: risk_coverage(known[name], validation[risk]) for name in known}
        chosen = min(curves, key=lambda name: curves[name].excess)
        rows += [
            {"risk": risk, "confidence": name, "chosen": name == chosen}
            | {"validation_excess_area": curves[name].excess}
            | _on_test(asked[name], test[risk], curves[name].at(coverage), draws=draws)
            for name in known
        ]
    return {
        "rows": rows,
        "reliability": trusted,
        "alarm_rings": {way: float(test["rings"].view(-1, len(QUERIES))[:, k].mean()) for k, way in enumerate(QUERIES)},
        "converged": float(test["converged"].mean()),
        "curves": drawn,
    }


def table(summary: dict[str, Any]) -> str:
    """The rows as a Markdown table, and below it predicted and realised risks."""
    head = [
        "risk",
        "confidence",
        "excess area",
        "below any order by",
        "coverage",
        "risk of the answered",
        "risk of all",
    ]
    confidences = markdown_table(
        head,
        [
            [
                row["risk"],
                f"**{row['confidence']}**" if row["chosen"] else row["confidence"],
                _with_interval(row, "test_excess_area", 4),
                _with_interval(row, "test_below_any_order", 4),
                _with_interval(row, "test_coverage", 2),
                _with_interval(row, "test_risk_answered", 4),
                _with_interval(row, "test_risk_of_all", 4),
            ]
            for row in summary["rows"]
        ],
    )
    trusted = markdown_table(
        ["risk", "predicted", "realised", "cases"],
        [
            [
                risk,
                f"{row['predicted']:.4f}",
                f"{row['realised']:.4f} ({row['low']:.4f} to {row['high']:.4f})",
                str(row["cases"]),
            ]
            for risk, bins in summary["reliability"].items()
            for row in bins
        ],
    )
    rings = ", ".join(f"{way} {share:.2f}" for way, share in summary["alarm_rings"].items())
    last = f"Bold: chosen on validation scenes. The alarm rings for these shares of the queries: {rings}."
    return f"{confidences}\n\n{trusted}\n\n{last}"


def _scene(values: Float[Tensor, "case"]) -> Int64[Tensor, "case"]:
    """The number of each case's scene: cases stand scene by scene."""
    return torch.arange(len(values)) // len(QUERIES)


def _on_test(confidence: Tensor, risk: Tensor, threshold: float, *, draws: int) -> dict[str, float | None]:
    """Areas, and what a threshold does, each with its interval over scenes."""

    def excess(cases: Tensor) -> float:
        return risk_coverage(confidence[cases], risk[cases]).excess

    def below(cases: Tensor) -> float:
        return risk_coverage(torch.zeros(len(cases)), risk[cases]).excess - excess(cases)

    statistics: dict[str, Callable[[Tensor], float]] = {
        "test_excess_area": excess,
        "test_below_any_order": below,
        "test_coverage": lambda cases: float((confidence[cases] >= threshold).double().mean()),
        "test_risk_answered": lambda cases: float(risk[cases][confidence[cases] >= threshold].mean()),
        "test_risk_of_all": lambda cases: float(risk[cases].mean()),
    }
    ways = torch.arange(len(QUERIES))
    everything = torch.arange(len(risk))
    found: dict[str, float | None] = {"threshold": threshold}
    for name, statistic in statistics.items():
        value = statistic(everything)
        found[name] = found[f"{name}_low"] = found[f"{name}_high"] = None
        if not math.isnan(value):  # a threshold above all of them answers none
            low, high = bootstrap_interval(
                lambda units, statistic=statistic: statistic((units[:, None] * len(ways) + ways).flatten()),
                len(risk) // len(ways),
                draws=draws,
            )
            found |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return found


def _with_interval(row: dict[str, Any], name: str, digits: int) -> str:
    if row[name] is None:
        return "-"
    value, low, high = (f"{row[key]:.{digits}f}" for key in (name, f"{name}_low", f"{name}_high"))
    return f"{value} ({low} to {high})"


def _curve(found: RiskCoverage) -> dict[str, list[float]]:
    """At most 100 points of a curve."""
    at = spread(len(found.risk), 100)
    return {name: [round(v, 5) for v in getattr(found, name)[at].tolist()] for name in ("coverage", "risk")}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = parser_of("When it is better not to answer: risk over coverage.", files="abstention.json, .md and .csv")
    parser.add_argument("--coverage", type=float, default=0.7, help="share of the validation cases to answer")
    options = arguments_of(parser, arguments)
    if not 0 < options.coverage <= 1:
        parser.error("--coverage must be in (0, 1].")
    encoder, potential = load_encoder(), load_potential(recipe=options.recipe)
    try:
        validation, test = (
            measure(encoder, potential, some, coupling=options.coupling) for some in (options.validation, options.test)
        )
        summary = summarise(validation, test, coverage=options.coverage, draws=20 if options.quick else 500)
    except ValueError as error:
        parser.error(str(error))
    summary |= {"recipe": options.recipe, "coupling": options.coupling, "coverage": options.coverage}
    summary |= {
        "scenes": len(options.test),
        "cases": {"validation": len(validation["drift"]), "test": len(test["drift"])},
    }
    write(options.out, "abstention", summary, table(summary), rows=summary["rows"])


if __name__ == "__main__":
    main()
