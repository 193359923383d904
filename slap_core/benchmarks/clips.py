"""Clips that benchmarks recover: scenes of Tunnel World as the camera sees them, and where real videos lie."""

import importlib.util
import pathlib

import torch

from slap_core.encoders import OpenClipEncoder
from slap_core.tunnel_world import Scenes, render
from slap_core.types import Latents

__all__ = ["gradio_videos", "scene_clips"]

FRAME_RATE = 24
"""Of the scenes, frames per second."""


def gradio_videos() -> pathlib.Path:
    """The folder of real clips that gradio ships; found without importing it."""
    return pathlib.Path(importlib.util.find_spec("gradio").origin).parent / "media_assets" / "videos"


def scene_clips(encoder: OpenClipEncoder, scenes: Scenes, *, size: int = 96) -> list[Latents]:
    """The latents of all observed frames of each scene, on the CPU.

    Args:
        encoder: whose latents.
        scenes: any number.
        size: pixels of a side.
    """
    times = torch.arange(scenes.frames, dtype=torch.float64) / FRAME_RATE
    found = []
    for at in torch.arange(len(scenes), device=scenes.seed.device).split(16):
        pictures = render(scenes.select(at), size=size, layers=("observed",)).observed
        found += [Latents(encoder.images(frames)[0].cpu(), times) for frames in pictures]
    return found
