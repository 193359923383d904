"""The main job: video -> clip -> latents -> paths -> maps, slots and numbers, as one generator of stages.

The page, the command line and the API run these very lines. Each stage is yielded as soon as it is known; closing the
generator cancels what remains (a decoder's process included).
"""

import concurrent.futures
import dataclasses
import functools
import os
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import torch

from slap_core import metrics, sphere
from slap_core.baselines import Lerp, Slerp, ZeroOrderHold
from slap_core.chosen_potential import chosen_potential
from slap_core.comparison import compare
from slap_core.encoders import OpenClipEncoder, collect
from slap_core.fitting import fit_slots_steps
from slap_core.least_action import LeastAction
from slap_core.object_paths import follow_objects
from slap_core.pretrained import load_encoder, load_slots
from slap_core.slots import SlowFastSlots
from slap_core.stages import (
    QUERY_CHARACTERS,
    Analysis,
    Decoded,
    Encoded,
    Progress,
    Projected,
    Scanned,
    Settings,
    Solved,
    Stage,
    Tracked,
)
from slap_core.types import Clip, Energies, Interpolator, Latents, Solution, Tokens
from slap_core.video import read_clip
from slap_core.views.projection import project

__all__ = ["analyse", "analyse_stages"]

DECODED_SIZE = 256
"""Shorter side of the decoded frames, pixels: enough for encoders of up to 256 px and for the page's pictures."""


def analyse(clip_or_path: Clip | str | os.PathLike[str], query: str | None = None, **settings: Any) -> Analysis:
    """Everything the main job finds in a video.

    Args:
        clip_or_path: a clip, or the path of a video file.
        query: what to look for, in words; empty or None for no pull.
        **settings: fields of `Settings`, and `encoder` may be a ready encoder.

    Raises:
        ValueError: for a video, query or setting that cannot be used; the sentence names the remedy.
    """
    collector = Collector(_settings(settings)[0])
    for stage in analyse_stages(clip_or_path, query, **settings):
        collector.add(stage)
    return collector.analysis()


