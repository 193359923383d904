"""What a solve costs, and against what: python -m slap_core.benchmarks.solver --out DIR.

On the reference problem (see `reference`; rivals are in `descents`). A *solve* is the whole call but the certificate's
look at the Hessian, whose share is a row of its own. It is done on Gauss nodes (the default) and on the frame grid, and
compared in one run with

- Adam, the paper's recipe, at the best of three learning rates, plain gradient descent and L-BFGS (torch.optim, strong
  Wolfe), all on the frame grid from SLERP, with our gradient: until the action is within 0.1 % of S(SLERP) - S* of our
  final one there, or for 2,000 evaluations. Only their steps are timed: Adam's and gradient descent's, which all cost
  the same, over a few of them.
- a latent ODE of like width by torchdiffeq (dopri5, 1e-5), untrained, at the same outputs.

Times are medians of interleaved runs, and their ratios what counts: others may use the machine. A gradient takes
4 FLOPs for each weight at each node. The *floor* is the time of all gradients at the rate at which this machine
multiplies matrices of the same size. Gradients to a relative tolerance are counted in double precision on two gaps,
until the preconditioned step is 1e-6 of the first. Lambda is sampled along the solution, in double precision.

On a GPU (`--device cuda`; its name is told) the paths are compared with those of the CPU as well.

Writes solver.json and solver.md and prints the table.
"""

import argparse
import ctypes
import dataclasses
import multiprocessing
import pathlib
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from slap_core import descent, sphere
from slap_core.benchmarks import descents
from slap_core.benchmarks.output import markdown_table, write
from slap_core.benchmarks.reference import COUPLING, FULL, QUICK, Discretisation, Reference, Sizes
from slap_core.gaps import find_gaps
from slap_core.latent_ode import LatentODE
from slap_core.least_action import LeastAction
from slap_core.potential import Potential
from slap_core.problems import Problems
from slap_core.spectrum import string_eigenvalue
from slap_core.training.loop import resolve_device

__all__ = ["AIMS", "gradient_flops", "gradients_to_tolerance", "main", "measure", "sampled_coupling", "table"]

DISCRETISATIONS: tuple[Discretisation, ...] = ("nodes", "frames")
TIMED = 10
"""Steps over which Adam and gradient descent are timed."""

AIMS = {
    "adam_time_ratio": ("Adam / our solve on nodes, time", ">= 30"),
    "adam_time_ratio_frames": ("Adam / our solve on frames, time", ">= 30"),
    "descent_time_ratio": ("gradient descent / our solve on nodes, time", ""),
    "lbfgs_time_ratio": ("L-BFGS / our solve on nodes, time", ""),
    "torchdiffeq_time_ratio": ("latent ODE / our solve on nodes, time", ">= 5"),
    "torchdiffeq_time_ratio_frames": ("latent ODE / our solve on frames, time", ">= 5"),
    "most_gradients": ("gradients to 1e-6 on the frame grid, the most for any number of frames", "<= 12"),
    "shipped_gradients": ("gradients to 1e-6 with the bundled potential, the most of 8 gaps", "<= 12"),
    "scan_time_ratio": ("scan of all lambdas from 0 to 1 / one solve, nodes, time", "<= 16"),
    "floor_ratio": ("our solve on nodes / its matrix products alone, time", ""),
    "floor_ratio_frames": ("our solve on frames / its matrix products alone, time", ""),
    "sampled_coupling": ("Lambda, sampled along the solution", ""),
    "inspection_share": ("share of a plain call that looks at the Hessian, nodes", ""),
    "tflop": ("TFLOP of one solve, nodes", "<= 0.005"),
    "tflop_frames": ("TFLOP of one solve, frames", "<= 0.005"),
    "peak_mb": ("memory of one solve above the baseline, nodes, MB", "<= 100"),
    "peak_mb_frames": ("memory of one solve above the baseline, frames, MB", "<= 100"),
    "growth": ("a solve with the most frames timed / with the fewest, nodes", ""),
    "growth_frames": ("a solve with the most frames timed / with the fewest, frames", ""),
    "device_angle": ("largest angle between the paths found on the GPU and on the CPU, nodes, radians", "<= 0.001"),
    "long_seconds": ("a video of 10 minutes (600 gaps), nodes, s", "<= 1"),
}
"""Rows of the table: what each number is, and what it is meant to be."""


