"""What a person takes away: a self-contained report, the recovered latents, and the numbers.

    report.html     every figure, interactive, opens offline
    paths.npz       latents of all frames and of every method's path, with their times; every object's places
    paths.csv       one row per dropped frame and method: time, drift, alignment
    summary.json    settings, versions, drift per method, lambda*, certificate

Files are written beside their place and renamed, so that a killed run leaves no half file.
"""

import csv
import dataclasses
import io
import json
import math
import pathlib
from typing import Any

import numpy as np

from slap_core.files import write_whole
from slap_core.provenance import command, networks, versions
from slap_core.stages import Analysis

__all__ = ["summary", "write_report"]


def summary(analysis: Analysis) -> dict[str, Any]:
    """The numbers of an analysis, ready for JSON."""
    decoded, encoded, solved, scanned = analysis.decoded, analysis.encoded, analysis.solved, analysis.scanned
    certificate = solved.solutions["SLAP"].certificate
    best = scanned.best
    return {
        "video": {
            "name": decoded.clip.name,
            "frames": len(decoded.clip),
            "kept": len(decoded.kept),
            "dropped": len(decoded.dropped),
            "first_seconds": float(decoded.clip.times[0]),
            "last_seconds": float(decoded.clip.times[-1]),
            "warnings": list(decoded.clip.warnings),
        },
        "query": encoded.prompt,
        "unknown_words": list(encoded.unknown_words),
        "encoder": encoded.encoder,
        "notes": list(encoded.notes),
        "potential": solved.potential,
        "settings": dataclasses.asdict(analysis.settings),
        "drift": {name: _mean(values) for name, values in solved.drift.items()},
        "alignment": {name: _mean(values) for name, values in solved.alignment.items()},
        "lambda_star": None if best is None else _number(scanned.couplings[best]),
        "lambda_star_drift": None if best is None else _number(scanned.drift[best]),
        "scan": {
            "lambda": [_number(value) for value in scanned.couplings],
            "drift": [_number(value) for value in scanned.drift],
            "alignment": None if scanned.alignment is None else [_number(value) for value in scanned.alignment],
            "action": [_number(value) for value in scanned.action],
            "converged": list(scanned.converged),
            "coupling_number": [_number(value) for value in scanned.coupling_number],
        },
        "certificate": {**dataclasses.asdict(certificate), "sentence": certificate.sentence},
        "concepts": _concepts(analysis),
        "slots": analysis.slotted.origin,
        "objects": [
            {"slot": one.slot + 1, "seen": one.seen.nonzero().flatten().tolist(), "there": int(one.there.sum())}
            for one in analysis.tracked.objects
        ],
        "sees": _sees(analysis),
        "map": {
            name: {"method": p.method, "trustworthiness": p.trustworthiness, "seed": p.seed, "note": p.note}
            for name, p in analysis.maps.items()
        },
        "seconds": {name: round(value, 4) for name, value in analysis.seconds.items()},
        "command": command(analysis.settings, decoded.clip.name, encoded.prompt),
        "networks": networks(),
        "versions": versions(),
    }


def paths_npz(analysis: Analysis) -> bytes:
    """Times, latents of all frames, indices of kept and dropped ones, every method's recovered latents; of the query
    and the concepts (whose words are in summary.json) latents, scores and the radius of SLAP's band; and of every
    object the frames in which it is seen and there, its places (row, column), and what it looks like by SLAP in the
    others.
    """
    truth = analysis.encoded.truth
    arrays = {
        "times": truth.times.numpy(),
        "truth": truth.points.numpy(),
        "kept": analysis.decoded.kept.numpy(),
        "dropped": analysis.decoded.dropped.numpy(),
        "scan_lambda": analysis.scanned.couplings.numpy(),
        "scan_points": analysis.scanned.points.numpy(),
        "concepts": analysis.compared.concepts.numpy(),
        "scores_radius": analysis.compared.radius.numpy(),
        **{f"scores_{name}": scores.numpy() for name, scores in analysis.compared.scores.items()},
    }
    if analysis.encoded.query is not None:
        arrays["query"] = analysis.encoded.query.numpy()
    for name, solution in analysis.solved.solutions.items():
        arrays[f"path_{name}"] = solution.path(truth.times).numpy()
    for one in analysis.tracked.objects:
        name = f"object_{one.slot + 1}"
        arrays |= {f"{name}_{field}": getattr(one, field).numpy() for field in ("seen", "there", "place")}
        arrays[f"{name}_latents"] = one.solutions["SLAP"].points.numpy()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def paths_csv(analysis: Analysis) -> str:
    """One row per dropped frame and method."""
    solved, dropped = analysis.solved, analysis.decoded.dropped.tolist()
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["frame", "time_seconds", "method", "drift", "alignment", "true_alignment"])
    for name, solution in solved.solutions.items():
        for row, frame in enumerate(dropped):
            alignment = [float(solved.alignment[key][frame]) if solved.alignment else "" for key in (name, "truth")]
            writer.writerow([frame, float(solution.times[row]), name, float(solved.drift[name][row]), *alignment])
    return buffer.getvalue()


def write_report(analysis: Analysis, out: pathlib.Path | str) -> list[pathlib.Path]:
    """Write the four files into the folder `out` (made if need be) and return their paths.

    Raises:
        ValueError: if `out` is a file.
        OSError: if the disk is full or the folder cannot be written.
    """
    from slap_core.views.figures.report import report_html  # late: plotly only where it is drawn

    out = pathlib.Path(out)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out must be a folder, but {out.name} is a file; name another folder.")
    out.mkdir(parents=True, exist_ok=True)
    numbers = summary(analysis)
    contents: dict[str, bytes] = {
        "report.html": report_html(analysis, numbers).encode("utf-8"),
        "paths.npz": paths_npz(analysis),
        "paths.csv": paths_csv(analysis).encode("utf-8"),
        "summary.json": (json.dumps(numbers, indent=2, allow_nan=False) + "\n").encode("utf-8"),
    }
    for name, content in contents.items():
        write_whole(out / name, content)
    return [out / name for name in contents]


def _concepts(analysis: Analysis) -> list[dict[str, Any]]:
    """Of every word: mean scores over the dropped frames, and how many of the true ones SLAP's band holds."""
    compared, dropped = analysis.compared, analysis.decoded.dropped
    return [
        {
            "words": words,
            "scores": {name: _mean(scores[row, dropped]) for name, scores in compared.scores.items()},
            "band_level": compared.level,
            "band_held": None if compared.held is None else _number(compared.held[row]),
        }
        for row, words in enumerate(compared.words)
    ]


def _sees(analysis: Analysis) -> dict[str, Any]:
    """In how many of the dropped frames a method beats the nearest kept frame, and is nearest to the true words."""
    compared, dropped = analysis.compared, analysis.decoded.dropped
    return {
        name: {
            "nearer_than_known_frames": compared.beats_known(name, dropped),
            "same_words": compared.agrees(name, dropped) if compared.phrases else None,
        }
        for name in compared.own
    }


def _number(value: Any) -> float | None:
    """A finite float for JSON, else None."""
    value = float(value)
    return value if math.isfinite(value) else None


def _mean(values: Any) -> float | None:
    return _number(values.mean()) if len(values) else None
