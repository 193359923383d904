"""Are the frames the right ones, and how fast do they come?

    python -m slap_core.benchmarks.decode --out DIR [--videos DIR]

Every file of a folder is read by `slap_core.video.read_clip`, and, where that gives frames, by PyAV in one pass and by
decord, these two in a process of their own. What is compared with PyAV's pass: how many frames come, each picture bit
by bit, each time to a millisecond; and the 16 frames that a sparse request gives, by their times. A clip that does not
fit into memory whole is compared at a smaller size. MPEG-TS, Flash Video, Ogg and AVI have no clock that starts at 0:
there times count from the first frame.

Speeds are frames a second over all frames, and, for `read_clip`, the start of its process included.
"""

import argparse
import pathlib
import statistics
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from slap_core.benchmarks.clips import gradio_videos
from slap_core.benchmarks.decoders import Apart, Prints
from slap_core.benchmarks.output import markdown_table, write
from slap_core.provenance import versions
from slap_core.types import Clip
from slap_core.video import VideoError, process, read_clip
from slap_core.video.sniffing import HEAD_BYTES, demuxer_of

__all__ = ["compare", "main", "table"]

SPARSE: Final = 16
SIZES: Final = (None, 180, 64)
"""Shorter sides to try, until the frames fit into memory."""
FREE_CLOCK: Final = ("mpegts", "flv", "ogg", "avi")
MILLISECOND: Final = 1e-3
SECONDS: Final = 120.0
"""What the other decoders get for a file."""


def compare(
    path: pathlib.Path, apart: Apart, *, others: Sequence[str] = ("pyav", "decord"), clip: Clip | None = None
) -> dict[str, Any]:
    """What comes of one file, how fast, and where it differs from one pass with PyAV.

    Args:
        path: of the video.
        apart: where the other decoders run.
        others: which of them; PyAV's pass has to be the first.
        clip: what `read_clip` made of the whole file, where that is known.
    """
    row: dict[str, Any] = {"file": path.name, "frames": 0, "refused": "", "differences": [], "per_second": {}}
    sizes = iter(SIZES)
    size = next(sizes)
    while clip is None:
        begin = time.perf_counter()
        try:
            clip = read_clip(path, size=size)
        except VideoError as error:
            if error.reason != "output_too_large" or (size := next(sizes, None)) is None:
                return row | {"refused": f"{error.reason}: {error}"}
        else:
            row["per_second"]["read_clip"] = len(clip) / (time.perf_counter() - begin)
    row |= {"frames": len(clip), "warnings": list(clip.warnings), "size": list(clip.frames.shape[1:3])}
    with path.open("rb") as file:
        demuxer = demuxer_of(file.read(HEAD_BYTES))
    ours = _prints(clip)
    asked = (demuxer, *clip.frames.shape[1:3])
    readings = {other: apart.read(other, path, asked, seconds=SECONDS) for other in others}
    reference = readings["pyav"]
    for other, reading in readings.items():
        if isinstance(reading, str):
            row["differences"].append(f"{other} {reading}")
        else:
            row["per_second"][other] = len(reading) / max(reading.seconds, 1e-6)
            if other != "pyav" and isinstance(reference, Prints):
                row["differences"] += [f"{other}: {words}" for words in _differences(reading, reference, demuxer)]
    if isinstance(reference, Prints):
        row["differences"] += [f"read_clip: {words}" for words in _differences(ours, reference, demuxer)]
    row |= _sparse(path, demuxer, size, ours)
    row["differences"] += [f"read_clip, sparse: {words}" for words in row.pop("sparse_differences")]
    return row


def _prints(clip: Clip) -> Prints:
    found = Prints()
    for frame, at in zip(clip.frames.numpy(), clip.times.tolist(), strict=True):
        found.add(frame, at)
    return found


def _differences(found: Prints, reference: Prints, demuxer: str | None) -> list[str]:
    """In words, where a reading is not the reference: frame by frame, or, where some are missing, by their times."""
    theirs, ours = np.array(reference.times), np.array(found.times)
    if len(ours) and len(theirs) and demuxer in FREE_CLOCK:
        theirs, ours = theirs - theirs[0], ours - ours[0]
    words, rising = [], bool((np.diff(theirs) > 0).all())
    if len(found) == len(reference) or not rising:
        pairs = [(i, i) for i in range(min(len(found), len(reference)))]
    else:
        at = {round(t, 3): i for i, t in enumerate(theirs.tolist())}
        pairs = [(i, at[round(t, 3)]) for i, t in enumerate(ours.tolist()) if round(t, 3) in at]
    if len(found) != len(reference):
        words.append(f"{len(found)} frames instead of {len(reference)}, {len(pairs)} of them at the same times")
    kinds = [found.alike(i, reference, j) for i, j in pairs]
    for kind in ("different", "near"):
        if kind in kinds:
            first = reference.times[pairs[kinds.index(kind)][1]]
            words.append(f"{kinds.count(kind)} pictures {kind}, the first at {first:.3f} s")
    if not rising:
        words.append("the times of the reference do not increase")
    elif pairs and (worst := max(abs(theirs[j] - ours[i]) for i, j in pairs)) > MILLISECOND:
        words.append(f"times differ by up to {worst:.3g} s")
    return words


