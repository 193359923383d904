"""What a potential is trained on through the solver: stretches to learn from, and others to be judged by.

From Tunnel World, drawn and encoded once and kept in a file, or from a folder of videos.
"""

import dataclasses
import json
import pathlib

import safetensors
import safetensors.torch
import torch
from jaxtyping import Bool
from torch import Tensor

from slap_core.encoders import OpenClipEncoder
from slap_core.gaps import Gaps
from slap_core.shaping import Stretches
from slap_core.training.gap_scenes import QUERIES, GapScenes, draw_gap_scenes
from slap_core.training.potential_settings import SolverSettings
from slap_core.training.video_folder import Folder, read_captions, read_folder, stretches_of_clips
from slap_core.tunnel_world import COLOURS, seeds

__all__ = ["Lessons", "lessons_of_folder", "lessons_of_scenes", "load", "save", "stretches_of_scenes"]

ELSEWHERE = 0.3
"""What the nodes at which nothing is hidden count together, in training."""


@dataclasses.dataclass(frozen=True, eq=False)
class Lessons:
    """Stretches to learn from and to be judged by; none of one is of the other."""

    train: Stretches
    validation: Stretches
    """Its weights are those of what is scored."""
    names: tuple[str, ...]
    """Of the ways in which each stretch is asked about."""

    @property
    def ways(self) -> int:
        """How many ways of asking there are."""
        return len(self.names)

    @property
    def scored(self) -> Bool[Tensor, "stretch"]:
        """The validation stretches that have anything to score."""
        return (self.validation.weight.sum(-1) > 0).cpu()

    def to(self, device: torch.device) -> "Lessons":
        """The same with the latents on a device."""

        def moved(part: Stretches) -> Stretches:
            names = ("anchors", "target", "weight", "queries")
            return dataclasses.replace(part, **{name: getattr(part, name).to(device) for name in names})

        return dataclasses.replace(self, train=moved(self.train), validation=moved(self.validation))


def stretches_of_scenes(scenes: GapScenes, *, elsewhere: float = ELSEWHERE) -> Stretches:
    """The stretches of Tunnel World scenes: hidden nodes count most, and the other dropped frames `elsewhere`."""

    def shares(mask: Tensor) -> Tensor:
        return mask.float() / mask.sum(-1, keepdim=True).clamp_min(1)

    hidden = shares(scenes.hidden)
    weight = (1 - elsewhere) * hidden + elsewhere * shares(scenes.nodes())
    if elsewhere:  # where nothing is hidden every dropped frame counts
        weight = weight / weight.sum(-1, keepdim=True)
    subject = scenes.kind[:, 0] * len(COLOURS) + scenes.colour[:, 0]
    return Stretches(
        anchors=scenes.anchors,
        gaps=scenes.gaps,
        target=scenes.target,
        weight=weight,
        queries=scenes.queries,
        subject=torch.where(scenes.kind[:, 0] < 0, -1, subject).cpu(),
    )


def lessons_of_scenes(encoder: OpenClipEncoder, settings: SolverSettings) -> Lessons:
    """Stretches of Tunnel World's training and validation scenes, from the settings' file where that exists.

    Raises:
        ValueError: if the file holds anything else.
    """
    wanted = {name: getattr(settings, name) for name in ("encoder", "scenes", "validation_scenes", "image_size")}
    if settings.data is not None and settings.data.exists():
        return load(settings.data, wanted)
    drawn = {
        split: draw_gap_scenes(encoder, seeds(split, count), size=settings.image_size)
        for split, count in (("train", settings.scenes), ("validation", settings.validation_scenes))
    }
    lessons = Lessons(
        stretches_of_scenes(drawn["train"]), stretches_of_scenes(drawn["validation"], elsewhere=0.0), QUERIES
    )
    if settings.data is not None:
        save(settings.data, lessons, wanted)
    return lessons


def lessons_of_folder(encoder: OpenClipEncoder, settings: SolverSettings) -> Lessons:
    """Stretches of a folder's videos: every fifth video is for validation, or of a single one the end."""
    captions = read_captions(settings.captions) if settings.captions is not None else None
    folder = read_folder(settings.videos, encoder, captions=captions)
    print(f"{len(folder.names)} videos, {len(folder.skipped)} skipped", flush=True)
    clips = range(len(folder.latents))
    judging, learning = list(clips[::5]), [k for k in clips if k % 5]
    if not learning:
        whole = folder.latents[0]
        cut = max(3, 3 * len(whole) // 4)
        if len(whole) - cut < 3:
            raise ValueError(
                f"One video of {len(whole)} frames is too short to learn from and to be judged by; give a longer one, "
                "or several."
            )
        parts = [whole.select(torch.arange(len(whole))[part]) for part in (slice(cut, None), slice(cut))]
        folder = Folder(tuple(parts), folder.names * 2, folder.captions * 2, folder.skipped)
        judging, learning = [0], [1]
    train, validation = (
        stretches_of_clips(folder, some, drawn=settings.stretches_per_video, seed=settings.seed)
        for some in (learning, judging)
    )
    return Lessons(train, validation, ("about", "frame", "stranger"))


def save(file: pathlib.Path, lessons: Lessons, wanted: dict[str, str | int]) -> None:
    """Keep lessons in a .safetensors file that says what they are."""
    tensors = {}
    for split in ("train", "validation"):
        part = getattr(lessons, split)
        for name in ("anchors", "target", "weight", "queries", "subject"):
            tensors[f"{split}.{name}"] = getattr(part, name)
        for name in ("start", "stop", "free", "elapsed", "length", "count"):
            tensors[f"{split}.gaps.{name}"] = getattr(part.gaps, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {"wanted": json.dumps(wanted, sort_keys=True), "names": json.dumps(lessons.names)}
    safetensors.torch.save_file({key: value.cpu().contiguous().clone() for key, value in tensors.items()}, file, about)


def load(file: pathlib.Path, wanted: dict[str, str | int]) -> Lessons:
    """The lessons of a file.

    Raises:
        ValueError: if it is no such file, or says that it holds anything but what is wanted.
    """
    remedy = "name another file, or remove it to have it drawn again"
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            about = opened.metadata() or {}
        tensors = safetensors.torch.load_file(file)
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{file.name} is no readable .safetensors file; {remedy}.") from error
    if about.get("wanted") != json.dumps(wanted, sort_keys=True):
        raise ValueError(f"{file.name} should hold {wanted}, got {about.get('wanted', 'something else')}; {remedy}.")
    none = torch.zeros(0, dtype=torch.long)
    parts = {}
    for split in ("train", "validation"):
        found = {key.removeprefix(f"{split}."): tensors[key] for key in tensors if key.startswith(f"{split}.")}
        stretches = {key.removeprefix("gaps."): found.pop(key) for key in list(found) if key.startswith("gaps.")}
        gaps = Gaps(
            **stretches,
            times=none.double(),
            is_anchor=none.bool(),
            gap_of=none,
            node_of=none,
            time_unit_seconds=1.0,
            soft=torch.full(stretches["elapsed"].shape, -1),
        )
        parts[split] = Stretches(gaps=gaps, **found)
    return Lessons(parts["train"], parts["validation"], tuple(json.loads(about["names"])))
