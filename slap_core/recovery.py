"""The part of the main job that a GPU is for: the kept and dropped frames -> latents, paths, masks and objects.

`analysis` decodes before it and draws maps after it, on the CPU. What goes in and what comes out lies on the CPU and
can be pickled, so that this part may run in another process (see `ui.hardware`).
"""

import contextlib
import dataclasses
import logging
import math
from collections.abc import Callable, Generator

import torch
from torch import Tensor

from slap_core import metrics, sphere
from slap_core.baselines import Lerp, Slerp, ZeroOrderHold
from slap_core.chosen_potential import chosen_potential
from slap_core.comparison import compare
from slap_core.encoders import OpenClipEncoder, collect
from slap_core.least_action import LeastAction
from slap_core.machine import FULL, gpu_lost, out_of_memory
from slap_core.memory import Memory, digest, once_in_steps
from slap_core.object_paths import Located, located, recovered
from slap_core.pretrained import kept_encoder, load_baseline, load_slots
from slap_core.slot_clusters import ClusteredSlots
from slap_core.slots import SlowFastSlots
from slap_core.stages import Decoded, Encoded, Progress, Scanned, Settings, Solved, Stage, Tracked
from slap_core.types import Energies, Interpolator, Latents, Solution, Tokens

__all__ = ["Recovery", "go_on", "recover_steps", "recover_surely"]

log = logging.getLogger(__name__)

Recovery = Callable[[Decoded, str, Settings, OpenClipEncoder | None], Generator[Stage | Progress, None, None]]
"""`recover_steps`, or what stands in for it."""


def recover_surely(
    decoded: Decoded,
    prompt: str,
    settings: Settings,
    ready: OpenClipEncoder | None = None,
    *,
    recover: Recovery | None = None,
) -> Generator[Stage | Progress, None, None]:
    """`recover_steps`; the CPU goes on where a GPU is lost or was never there, and full memory is a sentence.

    Arguments and errors as for `recover_steps`, and

    Args:
        recover: what recovers; default: `recover_steps`.

    Raises:
        ValueError: also if the memory is full.
    """
    had = 0
    try:
        with contextlib.closing((recover or recover_steps)(decoded, prompt, settings, ready)) as steps:
            for step in steps:
                yield step
                had += not isinstance(step, Progress)
        return
    except (MemoryError, RuntimeError, AssertionError) as error:
        if out_of_memory(error):
            raise ValueError(FULL) from error
        if settings.device == "cpu" or not gpu_lost(error):
            raise
        log.warning("The GPU was lost", exc_info=True)
    kept = ready if ready is not None and ready.device.type == "cpu" else None
    note = f"The device {settings.device} cannot be used (any more), so that the CPU computes."
    yield from go_on(had, note, decoded, prompt, dataclasses.replace(settings, device="cpu"), kept)


def go_on(
    had: int,
    note: str,
    decoded: Decoded,
    prompt: str,
    settings: Settings,
    ready: OpenClipEncoder | None = None,
) -> Generator[Stage | Progress, None, None]:
    """`recover_steps` on this machine, for the stages that are still missing; other arguments as there.

    Args:
        had: how many stages there are already.
        note: why, for the person.
    """
    yield Progress("encode", 0.0, note)
    for step in recover_steps(decoded, prompt, settings, ready):
        if isinstance(step, Progress) or had == 0:
            yield step
        else:
            had -= 1


