"""Do bands hold what they promise? python -m slap_core.benchmarks.bands --out DIR.

On stretches of Tunnel World in which something hides, each asked about in four ways, the posterior of the path of least
action states a radius for every hidden frame and level: the distance within which its latent lies with that
probability, and within which the scores of concepts (the 72 kinds and colours) lie. The truth is the latent of the
cut-away frame. *Coverage* is the share of frames, in the mean over scenes, in which it does lie within.

    as stated               by the library's own temperature
    scaled                  every covariance times one factor
    scaled, t               the same, and the temperature counts as an estimate of nu degrees of freedom

Factor and nu are fitted on validation scenes, for gaps and for ends with one anchor apart, so that coverage comes close
to the levels (least mean distance); what is reported is the coverage on test scenes, with 95 % bootstrap intervals over
scenes. `Posterior.scaled(factor, freedom=nu)` applies them.

Writes bands.json, bands.md and bands.csv, and prints the table.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from slap_core import sphere
from slap_core.benchmarks.hidden_stretches import arguments_of, draw, parser_of, with_band
from slap_core.benchmarks.output import markdown_table, write
from slap_core.encoders import OpenClipEncoder
from slap_core.least_action import LeastAction
from slap_core.metrics import bootstrap_interval
from slap_core.posterior import quantile
from slap_core.potential import Potential
from slap_core.pretrained import load_encoder, load_potential
from slap_core.training.queries import QUERIES
from slap_core.tunnel_world import COLOURS, KINDS, prompt

__all__ = ["LEVELS", "Distances", "coverage", "fit", "main", "measure", "report", "table"]

LEVELS = (0.5, 0.8, 0.9, 0.95)
FREEDOMS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 60.0, math.inf)
"""Of the temperature's estimate, those that are tried."""
FACTORS = torch.logspace(-2, 3, 2501, dtype=torch.float64)
"""Of the covariance, those that are tried: five decades in steps of 0.5 %."""
CORRECTIONS = ("as stated", "scaled", "scaled, t")
ENDS = {"two anchors": False, "one anchor": True}


@dataclasses.dataclass(frozen=True, eq=False)
class Distances:
    """Squared distances from a path to the truth, and what was expected of them."""

    ratio: Float64[Tensor, "case"]
    """To what was expected."""
    expected: Float64[Tensor, "case"]
    spread: Float64[Tensor, "case"]
    """In how many directions each varies."""
    scene: Int64[Tensor, "case"]
    """Number of the scene, from 0."""
    free: Bool[Tensor, "case"]
    """Whether the stretch has one anchor."""

    def weight(self) -> Float64[Tensor, "case"]:
        """The same for every scene, shared evenly by its cases."""
        cases = self.scene.bincount().double()
        return 1 / cases[self.scene] / (cases > 0).sum()

    def select(self, chosen: Bool[Tensor, "case"]) -> "Distances":
        """Some of the cases."""
        return Distances(**{name: value[chosen] for name, value in vars(self).items()})


def measure(
    encoder: OpenClipEncoder, potential: Potential, scene_seeds: Int64[Tensor, "scene"], *, coupling: float
) -> dict[str, Distances]:
    """The distances of latents and of concepts' scores on every hidden frame, for all ways of asking.

    Args:
        encoder: of the frames.
        potential: of this encoder.
        scene_seeds: of the scenes.
        coupling: lambda.
    """
    scenes = draw(encoder, scene_seeds)
    solver = LeastAction(potential, coupling=coupling)
    concepts = encoder.text([prompt(kind=kind, colour=colour) for kind in KINDS for colour in COLOURS]).cpu()
    scored = (scenes.hidden & scenes.nodes()).cpu()
    found: dict[str, list[list[Tensor]]] = {"latents": [], "concept scores": []}
    for number in range(len(scenes)):
        hidden = scored[number].nonzero().flatten()
        truth = scenes.target[number].cpu()[hidden]
        for way in range(len(QUERIES)):
            solution = with_band(solver, scenes, number, scenes.queries[number, way])
            points = solution.points.to(truth)[hidden]
            (band,) = solution.posterior.bands
            apart = sphere.distance(points.double(), truth.double()).square()
            missed = ((truth - points) @ concepts.T).mT.double().square()
            for name, square, expected, spread in (
                ("latents", apart, band.variance()[hidden], band.spread()[hidden]),
                ("concept scores", missed, band.score_variance(concepts)[:, hidden], torch.ones_like(missed)),
            ):
                whole = torch.ones(square.numel())
                values = (square / expected, expected, spread)
                marks = (whole.long() * number, whole.bool() & bool(scenes.gaps.free[number]))
                found[name].append([*(value.flatten() for value in values), *marks])
    return {name: Distances(*(torch.cat(column) for column in zip(*rows, strict=True))) for name, rows in found.items()}


