"""Where to look next: drift against the number of frames seen, by what chooses them.

    python -m slap_core.benchmarks.suggestions --out DIR [--videos DIR] [--seeds A-B] [--quick]

Of each clip one frame in 16 is seen. Then more frames may be looked at, up to a half, the same number for every rule:

    uniform     all frames anew, evenly over the clip (what is usually done)
    random      any of the dropped ones, the mean of three draws
    latent      `suggest_frames`: where the latents are least sure, given the potential
    query       the same for the query's score
    action      where the action is densest
    adaptive    latent, in rounds: half as many frames again are looked at, and what they show counts in the next round

and the rest is recovered by SLERP and by SLAP. Drift is the mean of 1 - cos over all frames of the clip, 0 at those
that were seen. On Tunnel World scenes (what the camera saw), and on the videos of a folder, by default gradio's own.

Writes suggestions.json and suggestions.md and prints the table; intervals are 95 % bootstraps over clips of the
difference to uniform choice.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from slap_core import metrics, sphere, tunnel_world
from slap_core.baselines import Slerp
from slap_core.benchmarks.clips import gradio_videos, scene_clips
from slap_core.benchmarks.output import markdown_table, write
from slap_core.benchmarks.seed_range import seed_range
from slap_core.encoders import OpenClipEncoder
from slap_core.least_action import LeastAction
from slap_core.pretrained import load_encoder, load_potential
from slap_core.suggestions import suggest_frames
from slap_core.training.video_folder import read_folder
from slap_core.types import Latents

__all__ = ["RULES", "compare", "main", "table"]

RULES = ("uniform", "random", "latent", "query", "action", "adaptive")
KEEP_EVERY = 16
SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Of the frames that are seen in the end."""
DRAWS = 3