def recover_steps(
    decoded: Decoded,
    prompt: str,
    settings: Settings,
    ready: OpenClipEncoder | None = None,
    *,
    memory: Memory | None = None,
) -> Generator[Stage | Progress, None, None]:
    """Encoded, Solved, Scanned, Compared, Slotted and Tracked, with `Progress` between and inside them.

    Args:
        decoded: the clip.
        prompt: the query, stripped; empty for no pull.
        settings: of the run; `device` says where the encoder and the solver compute. All results lie on the CPU.
        ready: the encoder where there is one already; None: the one that the settings name.
        memory: of what the encoder that the settings name has seen, and of what does not depend on lambda.

    Raises:
        ValueError: for an encoder or potential that cannot be used.
    """
    yield Progress("encode", 0.0)
    encoder = ready or kept_encoder(settings.encoder, device=settings.device)
    if memory is not None and ready is None:
        encoder = encoder.remembering(memory)
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
    potential, potential_name = yield from chosen_potential(settings, encoder, encoded)
    solver = LeastAction(
        potential, coupling=settings.coupling, mass=settings.mass, geometry=settings.geometry, device=settings.device
    )
    solved = _solve(settings, encoded, solver, potential_name)
    yield solved
    yield Progress("scan", 0.0)
    content = digest(truth.points, truth.times, decoded.kept)
    # A potential that is fitted to the clip is fitted for one lambda; the others are the same for all.
    alike = dataclasses.replace(settings, coupling=settings.coupling if settings.potential == "fitted" else 0.0)
    scan = _scan(settings, encoded, solver)
    scanned = yield from once_in_steps(memory, ("scan", content, prompt, encoder.name, alike), scan)
    yield scanned
    yield Progress("words", 0.0)
    yield (yield from compare(settings, decoded, encoded, solved, scanned, encoder, solver))
    yield Progress("slots", 0.0)
    slots = load_slots(encoder.name) or ClusteredSlots()
    yield slots.slotted(tokens, seed=settings.seed)
    yield Progress("objects", 0.0)
    seek = _located(settings, decoded, encoder, tokens, slots)
    objects = yield from once_in_steps(memory, ("objects", content, encoder.name, settings.seed), seek)
    paths = tuple(recovered(one, decoded.clip, solver, encoded.query) for one in objects)
    yield Tracked(paths, tokens.box)


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
    methods: dict[str, Interpolator] = {"ZOH": ZeroOrderHold(), "LERP": Lerp(), "SLERP": Slerp()}
    trained = load_baseline("latent_ode", encoded.encoder)
    if trained is not None:
        methods["Latent ODE"] = trained
    methods["SLAP"] = solver
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


def _located(
    settings: Settings,
    decoded: Decoded,
    encoder: OpenClipEncoder,
    tokens: Tokens,
    slots: SlowFastSlots | ClusteredSlots,
) -> Generator[Progress, None, tuple[Located, ...]]:
    """The objects, one after the other."""
    objects = []
    for one in located(slots, encoder, decoded.clip, tokens, decoded.kept, seed=settings.seed):
        objects.append(one)
        yield Progress("objects", min(len(objects) / slots.slow_slots, 1.0))
    return tuple(objects)


def _scan(settings: Settings, encoded: Encoded, solver: LeastAction) -> Generator[Progress, None, Scanned]:
    """One batch of solutions over lambda, each with a look at its Hessian."""
    chunks = solver.scan_chunks(
        encoded.seen, encoded.dropped.times, encoded.query, couplings=settings.couplings, inspected=True
    )
    while not (solutions := next(chunks)):  # empty until all are found
        yield Progress("scan", 0.0)
    points = torch.stack([solution.points for solution in solutions])

    def along(solution: Solution, coupling: float, known: Tensor | None = None) -> Energies:
        times = solution.times
        return solver.energies(solution.path, encoded.seen, times, encoded.query, coupling=coupling, known=known)

    unit = [along(solution, 1.0) for solution in solutions]
    own = [
        along(solution, coupling, known=energies.potential)
        for solution, coupling, energies in zip(solutions, settings.couplings, unit, strict=True)
    ]
    drift = metrics.drift(points, encoded.dropped.points.expand_as(points)).mean(-1)
    return Scanned(
        couplings=torch.tensor(settings.couplings),
        drift=drift,
        alignment=None if encoded.query is None else (sphere.normalize(points) @ encoded.query).mean(-1),
        action=torch.stack([solution.energies.action.sum() for solution in solutions]),
        kinetic=torch.stack([solution.energies.kinetic.mean() for solution in solutions]),
        potential=torch.stack([energies.potential.mean() for energies in unit]),
        converged=tuple(solution.result.ok for solution in solutions),
        coupling_number=torch.tensor([_measured_coupling_number(solution) for solution in solutions]),
        points=points,
        times=unit[0].times,
        kinetic_curve=torch.stack([energies.kinetic for energies in unit]),
        potential_curve=torch.stack([energies.potential for energies in unit]),
        gap_action=torch.stack([energies.action for energies in own]),
        best=int(drift.argmin()) if points.shape[1] else None,
    )


def _measured_coupling_number(solution: Solution) -> float:
    """1 less the smallest relative eigenvalue of any stretch; NaN where it is not known of each."""
    smallest = None if solution.certificate is None else solution.certificate.worst("eigenvalue")
    return math.nan if smallest is None or not solution.result.ok else 1 - smallest