def measure(sizes: Sizes, *, repeats: int, device: torch.device) -> dict[str, Any]:
    """The figures, by name.

    Args:
        sizes: of everything.
        repeats: interleaved runs of each, of which the median counts.
        device: where to solve.
    """
    reference = Reference.of(sizes, device=device)
    solved = {name: reference.problems(name) for name in DISCRETISATIONS}
    rivals, target = descents.race(reference.action(), limit=sizes.evaluations)
    ode = LatentODE(sizes.dim, hidden=sizes.dim, width=sizes.width).to(device).eval()
    couplings = torch.linspace(0, 1, sizes.couplings).tolist()
    best = descents.best_rate(rivals["adam"])
    runs: dict[str, Callable[[], object]] = {
        "nodes": lambda: reference.solve("nodes"),
        "frames": lambda: reference.solve("frames"),
        "call": lambda: LeastAction(reference.potential)(reference.seen, reference.times, reference.query),
        "scan": lambda: reference.solve("nodes", couplings=couplings),
        "ode": lambda: ode(reference.seen, reference.times, reference.query),
        "adam": lambda: descents.adam(reference.action(), TIMED - 1, best),
        "descent": lambda: descents.gradient_descent(reference.action(), TIMED - 1),
        "lbfgs": lambda: descents.lbfgs(reference.action(), rivals["lbfgs"]["evaluations"]),
    }
    products = {name: torch.randn(sum(_nodes(solved[name])), sizes.dim, device=device) for name in DISCRETISATIONS}
    weight = torch.randn(sizes.dim, sizes.width, device=device)
    runs |= {f"product_{name}": lambda x=x: x @ weight for name, x in products.items()}
    seconds = _medians(runs, repeats, device)
    for name, found in (("adam", rivals["adam"][best]), ("descent", rivals["descent"])):
        seconds[name] *= found["evaluations"] / TIMED
    flops = {name: _evaluations(solved[name]) * gradient_flops(reference.potential) for name in DISCRETISATIONS}
    rate = {name: 2 * len(x) * weight.numel() / seconds[f"product_{name}"] for name, x in products.items()}
    growth = {n: _solves(Reference.of(sizes, frames=n, device=device), repeats, device) for n in sizes.timed_missing}
    fewest, most = growth[min(growth)], growth[max(growth)]
    of_frames = {n: Reference.of(sizes, gaps=2, frames=n, dtype=torch.float64) for n in sizes.missing}
    gradients = {n: gradients_to_tolerance(problem) for n, problem in of_frames.items()}
    long = Reference.of(sizes, gaps=sizes.long_gaps, frames=sizes.long_frames, device=device)
    peak = _peak_mb(sizes, device)
    figures = {f"{rival}_time_ratio": seconds[rival] / seconds["nodes"] for rival in ("adam", "descent", "lbfgs")}
    figures |= {
        "torchdiffeq_time_ratio": seconds["ode"] / seconds["nodes"],
        "adam_time_ratio_frames": seconds["adam"] / seconds["frames"],
        "torchdiffeq_time_ratio_frames": seconds["ode"] / seconds["frames"],
        "most_gradients": max(gradients.values()),
        "shipped_gradients": gradients_to_tolerance(Reference.shipped(frames=sizes.frames)),
        "scan_time_ratio": seconds["scan"] / seconds["nodes"],
        "inspection_share": 1 - seconds["nodes"] / seconds["call"],
        "growth": most["nodes"] / fewest["nodes"],
        "growth_frames": most["frames"] / fewest["frames"],
        "device_angle": _device_angle(solved["nodes"], sizes, device),
        "long_seconds": _medians({"long": lambda: long.solve("nodes")}, repeats, device)["long"],
    }
    for name, suffix in (("nodes", ""), ("frames", "_frames")):
        figures["floor_ratio" + suffix] = seconds[name] * rate[name] / flops[name]
        figures["tflop" + suffix] = flops[name] / 1e12
        figures["peak_mb" + suffix] = peak[name]
    on_frames = reference.action()
    z = on_frames.geodesic()
    z.view(-1, sizes.dim)[:] = solved["nodes"].points.to(z).view(-1, sizes.dim)
    return {
        **figures,
        "gradients_by_missing_frames": gradients,
        "gradients_of_a_solve": {name: int(solved[name].gradients.max()) for name in DISCRETISATIONS},
        "seconds": seconds,
        "seconds_by_missing_frames": growth,
        "gflops_of_this_machine": {name: value / 1e9 for name, value in rate.items()},
        "rivals": {**rivals, "best_learning_rate": best},
        "action_on_the_frame_grid": {**target, "nodes": float(on_frames.evaluate(z).value.sum())},
        "sampled_coupling": sampled_coupling(sizes),
        "sizes": dataclasses.asdict(sizes),
        "repeats": repeats,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }


def gradients_to_tolerance(reference: Reference, *, relative: float = 1e-6) -> int:
    """Gradients on the frame grid until the preconditioned step is `relative` times the first, the most of any gap."""
    action, found = reference.action(), []
    with torch.no_grad():
        for gap in torch.arange(len(action)).split(1):
            alone = action.select(gap)
            z = alone.geodesic()
            first = alone.precondition(z, alone.evaluate(z).gradient).norm(dim=-1).amax()
            solved = descent.minimize(alone, z, tolerance=relative * float(first), iterations=100)
            found.append(int(solved.gradients.max()))
    return max(found)


