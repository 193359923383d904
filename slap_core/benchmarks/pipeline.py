"""What a whole run costs, stage by stage: python -m slap_core.benchmarks.pipeline [VIDEO ...] --out DIR.

Clips of 10 s (1080p), 60 s and 10 minutes are drawn, and any VIDEO is taken besides. The main job runs on each as the
page runs it, figures and their JSON included (see `page_run`), with the bundled encoder and with architectures of
open_clip, whose weights are random here: that changes no time of theirs, but the paths mean nothing. There are

- a *cold* run, the first in its process: numba compiles, memory is fresh; its peak memory, that of the runs again after
  it included, is that of the whole process (the decoder is another one);
- *first* runs, each with an empty memory in the warm process;
- runs *again* after each of these, with another lambda, then with another query; nothing may be decoded again, nor any
  picture encoded, or there is an error;
- the same by a *plain* loop over the same libraries (see `plain_loop`);
- decoding and encoding alone, one after the other and at once, on the clock of the wall.

Times are medians of interleaved rounds, and their ratios what counts: others may use the machine. Where it is so busy
that even these vary, `--clock cpu` counts what this process and the decoder had of a CPU; on one thread (set
OMP_NUM_THREADS and NUMBA_NUM_THREADS to 1) that is what an idle machine takes, but for its disk. Each clip and encoder
has a process of its own. With `--device cuda` encoder and solver, ours and the plain loop's, are on the GPU, whose name
is told. `overhead_share` is all of a first run but decode and encode, over these two; loading the encoder is a stage by
itself, and counts there. Starting `python app.py` is measured beside importing everything first (see `starting`).

Writes pipeline.json and pipeline.md and prints the tables.
"""

import argparse
import dataclasses
import functools
import math
import multiprocessing
import pathlib
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch

from slap_core.benchmarks.clocks import CLOCKS
from slap_core.benchmarks.films import write_film
from slap_core.benchmarks.output import write
from slap_core.benchmarks.page_run import Run, overlap, run_as_page
from slap_core.benchmarks.pipeline_tables import table
from slap_core.benchmarks.plain_loop import PlainLoop
from slap_core.benchmarks.resident import PeakMemory
from slap_core.benchmarks.starting import measure_start
from slap_core.benchmarks.untrained import check_architecture, write_untrained
from slap_core.encoders import OpenClipEncoder, from_folder
from slap_core.memory import Memory
from slap_core.pretrained import load_encoder, weights_folder
from slap_core.provenance import versions
from slap_core.stages import Settings
from slap_core.training.loop import resolve_device
from slap_core.video import fingerprint

__all__ = ["Case", "main", "measure"]

QUERY: Final = "a red car"
OTHER_QUERY: Final = "a blue ball"
OTHER_COUPLING: Final = 0.3
LONGEST_SECONDS: Final = 600.0


@dataclasses.dataclass(frozen=True)
class Case:
    """What one process measures."""

    path: pathlib.Path
    encoder: str
    """bundled, or an architecture of open_clip."""
    folder: pathlib.Path
    """Where the encoder lies."""
    settings: Settings
    repeats: int
    evaluations: int
    """Limit of Adam."""
    threads: int
    clock: str
    """One of `clocks.CLOCKS`."""

    def load(self) -> OpenClipEncoder:
        """The encoder, anew."""
        device = self.settings.device
        if self.encoder == "bundled":
            return load_encoder(device=device)
        return from_folder(self.folder, name=self.encoder, device=device)


def measure(case: Case) -> dict[str, Any]:
    """The figures of one clip and encoder, of this process.

    Raises:
        ValueError: if the video cannot be read.
    """
    peak = PeakMemory()
    cold, *_ = _round(case)
    peak_mb = peak.whole_mb()
    found = tuple(cold.stages[name] for name in ("encode", "solve", "scan"))
    encoder = case.load()
    rival = PlainLoop.beside(case.path, case.folder, case.settings, encoder, found, limit=case.evaluations)
    rounds, plain = [], []
    rival.run(CLOCKS[case.clock])  # numba compiles for it, too
    for _ in range(case.repeats):
        rounds.append(_round(case))
        plain.append(rival.run(CLOCKS[case.clock]))
    first, coupling, query = (_medians([run.seconds for run in runs]) for runs in zip(*rounds, strict=True))
    loop = _medians(plain)
    both, total = first["decode"] + first["encode"], sum(first.values())
    clip = cold.stages["decode"].clip
    return {
        "clip": clip.name,
        "encoder": case.encoder,
        "frames": len(clip),
        "dropped": len(cold.stages["decode"].dropped),
        "stages": first,
        "shares": {name: value / total for name, value in first.items()},
        "cold": cold.seconds,
        "rerun": {"coupling": coupling, "query": query},
        "plain": loop,
        "ratios": {name: value / first[name] for name, value in loop.items()},
        "adam": {"learning_rate": rival.learning_rate, "evaluations": rival.evaluations, "close": rival.close},
        "decode_ratio": loop["decode"] / first["decode"],
        "encode_ratio": loop["encode"] / first["encode"],
        "overlap_ratio": overlap(case.path, case.settings.max_frames, encoder, repeats=max(case.repeats, 3)),
        "rerun_ratio": total / sum(coupling.values()),
        "rerun_query_ratio": total / sum(query.values()),
        "overhead_share": (total - both) / both,
        "peak_mb": peak_mb,
        "page_mb": sum(cold.megabytes.values()),
        "figures_mb": cold.megabytes,
    }


