"""Writing a clip as a video that any browser plays: H.264, 4:2:0, in an MP4."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np

from slap_core.types import Clip

_CLOCK = 90_000
"""Ticks per second: divides the common frame rates."""


def write_clip(path: str | os.PathLike[str], clip: Clip, *, fps: float | int | None = None, quality: int = 18) -> Path:
    """The path of the video file that was written; it appears whole or not at all.

    Args:
        path: where to write; an existing file is replaced. Its folder must exist.
        clip: at least one frame. 4:2:0 needs even sides: an odd one gets its last row or column repeated.
        fps: frames per second; None: every frame at its own time.
        quality: x264's constant rate factor, 0 to 51: lower is better and larger.

    Raises:
        ValueError: if the clip has no frames, `fps` is not a positive number, or `quality` is out of range.
    """
    import av

    if not len(clip):
        raise ValueError("write_clip needs a clip of at least one frame, got one of none; keep more frames.")
    if fps is not None and not 0 < fps <= 1000:
        raise ValueError(f"fps must be above 0 and at most 1000 frames per second, got {fps}; None keeps the times.")
    if not 0 <= quality <= 51:
        raise ValueError(f"quality lies in 0 to 51, lower being better, got {quality}.")
    path = Path(path)
    frames = clip.frames.numpy()
    height, width = frames.shape[1:3]
    seconds = clip.times.numpy() if fps is None else np.arange(len(clip)) / fps
    ticks = np.round(seconds * _CLOCK).astype(np.int64)
    ticks = np.maximum.accumulate(ticks - np.arange(len(ticks))) + np.arange(len(ticks))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as container:
            rate = Fraction(fps or _mean_rate(seconds)).limit_denominator(1001)
            stream = container.add_stream("libx264", rate=rate, options={"crf": str(quality), "preset": "medium"})
            stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
            stream.codec_context.time_base = Fraction(1, _CLOCK)
            for tick, picture in zip(ticks.tolist(), frames, strict=True):
                padded = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
                frame = av.VideoFrame.from_ndarray(padded, format="rgb24")
                frame.pts, frame.time_base = tick, Fraction(1, _CLOCK)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _mean_rate(seconds: np.ndarray) -> float:
    """Frames per second, between 1 and 240; 25 for a single frame."""
    if len(seconds) < 2:
        return 25.0
    return float(np.clip((len(seconds) - 1) / (seconds[-1] - seconds[0]), 1, 240))
