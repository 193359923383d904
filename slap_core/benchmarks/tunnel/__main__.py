"""The command line of the tunnel test.

    python -m slap_core.benchmarks.tunnel --quick --out runs/tunnel        8 scenes an outcome
    python -m slap_core.benchmarks.tunnel --full --out runs/tunnel         64 scenes an outcome, and the other tables

With --replicas DIR there is a table of how the networks of several training seeds differ (see `replicas`).

Lambda is chosen on validation scenes; everything else comes from test scenes or those of --seeds. Writes tunnel.csv,
tunnel.md, tunnel.json, the totals of it that the page shows as tunnel_totals.json, and the figure tunnel_methods; with
--full also the numbers of every case as tunnel.npz and the figure tunnel_resonance.
"""

import argparse
import json
import pathlib
import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from slap_core.benchmarks.output import draw, write
from slap_core.benchmarks.seed_range import unseen_seeds
from slap_core.benchmarks.tunnel import sweep
from slap_core.benchmarks.tunnel.cases import Case, another, draw_cases
from slap_core.benchmarks.tunnel.conditions import CONDITIONS
from slap_core.benchmarks.tunnel.methods import Method, landscapes, methods
from slap_core.benchmarks.tunnel.replicas import by_training_seed, replicas, spread_table
from slap_core.benchmarks.tunnel.scores import Estimate, measure, summarise
from slap_core.benchmarks.tunnel.settings_search import COUPLINGS, choose_couplings
from slap_core.benchmarks.tunnel.tables import across, as_json, by_outcome, markdown, totals, write_csv
from slap_core.encoders import OpenClipEncoder
from slap_core.pretrained import load_encoder, load_probe
from slap_core.probe import Probe
from slap_core.tunnel_world import OUTCOMES, seeds
from slap_core.types import PotentialFunction
from slap_core.views.figures.tunnel import methods_figure, scan_figure

__all__ = ["main", "run"]

QUICK, FULL = 8, 64
"""Scenes of each outcome..."""
GENERAL, SWEPT = 12, 6
"""... for each condition of generalisation, and for the scan over lambda."""
GENERALISED = (
    *("oracle", "rule", "slerp", "latent_ode", "autoregressive", "regressor", "field", "slap_paper", "slap"),
)
"""Rows of the tables of generalisation."""


def run(
    rows: Mapping[str, Method], cases: Sequence[Case], probe: Probe
) -> tuple[dict[str, dict[str, dict[str, dict[str, Estimate]]]], dict[str, Tensor], dict[str, float]]:
    """The summary of each method, the numbers of every case, and the share of cases that did not converge."""
    values, failed = {}, {}
    for name, method in rows.items():
        found, lost = [], 0
        for case in cases:
            solution = method(case)(case.seen, case.times, case.queries)
            found.append(measure(solution.points, case, probe))
            lost += not solution.result.ok
        values[name], failed[name] = torch.stack(found), lost / len(cases)
    return {name: summarise(table, cases) for name, table in values.items()}, values, failed


