"""Robustness against the sampling rate: keep 50, 25 or 10 % of a clip's frames, and recover the others.

    python -m slap_core.benchmarks.robustness --out DIR [--videos DIR] [--seeds A-B]

What is recovered are the latents of the dropped frames as the camera saw them; the measure is drift, 1 - cos. Frames
number 0, k, 2k, ... are kept, k = 2, 4, 10, and a clip is cut after the last frame that all three rates keep, so that
no frame lies outside of the anchors. All methods are asked about "an object".

    zoh, lerp, slerp                no learning
    latent_ode, autoregressive, regressor       trained on hidden stretches of Tunnel World, to see through occluders
    static                          least action with the cosine as potential
    slap_paper, slap                ... with the shipped potentials, at the lambda that their cards chose
    slap_fit                        ... with a potential fitted to the kept frames of this very clip

Tunnel World's clips are test scenes; the real ones come from a folder, by default the videos that gradio brings along.
The trained methods answer what is *there*: on frames in which something hides they do not agree with the camera.

Intervals are those of the percentile bootstrap over clips.
"""

import argparse
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from slap_core.baselines import Lerp, Slerp, ZeroOrderHold
from slap_core.benchmarks.clips import gradio_videos, scene_clips
from slap_core.benchmarks.output import markdown_table, write
from slap_core.benchmarks.seed_range import unseen_seeds
from slap_core.encoders import OpenClipEncoder
from slap_core.fitting.potential import fit_potential
from slap_core.least_action import LeastAction
from slap_core.metrics import drift
from slap_core.potential import StaticPotential
from slap_core.pretrained import chosen_coupling, load_baseline, load_encoder, load_potential
from slap_core.training.video_folder import SUFFIXES
from slap_core.tunnel_world import sample
from slap_core.types import Latents, Solution
from slap_core.video import VideoError, read_clip

__all__ = ["RATES", "drifts", "main", "methods", "real_clips", "summary"]

RATES = {"50": 2, "25": 4, "10": 10}
"""Per cent of the frames that are kept: one in so many."""
PERIOD = 20
"""All rates keep the frames number 0, 20, 40, ..."""
SCENES = 48
FRAMES = 200
"""Of a real video, from its beginning, at its own rate."""
FIT_COUPLING = 0.5
STATIC_COUPLING = 0.1
RESAMPLES = 1000

Method = Callable[[Latents, torch.Tensor], Solution]


def methods(encoder: OpenClipEncoder) -> dict[str, Method]:
    """From the anchors and the times of the dropped frames to what is recovered, by name."""
    query = encoder.text(["an object"])[0].cpu()
    found: dict[str, Method] = {
        name: lambda seen, times, one=one: one(seen, times)
        for name, one in (("zoh", ZeroOrderHold()), ("lerp", Lerp()), ("slerp", Slerp()))
    }
    asked: dict[str, Callable[..., Solution]] = {
        name: load_baseline(name) for name in ("latent_ode", "autoregressive", "regressor")
    }
    asked["static"] = LeastAction(StaticPotential(), coupling=STATIC_COUPLING)
    for name, recipe in (("slap_paper", "paper"), ("slap", "solver")):
        coupling = chosen_coupling(recipe) or FIT_COUPLING
        asked[name] = LeastAction(load_potential(recipe=recipe), coupling=coupling)
    found |= {name: lambda seen, times, one=one: one(seen, times, query) for name, one in asked.items()}

    def fitted(seen: Latents, times: torch.Tensor) -> Solution:
        potential = fit_potential(seen, query[None], coupling=FIT_COUPLING)
        return LeastAction(potential, coupling=FIT_COUPLING)(seen, times, query)

    found["slap_fit"] = fitted
    return found


def drifts(rows: Mapping[str, Method], latents: Latents) -> dict[str, dict[str, float]]:
    """Method -> rate -> mean drift over the dropped frames of one clip.

    Raises:
        ValueError: if the clip is shorter than 21 frames.
    """
    count = (len(latents) - 1) // PERIOD * PERIOD + 1
    if count <= PERIOD:
        raise ValueError(f"Robustness needs clips of at least {PERIOD + 1} frames, got {len(latents)}; leave it out.")
    found: dict[str, dict[str, float]] = {name: {} for name in rows}
    for rate, every in RATES.items():
        index = torch.arange(count)
        kept, dropped = index[index % every == 0], index[index % every != 0]
        seen, truth = latents.select(kept), latents.points[dropped]
        for name, method in rows.items():
            path = method(seen, latents.times[dropped]).points
            found[name][rate] = float(drift(path / path.norm(dim=-1, keepdim=True), truth).mean())
    return found