def _sparse(path: pathlib.Path, demuxer: str | None, size: int | None, whole: Prints) -> dict[str, Any]:
    """A request for 16 frames: seconds, which decoder answered, and where it differs from the whole reading."""
    begin = time.perf_counter()
    request = {"path": str(path), "demuxer": demuxer, "max_frames": SPARSE, "size": size}
    try:
        some = process.decode(request)
    except VideoError as error:
        return {"sparse_differences": [str(error)]}
    seconds = time.perf_counter() - begin
    few, at, kinds = Prints(), {round(t, 6): i for i, t in enumerate(whole.times)}, []
    for frame, t in zip(some.frames, some.times.tolist(), strict=True):
        few.add(frame, t)
        index = at.get(round(t, 6))
        kinds.append("absent" if index is None else few.alike(len(few) - 1, whole, index))
    words = [f"{kinds.count(kind)} pictures {kind}" for kind in ("absent", "different", "near") if kind in kinds]
    if len(few) != min(SPARSE, len(whole)):
        words.append(f"{len(few)} frames instead of {min(SPARSE, len(whole))}")
    return {"sparse_differences": words, "sparse_seconds": seconds, "sparse_decoder": some.decoder}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """What was read, how fast, and every difference."""
    read = [row for row in rows if row["frames"]]

    def speed(name: str) -> str:
        values = [row["per_second"][name] for row in read if name in row["per_second"]]
        return f"{statistics.median(values):.0f} ({len(values)} files)" if values else "-"

    def right(name: str) -> str:
        wrong = [row for row in read if any(d.startswith(name) for d in row["differences"])]
        return f"{len(read) - len(wrong)} of {len(read)}"

    def sparse(decoder: str) -> str:
        values = [row["sparse_seconds"] for row in read if row.get("sparse_decoder") == decoder]
        return f"{statistics.median(values):.2f} s ({len(values)} files)" if values else "-"

    parts = [
        f"{len(read)} of {len(rows)} files were read, {sum(row['frames'] for row in read)} frames; the others were "
        "refused.",
        markdown_table(
            ["decoder", "exactly as one pass with PyAV", "median frames a second"],
            [
                ["read_clip", right("read_clip"), speed("read_clip")],
                ["PyAV, one pass", "the reference", speed("pyav")],
                ["decord", right("decord"), speed("decord")],
            ],
        ),
        f"{SPARSE} frames by `read_clip`, median: {sparse('decord')} where decord answered, {sparse('pyav')} where "
        "PyAV did.",
        markdown_table(
            ["file", "frames", "difference or refusal"],
            [
                [_plain(row["file"]), str(row["frames"]), _plain(words)]
                for row in rows
                for words in [*row["differences"], *filter(None, [row["refused"]])]
            ],
        ),
    ]
    return "\n\n".join(parts)


def _plain(words: str) -> str:
    """Fit for a cell: names of files may hold anything."""
    return "".join(c for c in words if c.isprintable()).replace("|", "/").replace("<", "‹").replace("`", "'")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare decoded frames with one pass of PyAV, and time decoders.")
    parser.add_argument("--videos", type=pathlib.Path, default=None, help="folder of videos; default: gradio's")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for decode.json and decode.md")
    options = parser.parse_args(arguments)
    folder = options.videos or gradio_videos()
    if not folder.is_dir():
        parser.error(f"the folder of videos {folder.name!r} does not exist; give --videos a folder.")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )
    if not files:
        parser.error(f"the folder {folder.name!r} holds no file; give --videos a folder of videos.")
    apart, rows = Apart(), []
    try:
        for path in files:
            rows.append(compare(path, apart))
            told = f"{rows[-1]['frames']} frames" if rows[-1]["frames"] else "refused"
            print(f"{len(rows)}/{len(files)} {_plain(path.name)}: {told}", flush=True)
    finally:
        apart.close()
    write(options.out, "decode", {"files": rows, "versions": versions()}, table(rows))


if __name__ == "__main__":
    main()