def generalise(
    encoder: OpenClipEncoder,
    probe: Probe,
    potentials: Mapping[str, PotentialFunction],
    couplings: Mapping[str, float],
    chosen: Int64[Tensor, "scene"],
) -> dict[str, dict[str, dict[str, dict[str, dict[str, Estimate]]]]]:
    """Condition -> method -> outcome -> query -> column, for the methods that learned, SLERP and the oracle."""
    found = {}
    for name, how in CONDITIONS.items():
        cases = draw_cases(encoder, chosen, **how)
        rows = methods(encoder, potentials, couplings, {})
        found[name] = run({row: rows[row] for row in GENERALISED}, cases, probe)[0]
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="The tunnel test: what is believed to be behind the tunnel.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help=f"{QUICK} scenes of each outcome (the default)")
    size.add_argument("--full", action="store_true", help=f"{FULL} scenes of each outcome")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for tunnel.csv, .md, .json")
    parser.add_argument("--seeds", default=None, help="A-B: scenes, outside the training split; default: test scenes")
    parser.add_argument("--replicas", type=pathlib.Path, help="folder of training seeds, whose spread is to be told")
    options = parser.parse_args(arguments)
    count = FULL if options.full else QUICK
    try:
        chosen = unseen_seeds(options.seeds, count * len(OUTCOMES))
        trained = [] if options.replicas is None else replicas(options.replicas)
    except ValueError as error:
        parser.error(str(error))
    if len(chosen) < len(OUTCOMES):
        parser.error(f"--seeds must name at least {len(OUTCOMES)} scenes, one for each outcome.")
    began = time.perf_counter()
    encoder = load_encoder()
    probe = load_probe()
    cases = draw_cases(encoder, chosen, **CONDITIONS["plain"])
    known = draw_cases(encoder, seeds("validation", -(-count // 2) * len(OUTCOMES)), **CONDITIONS["plain"])
    potentials = landscapes()
    couplings = choose_couplings(potentials, known, COUPLINGS if options.full else COUPLINGS[1::4])
    others = {case.seed: another(cases, k).queries[0] for k, case in enumerate(cases)}
    summary, values, failed = run(methods(encoder, potentials, couplings, others), cases, probe)
    outcomes = np.array([case.outcome for case in cases])
    scenes = {name: int((outcomes == k).sum()) for k, name in enumerate(OUTCOMES)}
    scenes |= {"all": len(cases), "basic": sum(scenes[name] for name in OUTCOMES[:4]), "worst": min(scenes.values())}
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "tunnel.csv", summary, scenes)
    parts = [f"## {title}\n\n{markdown(summary, couplings, outcome=name)}" for title, name in (
        ("All outcomes", "all"), ("Basic outcomes", "basic"), ("The worst outcome", "worst"))]  # fmt: skip
    parts += [
        f"## {title} by outcome\n\n{by_outcome(summary, OUTCOMES, column)}"
        for title, column in (("Accuracy", "accuracy"), ("Kind and colour", "named"), ("Place", "placed"))
    ]
    further = {}
    if trained:
        seeds_apart = by_training_seed(trained, cases, probe)
        parts.append(f"## {len(trained)} training seeds\n\n{spread_table(seeds_apart)}")
        further["training_seeds"] = {
            name: [{column: list(vars(v).values()) for column, v in row.items()} for row in each]
            for name, each in seeds_apart.items()
        }
    if options.full:
        generalised = generalise(encoder, probe, potentials, couplings, chosen[: GENERAL * len(OUTCOMES)])
        parts += [f"## Generalisation: {name}\n\n{across(generalised, name)}" for name in ("accuracy", "drift")]
        some = cases[: SWEPT * len(OUTCOMES)]
        scans = {name: sweep.sweep(potentials[name], some, probe) for name in ("slap_paper", "slap")}
        parts.append(f"## Over λ\n\n{sweep.table(scans)}")
        further |= {
            "generalisation": {name: as_json(found) for name, found in generalised.items()},
            "sweep": {name: scan.as_json() for name, scan in scans.items()},
        }
    record = {
        "seeds": [int(chosen[0]), int(chosen[-1])],
        "scenes": scenes,
        "couplings": couplings,
        "unconverged": failed,
        "minutes": round((time.perf_counter() - began) / 60, 2),
        "methods": as_json(summary),
        **further,
    }
    if options.full:
        np.savez_compressed(
            options.out / "tunnel.npz",
            outcome=outcomes,
            seed=np.array([case.seed for case in cases]),
            **{name: table.numpy().astype(np.float32) for name, table in values.items()},
        )
    write(options.out, "tunnel", record, "\n\n".join(parts))
    (options.out / "tunnel_totals.json").write_text(json.dumps(totals(record)) + "\n", encoding="utf-8")
    accuracies = {
        name: {group: record["methods"][name][group]["all"]["accuracy"] for group in ("all", "basic", "worst")}
        for name in summary
    }
    draw(options.out, "tunnel_methods", methods_figure(accuracies))
    if options.full:
        draw(options.out, "tunnel_resonance", scan_figure(further["sweep"]))


if __name__ == "__main__":
    main()