def coverage(distances: Distances, level: float, *, factor: float = 1.0, freedom: float = math.inf) -> Tensor:
    """Whether each case lies within the radius of that level."""
    return distances.ratio <= factor * quantile(level, distances.spread, freedom=freedom)


def fit(distances: Distances, *, freedoms: Sequence[float] = FREEDOMS) -> tuple[float, float]:
    """The factor and the degrees of freedom by which coverage comes closest to the levels, in their mean.

    Args:
        distances: on validation scenes.
        freedoms: degrees of freedom to try.

    Raises:
        ValueError: if there is no case.
    """
    if not len(distances.ratio):
        raise ValueError("A factor is fitted to at least one distance, got none; measure more scenes.")
    weight = distances.weight()
    best = (math.inf, 1.0, math.inf)
    for freedom in freedoms:
        off = torch.zeros_like(FACTORS)
        for level in LEVELS:
            needed, order = (distances.ratio / quantile(level, distances.spread, freedom=freedom)).sort()
            covered = torch.cat([torch.zeros(1, dtype=torch.float64), weight[order].cumsum(0)])
            off += (covered[torch.searchsorted(needed, FACTORS, right=True)] - level).abs() / len(LEVELS)
        least = int(off.argmin())
        best = min(best, (float(off[least]), float(FACTORS[least]), freedom))
    return best[1:]


def report(validation: dict[str, Distances], test: dict[str, Distances]) -> list[dict[str, Any]]:
    """Rows of the coverage on test scenes by what is covered, kind of end and correction."""
    rows = []
    for what, known in validation.items():
        asked = test[what]
        fitted = {}
        for end, free in ENDS.items():
            some = known.select(known.free == free)
            if len(some.ratio):
                fitted[end] = dict(
                    zip(CORRECTIONS, ((1.0, math.inf), fit(some, freedoms=[math.inf]), fit(some)), strict=True)
                )
        for correction in CORRECTIONS:
            for end, free in ENDS.items():
                some = asked.select(asked.free == free)
                if end in fitted and len(some.ratio):
                    rows.append(_row(what, end, correction, some, *fitted[end][correction]))
    return rows


def _row(what: str, end: str, correction: str, distances: Distances, factor: float, freedom: float) -> dict[str, Any]:
    row = {"of": what, "stretch": end, "correction": correction, "factor": factor}
    row |= {"freedom": None if math.isinf(freedom) else freedom, "scenes": len(distances.scene.unique())}
    weight, (_, scene) = distances.weight(), distances.scene.unique(return_inverse=True)
    for level in LEVELS:
        within = coverage(distances, level, factor=factor, freedom=freedom).double() * weight * row["scenes"]
        by_scene = torch.zeros(row["scenes"], dtype=torch.float64).index_add_(0, scene, within)
        low, high = bootstrap_interval(lambda units, by_scene=by_scene: float(by_scene[units].mean()), row["scenes"])
        row |= {f"{level:g}": float(by_scene.mean()), f"{level:g} low": low, f"{level:g} high": high}
    radius = (distances.expected * factor * quantile(0.9, distances.spread, freedom=freedom)).sqrt()
    row["median radius at 0.9"] = float(radius.median())
    row["median distance"] = float((distances.ratio * distances.expected).sqrt().median())
    return row


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    head = ["coverage of", "stretch with", "correction", "factor", "nu", *(f"{level:.0%} band" for level in LEVELS)]
    lines = []
    for row in rows:
        shares = [
            f"{row[f'{level:g}']:.2f} ({row[f'{level:g} low']:.2f}–{row[f'{level:g} high']:.2f})" for level in LEVELS
        ]
        freedom = "-" if row["freedom"] is None else f"{row['freedom']:g}"
        cells = [row["of"], row["stretch"], row["correction"], f"{row['factor']:.3g}", freedom, *shares]
        cells += [f"{row['median radius at 0.9']:.3f}", f"{row['median distance']:.3f}"]
        lines.append(cells)
    last = "Radius and distance: medians over hidden frames, radians of latents, units of scores."
    return f"{markdown_table([*head, '90 % radius', 'distance'], lines)}\n\n{last}"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = parser_of("Whether bands hold what they promise.", files="bands.json, .md and .csv")
    options = arguments_of(parser, arguments)
    encoder, potential = load_encoder(), load_potential(recipe=options.recipe)
    try:
        validation, test = (
            measure(encoder, potential, some, coupling=options.coupling) for some in (options.validation, options.test)
        )
    except ValueError as error:
        parser.error(str(error))
    rows = report(validation, test)
    record = {"recipe": options.recipe, "coupling": options.coupling, "rows": rows}
    write(options.out, "bands", record, table(rows), rows=rows)


if __name__ == "__main__":
    main()
