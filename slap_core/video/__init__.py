"""Video files: `read_clip` and `write_clip`, and `fingerprint`, which tells two apart.

Anybody may upload anything, so a file is taken through five narrowing steps:

1. `sniffing`: a regular file of bounded size whose first bytes are those of an accepted container;
2. `process`: a fresh interpreter with bounded memory and time, killed as a group on every way out;
3. `scan`: every packet is read, for the true presentation times, keyframes, rotation and damage;
4. `decoding`: the frames that are wanted, chosen by time and resized in the decoder, by decord or PyAV;
5. back through a pipe, as uint8 RGB, upright, with their times.

Times are seconds from the start of the presentation.
"""

import hashlib
import numbers
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import UInt8

from slap_core.types import Clip
from slap_core.video import limits
from slap_core.video.errors import VideoError, display_name
from slap_core.video.process import decode
from slap_core.video.sniffing import HEAD_BYTES, demuxer_of, has_index
from slap_core.video.writing import write_clip

__all__ = ["VideoError", "fingerprint", "read_clip", "write_clip"]


def read_clip(
    path: str | os.PathLike[str],
    *,
    max_frames: int | None = None,
    size: int | tuple[int, int] | None = None,
    until_seconds: float | int | None = None,
    deadline_seconds: float | int | None = None,
    cancelled: Callable[[], bool] | None = None,
    arrived: Callable[[UInt8[torch.Tensor, "time height width 3"]], None] | None = None,
) -> Clip:
    """The frames of a video file, with their true presentation times.

    A partly damaged file gives its good part and a sentence in `Clip.warnings`.

    Args:
        path: a regular file: MP4/MOV, MKV/WebM, AVI, FLV, Ogg, GIF or MPEG-TS.
        max_frames: take this many frames, evenly in time, the first and the last one included (the first one only for
            1); None: all.
        size: length of the shorter side in pixels, or (height, width); None: as in the file.
        until_seconds: take frames of so many seconds only, from the first one on; None: of the whole video.
        deadline_seconds: wall time after which to give up; None: 20 s and half of the clip's duration.
        cancelled: asked 20 times a second, from this thread, whether to give up.
        arrived: told, likewise, which frames there are by now: the first ones of the clip, and in the end perhaps not
            yet all.

    Raises:
        VideoError: (a ValueError) if the file cannot be read; the message is fit to be shown.
        ValueError: if an argument is out of range.
    """
    if max_frames is not None and not _whole(max_frames, limits.MAX_PACKETS):
        raise ValueError(f"max_frames must be None or a whole number of at least 1, got {max_frames!r}.")
    sides = list(size) if isinstance(size, tuple | list) else [] if size is None else [size]
    if (isinstance(size, tuple | list) and len(sides) != 2) or not all(_whole(s, limits.MAX_SIDE) for s in sides):
        raise ValueError(
            f"size must be None, the shorter side, or (height, width), each from 1 to {limits.MAX_SIDE} pixels, got "
            f"{size!r}."
        )
    if until_seconds is not None and not until_seconds > 0:
        raise ValueError(f"until_seconds must be None or above 0, got {until_seconds!r}.")
    if deadline_seconds is not None and not deadline_seconds > 0:
        raise ValueError(f"deadline_seconds must be None or above 0, got {deadline_seconds!r}.")
    file, demuxer = _accepted(path)
    decoded = decode(
        {
            "path": str(file),
            "demuxer": demuxer,
            "max_frames": None if max_frames is None else int(max_frames),
            "size": [int(side) for side in sides] if len(sides) == 2 else int(sides[0]) if sides else None,
            "until_seconds": None if until_seconds is None else float(until_seconds),
        },
        deadline_seconds=deadline_seconds,
        cancelled=cancelled,
        arrived=None if arrived is None else lambda frames: arrived(torch.from_numpy(frames)),
    )
    return Clip(
        torch.from_numpy(decoded.frames),
        torch.from_numpy(decoded.times),
        name=display_name(file),
        warnings=decoded.warnings,
    )


def fingerprint(path: str | os.PathLike[str]) -> tuple[str, str]:
    """The SHA-256 of a file that `read_clip` would begin to read, and the name that its clip would have.

    Raises:
        VideoError: if it would not.
    """
    file, _ = _accepted(path)
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest(), display_name(file)
    except OSError as error:
        raise VideoError("unreadable", file) from error


def _whole(value: object, highest: int) -> bool:
    return isinstance(value, numbers.Real) and float(value).is_integer() and 1 <= value <= highest


def _accepted(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """The absolute path and its demuxer, for a regular file that begins like an accepted container."""
    text = os.fspath(path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:(//|[^\\/])", text):
        raise VideoError("url", text)
    file = Path(text).absolute()
    try:
        status = file.lstat()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise VideoError("missing", text) from error
    if stat.S_ISDIR(status.st_mode):
        raise VideoError("folder", file)
    if not stat.S_ISREG(status.st_mode):
        raise VideoError("irregular", file)
    if status.st_size == 0:
        raise VideoError("empty", file)
    if status.st_size > limits.MAX_FILE_BYTES:
        raise VideoError("too_big", file, megabytes=status.st_size / 1e6, limit=limits.MAX_FILE_BYTES / 1e6)
    try:
        with file.open("rb") as opened:
            demuxer = demuxer_of(opened.read(HEAD_BYTES))
    except OSError as error:
        raise VideoError("unreadable", file) from error
    if demuxer is None:
        raise VideoError("not_video", file)
    if demuxer == "mov" and not has_index(file):
        raise VideoError("no_index", file)
    return file, demuxer
