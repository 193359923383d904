"""A potential trained through the solver: its paths of least action shall end at what was hidden.

    python -m slap_core.training.potential --out runs/potential

Every step poses the gaps of some stretches with a random one of their queries and a random lambda, solves them from
SLERP to the end, and minimises

    drift + residual + a margin + b excess + c InfoNCE + gamma E |grad P|^2/8^2

(`shaping` has the terms of the solved paths). A potential with attractors is taught first, without the solver, to have
them on the right paths (`AttractorPotential.stations`): the drift of the path by way of them is all that is minimised.
The target is the same for right, wrong and generic queries, so that what is recovered has to come from the anchors.
InfoNCE contrasts the answers of the batch for the true query of each, as in the paper.

The material is Tunnel World, where the answers are cut-away frames, or any folder of videos (`video_folder`), where
they are dropped ones. After training the potential is calibrated and judged on stretches it has not seen: on one half
of them lambda is chosen, on the other half drifts are reported.

Source: ours; the paper trains by InfoNCE and the Sobolev penalty alone.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from slap_core import shaping, sphere
from slap_core.attractors import AttractorPotential
from slap_core.curvature import tube_bounds
from slap_core.potential import GRADIENT_NORM, Potential, calibrate
from slap_core.pretrained import load_encoder
from slap_core.shaping import Exercises
from slap_core.training import loop
from slap_core.training.lessons import Lessons, asked, excerpt, lessons_of_folder, lessons_of_scenes
from slap_core.training.potential_settings import SolverSettings

__all__ = ["assess", "contrast", "station_drift", "train"]

COUPLINGS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""The lambdas among which validation chooses."""
TUBE = 0.05
"""Radius of the tube around solved validation paths in which the card bounds the curvature."""


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Which stretches, asked about in which way, at which lambda, and what is made of them."""

    index: Int[Tensor, "batch"]
    query: Int[Tensor, "batch"]
    coupling: Float[Tensor, "batch"]
    solved: bool
    """Whether the problems are solved, or attractors taught to be stations."""
    elsewhere: bool
    """Whether some of the problems are started elsewhere as well, for the margin."""


def batches(lessons: Exercises, settings: SolverSettings, first: int) -> Iterator[Batch]:
    """Random problems for every step from `first` on; a function of seed and step."""
    for step in range(first, settings.steps):
        generator = loop.generator_of(settings.seed, step)
        size = (settings.batch,)
        ratio = settings.coupling_high / settings.coupling_low
        yield Batch(
            torch.randint(len(lessons), size, generator=generator),
            torch.randint(lessons.queries.shape[1], size, generator=generator),
            settings.coupling_low * ratio ** torch.rand(size, generator=generator),
            solved=not settings.attracts or step >= settings.stations * settings.steps,
            elsewhere=step % settings.margin_every == 0,
        )


def contrast(
    potential: Potential, lessons: Exercises, index: Int[Tensor, "batch"], generator: torch.Generator, *, tau: float
) -> Float[Tensor, ""]:
    """InfoNCE, in nat: the true query of each stretch against a node of the answer of every stretch of the batch.

    Those about the same subject are no negatives, and those about nothing ask nothing.
    """
    at = index.to(lessons.target.device)
    node = torch.multinomial(lessons.weight[at].cpu(), 1, generator=generator).squeeze(-1).to(at)
    latents = lessons.target[at, node]
    start, stop = (lessons.anchors[gap[index].to(at)] for gap in (lessons.gaps.start, lessons.gaps.stop))
    question = potential.in_gaps(lessons.queries[at, 0], start, stop)
    logits = potential(latents[None].expand(len(index), -1, -1), question[:, None]) / tau
    subject = lessons.subject[index]
    own = torch.eye(len(index), dtype=torch.bool)
    same = (subject[:, None] == subject) & ~own
    logits = logits.masked_fill(same.to(logits.device), -math.inf)
    target = torch.arange(len(index)).masked_fill(subject < 0, -100).to(logits.device)
    # All may be about nothing: the mean over none would be NaN.
    return F.cross_entropy(logits, target, reduction="sum") / (subject >= 0).sum().clamp_min(1)


@torch.no_grad()
def assess(
    potential: Potential | None, lessons: Exercises, coupling: float, *, tolerance: float = 1e-4
) -> tuple[Float[Tensor, "stretch query"], float]:
    """The drift of each stretch for each way of asking, and the share of problems that converged."""
    ways = lessons.queries.shape[1]
    every = torch.arange(len(lessons)).repeat_interleave(ways)
    query = torch.arange(ways).repeat(len(lessons))
    found, converged = [], []
    for index, way in zip(every.split(256), query.split(256), strict=True):
        action = shaping.pose(potential, lessons, index, way, torch.full((len(index),), coupling))
        if potential is None:
            solved = shaping.Solved(action.geodesic(), torch.zeros(len(index)), torch.ones(len(index)) > 0)
        else:
            solved = shaping.solve(action, action.geodesic(), tolerance=tolerance, iterations=100)
        found.append(shaping.drift(solved.z, lessons, index).cpu())
        converged.append(solved.converged.float().cpu())
    return torch.cat(found).view(len(lessons), ways), float(torch.cat(converged).mean())


def train(settings: SolverSettings) -> tuple[Potential, dict[str, float]]:
    """The trained and calibrated potential, on the CPU, and its scores."""
    device = loop.resolve_device(settings.device)
    encoder = load_encoder(settings.encoder, device=str(device))
    lessons = lessons_of_scenes(encoder, settings) if settings.videos is None else lessons_of_folder(encoder, settings)
    lessons = lessons.to(device)
    material = lessons.train
    potential = loop.initialise(lambda: settings.network(encoder.dim), seed=settings.seed).to(device)
    calibrate(potential, *_ends(material, settings.seed))

    def objective(batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        lesson = excerpt(material, batch.index, noise=settings.noise, generator=generator)
        every = torch.arange(len(lesson))
        potential.train(not batch.solved)  # a landscape that changes while it is solved has no least action
        if not batch.solved:
            return {"loss": station_drift(potential, lesson, batch.query)}
        losses, action, found = shaping.judge(potential, lesson, every, batch.query, batch.coupling)
        loss = losses["drift"] + losses["residual"]
        if batch.elsewhere and settings.margin_weight and settings.margin_stretches:
            some = torch.arange(settings.margin_stretches, device=device)
            right = shaping.Solved(found.z[some], found.value[some], found.converged[some])
            losses["margin"], losses["agrees"] = shaping.margin(
                action.select(some), right, lesson, every[: settings.margin_stretches]
            )
            loss = loss + settings.margin_every * settings.margin_weight * losses["margin"]
        if settings.excess_weight:
            losses["excess"] = shaping.curvature_excess(action, found.z, generator)
            loss = loss + settings.excess_weight * losses["excess"]
        if settings.contrast_weight:
            losses["info_nce"] = contrast(potential, lesson, every, generator, tau=settings.tau)
            loss = loss + settings.contrast_weight * losses["info_nce"]
        if settings.gamma:
            _, pull = potential.value_and_gradient(found.z, action.query)
            steep = sphere.tangent(found.z, pull).square().sum(-1)
            exists = action.force_weight > 0
            losses["sobolev"] = (steep * exists).sum() / exists.sum() / GRADIENT_NORM**2
            loss = loss + settings.gamma * losses["sobolev"]
        return {"loss": loss, **losses}

    log = loop.fit(potential, objective, lambda first: batches(material, settings, first), settings)
    exported = (potential.exported() if settings.spectral_norm else potential).eval().requires_grad_(False)
    scores = {f"train {name}": value for name, value in log[-1].items() if name not in ("step", "steps_per_second")}
    scores |= {"calibration": calibrate(exported, *_ends(lessons.validation, settings.seed))}
    scores |= judged(exported, lessons, seed=settings.seed)
    if settings.compare is not None:
        rival = Potential.from_pretrained(settings.compare).to(device)
        scores |= {f"{name} ({settings.compare.name})": value for name, value in _drifts(rival, lessons).items()}
    return exported.cpu(), {name: float(f"{value:.4g}") for name, value in scores.items()}


def station_drift(
    potential: AttractorPotential, lessons: Exercises, query: Int[Tensor, "stretch"]
) -> Float[Tensor, ""]:
    """The mean drift of the paths by way of all attractors, each stretch asked about in one way."""
    rows = asked(lessons, query)
    path = potential.stations(potential.in_gaps(rows.query, rows.start, rows.stop), rows.fraction())
    return shaping.drift(path, lessons, torch.arange(len(lessons))).mean()


def judged(potential: Potential, lessons: Lessons, *, seed: int) -> dict[str, float]:
    """The scores of a calibrated potential on validation stretches."""
    validation = lessons.validation
    scores = {f"validation drift {name}, SLERP": v for name, v in _by_way(assess(None, validation, 0.0)[0], lessons)}
    scores |= _drifts(potential, lessons)
    ends, queries = _ends(validation, seed)
    middle = sphere.slerp(ends[:, 0], ends[:, 1], torch.full((len(ends),), 0.5).to(ends))
    question = potential.in_gaps(queries, ends[:, 0], ends[:, 1])
    norms = sphere.tangent(middle, potential.value_and_gradient(middle, question)[1]).norm(dim=-1)
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        scores[f"gradient norm at mid-gap, quantile {share}"] = float(norms.double().quantile(share))
    some = torch.arange(min(8, len(validation)))
    action = shaping.pose(potential, validation, some, some * 0, torch.full((len(some),), scores["coupling"]))
    found = shaping.solve(action, action.geodesic(), tolerance=1e-5, iterations=100)
    exists = action.force_weight > 0
    tube = tube_bounds(potential, found.z[exists], action.query.expand(-1, found.z.shape[1], -1)[exists], radius=TUBE)
    scores |= {f"bound within {TUBE} of 8 paths: {name}": value for name, value in dataclasses.asdict(tube).items()}
    scores[f"bound within {TUBE} of 8 paths: Lambda"] = float(shaping.softness(action).max()) * tube.riemannian
    some = torch.arange(min(64, len(validation)))
    action = shaping.pose(
        potential, validation, some, some % lessons.ways, torch.full((len(some),), scores["coupling"])
    )
    found = shaping.solve(action, action.geodesic(), tolerance=1e-5, iterations=100)
    with torch.no_grad():
        scores["least action of four starts is the closest"] = float(shaping.margin(action, found, validation, some)[1])
    return scores


def _drifts(potential: Potential, lessons: Lessons) -> dict[str, float]:
    """Lambda, chosen on every other validation stretch, and for the others drift by way of asking."""
    found = [assess(potential, lessons.validation, coupling) for coupling in COUPLINGS]
    scored = lessons.scored
    means = [float(far[scored][::2].mean()) if solved > 0.99 else math.inf for far, solved in found]
    best = min(range(len(COUPLINGS)), key=means.__getitem__)
    far, solved = found[best]
    drifts = {f"validation drift {name}": value for name, value in _by_way(far, lessons)}
    return {"coupling": COUPLINGS[best], "converged": solved, **drifts}


def _by_way(far: Float[Tensor, "stretch query"], lessons: Lessons) -> Sequence[tuple[str, float]]:
    means = far[lessons.scored][1::2].mean(0)
    return [(name, float(value)) for name, value in zip(lessons.names, means, strict=True)]


def _ends(lessons: Exercises, seed: int) -> tuple[Float[Tensor, "pair 2 dim"], Float[Tensor, "pair dim"]]:
    """The anchors of the gaps that have two, and a random query about each: what to calibrate on."""
    gaps, device = lessons.gaps, lessons.anchors.device
    held = (~gaps.free).nonzero().squeeze(-1)[:512]
    ends = torch.stack([lessons.anchors[gap[held].to(device)] for gap in (gaps.start, gaps.stop)], 1)
    query = torch.randint(lessons.queries.shape[1], (len(held),), generator=torch.Generator().manual_seed(seed))
    return ends, lessons.queries[held.to(device), query.to(device)]
