"""What can be wrong with a video file, in sentences: what, why, what to do.

The decoder runs in another process and reports only a reason and numbers; the sentence is made here. A message holds
the file's name without its folders, free of control and bidirectional characters.
"""

import os
import unicodedata
from pathlib import Path

ACCEPTED = "MP4/MOV, MKV/WebM, AVI, FLV, Ogg, GIF and MPEG-TS"

REASONS = {
    "url": "{name} is an address, not a file. Download the video first and give the file.",
    "missing": "{name} does not exist. Check its name and folder.",
    "unreadable": "{name} may not be read. Check its permissions.",
    "folder": "{name} is a folder, not a video. Give one video file.",
    "irregular": "{name} is a link, a pipe or a device, not a regular file. Give the video file itself.",
    "empty": "{name} has zero bytes: it holds no video. Copy or upload it again.",
    "too_big": "{name} has {megabytes:.0f} MB, more than the {limit:.0f} MB allowed. Give a shorter or smaller video.",
    "not_video": "{name} is not a video that can be read here. Accepted are " + ACCEPTED + ".",
    "no_index": (
        "{name} is incomplete: its index (the 'moov' box) is missing, as after an interrupted recording or upload. "
        "Copy or export it again."
    ),
    "damaged": "{name} cannot be opened: its header is damaged or incomplete. Copy or export it again.",
    "no_video": "{name} holds no moving picture, only sound or a cover. Give a file with a video track.",
    "no_codec": "{name} uses a video format that cannot be decoded here. Export it as H.264 in an MP4.",
    "no_frames": "{name} holds no frame that can be decoded: the video is damaged. Copy or export it again.",
    "frame_too_large": (
        "{name} has pictures of {width} x {height} pixels, more than the {limit:.0f} megapixels allowed. Scale it down."
    ),
    "too_many_frames": "{name} has more than the {limit} frames allowed. Cut it into shorter parts.",
    "too_long": "{name} lasts {hours:.1f} hours, more than the {limit:.0f} allowed. Cut it into shorter parts, or "
    "take its first seconds only.",
    "output_too_large": (
        "{name} would fill {gigabytes:.1f} GB with {count} frames of {width} x {height}, more than the {limit:.0f} GB "
        "allowed. Pass max_frames={fitting} or less, or a smaller size."
    ),
    "memory": "{name} needs more memory than a decoder may use. Give a smaller video or scale it down.",
    "deadline": (
        "{name} was not decoded within {seconds:.3g} s and was given up. Give a shorter or smaller video, or take "
        "fewer frames."
    ),
    "crashed": "{name} crashed the decoder (exit status {status}); it is probably damaged. Export it again.",
    "cancelled": "Decoding of {name} was cancelled. Read it again when it is wanted.",
    "broken": "{name} could not be decoded: the decoder failed ({what}). Reinstall the av package, or export it again.",
}


class VideoError(ValueError):
    """A video cannot be read: the sentence says what, why, and what to do. `reason` is a key of `REASONS`."""

    def __init__(self, reason: str, path: str | os.PathLike[str], **numbers: float | int | str) -> None:
        self.reason = reason
        super().__init__(REASONS[reason].format(name=display_name(path), **numbers))


class RefusedError(Exception):
    """The decoder refuses the file: a key of `errors.REASONS` and the numbers of its sentence."""

    def __init__(self, reason: str, **numbers: float | int | str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.numbers = numbers


def display_name(path: str | os.PathLike[str], *, longest: int = 60) -> str:
    """The file's name without folders, fit to be shown: no control, format or bidirectional characters, shortened.

    >>> display_name("/home/me/holiday.mp4")
    'holiday.mp4'
    """
    name = Path(os.fspath(path)).name.strip()
    name = "".join(c for c in name if not unicodedata.category(c).startswith("C") and c not in "\u2028\u2029")
    if len(name) > longest:
        end = longest // 3
        name = f"{name[: longest - end - 1]}…{name[-end:]}"
    return name or "The video"
