"""The real clip of the lesson's last step, computed once and kept in a file, so that the lesson needs no server.

    python -m slap_core.ui.lesson_clip

writes `assets/lesson/clip.json`. One gap of a bundled clip is solved for several lambda with the bundled encoder and
potential; nothing in it is random, so that the same machine writes the same file again (another one may differ in the
last digit).

**What is drawn.** Latents are unit vectors with hundreds of coordinates; three are kept. x points from the first anchor
towards the second and z between them (towards the viewer): the plane of the great circle through both anchors, so that
SLERP is drawn exactly. y is the direction in which SLAP's paths leave that plane the most. `share` says how much of
their squared length the points keep: 1 for SLERP, less for what leaves the drawn space.

**Times** are in seconds; d and lambda as in `slap_core.action`, with the length of this one gap as the unit of time.
"""

import argparse
import json
import pathlib
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core import metrics, sphere
from slap_core.least_action import LeastAction
from slap_core.pretrained import load_encoder, load_potential
from slap_core.types import Latents, PotentialFunction, Solution
from slap_core.ui.learn import CLIP
from slap_core.video import read_clip
from slap_core.views.figures.images import sprite_sheet

__all__ = ["axes", "gap_lesson", "main"]

CLIPS: Final = CLIP.parent.parent / "clips"
FILE: Final = "boat_crossing.mp4"
FRAMES: Final = 61
"""Frames taken from the clip, evenly."""
GAP: Final = (12, 28)
"""The anchors' indices. Chosen because a pull helps in this gap; in most gaps of the bundled clips it does not."""
COUPLINGS: Final = (0.0, 0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.5)
STEPS: Final = 48
"""Straight pieces in which a path is drawn."""


def axes(a: Float[Tensor, "dim"], b: Float[Tensor, "dim"], paths: Float[Tensor, "point dim"]) -> Float[Tensor, "3 dim"]:
    """Orthonormal x, y, z of the drawn space: towards b, the paths' main way out of the plane of a and b, between them.

    Args:
        a: the first anchor.
        b: the second anchor, neither at a nor opposite to it.
        paths: points whose deviation from the plane is to be seen; y points to the side where their sum is.
    """
    x, z = sphere.normalize(b - a), sphere.normalize(a + b)
    outside = paths - (paths @ x)[:, None] * x - (paths @ z)[:, None] * z
    y = torch.linalg.svd(outside, full_matrices=False).Vh[0]
    return torch.stack([x, y * torch.sign(outside.sum(0) @ y), z])


def gap_lesson(
    truth: Latents, query: Float[Tensor, "dim"], potential: PotentialFunction | None, *, couplings: tuple[float, ...]
) -> dict[str, Any]:
    """What the lesson draws of one gap, ready for JSON.

    Keys: seconds, truth (x, y, z of each frame), query, angle (radians between the anchors), couplings, paths (by
    lambda: x, y, z along the path), recovered (by lambda: x, y, z of each frame), drift, kinetic, pull (the integral of
    P), action and converged by lambda, and the least `share` of truth and of paths.

    Args:
        truth: unit latents of all frames of the gap; the first and the last are the anchors.
        query: unit latent of what is looked for.
        potential: P(z, query).
        couplings: lambdas, increasing from 0, which is SLERP.
    """
    seen, dropped = truth.select(torch.tensor([0, len(truth) - 1])), truth.select(torch.arange(1, len(truth) - 1))
    solve = LeastAction(potential)
    solutions = solve.scan(seen, dropped.times, query, couplings=couplings)
    fine = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
    times = truth.times[0] + fine.to(truth.times) * (truth.times[-1] - truth.times[0])
    paths = torch.stack([solution.path(times) for solution in solutions])
    recovered = torch.stack([solution.path(truth.times) for solution in solutions])
    space = axes(seen.points[0], seen.points[1], paths.flatten(0, 1))

    def action(solution: Solution, coupling: float) -> float:
        return float(solve.energies(solution.path, seen, dropped.times, query, coupling=coupling).action.sum())

    kinetic = [action(solution, 0.0) for solution in solutions]
    pulls = [cost - action(solution, 1.0) for cost, solution in zip(kinetic, solutions, strict=True)]
    return {
        "seconds": _rounded(truth.times),
        "truth": _rounded(truth.points @ space.T),
        "query": _rounded(space @ query),
        "angle": round(float(sphere.distance(seen.points[0], seen.points[1])), 6),
        "couplings": list(couplings),
        "paths": _rounded(paths @ space.T),
        "recovered": _rounded(recovered @ space.T),
        "drift": _rounded(torch.stack([metrics.drift(s.points, dropped.points).mean() for s in solutions]), 6),
        "kinetic": [round(cost, 6) for cost in kinetic],
        "pull": [round(pull, 6) for pull in pulls],
        "action": [round(t - c * p, 6) for t, c, p in zip(kinetic, couplings, pulls, strict=True)],
        "converged": [bool(solution.result.ok) for solution in solutions],
        "share": {
            "truth": round(float((truth.points @ space.T).square().sum(-1).min()), 3),
            "paths": round(float((paths @ space.T).square().sum(-1).min()), 3),
        },
    }


def _rounded(values: Tensor, digits: int = 4) -> Any:
    return [round(v, digits) for v in values.tolist()] if values.dim() == 1 else [_rounded(v, digits) for v in values]


def main(arguments: list[str] | None = None) -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Computes the real clip of the lesson's last step.")
    parser.add_argument("--out", type=pathlib.Path, default=CLIP, help="file to write (default: %(default)s)")
    options = parser.parse_args(arguments)
    described = next(clip for clip in json.loads((CLIPS / "clips.json").read_text("utf-8")) if clip["file"] == FILE)
    clip = read_clip(CLIPS / FILE, max_frames=FRAMES, size=256)
    encoder, potential = load_encoder(), load_potential()
    assert potential is not None, "the bundled encoder has a potential"
    clip = clip.select(torch.arange(GAP[0], GAP[1] + 1))
    latents = encoder(clip)
    truth = Latents(sphere.normalize(latents.points.double()), latents.times)
    query = sphere.normalize(encoder.text([described["query"]])[0].double())
    lesson = {
        "file": FILE,
        "title": described["title"],
        "words": described["query"],
        **gap_lesson(truth, query, potential.double(), couplings=COUPLINGS),
        "sprite": sprite_sheet(clip.frames, longest_side=120),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(lesson, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{options.out}: {options.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
