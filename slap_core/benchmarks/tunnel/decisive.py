"""The decisive experiment: boundary conditions that were never trained. Does least action earn its place?

    python -m slap_core.benchmarks.tunnel.decisive --replicas runs/replicas --out DIR

All networks learned from stretches between two anchors (or one). They are asked about

    two anchors           as they were trained
    hard glimpse          a cut-away latent at a random hidden time, which the path must pass through
    two hard glimpses     at two hidden times
    soft glimpse          the same latent with noise of half a radian
    contradiction         what another scene hides, at a random hidden time; the answer is still this scene's
    hidden 1/2, x 2, x 4  other motions (see `conditions`)

Rivals of like size: the landscape (`slap`); a force without a potential in the same solver (`field`), which tells
least action from "a solver in a network"; the regressor, once for each piece between anchors (`regressor`); the
regressor with the Gaussian process of the string's kernel (`regressor_gp`); the rule; SLERP through all anchors. The
outcome *inside* is left out: it has a third anchor already.

`slap` and `regressor_gp` hold a glimpse as firmly as was best for them on validation scenes: in *hard* conditions one
stiffness, in the soft one and the contradiction another, for who asks cannot know which of the two it is. The others
know only exact anchors. Each method is a row of means over its training seeds (see `replicas`), with bootstrap
intervals over scenes and the spread of the seeds.
"""

import argparse
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core import sphere
from slap_core.baselines import Rule, Slerp
from slap_core.benchmarks.output import write
from slap_core.benchmarks.seed_range import unseen_seeds
from slap_core.benchmarks.tunnel.cases import Case, another, draw_cases, glimpse
from slap_core.benchmarks.tunnel.conditions import CONDITIONS
from slap_core.benchmarks.tunnel.replicas import Replica, replicas
from slap_core.benchmarks.tunnel.scores import MEASURED, Estimate, measure, summarise
from slap_core.benchmarks.tunnel.tables import by_condition
from slap_core.encoders import OpenClipEncoder
from slap_core.gaussian_process import GaussianProcessRegressor
from slap_core.pretrained import load_encoder, load_probe
from slap_core.probe import Probe
from slap_core.tunnel_world import OUTCOMES, seeds
from slap_core.tunnel_world import random as counter
from slap_core.types import Solution

__all__ = ["GLIMPSES", "experiment", "main"]

_CHANNEL = 1300
"""Of the hash that draws times and noise of glimpses."""
NOISE = 0.5
"""Of a soft glimpse, radians."""
ASKED = tuple(name for name in OUTCOMES if name != "inside")
"""The outcomes."""
STIFFNESS = (1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, math.inf)
"""Among which validation chooses, with the gap as the unit of time."""
GLIMPSES = ("hard glimpse", "two hard glimpses", "soft glimpse", "contradiction")
HARD = GLIMPSES[:2]

Answer = Callable[[Case, float], Solution]
"""From a case and the stiffness of its inner anchors."""


