"""How sure a path through a hidden stretch might be, by several measures, and how wrong it is.

The confidences and risks are those that `abstention` explains.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.alarm import weigh
from slap_core.benchmarks.hidden_stretches import draw, with_band
from slap_core.descent import minimize
from slap_core.encoders import OpenClipEncoder
from slap_core.least_action import LeastAction
from slap_core.metrics import drift
from slap_core.potential import Potential
from slap_core.probe import candidate_latents
from slap_core.spectrum import hessian_spectrum
from slap_core.training.gap_scenes import GapScenes
from slap_core.training.queries import QUERIES
from slap_core.tunnel_world import COLOURS, KINDS, prompt, sample
from slap_core.tunnel_world import random as counter

__all__ = ["CONFIDENCES", "RISKS", "measure"]

ABSENT = 8
"""Certainly absent things that each scene is asked about."""
_CHANNEL = 1200
"""Of the hash that draws them."""
RISKS = ("drift", "wrong presence")
CONFIDENCES = ("alarm", "eigenvalue", "little moved", "close anchors", "narrow band")

Cases = dict[str, Float[Tensor, "case"]]


def measure(
    encoder: OpenClipEncoder, potential: Potential, scene_seeds: Int64[Tensor, "scene"], *, coupling: float
) -> Cases:
    """The risks and confidences of every stretch and way of asking, scene by scene, and whether each converged.

    Scenes that never show anything outside, or hide nothing at any node, are left out.

    Args:
        encoder: of the frames.
        potential: of this encoder.
        scene_seeds: of the scenes.
        coupling: lambda; each stretch is a unit of time of its own.
    """
    scenes = draw(encoder, scene_seeds)
    solver = LeastAction(potential, coupling=coupling)
    names = [prompt(kind=kind, colour=colour) for kind in KINDS for colour in COLOURS]
    absent = encoder.text(names)[_absent(scenes)]
    queries = torch.cat([scenes.queries, absent.to(scenes.queries)], 1)
    candidates = candidate_latents(encoder.text)
    scored = scenes.hidden & scenes.nodes()
    weight = scored.double() / scored.sum(1, keepdim=True)
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
            "narrow band": -_radius(solver, scenes, part, weight),
            "converged": solved["converged"][:, :ways].double(),
        }
        for name, values in rows.items():
            found.setdefault(name, []).append(values.double().flatten().cpu())
    return {name: torch.cat(values) for name, values in found.items()}


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


def _radius(
    solver: LeastAction, scenes: GapScenes, part: Int64[Tensor, "some"], weight: Float[Tensor, "scene node"]
) -> Float[Tensor, "some query"]:
    """The mean radius of the posterior over the hidden frames."""
    found = torch.zeros(len(part), len(QUERIES), dtype=torch.float64)
    for k, number in enumerate(part.tolist()):
        for way in range(len(QUERIES)):
            radius = with_band(solver, scenes, number, scenes.queries[number, way]).posterior.radius()
            found[k, way] = (radius * weight[number, : len(radius)].cpu()).sum()
    return found


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
