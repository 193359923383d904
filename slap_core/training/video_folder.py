"""Any folder of videos as training material: frames that were kept, and what the dropped ones between them were.

No labels are needed. Of each clip some frames are kept at random and the stretches between them are to be recovered;
the answers are the latents of the dropped frames themselves. What is asked about a stretch:

    caption    the text latent of the clip's caption, where a CSV names one: what a person would type
    mean       the normalised mean of the clip's latents: what the clip is about, without words
    frame      one random frame of the clip: a particular sight of it
    stranger   the mean of another clip: a wrong query, so that what is recovered comes from the anchors

A captions file is a CSV with the columns `video` (a file name in the folder) and `caption`.
"""

import csv
import dataclasses
import pathlib
import warnings
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core import sphere
from slap_core.encoders import OpenClipEncoder
from slap_core.fitting.potential import leave_out
from slap_core.shaping import Exercises, joined
from slap_core.types import Latents
from slap_core.video import read_clip

__all__ = ["Folder", "read_captions", "read_folder", "stretches_of_clips"]

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".flv", ".ogv", ".ogg", ".gif", ".ts", ".mpg", ".mpeg")


@dataclasses.dataclass(frozen=True, eq=False)
class Folder:
    """What was read of a folder of videos."""

    latents: tuple[Latents, ...]
    """Of each clip that could be read."""
    names: tuple[str, ...]
    captions: tuple[Float[Tensor, "dim"] | None, ...]
    """Text latents."""
    skipped: tuple[str, ...]
    """Names of the files that could not be read."""


def read_captions(file: pathlib.Path) -> dict[str, str]:
    """The caption of each video that a CSV names.

    Raises:
        ValueError: if it is no readable CSV with the columns video and caption, or has an empty row.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = csv.DictReader(opened, strict=True)
            found = {}
            columns = [name.strip().lower() for name in rows.fieldnames or []]
            if not {"video", "caption"} <= set(columns):
                raise ValueError(
                    f"The captions file {file.name} needs the columns video and caption, got "
                    f"{', '.join(columns)[:200] or 'no header'}; write them in its first line."
                )
            rows.fieldnames = columns
            for row in rows:
                video, caption = ((row[name] or "").strip() for name in ("video", "caption"))
                if not video or not caption:
                    raise ValueError(
                        f"Line {rows.line_num} of the captions file {file.name} needs a video and a caption, got "
                        f"{video[:80]!r} and {caption[:80]!r}; fill it in or remove it."
                    )
                found[video] = caption
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"The captions file {file.name} could not be read as a CSV in UTF-8 ({type(error).__name__}); it needs the "
            "columns video and caption."
        ) from error
    return found


def read_folder(
    folder: pathlib.Path, encoder: OpenClipEncoder, *, captions: Mapping[str, str] | None = None, frames: int = 64
) -> Folder:
    """The latents of the folder's videos, in order of their names; with a warning, without those that cannot be read.

    Args:
        folder: of video files; other files and subfolders are left alone.
        encoder: whose latents.
        captions: by file name.
        frames: at most so many of each video, evenly in time.

    Raises:
        ValueError: if the folder has no readable video of at least 3 frames, or captions name none of its files.
    """
    if not folder.is_dir():
        raise ValueError(f"The folder of videos {folder.name!r} does not exist; give --videos a folder.")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    captions = captions or {}
    unknown = sorted(set(captions) - {file.name for file in files})
    if captions and len(unknown) == len(captions):
        raise ValueError(
            f"The captions name no video of {folder.name!r}: {unknown[0][:80]!r}, for example, is not there; the "
            "column video holds file names with their endings."
        )
    if unknown:
        warnings.warn(f"{len(unknown)} captions name no video of the folder, {unknown[0][:80]!r} first.", stacklevel=2)
    latents, names, words, skipped = [], [], [], []
    for file in files:
        try:
            clip = read_clip(file, max_frames=frames, size=256)
            if len(clip) < 3:
                raise ValueError(f"{file.name} has {len(clip)} frames, at least 3 are needed.")
        except ValueError as error:
            warnings.warn(f"{file.name} is skipped: {error}", stacklevel=2)
            skipped.append(file.name)
            continue
        latents.append(encoder(clip))
        names.append(file.name)
        words.append(sphere.normalize(encoder.text([captions[file.name]])[0]) if file.name in captions else None)
    if not latents:
        raise ValueError(
            f"The folder {folder.name!r} has no readable video of at least 3 frames ({len(skipped)} were skipped); "
            f"give one with files such as {', '.join(SUFFIXES[:4])}."
        )
    return Folder(tuple(latents), tuple(names), tuple(words), tuple(skipped))


def stretches_of_clips(folder: Folder, clips: Sequence[int], *, drawn: int, seed: int) -> Exercises:
    """Random stretches of some of the clips, `drawn` of each, each asked about in three ways.

    The first way is the caption, or the clip's mean where there is none; then a random frame; then a stranger: the
    mean of another clip of the folder.
    """
    means = [sphere.normalize(one.points.mean(0)) for one in folder.latents]
    parts = []
    for k in clips:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + k)
        frame = folder.latents[k].points[torch.randint(len(folder.latents[k]), (1,), generator=generator)[0]]
        about = means[k] if folder.captions[k] is None else folder.captions[k]
        stranger = means[(k + 1) % len(means)]
        queries = torch.stack([about, frame, stranger])
        parts.append(leave_out(folder.latents[k], queries, count=drawn, generator=generator, subject=k))
    return joined(parts)
