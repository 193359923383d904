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

Each is judged by the excess area of its curve of risk over coverage (`metrics.risk_coverage`): 0 for an oracle;
"any order" is what a confidence that knows nothing has. On validation scenes the least excess area chooses the
confidence, and the coverage asked for its threshold; what that threshold does on test scenes is reported.

Writes abstention.json (with the curves), abstention.md and abstention.csv, and prints the table.
"""

import argparse
import csv
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.alarm import weigh
from slap_core.benchmarks.seed_range import seed_range
from slap_core.descent import minimize
from slap_core.encoders import OpenClipEncoder
from slap_core.metrics import RiskCoverage, drift, risk_coverage
from slap_core.potential import Potential
from slap_core.pretrained import load_encoder, load_potential
from slap_core.spectrum import hessian_spectrum
from slap_core.training.gap_scenes import QUERIES, GapScenes, draw_gap_scenes
from slap_core.tunnel_world import COARSE_PLACES, COLOURS, KINDS, NOTHING, prompt, sample, seeds
from slap_core.tunnel_world import random as counter

__all__ = ["CONFIDENCES", "RISKS", "main", "measure", "table"]

ABSENT = 8
"""Certainly absent things that each scene is asked about."""
_CHANNEL = 1200
"""Of the hash that draws them."""
RISKS = ("drift", "wrong presence")
CONFIDENCES = ("alarm", "eigenvalue", "little moved", "close anchors")

Cases = dict[str, Float[Tensor, "case"]]
Known = dict[str, Float[Tensor, "known"]]


def measure(
    encoder: OpenClipEncoder, potential: Potential, scene_seeds: Int64[Tensor, "scene"], *, coupling: float
) -> Cases:
    """The risks and confidences of every stretch and way of asking, scene by scene, and whether each converged.

    Scenes that never show anything outside are left out.

    Args:
        encoder: of the frames.
        potential: of this encoder.
        scene_seeds: of the scenes.
        coupling: lambda; each stretch is a unit of time of its own.
    """
    scenes = draw_gap_scenes(encoder, scene_seeds)
    names = [prompt(kind=kind, colour=colour) for kind in KINDS for colour in COLOURS]
    absent = encoder.text(names)[_absent(scenes)]
    queries = torch.cat([scenes.queries, absent.to(scenes.queries)], 1)
    candidates = _candidates(encoder)
    scored = scenes.hidden & scenes.nodes()
    weight = scored.double() / scored.sum(1, keepdim=True).clamp_min(1)
    there = (scenes.place >= 0).any(-1)
    found: dict[str, list[Tensor]] = {}
    for part in torch.arange(len(scenes)).split(64):
        solved = _solve(potential, scenes, queries, part, coupling)
        share = weight[part, None]
        apart = (drift(solved["path"], scenes.target[part, None]) * share).sum(-1)
        says = (solved["path"] @ candidates.T).argmax(-1) != len(candidates) - 1
        wrong = ((says != there[part, None]) * share).sum(-1)
        gain = (solved["gain"] * share).sum(-1)
        moved = (solved["moved"] * share).sum(-1)
        ways = len(QUERIES)
        alarms = [
            [
                weigh(
                    torch.cat([gain[k, way : way + 1], gain[k, ways:]]),
                    torch.cat([moved[k, way : way + 1], moved[k, ways:]]),
                )
                for way in range(ways)
            ]
            for k in range(len(part))
        ]
        margin = [[alarm.gain - float(alarm.absent_gain.quantile(0.5)) for alarm in row] for row in alarms]
        rows = {
            "drift": apart[:, :ways],
            "wrong presence": wrong[:, :ways],
            "alarm": torch.tensor(margin),
            "rings": torch.tensor([[float(alarm.rings) for alarm in row] for row in alarms]),
            "eigenvalue": solved["eigenvalue"][:, :ways],
            "little moved": -moved[:, :ways],
            "close anchors": -solved["angle"][:, :ways],
            "converged": solved["converged"][:, :ways].double(),
        }
        for name, values in rows.items():
            found.setdefault(name, []).append(values.double().flatten().cpu())
    return {name: torch.cat(values) for name, values in found.items()}


def summarise(validation: Known, test: Cases, *, coverage: float) -> dict[str, Any]:
    """For each risk and confidence: excess areas, and what the threshold of validation does on the test cases."""
    rows = []
    for risk in RISKS:
        curves = {name: risk_coverage(validation[name], validation[risk]) for name in CONFIDENCES}
        chosen = min(curves, key=lambda name: curves[name].excess)
        for name in CONFIDENCES:
            threshold = curves[name].at(coverage)
            answered = test[name] >= threshold
            rows.append(
                {
                    "risk": risk,
                    "confidence": name,
                    "chosen": name == chosen,
                    "validation_excess_area": curves[name].excess,
                    "test_excess_area": risk_coverage(test[name], test[risk]).excess,
                    "test_excess_area_of_any_order": risk_coverage(torch.zeros_like(test[risk]), test[risk]).excess,
                    "threshold": threshold,
                    "test_coverage": float(answered.double().mean()),
                    "test_risk_answered": float(test[risk][answered].mean()) if bool(answered.any()) else None,
                    "test_risk_of_all": float(test[risk].mean()),
                }
            )
    return {
        "rows": rows,
        "alarm_rings": {way: float(test["rings"].view(-1, len(QUERIES))[:, k].mean()) for k, way in enumerate(QUERIES)},
        "converged": float(test["converged"].mean()),
    }


def table(summary: dict[str, Any]) -> str:
    """The rows as a Markdown table."""
    head = "| risk | confidence | excess area | of any order | coverage | risk of the answered | risk of all |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for row in summary["rows"]:
        answered = row["test_risk_answered"]
        cells = [
            row["risk"],
            f"**{row['confidence']}**" if row["chosen"] else row["confidence"],
            f"{row['test_excess_area']:.4f}",
            f"{row['test_excess_area_of_any_order']:.4f}",
            f"{row['test_coverage']:.2f}",
            "-" if answered is None else f"{answered:.4f}",
            f"{row['test_risk_of_all']:.4f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    rings = ", ".join(f"{way} {share:.2f}" for way, share in summary["alarm_rings"].items())
    lines += ["", f"Bold: chosen on validation scenes. The alarm rings for these shares of the queries: {rings}."]
    return "\n".join(lines)


def _solve(
    potential: Potential, scenes: GapScenes, queries: Tensor, part: Int64[Tensor, "some"], coupling: float
) -> dict[str, Tensor]:
    """What is found for all queries about some scenes, as (scene, query) or (scene, query, node)."""
    asked = queries.shape[1]
    index = part.repeat_interleave(asked)
    query = queries[part].flatten(0, 1)
    action = DiscreteAction.of(
        potential,
        scenes.anchors,
        scenes.gaps,
        gap=index,
        coupling=torch.full((len(index),), coupling, dtype=torch.float64),
        query=query[:, None],
        mass=1.0,
        geometry="sphere",
    )
    straight = action.geodesic()
    with torch.no_grad():
        found = minimize(action, straight, tolerance=1e-5, iterations=100)
        first = torch.arange(asked).repeat(len(part)) < len(QUERIES)
        eigenvalue = torch.zeros(len(index), dtype=torch.float64)
        some = action.select(first.nonzero().flatten())
        eigenvalue[first] = hessian_spectrum(
            some, found.z[first], weight=action.string.weight[first], steps=16, dense_limit=100
        ).eigenvalue
    gain = ((found.z - straight) * sphere.normalize(query)[:, None]).sum(-1)
    angle = sphere.distance(action.string.start, action.string.stop)
    longest = scenes.target.shape[1] - straight.shape[1]

    def by_query(values: Tensor) -> Tensor:
        return values.unflatten(0, (len(part), asked))

    def padded(values: Tensor) -> Tensor:
        return by_query(torch.cat([values, values.new_zeros(len(values), longest, *values.shape[2:])], 1))

    return {
        "path": padded(found.z),
        "gain": padded(gain),
        "moved": padded(sphere.distance(found.z, straight)),
        "eigenvalue": by_query(eigenvalue),
        "angle": by_query(torch.where(scenes.gaps.free[index], torch.pi / 2, angle)),
        "converged": by_query(found.step <= 1e-5),
    }


def _absent(scenes: GapScenes) -> Int64[Tensor, "scene absent"]:
    """Kinds that no frame of each scene shows, in any colour: as numbers of kind and colour."""
    drawn = sample(scenes.seed)
    u = counter.uniform(scenes.seed, _CHANNEL, 2 * ABSENT).tolist()
    rows = []
    for row, numbers in enumerate(u):
        shown = set(drawn.kind[row][drawn.present[row]].tolist()) | {int(drawn.kind[row, 0])}
        strangers = [kind for kind in range(len(KINDS)) if kind not in shown]
        rows.append(
            [
                strangers[int(a * len(strangers))] * len(COLOURS) + int(b * len(COLOURS))
                for a, b in zip(numbers[::2], numbers[1::2], strict=True)
            ]
        )
    return torch.tensor(rows)


def _candidates(encoder: OpenClipEncoder) -> Float[Tensor, "text dim"]:
    """Prompts of everything, everywhere, and of nothing last."""
    prompts = [
        prompt(kind=kind, colour=colour, place=place) for kind in KINDS for colour in COLOURS for place in COARSE_PLACES
    ]
    nothing = encoder.text(NOTHING).mean(0, keepdim=True)
    return torch.cat([encoder.text(prompts), nothing / nothing.norm()])


def _curve(found: RiskCoverage) -> dict[str, list[float]]:
    """At most 100 points of a curve."""
    at = torch.linspace(0, len(found.risk) - 1, min(100, len(found.risk))).round().long()
    return {name: [round(v, 5) for v in getattr(found, name)[at].tolist()] for name in ("coverage", "risk")}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="When it is better not to answer: risk over coverage.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for abstention.json, .md and .csv")
    parser.add_argument("--seeds", default=None, help="A-B: test scenes; default: the first of the test split")
    parser.add_argument(
        "--scenes", type=int, default=512, help="of validation, and of the test where no seeds are given"
    )
    parser.add_argument("--coupling", type=float, default=0.3, help="lambda")
    parser.add_argument("--coverage", type=float, default=0.7, help="share of the validation cases to answer")
    parser.add_argument(
        "--quick", action="store_true", help="12 scenes of each split: whether it runs, not what it finds"
    )
    options = parser.parse_args(arguments)
    count = 12 if options.quick else options.scenes
    if count < 1 or not 0 < options.coverage <= 1 or not 0 <= options.coupling < float("inf"):
        parser.error("--scenes must be at least 1, --coverage in (0, 1] and --coupling at least 0.")
    try:
        chosen = seeds("test", count) if options.seeds is None else seed_range(options.seeds)
    except ValueError as error:
        parser.error(str(error))
    encoder, potential = load_encoder(), load_potential()
    validation = measure(encoder, potential, seeds("validation", count), coupling=options.coupling)
    test = measure(encoder, potential, chosen, coupling=options.coupling)
    summary = summarise(validation, test, coverage=options.coverage)
    summary |= {"coupling": options.coupling, "coverage": options.coverage, "scenes": len(chosen)}
    summary["cases"] = {"validation": len(validation["drift"]), "test": len(test["drift"])}
    curves = {risk: {name: _curve(risk_coverage(test[name], test[risk])) for name in CONFIDENCES} for risk in RISKS}
    options.out.mkdir(parents=True, exist_ok=True)
    record = json.dumps(summary | {"curves": curves}, indent=2)
    (options.out / "abstention.json").write_text(record + "\n", encoding="utf-8")
    (options.out / "abstention.md").write_text(table(summary) + "\n", encoding="utf-8")
    with (options.out / "abstention.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(summary["rows"][0]))
        writer.writeheader()
        writer.writerows(summary["rows"])
    print(table(summary))


if __name__ == "__main__":
    main()