def real_clips(encoder: OpenClipEncoder, folder: pathlib.Path) -> tuple[dict[str, Latents], list[str]]:
    """The latents of a folder's videos by name, and the names of those that are unreadable or too short.

    Raises:
        ValueError: if there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"The folder of videos {folder.name!r} does not exist; give --videos a folder.")
    found, skipped = {}, []
    for file in sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES):
        try:
            clip = read_clip(file, size=160)
        except VideoError:
            skipped.append(file.name)
            continue
        clip = clip.select(torch.arange(min(len(clip), FRAMES + 1)))
        if len(clip) <= PERIOD:
            skipped.append(file.name)
            continue
        found[file.name] = encoder(clip)
    return found, skipped


def summary(each: Sequence[Mapping[str, Mapping[str, float]]], *, seed: int = 0) -> dict[str, dict[str, list[float]]]:
    """Method -> rate -> mean over clips, its 95 % interval, and the ratio to SLERP's mean with its interval."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(each), size=(RESAMPLES, len(each)))
    found: dict[str, dict[str, list[float]]] = {}
    for name in each[0]:
        for rate in RATES:
            values = np.array([clip[name][rate] for clip in each])
            slerp = np.array([clip["slerp"][rate] for clip in each])
            means, ratios = values[draws].mean(1), values[draws].mean(1) / np.maximum(slerp[draws].mean(1), 1e-12)
            found.setdefault(name, {})[rate] = [
                float(values.mean()),
                *map(float, np.percentile(means, [2.5, 97.5])),
                float(values.mean() / max(slerp.mean(), 1e-12)),
                *map(float, np.percentile(ratios, [2.5, 97.5])),
            ]
    return found


def _table(found: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    head = ["method", *(f"{rate} %" for rate in RATES), "from 50 to 10 %", *(f"{rate} %, of SLERP" for rate in RATES)]
    rows = []
    for name, by_rate in found.items():
        cells = [f"{by_rate[rate][0]:.4f}" for rate in RATES]
        cells.append(f"{by_rate['10'][0] - by_rate['50'][0]:+.4f}")
        cells += [f"{by_rate[rate][3]:.2f} ({by_rate[rate][4]:.2f}-{by_rate[rate][5]:.2f})" for rate in RATES]
        rows.append([name, *cells])
    return markdown_table(head, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Drift of what is recovered when 50, 25 or 10 % of the frames are kept."
    )
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for robustness.json and .md")
    parser.add_argument("--videos", type=pathlib.Path, default=None, help="folder of real videos; default: gradio's")
    parser.add_argument("--seeds", default=None, help=f"A-B: scenes outside the training split; default: {SCENES} test")
    options = parser.parse_args(arguments)
    try:
        chosen = unseen_seeds(options.seeds, SCENES)
    except ValueError as error:
        parser.error(str(error))
    folder = options.videos or gradio_videos()
    encoder = load_encoder()
    try:
        real, skipped = real_clips(encoder, folder)
    except ValueError as error:
        parser.error(str(error))
    if not real:
        parser.error(f"no video in {folder.name} has {PERIOD + 1} frames or more; give --videos another folder.")
    rows = methods(encoder)
    scenes = {str(int(seed)): clip for seed, clip in zip(chosen, scene_clips(encoder, sample(chosen)), strict=True)}
    parts, record = [], {"seeds": [int(chosen[0]), int(chosen[-1])], "videos": list(real), "skipped": skipped}
    for name, clips in (("tunnel_world", scenes), ("real", real)):
        each = {clip: drifts(rows, latents) for clip, latents in clips.items()}
        found = summary(list(each.values()))
        record[name] = {method: {rate: found[method][rate][0] for rate in RATES} for method in found}
        record[f"{name}_intervals"] = found
        record[f"{name}_clips"] = each
        title = f"{len(clips)} scenes of Tunnel World" if name == "tunnel_world" else f"{len(clips)} real videos"
        parts.append(f"## {title}\n\n{_table(found)}")
    write(options.out, "robustness", record, "\n\n".join(parts))


if __name__ == "__main__":
    main()
