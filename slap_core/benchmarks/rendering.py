"""How fast Tunnel World is drawn: python -m slap_core.benchmarks.rendering --out DIR.

Frames of 64 x 64 a second, in one batch of whole clips; seconds for one clip of 48 frames of 384 x 384. Each the median
of several runs on other scenes, after one that does not count. Writes rendering.json and prints it.
"""

import argparse
import json
import pathlib
import statistics
import time
from collections.abc import Sequence

import torch

from slap_core.training.loop import resolve_device
from slap_core.tunnel_world import render, sample, seeds

__all__ = ["main", "measure"]


def measure(*, clips: int, repeats: int, device: torch.device) -> dict[str, float | int | str]:
    """Speeds, and what they were measured on.

    Args:
        clips: in the batch of small frames.
        repeats: runs of each, at least 1.
        device: where to draw.
    """
    small = [_seconds(clips, 64, start=(i + 1) * clips, device=device) for i in range(-1, repeats)][1:]
    large = [_seconds(1, 384, start=i + 1, device=device) for i in range(-1, repeats)][1:]
    frames = clips * sample(seeds("test", 1)).frames
    return {
        "frames_of_64_per_second": round(frames / statistics.median(small), 1),
        "seconds_of_a_clip_of_384": round(statistics.median(large), 4),
        "device": str(device),
        "threads": torch.get_num_threads(),
    }


def _seconds(clips: int, size: int, *, start: int, device: torch.device) -> float:
    scenes = sample(seeds("test", clips, start=start, device=device))
    begin = time.perf_counter()
    pictures = render(scenes, size=size).observed
    pictures[-1, -1, -1].cpu()  # waits for a GPU to be done
    return time.perf_counter() - begin


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How fast Tunnel World is drawn.")
    parser.add_argument("--clips", type=int, default=64, help="clips in the batch of small frames")
    parser.add_argument("--repeats", type=int, default=9, help="runs of each, of which the median counts")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for rendering.json")
    options = parser.parse_args(arguments)
    if min(options.clips, options.repeats) < 1:
        parser.error("--clips and --repeats must be at least 1.")
    speeds = measure(clips=options.clips, repeats=options.repeats, device=resolve_device(options.device))
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(speeds, indent=2) + "\n"
    (options.out / "rendering.json").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