def _round(case: Case) -> tuple[Run, Run, Run]:
    """A first run, and two again: with another lambda, with another query."""
    memory, other = Memory(), dataclasses.replace(case.settings, coupling=OTHER_COUPLING)
    load = functools.cache(case.load)  # the last encoder stays in memory
    asked = ((QUERY, case.settings), (QUERY, other), (OTHER_QUERY, case.settings))
    first, *again = (
        run_as_page(case.path, query, settings, load=load, memory=memory, clock=CLOCKS[case.clock])
        for query, settings in asked
    )
    for run in again:
        assert run.stages["decode"].clip is first.stages["decode"].clip, "it was decoded again"
    return first, *again


def _medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def _apart(case: Case) -> dict[str, Any] | str:
    """`measure`, or in words why not: what a `VideoError` says survives the way back, the error itself does not."""
    torch.set_num_threads(case.threads)
    try:
        return measure(case)
    except ValueError as error:
        return str(error)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="What a whole run costs, stage by stage, and against what.")
    parser.add_argument("videos", nargs="*", type=pathlib.Path, metavar="VIDEO", help="measured beside the drawn clips")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for pipeline.json and pipeline.md")
    parser.add_argument("--seconds", default="10,60,600", help="lengths of the drawn clips; empty: none are drawn")
    parser.add_argument("--encoders", default="bundled,ViT-B-32", help="bundled, and architectures of open_clip")
    parser.add_argument("--frames", type=int, default=64, help="taken from each clip")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, of which the median counts")
    parser.add_argument("--device", default="cpu", help="cpu or cuda: where encoder and solver compute")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: seconds of CPU, on a busy machine")
    parser.add_argument("--quick", action="store_true", help="one tiny clip, few steps: whether it runs, not how fast")
    options = parser.parse_args(arguments)
    try:
        lengths = [2.0] if options.quick and options.seconds else _lengths(options.seconds)
        encoders = [name.strip() for name in options.encoders.split(",")]
        for name in encoders:
            if name != "bundled":
                check_architecture(name)
        frames = min(options.frames, 16) if options.quick else options.frames
        settings = Settings(max_frames=frames, device=str(resolve_device(options.device)))
        for video in options.videos:
            fingerprint(video)
        if options.repeats < 1:
            raise ValueError("--repeats must be at least 1.")
        if not lengths and not options.videos:
            raise ValueError("There is nothing to measure; give a VIDEO or --seconds.")
        record = _measure_all(options, lengths, encoders, settings)
    except ValueError as error:
        parser.error(str(error))
    write(options.out, "pipeline", record, table(record))


def _measure_all(
    options: argparse.Namespace, lengths: Sequence[float], encoders: Sequence[str], settings: Settings
) -> dict[str, Any]:
    """The whole record.

    Raises:
        ValueError: if a video cannot be read, or the page does not come up.
    """
    repeats, threads = 1 if options.quick else options.repeats, torch.get_num_threads()
    rows = []
    with tempfile.TemporaryDirectory(prefix="slap-") as made:
        place = pathlib.Path(made)
        films = [_fresh(_film, place / f"{length:g}s.mp4", length, options.quick) for length in lengths]
        for encoder in encoders:
            own = encoder == "bundled"
            folder = weights_folder("encoder") if own else write_untrained(place / encoder, encoder)
            for path in [*films, *options.videos]:
                case = Case(
                    path, encoder, folder, dataclasses.replace(settings, encoder=encoder), repeats=repeats,
                    evaluations=20 if options.quick else 2000, threads=threads, clock=options.clock,
                )  # fmt: skip
                row = _fresh(_apart, case)
                if isinstance(row, str):
                    raise ValueError(row)
                rows.append(row)
                print(f"{row['clip']}, {encoder}: {sum(row['stages'].values()):.2f} s", flush=True)
    start = measure_start(CLOCKS[options.clock], repeats=repeats)
    sizes = {
        "max_frames": settings.max_frames,
        "repeats": repeats,
        "threads": threads,
        "quick": options.quick,
        "clock": options.clock,
        "device": torch.cuda.get_device_name(settings.device) if settings.device != "cpu" else "cpu",
    }
    return {"clips": rows, **start, **sizes, "versions": versions()}


def _film(path: pathlib.Path, seconds: float, quick: bool) -> pathlib.Path:
    """A drawn clip, the smaller the longer, for all of its pictures are in memory once."""
    height, fps = (
        (64, 12.0) if quick else (1080, 24.0) if seconds <= 10 else (360, 24.0) if seconds <= 60 else (180, 12.0)
    )
    return write_film(path, seconds=seconds, height=height, fps=fps)


def _fresh(work: Any, *arguments: Any) -> Any:
    """What `work` returns in a new process, so that what it held does not count for others."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(work, arguments)


def _lengths(text: str) -> list[float]:
    """Of the clips, from words such as "10,60"."""
    try:
        lengths = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        lengths = [math.nan]
    if not all(1 <= length <= LONGEST_SECONDS for length in lengths):
        raise ValueError(f"--seconds are numbers from 1 to {LONGEST_SECONDS:g} with commas between, got {text!r}.")
    return lengths


if __name__ == "__main__":
    main()