class Collector:
    """Collects stages, and the wall time of each, in an `Analysis`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stages: dict[str, Stage] = {}
        self._maps: dict[str, Projected] = {}
        self._seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def add(self, stage: Stage) -> None:
        """Take the next stage; the time since the last one is its wall time."""
        name = type(stage).__name__.lower()
        if isinstance(stage, Projected):
            self._maps["PCA" if "PCA" not in self._maps else "UMAP"] = stage
            name = f"{name}_{len(self._maps)}"
        else:
            self._stages[name] = stage
        now = time.perf_counter()
        self._seconds[name], self._start = now - self._start, now

    def analysis(self) -> Analysis:
        """Everything that was found, once all stages have been added."""
        return Analysis(settings=self._settings, maps=self._maps, seconds=self._seconds, **self._stages)


def analyse_stages(
    clip_or_path: Clip | str | os.PathLike[str], query: str | None = None, **settings: Any
) -> Iterator[Stage]:
    """The stages of the main job, in the order Decoded, Encoded, Solved, Projected (PCA), Scanned, Compared, Slotted,
    Tracked, Projected (UMAP), each yielded as soon as it is known.

    Arguments and errors as for `analyse`.
    """
    return (step for step in analyse_steps(clip_or_path, query, **settings) if not isinstance(step, Progress))


def analyse_steps(
    clip_or_path: Clip | str | os.PathLike[str], query: str | None = None, **settings: Any
) -> Iterator[Stage | Progress]:
    """The stages of the main job with `Progress` between them and inside the long ones.

    Arguments and errors as for `analyse`.
    """
    chosen, ready = _settings(settings)
    prompt = _prompt(query)
    yield Progress("decode", 0.0)
    decoded = yield from _decode(clip_or_path, chosen)
    yield decoded
    yield Progress("encode", 0.0)
    encoder = ready or load_encoder(chosen.encoder, device=chosen.device)
    batches = []
    for batch in encoder.encode_batches(decoded.clip):
        batches.append(batch)
        yield Progress("encode", sum(len(latents) for latents, _ in batches) / len(decoded.clip))
    latents, tokens = collect(batches, decoded.clip, encoder.box(decoded.clip))
    # Double precision from here on: in float32 a steep potential's rounding alone can exceed the solver's tolerance.
    truth = Latents(sphere.normalize(latents.points.double()), latents.times)
    encoded = _encoded(decoded, encoder, truth, prompt)
    yield encoded
    yield Progress("solve", 0.0)
    potential, potential_name = yield from chosen_potential(chosen, encoder, encoded)
    solver = LeastAction(
        potential, coupling=chosen.coupling, mass=chosen.mass, geometry=chosen.geometry, device=chosen.device
    )
    solved = _solve(chosen, encoded, solver, potential_name)
    yield solved
    yield Progress("project", 0.0)
    draw = functools.partial(project, truth, encoded.seen, solved.solutions, encoded.query, seed=chosen.seed)
    yield draw(method="PCA")
    yield Progress("scan", 0.0)
    scanned = _scan(chosen, encoded, solver)
    yield scanned
    yield Progress("words", 0.0)
    yield (yield from compare(chosen, decoded, encoded, solved, scanned, encoder, solver))
    yield Progress("slots", 0.0)
    slots = load_slots(encoder.name)
    if slots is None:
        slots = yield from fit_slots_steps(tokens, seed=chosen.seed)
    yield slots.slotted(tokens, seed=chosen.seed)
    yield Progress("objects", 0.0)
    yield (yield from _tracked(chosen, decoded, encoded, encoder, tokens, slots, solver))
    yield Progress("project", 0.5)
    yield draw(method="UMAP", scan=scanned.points)


def _settings(settings: Mapping[str, Any]) -> tuple[Settings, OpenClipEncoder | None]:
    """Validated settings, and the encoder where a ready one was given instead of a name."""
    unknown = set(settings) - {field.name for field in dataclasses.fields(Settings)}
    if unknown:
        known = ", ".join(field.name for field in dataclasses.fields(Settings))
        raise ValueError(f"There is no setting {', '.join(sorted(unknown))}; the settings are: {known}.")
    encoder = settings.get("encoder", "bundled")
    if isinstance(encoder, str):
        return Settings(**settings), None
    return Settings(**{**settings, "encoder": encoder.name}), encoder


def _prompt(query: str | None) -> str:
    if query is not None and not isinstance(query, str):
        raise ValueError(f"The query must be words, got {type(query).__name__}.")
    prompt = " ".join((query or "").split())
    if len(prompt) > QUERY_CHARACTERS:
        raise ValueError(
            f"The query is {len(prompt):,} characters long, at most {QUERY_CHARACTERS} are read; name the thing to "
            "look for in a few words."
        )
    return prompt


def _decode(clip_or_path: Clip | str | os.PathLike[str], settings: Settings) -> Generator[Progress, None, Decoded]:
    """The clip and what is kept of it; closing the generator kills the decoder."""
    if isinstance(clip_or_path, Clip):
        clip = clip_or_path
        if not len(clip):
            raise ValueError("The clip has no frames; give one of at least one frame.")
        if len(clip) > settings.max_frames:
            clip = clip.select(torch.linspace(0, len(clip) - 1, settings.max_frames).round().long())
    else:
        given_up = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reading = pool.submit(
                read_clip,
                clip_or_path,
                max_frames=settings.max_frames,
                size=DECODED_SIZE,
                cancelled=given_up.is_set,
            )
            try:
                while not concurrent.futures.wait([reading], timeout=0.25).done:
                    yield Progress("decode", 0.0)
            finally:
                given_up.set()
            clip = reading.result()
    kept, dropped = clip.kept_index(settings.keep_every)
    return Decoded(clip=clip, kept=kept, dropped=dropped)


def _encoded(decoded: Decoded, encoder: OpenClipEncoder, truth: Latents, prompt: str) -> Encoded:
    return Encoded(
        truth=truth,
        seen=truth.select(decoded.kept),
        dropped=truth.select(decoded.dropped),
        query=sphere.normalize(encoder.text([prompt])[0].double()) if prompt else None,
        prompt=prompt,
        encoder=encoder.name,
        unknown_words=tuple(encoder.unknown_words(prompt)),
        notes=encoder.notes,
    )


def _solve(settings: Settings, encoded: Encoded, solver: LeastAction, potential_name: str) -> Solved:
    methods: dict[str, Interpolator] = {"ZOH": ZeroOrderHold(), "LERP": Lerp(), "SLERP": Slerp(), "SLAP": solver}
    times = encoded.dropped.times
    solutions = {name: method(encoded.seen, times, encoded.query) for name, method in methods.items()}
    points = {"truth": encoded.truth.points} | {name: s.path(encoded.truth.times) for name, s in solutions.items()}
    return Solved(
        solutions=solutions,
        energies={
            name: solver.energies(solution.path, encoded.seen, times, encoded.query)
            for name, solution in solutions.items()
        },
        drift={name: metrics.drift(solution.points, encoded.dropped.points) for name, solution in solutions.items()},
        alignment={}
        if encoded.query is None
        else {name: sphere.normalize(p) @ encoded.query for name, p in points.items()},
        potential=potential_name,
    )


def _tracked(
    settings: Settings,
    decoded: Decoded,
    encoded: Encoded,
    encoder: OpenClipEncoder,
    tokens: Tokens,
    slots: SlowFastSlots,
    solver: LeastAction,
) -> Generator[Progress, None, Tracked]:
    """The objects, one after the other."""
    objects = []
    for one in follow_objects(
        slots, encoder, decoded.clip, tokens, decoded.kept, solver, encoded.query, seed=settings.seed
    ):
        objects.append(one)
        yield Progress("objects", min(len(objects) / slots.config.slow_slots, 1.0))
    return Tracked(tuple(objects), tokens.box)


def _scan(settings: Settings, encoded: Encoded, solver: LeastAction) -> Scanned:
    """One batch of solutions over lambda."""
    solutions = solver.scan(encoded.seen, encoded.dropped.times, encoded.query, couplings=settings.couplings)
    points = torch.stack([solution.points for solution in solutions])

    def along(solution: Solution, coupling: float) -> Energies:
        return solver.energies(solution.path, encoded.seen, solution.times, encoded.query, coupling=coupling)

    unit = [along(solution, 1.0) for solution in solutions]
    own = [along(solution, coupling) for solution, coupling in zip(solutions, settings.couplings, strict=True)]
    drift = metrics.drift(points, encoded.dropped.points.expand_as(points)).mean(-1)
    return Scanned(
        couplings=torch.tensor(settings.couplings),
        drift=drift,
        alignment=None if encoded.query is None else (sphere.normalize(points) @ encoded.query).mean(-1),
        action=torch.stack([solution.energies.action.sum() for solution in solutions]),
        kinetic=torch.stack([solution.energies.kinetic.mean() for solution in solutions]),
        potential=torch.stack([energies.potential.mean() for energies in unit]),
        converged=tuple(solution.result.ok for solution in solutions),
        points=points,
        times=unit[0].times,
        kinetic_curve=torch.stack([energies.kinetic for energies in unit]),
        potential_curve=torch.stack([energies.potential for energies in unit]),
        gap_action=torch.stack([energies.action for energies in own]),
        best=int(drift.argmin()) if points.shape[1] else None,
    )