def choose(rule: str, clip: Latents, solver: LeastAction, query: Tensor, count: int, *, seed: int) -> Tensor:
    """The frames that are seen in the end, `count` of them, in order."""
    first = torch.arange(0, len(clip.times), KEEP_EVERY)
    if rule == "uniform":
        return torch.linspace(0, len(clip.times) - 1, count).round().long().unique()
    if rule == "random":
        dropped = torch.tensor([k for k in range(len(clip.times)) if k % KEEP_EVERY])
        order = torch.randperm(len(dropped), generator=torch.Generator().manual_seed(seed))
        return torch.cat([first, dropped[order[: count - len(first)]]]).sort().values
    seen = first
    while len(seen) < count:
        more = count - len(seen) if rule != "adaptive" else min(count - len(seen), max(1, len(seen) // 2))
        unseen = torch.ones(len(clip.times), dtype=torch.bool)
        unseen[seen] = False
        *_, (solution,) = solver.scan_chunks(
            clip.select(seen), clip.times[unseen], query, couplings=[solver.coupling], bands=True
        )
        times = suggest_frames(solution, more, by="latent" if rule == "adaptive" else rule)
        seen = torch.cat([seen, torch.searchsorted(clip.times, times)]).sort().values
    return seen


def drift_of(clip: Latents, seen: Tensor, solver: LeastAction, query: Tensor) -> dict[str, float]:
    """Mean drift over the whole clip by either method, from the frames `seen`."""
    dropped = torch.ones(len(clip.times), dtype=torch.bool)
    dropped[seen] = False
    found = {}
    given = clip.select(seen), clip.times[dropped], query
    # A scan of one lambda: nobody reads these certificates.
    solutions = {"SLERP": Slerp()(*given), "SLAP": solver.scan(*given, couplings=[solver.coupling])[0]}
    for name, solution in solutions.items():
        found[name] = float(metrics.drift(solution.points, clip.points[dropped]).sum() / len(clip.times))
    return found


def compare(
    clips: Sequence[tuple[Latents, Float[Tensor, "dim"]]], solver: LeastAction
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Drift of each clip by share of frames seen, rule and method.

    Args:
        clips: latents in double precision, each with a query.
        solver: SLAP.
    """
    found = {f"{share:g}": {rule: {"SLERP": [], "SLAP": []} for rule in RULES} for share in SHARES}
    for clip, query in clips:
        for share in SHARES:
            count = max(round(share * len(clip.times)), len(range(0, len(clip.times), KEEP_EVERY)) + 1)
            for rule in RULES:
                draws = range(DRAWS if rule == "random" else 1)
                drifts = [
                    drift_of(clip, choose(rule, clip, solver, query, count, seed=seed), solver, query) for seed in draws
                ]
                for method in ("SLERP", "SLAP"):
                    found[f"{share:g}"][rule][method].append(float(np.mean([drift[method] for drift in drifts])))
    return found


def summary(found: dict[str, dict[str, dict[str, list[float]]]], *, seed: int = 0) -> list[dict[str, Any]]:
    """One row for each share, rule and method: mean drift, and the ratio to uniform choice with its interval."""
    rows = []
    rng = np.random.default_rng(seed)
    for share, rules in found.items():
        for rule in RULES:
            for method, values in rules[rule].items():
                own, uniform = np.array(values), np.array(rules["uniform"][method])
                again = rng.integers(len(own), size=(2000, len(own)))
                ratios = own[again].mean(1) / uniform[again].mean(1)
                low, high = np.quantile(ratios, [0.025, 0.975])
                rows.append(
                    {
                        "seen": float(share),
                        "rule": rule,
                        "method": method,
                        "clips": len(own),
                        "drift": float(own.mean()),
                        "to_uniform": float(own.mean() / uniform.mean()),
                        "low": float(low),
                        "high": float(high),
                    }
                )
    return rows


def table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown: rules down, shares across; drift, and in brackets the ratio to uniform choice."""
    shares = sorted({row["seen"] for row in rows})
    lines = []
    for rule in RULES:
        for method in ("SLERP", "SLAP"):
            cells = []
            for share in shares:
                (row,) = (r for r in rows if (r["seen"], r["rule"], r["method"]) == (share, rule, method))
                ratio = (
                    "" if rule == "uniform" else f" ({row['to_uniform']:.2f}, {row['low']:.2f} to {row['high']:.2f})"
                )
                cells.append(f"{row['drift']:.4f}{ratio}")
            lines.append([rule, method, *cells])
    return markdown_table([title, "method", *(f"{share:.3g} seen" for share in shares)], lines)


def tunnel_clips(encoder: OpenClipEncoder, seeds: Tensor) -> list[tuple[Latents, Tensor]]:
    """Tunnel World scenes as the camera saw them, each with its first object as the query."""
    clips = []
    for part in seeds.split(16):
        scenes = tunnel_world.sample(part)
        words = [
            tunnel_world.prompt(kind=int(k), colour=int(c))
            for k, c in zip(scenes.kind[:, 0], scenes.colour[:, 0], strict=True)
        ]
        queries = encoder.text(words).double()
        for latents, query in zip(scene_clips(encoder, scenes), queries, strict=True):
            points = sphere.normalize(latents.points.double())
            clips.append((Latents(points, latents.times), sphere.normalize(query)))
    return clips


def video_clips(encoder: OpenClipEncoder, folder: pathlib.Path) -> list[tuple[Latents, Tensor]]:
    """The videos of a folder, each asked about by the mean of its latents: what it is about, without words."""
    found = []
    for latents in read_folder(folder, encoder).latents:
        points = sphere.normalize(latents.points.double())
        found.append((Latents(points, latents.times), sphere.normalize(points.mean(0))))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Drift against the number of frames seen, by what chooses them.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for suggestions.json and .md")
    parser.add_argument("--videos", type=pathlib.Path, help="folder of real videos; default: those that gradio ships")
    parser.add_argument("--seeds", default="3221225472-3221225535", help="A-B: scenes from seed A to seed B")
    parser.add_argument("--coupling", type=float, default=0.05, help="lambda")
    parser.add_argument("--quick", action="store_true", help="a few scenes only")
    options = parser.parse_args(arguments)
    try:
        seeds = seed_range(options.seeds)
    except ValueError as error:
        parser.error(str(error))
    encoder = load_encoder()
    solver = LeastAction(load_potential().double(), coupling=options.coupling)
    if options.videos is None:
        options.videos = gradio_videos()
    sets = {"Tunnel World": tunnel_clips(encoder, seeds[:4] if options.quick else seeds)}
    if not options.quick:
        sets["real clips"] = video_clips(encoder, options.videos)
    results, tables = {}, []
    for name, clips in sets.items():
        rows = summary(compare(clips, solver))
        results[name] = rows
        tables.append(table(f"{name} ({len(clips)})", rows))
    write(options.out, "suggestions", results, "\n\n".join(tables))


if __name__ == "__main__":
    main()