def glimpsed(case: Case, kind: str, other: Case) -> Case:
    """The case with what the condition shows; as it is where too few hidden frames would be left."""
    hidden = case.scored.nonzero().flatten()
    count = 2 if kind == "two hard glimpses" else 1
    if len(hidden) < count + 1:
        return case
    seed = torch.tensor([case.seed])
    first = int(counter.uniform(seed, _CHANNEL) * len(hidden))
    nodes = sorted({int(hidden[(first + step * len(hidden) // 2) % len(hidden)]) for step in range(count)})
    latents = case.target[nodes]
    if kind == "contradiction":
        latents = other.target[other.scored][: len(nodes)]
    if kind == "soft glimpse":
        noise = 2 * counter.uniform(seed, _CHANNEL + 1, latents.shape[-1]) - 1
        away = sphere.tangent(latents, noise.expand_as(latents))
        latents = sphere.exp(latents, NOISE * away / away.norm(dim=-1, keepdim=True))
    return glimpse(case, nodes, latents)


def answers(replica: Replica, encoder: OpenClipEncoder) -> dict[str, Answer]:
    """The rows for one training seed."""
    rule = Rule.in_words(encoder.text)

    def landscape(case: Case, stiffness: float) -> Solution:
        inner = torch.full((len(case.seen),), stiffness, dtype=torch.float64)
        inner[[0, -1]] = math.inf
        own = replica.landscape
        return own.scan(case.seen, case.times, case.queries, couplings=[own.coupling], stiffness=inner)[0]

    def process(case: Case, stiffness: float) -> Solution:
        return GaussianProcessRegressor(replica.regressor, stiffness=stiffness)(case.seen, case.times, case.queries)

    def exact(interpolator: Callable[..., Solution]) -> Answer:
        return lambda case, _: interpolator(case.seen, case.times, case.queries)

    return {
        "slap": landscape,
        "field": exact(replica.field),
        "regressor": exact(replica.regressor),
        "regressor_gp": process,
        "rule": exact(rule),
        "slerp": exact(Slerp()),
    }


def values_of(
    answer: Answer, cases: Sequence[Case], stiffness: float, probe: Probe
) -> Float[Tensor, "case measured query"]:
    """The numbers of every case."""
    return torch.stack([measure(answer(case, stiffness).points, case, probe) for case in cases])


def experiment(
    rows: Sequence[Mapping[str, Answer]],
    known: Mapping[str, Sequence[Case]],
    test: Mapping[str, Sequence[Case]],
    probe: Probe,
) -> tuple[dict[str, dict[str, dict[str, Estimate]]], dict[str, dict[str, list[float]]], dict[str, dict[str, float]]]:
    """Condition -> method -> column of all queries, and of the generic one; the drift of each seed; the stiffness.

    Args:
        rows: of each training seed.
        known: validation cases by condition, to choose the stiffness by.
        test: test cases by condition.
        probe: that reads latents.
    """
    drift = MEASURED.index("drift")
    chosen: dict[str, dict[str, float]] = {}
    for method in rows[0]:
        if method not in ("slap", "regressor_gp"):
            continue
        for group in (HARD, GLIMPSES[2:]):
            means = [
                sum(float(values_of(rows[0][method], known[name], kappa, probe)[:, drift].mean()) for name in group)
                for kappa in STIFFNESS
            ]
            chosen.setdefault(method, {}).update(dict.fromkeys(group, STIFFNESS[means.index(min(means))]))
    found: dict[str, dict[str, dict[str, Estimate]]] = {}
    spread: dict[str, dict[str, list[float]]] = {}
    for name, cases in test.items():
        for method in rows[0]:
            kappa = chosen.get(method, {}).get(name, math.inf)
            each = [values_of(one[method], cases, kappa, probe) for one in rows]
            summary = summarise(torch.stack(each).mean(0), cases)
            columns = {column: summary["all"]["all"][column] for column in ("drift", "accuracy")}
            columns |= {f"{column}, worst": summary["worst"]["all"][column] for column in ("drift", "accuracy")}
            columns |= {f"{column}, generic": summary["all"]["generic"][column] for column in ("drift", "accuracy")}
            found.setdefault(name, {})[method] = columns
            spread.setdefault(name, {})[method] = [float(one[:, drift].mean()) for one in each]
    return found, spread, chosen


def verdict(found: Mapping[str, Mapping[str, Mapping[str, Estimate]]]) -> str:
    """One sentence: where the landscape beats its rivals with disjoint intervals, by drift and by the worst outcome."""
    rivals = ("field", "regressor", "regressor_gp")

    def beats(name: str) -> bool:
        rows = found[name]
        lower = all(rows["slap"]["drift"].high < rows[rival]["drift"].low for rival in rivals)
        worst = "accuracy, worst"
        return lower and all(rows["slap"][worst].low > rows[rival][worst].high for rival in rivals)

    def ahead(name: str) -> bool:
        return all(found[name]["slap"]["drift"].value < found[name][rival]["drift"].value for rival in rivals)

    surely, nearly = [name for name in found if beats(name)], [name for name in found if ahead(name)]
    return (
        f"The landscape beats all trained rivals on drift and on the worst outcome with disjoint intervals in "
        f"{len(surely)} of {len(found)} conditions ({', '.join(surely) or 'none'}); it has the least mean drift in "
        f"{len(nearly)} ({', '.join(nearly) or 'none'})."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Boundary conditions that were never trained.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for decisive.json and .md")
    parser.add_argument("--replicas", type=pathlib.Path, help="folder of training seeds; default: the shipped networks")
    parser.add_argument("--scenes", type=int, default=24, help="of each outcome and condition")
    parser.add_argument("--seeds", default=None, help="A-B: scenes; default: test scenes")
    options = parser.parse_args(arguments)
    try:
        count = options.scenes * len(ASKED)
        chosen = unseen_seeds(options.seeds, count)
        trained = replicas(options.replicas)
    except ValueError as error:
        parser.error(str(error))
    encoder, probe = load_encoder(), load_probe()
    plain = {
        "known": draw_cases(
            encoder, seeds("validation", max(count // 2, len(ASKED))), outcomes=ASKED, **CONDITIONS["plain"]
        ),
        "test": draw_cases(encoder, chosen, outcomes=ASKED, **CONDITIONS["plain"]),
    }
    glimpses = {
        split: {kind: [glimpsed(case, kind, another(cases, k)) for k, case in enumerate(cases)] for kind in GLIMPSES}
        for split, cases in plain.items()
    }
    test = {"two anchors": plain["test"], **glimpses["test"]}
    test |= {
        name: draw_cases(encoder, chosen, outcomes=ASKED, **CONDITIONS[name])
        for name in CONDITIONS
        if name.startswith("hidden")
    }
    rows = [answers(replica, encoder) for replica in trained]
    found, spread, stiffness = experiment(rows, glimpses["known"], test, probe)
    parts = [f"## {name}\n\n{by_condition(found, name)}" for name in next(iter(found["two anchors"].values()))]
    text = f"{verdict(found)}\n\n" + "\n\n".join(parts)
    record = {
        "verdict": verdict(found),
        "training_seeds": len(trained),
        "couplings": [replica.landscape.coupling for replica in trained],
        "stiffness": {m: {c: str(v) for c, v in by.items()} for m, by in stiffness.items()},
        "drift_of_each_seed": spread,
        "conditions": {
            c: {m: {n: list(vars(e).values()) for n, e in columns.items()} for m, columns in by.items()}
            for c, by in found.items()
        },
    }
    write(options.out, "decisive", record, text)


if __name__ == "__main__":
    main()
