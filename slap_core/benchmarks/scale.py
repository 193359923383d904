"""Cost against the number of frames and gaps: python -m slap_core.benchmarks.scale --out DIR.

Synthetic latents of 256 dimensions that wander over the sphere, a new direction every few dozen frames, and the bundled
potential at lambda = 0.5. Frames are dropped in three ways:

- *dense*: one frame in 4 is kept, many short gaps;
- *sparse*: one in 500, few long gaps;
- *uneven*: as dense, but one gap is as long as half of the clip. The unit of time is the mean length of the gaps, and
  how far a pull bends a path goes with the square of its gap's: lambda is that much smaller, so that the long one is as
  hard as those of the others.

Three things are timed, each in a process of its own: a *solve* (the whole call, its certificate's look at the Hessian
included), the *energies* of SLERP's path with the same potential, and a *scan* over 5 lambdas from 0 to 1. Memory is
the peak of that process above what it held once the latents were there and a small problem had loaded the libraries, so
that the solution itself, in proportion to the frames, is part of it; it is not told where the system does not tell.

The table's seconds are those that the process had of a CPU, whatever else the machine does; wall time is in the JSON
as well.

Writes scale.json and scale.md and prints the table.
"""

import argparse
import multiprocessing
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from slap_core import sphere
from slap_core.baselines import Slerp
from slap_core.benchmarks.output import markdown_table, write
from slap_core.benchmarks.resident import PeakMemory
from slap_core.least_action import LeastAction
from slap_core.pretrained import load_potential
from slap_core.types import Latents, Solution

__all__ = ["LAYOUTS", "WORK", "kept_frames", "latents", "main", "measure", "table"]

LAYOUTS: Final = ("dense", "sparse", "uneven")
WORK: Final = ("solve", "energies", "scan")
COUPLING: Final = 0.5
SCANNED: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
DIM: Final = 256
FRAMES_PER_SECOND: Final = 30.0
TURN: Final = 32
"""Frames from one direction to the next."""
SPARSE: Final = 500


def latents(frames: int, *, seed: int = 0, dim: int = DIM) -> Float[Tensor, "frame dim"]:
    """Unit latents along geodesics between random directions 0.8 rad apart or so; a function of the seed."""
    generator = torch.Generator().manual_seed(seed)
    count = (frames - 1) // TURN + 2
    first, *others = torch.randn(count, dim, generator=generator).unbind()
    turns = [sphere.normalize(first)]
    for other in others:
        turns.append(sphere.normalize(turns[-1] + other / dim**0.5))
    ends = torch.stack(turns)
    frame = torch.arange(frames)
    return sphere.slerp(ends[frame // TURN], ends[frame // TURN + 1], (frame % TURN) / TURN)


def kept_frames(frames: int, layout: str) -> Bool[Tensor, "frame"]:
    """Which frames are anchors; the first and the last always are.

    Raises:
        ValueError: if there is no such layout.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"{layout!r} is no layout of anchors; choose one of: {', '.join(LAYOUTS)}.")
    frame = torch.arange(frames)
    kept = frame % (SPARSE if layout == "sparse" else 4) == 0
    if layout == "uneven":
        kept &= (frame < frames // 4) | (frame > 3 * frames // 4)
    kept[-1] = True
    return kept


def measure(frames: int, layout: str, work: str, *, threads: int) -> dict[str, Any]:
    """What one piece of work on so many frames takes, in a new process.

    Args:
        frames: of the clip, anchors and dropped ones.
        layout: one of `LAYOUTS`.
        work: one of `WORK`.
        threads: of the CPU.
    """
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        return fresh.apply(_measured, (frames, layout, work, threads))


def _measured(frames: int, layout: str, work: str, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    _prepared(64, "dense", work)[1]()  # libraries are loaded, the potential is
    gaps, run = _prepared(frames, layout, work)
    memory = PeakMemory()
    start, begin = time.perf_counter(), time.process_time()
    result = run()
    seconds, used = time.perf_counter() - start, time.process_time() - begin
    return {
        "frames": frames,
        "layout": layout,
        "gaps": gaps,
        "work": work,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(used, 3),
        "peak_mb": memory.above_mb(),
        "result": result,
    }


def _prepared(frames: int, layout: str, work: str) -> tuple[int, Callable[[], str]]:
    """How many gaps there are, and what is timed, which tells how it ended."""
    points, kept = latents(frames), kept_frames(frames, layout)
    times = torch.arange(frames, dtype=torch.float64) / FRAMES_PER_SECOND
    seen, asked = Latents(points[kept], times[kept]), times[~kept]
    query = sphere.normalize(torch.randn(DIM, generator=torch.Generator().manual_seed(1)))
    steps = seen.times.diff()
    lengths = steps[steps > 1.5 / FRAMES_PER_SECOND]
    gaps, ease = len(lengths), float(lengths.mean() / lengths.max()) ** 2 if layout == "uneven" else 1.0
    solver = LeastAction(load_potential(), coupling=COUPLING * ease)
    if work == "solve":
        return gaps, lambda: _ended(solver(seen, asked, query))
    if work == "scan":
        return gaps, lambda: _ended(*solver.scan(seen, asked, query, couplings=[ease * value for value in SCANNED]))
    path = Slerp()(seen, asked).path
    return gaps, lambda: f"S = {float(solver.energies(path, seen, asked, query).action.sum()):.6g}"


def _ended(*solutions: Solution) -> str:
    return ", ".join(sorted({solution.result.name.lower() for solution in solutions}))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """CPU seconds and peak memory of all work, one line for each number of frames and layout, in Markdown."""
    lines: dict[tuple[str, int], list[str]] = {}
    for row in rows:
        line = lines.setdefault((row["layout"], row["frames"]), ["", ""] * len(WORK) + [f"{row['gaps']:,}"])
        place = 2 * WORK.index(row["work"])
        line[place] = f"{row['cpu_seconds']:.3g}"
        line[place + 1] = "" if row["peak_mb"] is None else f"{row['peak_mb']:,.0f}"
    head = ["anchors", "frames", "gaps", *(f"{work}, {unit}" for work in WORK for unit in ("s", "MB"))]
    return markdown_table(head, [[layout, f"{n:,}", last, *cells] for (layout, n), (*cells, last) in lines.items()])


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Cost against the number of frames and gaps.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for scale.json and scale.md")
    parser.add_argument("--frames", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="of the clips")
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=LAYOUTS, help="which anchors")
    parser.add_argument("--work", nargs="+", choices=WORK, default=WORK, help="what is measured")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    options = parser.parse_args(arguments)
    if min(options.frames) < 16 or options.threads < 1:
        parser.error("--frames must be at least 16, and --threads at least 1.")
    rows = []
    for layout in options.layouts:
        for frames in options.frames:
            for work in options.work:
                rows.append(measure(frames, layout, work, threads=options.threads))
                print(rows[-1], flush=True)
    record = {"coupling": COUPLING, "scanned": SCANNED, "dim": DIM, "threads": options.threads, "rows": rows}
    write(options.out, "scale", record, table(rows))


if __name__ == "__main__":
    main()
