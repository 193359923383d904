"""A potential fitted to one clip by leaving anchors out: for a clip or an encoder that none is shipped for.

Frames that are known are dropped, the solver is asked for them back, and a small potential learns through the solver
(`shaping`) to bring its paths closer to them than the geodesic. What it can learn from a dozen latents is modest: what
the clip is about, towards which a noisy latent is best pulled.

Some anchors are never learned from. On stretches around them the strength of the pull is chosen, *no pull* where no
other is better than SLERP by more than a standard error: what is returned is never worse there than SLERP, and its
`fitted` record says by how much it is better.

The scale is chosen so that the lambda that was asked for is the pull that was found best, whatever the norm of the
gradient; lambda = 0 is SLERP as ever.
"""

import dataclasses
from collections.abc import Callable, Generator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from slap_core import shaping, sphere
from slap_core.gaps import Gaps, find_gaps, time_unit
from slap_core.potential import Potential, median_gradient_norm
from slap_core.shaping import Exercises, joined
from slap_core.stages import Progress, finished
from slap_core.types import Latents

__all__ = ["FitRecord", "fit_potential", "fit_potential_steps", "leave_out"]

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the pull, compared on the anchors that were not learned from; the first is none."""
EVERY = 3
"""One in so many inner anchors is not learned from."""
LONGEST = 12
"""Dropped frames of a stretch, at most."""


@dataclasses.dataclass(frozen=True)
class FitRecord:
    """How a fit was judged, on frames of the clip that it did not learn from."""

    slerp: float
    """Mean drift (1 - cos) of SLERP there; NaN where the clip has too few frames to judge."""
    fitted: float
    """That of the path of least action, with the strength that was chosen by it."""
    strength: float
    """0: no pull, for none was better than SLERP."""
    judged: int
    """Frames that were left out to judge by."""
    coupling: float
    """The lambda that the scale is made for."""

    @property
    def sentence(self) -> str:
        """One sentence for the page."""
        if not self.judged:
            return "Not fitted: the clip has too few kept frames to leave any out, so nothing pulls (SLERP)."
        if not self.strength:
            return (
                f"Fitted, and not surely better than SLERP on {self.judged} left-out frames (drift {self.slerp:.4f}), "
                "so nothing pulls."
            )
        return (
            f"Fitted to this clip: drift {self.fitted:.4f} against SLERP's {self.slerp:.4f} on {self.judged} frames "
            "that it did not learn from; the strength of the pull was chosen on the same frames."
        )


def fit_potential(
    latents: Latents,
    queries: Float[Tensor, "query dim"],
    *,
    coupling: float = 0.5,
    steps: int = 60,
    seed: int = 0,
    on_step: Callable[[Progress], None] | None = None,
) -> Potential:
    """A potential fitted to the latents of a clip's kept frames, in evaluation mode, with its `fitted` record.

    Args:
        latents: the anchors, unit; on the CPU or a GPU, where the potential will be too.
        queries: unit latents of what may be asked; the same frames are the answer to each.
        coupling: the lambda, above 0, with which the potential will be used.
        steps: of the optimiser, 1 or more; 60 take some seconds.
        seed: of initial weights and of the choice of stretches.
        on_step: told after each step; what it raises ends the fit.

    Raises:
        ValueError: if latents or queries are not unit vectors of the same dimension, or `steps` is below 1 or
            `coupling` not above 0.
    """
    return finished(fit_potential_steps(latents, queries, coupling=coupling, steps=steps, seed=seed), on_step)


def fit_potential_steps(
    latents: Latents,
    queries: Float[Tensor, "query dim"],
    *,
    coupling: float = 0.5,
    steps: int = 60,
    seed: int = 0,
    batch: int = 16,
    width: int = 64,
    learning_rate: float = 3e-3,
) -> Generator[Progress, None, Potential]:
    """Progress after each step, and in the end, as the generator's return value, the potential. Close it to cancel.

    Args:
        latents: the anchors, unit.
        queries: unit latents of what may be asked.
        coupling: the lambda, above 0, with which the potential will be used.
        steps: of the optimiser, 1 or more.
        seed: of initial weights and of the choice of stretches.
        batch: stretches a step.
        width: units of the hidden layer.
        learning_rate: the highest; it falls to 0 linearly.

    Raises:
        ValueError: if latents or queries are not unit vectors of the same dimension, or `steps` is below 1 or
            `coupling` not above 0.
    """
    points = latents.points.detach().float()
    if queries.ndim != 2 or not len(queries) or queries.shape[1] != points.shape[1] or steps < 1:
        raise ValueError(
            f"Fitting a potential needs queries of shape (queries, {points.shape[1]}) and at least 1 step, got "
            f"{tuple(queries.shape)} and {steps} steps; encode the queries with the clip's encoder."
        )
    if not coupling > 0:
        raise ValueError(f"A potential is fitted for a coupling above 0, got {coupling}; with 0 nothing pulls.")
    sphere.require_unit("fit_potential (latents)", points)
    sphere.require_unit("fit_potential (queries)", queries)
    queries = queries.detach().to(points)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        potential = Potential(points.shape[1], width=width, depth=1, spectral_norm=False).to(points.device)
    inner = torch.arange(len(points))[1:-1]
    judged = inner[EVERY // 2 :: EVERY] if len(inner) > EVERY else inner[:0]
    learned = torch.ones(len(points), dtype=torch.bool)
    learned[judged] = False
    known = Latents(points[learned.to(points.device)], latents.times[learned])
    if not len(judged) or len(known) < 3:
        return _without_pull(potential, FitRecord(float("nan"), float("nan"), 0.0, 0, coupling))
    unit = time_unit(latents.times, (latents.times[1:] + latents.times[:-1]) / 2)
    lessons = _each_left_out(known, torch.arange(1, len(known) - 1), queries, unit)
    test = _each_left_out(latents, judged, queries, unit)
    with torch.no_grad():  # begin with a pull of a tenth of a radian, well within what converges
        potential.scale *= 0.4 / (coupling * median_gradient_norm(potential, points, queries[0]))
    potential.train()
    optimizer = torch.optim.Adam(potential.parameters(), lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - step / steps)
        index = torch.randint(len(lessons), (batch,), generator=generator)
        query = torch.randint(len(queries), (batch,), generator=generator)
        losses, _, _ = shaping.judge(potential, lessons, index, query, torch.full((batch,), coupling))
        optimizer.zero_grad()
        (losses["drift"] + losses["residual"]).backward()
        torch.nn.utils.clip_grad_norm_(potential.parameters(), 1.0)
        optimizer.step()
        yield Progress("potential", (step + 1) / steps)
    return _weighed(potential, test, coupling)


@torch.no_grad()
def _weighed(potential: Potential, test: Exercises, coupling: float) -> Potential:
    """The potential, scaled by the best of `STRENGTHS`."""
    potential = potential.eval().requires_grad_(False)
    whole = potential.scale.clone()
    every = torch.arange(len(test)).repeat_interleave(test.queries.shape[1])
    query = torch.arange(test.queries.shape[1]).repeat(len(test))
    drifts: list[Tensor] = []
    for strength in STRENGTHS:
        potential.scale.copy_(strength * whole)
        action = shaping.pose(potential, test, every, query, torch.full((len(every),), coupling))
        found = shaping.solve(action, action.geodesic(), tolerance=1e-4, iterations=60)
        far = shaping.drift(found.z, test, every).view(len(test), -1).mean(1)
        # What is not solved is not chosen.
        drifts.append(far if bool(found.converged.all()) else torch.full_like(far, torch.inf))
    gains = [drifts[0] - far for far in drifts]
    # A few frames judge: what is gained has to stand out from its own standard error.
    single = len(test) == 1  # which has no standard error
    sure = [-torch.inf if single else float(gain.mean() - gain.std() / len(gain) ** 0.5) for gain in gains]
    best = max(range(len(STRENGTHS)), key=lambda k: (sure[k] > 0, sure[k] if sure[k] > 0 else -k))
    record = FitRecord(float(drifts[0].mean()), float(drifts[best].mean()), STRENGTHS[best], len(test), coupling)
    if not best:
        return _without_pull(potential, record)
    potential.scale.copy_(STRENGTHS[best] * whole)
    potential.fitted = record
    return potential


def _without_pull(potential: Potential, record: FitRecord) -> Potential:
    potential.scale.zero_()
    potential.fitted = record
    return potential.eval().requires_grad_(False)


def _each_left_out(latents: Latents, index: Int[Tensor, "some"], queries: Tensor, unit: float) -> Exercises:
    """One stretch for each of the latents at `index`, between its two neighbours."""
    return joined([_stretch(latents, int(k) - 1, torch.tensor([int(k)]), int(k) + 1, queries, unit, 0) for k in index])


def leave_out(
    latents: Latents,
    queries: Float[Tensor, "query dim"],
    *,
    count: int,
    generator: torch.Generator,
    subject: int = 0,
) -> Exercises:
    """Random stretches of a clip, each in units of its own length: two frames are kept, those between are the answer.

    Args:
        latents: of a clip of at least 3 frames.
        queries: what each stretch is asked.
        count: how many stretches.
        generator: on the CPU.
        subject: what `Exercises.subject` shall say.
    """
    parts = []
    for _ in range(count):
        length = 2 + int(torch.randint(min(len(latents) - 2, 2 * LONGEST), (1,), generator=generator))
        start = int(torch.randint(len(latents) - length, (1,), generator=generator))
        between = torch.arange(start + 1, start + length)
        if len(between) > LONGEST:
            between = between[torch.linspace(0, len(between) - 1, LONGEST).round().long()]
        parts.append(_stretch(latents, start, between, start + length, queries, None, subject))
    return joined(parts)


def _stretch(
    latents: Latents,
    start: int,
    between: Int[Tensor, "node"],
    stop: int,
    queries: Tensor,
    unit: float | None,
    subject: int,
) -> Exercises:
    """The stretch from one frame to another, in units of `unit` seconds, or of its own length."""
    gaps = find_gaps(latents.times[[start, stop]], latents.times[between])
    if unit is not None:
        # A gap left out is longer than the clip's gaps: the unit stays theirs, or lambda would mean something else.
        ratio = gaps.time_unit_seconds / unit
        gaps = dataclasses.replace(gaps, elapsed=gaps.elapsed * ratio, length=gaps.length * ratio)
    points = latents.points.float()
    return Exercises(
        anchors=points[[start, stop]],
        gaps=_timeless(gaps),
        target=points[between.to(points.device)][None],
        weight=torch.full((1, len(between)), 1 / len(between), device=points.device),
        queries=queries.to(points)[None],
        subject=torch.tensor([subject]),
    )


def _timeless(gaps: Gaps) -> Gaps:
    """The stretches alone, to be joined with others."""
    return gaps.select(torch.arange(len(gaps)))