def sampled_coupling(sizes: Sizes) -> float:
    """Lambda, of the largest eigenvalue of the potential's Riemannian Hessian at the nodes of two gaps' solutions."""
    reference = Reference.of(sizes, gaps=2, frames=7, dtype=torch.float64)
    potential, query = reference.potential, reference.query
    largest = []
    for z in reference.problems("frames").points[0, 0]:
        hessian = torch.autograd.functional.hessian(lambda x: potential(x, query), z)
        _, slope = potential.value_and_gradient(z, query)
        tangent = torch.eye(len(z)).to(z) - torch.outer(z, z)
        largest.append(torch.linalg.eigvalsh(tangent @ hessian @ tangent - (z @ slope) * tangent).max())
    stiffness = float(string_eigenvalue(find_gaps(reference.seen.times, reference.times)).min())
    return COUPLING * max(0.0, float(max(largest))) / stiffness


def _device_angle(solved: Problems, sizes: Sizes, device: torch.device) -> float | None:
    """How far the paths found on the device are from those found on the CPU, radians; None on the CPU itself."""
    if device.type == "cpu":
        return None
    here = Reference.of(sizes).problems("nodes").points.double()
    return float(sphere.distance(solved.points.cpu().double(), here).max())


def _nodes(problems: Problems) -> list[int]:
    """How many points each problem's potential was evaluated at."""
    return [
        int(nodes) or int(frames) for nodes, frames in zip(problems.nodes.flatten(), problems.gaps.count, strict=True)
    ]


def _evaluations(problems: Problems) -> int:
    """Gradients at points; those with fewer nodes at first count as if with the last."""
    return sum(int(n) * nodes for n, nodes in zip(problems.gradients.flatten(), _nodes(problems), strict=True))


def gradient_flops(potential: Potential) -> int:
    """Of one gradient at one point: 2 for a weight forwards and 2 backwards, the query's part not counted."""
    first, *others = [layer for layer in potential.network if isinstance(layer, nn.Linear)]
    return 4 * (potential.dim * first.out_features + sum(layer.weight.numel() for layer in others))


def _solves(reference: Reference, repeats: int, device: torch.device) -> dict[str, float]:
    return _medians(
        {"nodes": lambda: reference.solve("nodes"), "frames": lambda: reference.solve("frames")}, repeats, device
    )


def _medians(runs: Mapping[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, float]:
    """Seconds of each run, the median of several rounds after one that does not count."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            found[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values[1:]) for name, values in found.items()}


def _peak_mb(sizes: Sizes, device: torch.device) -> dict[str, float | None]:
    """Memory of one solve above what its process held before, MB; None where the system does not tell."""
    if device.type != "cuda":
        with multiprocessing.get_context("spawn").Pool(1) as fresh:
            return {n: fresh.apply(_resident_mb, (sizes, n, torch.get_num_threads())) for n in DISCRETISATIONS}
    found, reference = {}, Reference.of(sizes, device=device)
    for name in DISCRETISATIONS:
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        reference.solve(name)
        found[name] = (torch.cuda.max_memory_allocated(device) - before) / 1e6
    return found


def _resident_mb(sizes: Sizes, discretisation: Discretisation, threads: int) -> float | None:
    """The peak of this process's memory in a solve, above that before it; after a small one, which loads libraries."""
    status, reset = pathlib.Path("/proc/self/status"), pathlib.Path("/proc/self/clear_refs")
    if not reset.exists() or not hasattr(ctypes.CDLL(None), "malloc_trim"):
        return None
    torch.set_num_threads(threads)
    Reference.of(sizes, gaps=1, frames=1).solve(discretisation)
    reference = Reference.of(sizes)
    ctypes.CDLL(None).malloc_trim(0)  # or a solve would live on what making the problem left behind
    reset.write_text("5", encoding="ascii")  # the peak so far is forgotten
    before = int(re.search(r"VmRSS:\s+(\d+)", status.read_text(encoding="ascii"))[1])
    reference.solve(discretisation)
    return (int(re.search(r"VmHWM:\s+(\d+)", status.read_text(encoding="ascii"))[1]) - before) * 1024 / 1e6


def table(record: Mapping[str, Any]) -> str:
    """The figures as a Markdown table, beside what they are meant to be."""
    rows = []
    for name, (what, aim) in AIMS.items():
        value = record[name]
        rows.append([what, "" if value is None else f"{value:.3g}", aim, _met(value, aim)])
    counts = ", ".join(f"{n}: {count}" for n, count in record["gradients_by_missing_frames"].items())
    rows.append(["gradients to 1e-6 by dropped frames", counts, "", ""])
    for name in DISCRETISATIONS:
        took = [f"{n}: {1e3 * by[name]:.0f}" for n, by in record["seconds_by_missing_frames"].items()]
        rows.append([f"ms of a solve by dropped frames, {name}", ", ".join(took), "", ""])
    return markdown_table(["what", "measured", "aim", "met"], rows)


def _met(value: float | int | None, aim: str) -> str:
    if value is None or not aim:
        return ""
    return "yes" if (value >= float(aim[3:]) if aim.startswith(">=") else value <= float(aim[3:])) else "no"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="What a solve costs, and against what.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for solver.json and solver.md")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each, of which the median counts")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs, not how fast")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error("--repeats must be at least 1.")
    sizes = QUICK if options.quick else FULL
    record = measure(sizes, repeats=options.repeats, device=resolve_device(options.device))
    write(options.out, "solver", record, table(record))


if __name__ == "__main__":
    main()
