"""Drift of every method on the bundled clips: python -m slap_core.benchmarks.examples --out DIR.

Each clip is analysed with its suggested query, at the default lambda, keeping 1 frame in 4 and 1 in 16. Writes
examples.json and examples.md and prints the table. The truth is what the camera saw in the dropped frames; lambda* is
the one of least drift, known only because we dropped the frames ourselves.
"""

import argparse
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from slap_core.analysis import analyse
from slap_core.benchmarks.output import markdown_table, write
from slap_core.cards import ASSETS

__all__ = ["main", "measure", "table"]

METHODS = ("ZOH", "LERP", "SLERP", "SLAP")


def measure(clips: Sequence[dict[str, str]], *, keep_every: Sequence[int] = (4, 16)) -> list[dict[str, Any]]:
    """One row for each clip and sparsity.

    Args:
        clips: each with "file" (in assets/clips) and "query".
        keep_every: keep one frame in so many.
    """
    rows = []
    for clip in clips:
        for keep in keep_every:
            found = analyse(ASSETS / "clips" / clip["file"], clip["query"], keep_every=keep)
            scanned = found.scanned
            drift = {name: round(float(found.solved.drift[name].mean()), 5) for name in METHODS}
            rows.append(
                {
                    "clip": clip["file"],
                    "query": clip["query"],
                    "keep_every": keep,
                    "drift": drift,
                    "lambda": found.settings.coupling,
                    "lambda_star": float(scanned.couplings[scanned.best]),
                    "lambda_star_drift": round(float(scanned.drift[scanned.best]), 5),
                    "converged": all(scanned.converged) and found.solved.solutions["SLAP"].result.ok,
                }
            )
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    head = ["clip", "query", "keep 1 in", *METHODS, "λ*", "SLAP at λ*", "converged"]
    lines = []
    for row in rows:
        cells = [row["clip"], row["query"], str(row["keep_every"])]
        cells += [f"{row['drift'][name]:.4f}" for name in METHODS]
        cells += [f"{row['lambda_star']:g}", f"{row['lambda_star_drift']:.4f}", "yes" if row["converged"] else "no"]
        lines.append(cells)
    return markdown_table(head, lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Drift of every method on the bundled clips.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for examples.json and examples.md")
    options = parser.parse_args(arguments)
    clips = json.loads((ASSETS / "clips" / "clips.json").read_text(encoding="utf-8"))
    rows = measure(clips)
    write(options.out, "examples", rows, table(rows))


if __name__ == "__main__":
    main()
