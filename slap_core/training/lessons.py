"""What a potential and its rivals are trained on: stretches to learn from, and others to be judged by.

From Tunnel World, or from a folder of videos.
"""

import dataclasses

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from slap_core import sphere
from slap_core.encoders import OpenClipEncoder
from slap_core.gaps import Gaps
from slap_core.shaping import Exercises
from slap_core.stretches import Stretches
from slap_core.training.gap_scenes import GapScenes
from slap_core.training.potential_settings import SolverSettings
from slap_core.training.queries import QUERIES
from slap_core.training.scene_file import SceneSettings, gap_scenes
from slap_core.training.video_folder import Folder, read_captions, read_folder, stretches_of_clips
from slap_core.tunnel_world import COLOURS

__all__ = ["Lessons", "asked", "excerpt", "lessons_of_folder", "lessons_of_scenes", "stretches_of_scenes"]

ELSEWHERE = 0.3
"""What the nodes at which nothing is hidden count together, in training."""


@dataclasses.dataclass(frozen=True, eq=False)
class Lessons:
    """Stretches to learn from and to be judged by; none of one is of the other."""

    train: Exercises
    validation: Exercises
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

        def moved(part: Exercises) -> Exercises:
            names = ("anchors", "target", "weight", "queries")
            return dataclasses.replace(part, **{name: getattr(part, name).to(device) for name in names})

        return dataclasses.replace(self, train=moved(self.train), validation=moved(self.validation))


def stretches_of_scenes(scenes: GapScenes, *, elsewhere: float = ELSEWHERE) -> Exercises:
    """The stretches of Tunnel World scenes: hidden nodes count most, and the other dropped frames `elsewhere`."""

    def shares(mask: Tensor) -> Tensor:
        return mask.float() / mask.sum(-1, keepdim=True).clamp_min(1)

    hidden = shares(scenes.hidden)
    weight = (1 - elsewhere) * hidden + elsewhere * shares(scenes.nodes())
    if elsewhere:  # where nothing is hidden every dropped frame counts
        weight = weight / weight.sum(-1, keepdim=True)
    subject = scenes.kind[:, 0] * len(COLOURS) + scenes.colour[:, 0]
    return Exercises(
        anchors=scenes.anchors,
        gaps=scenes.gaps,
        target=scenes.target,
        weight=weight,
        queries=scenes.queries,
        subject=torch.where(scenes.kind[:, 0] < 0, -1, subject).cpu(),
    )


def excerpt(
    lessons: Exercises,
    index: Int[Tensor, "batch"],
    *,
    noise: float,
    generator: torch.Generator,
    nodes: int | None = None,
) -> Exercises:
    """The exercises at `index` alone, with noise on their anchors and queries: what is learned by heart is no use.

    They are padded to `nodes`, by default to the longest of them.
    """
    gaps, at, device = lessons.gaps.select(index, nodes=nodes), index.to(lessons.target.device), lessons.target.device
    ends = torch.stack([lessons.anchors[end.to(device)] for end in (gaps.start, gaps.stop)], 1)
    queries = lessons.queries[at]
    if noise:
        ends, queries = (
            sphere.normalize(x + torch.randn(x.shape, generator=generator).to(x) * noise / x.shape[-1] ** 0.5)
            for x in (ends, queries)
        )
    first = 2 * torch.arange(len(index))
    alone = {name: getattr(gaps, name) for name in ("free", "elapsed", "length", "count", "soft")}
    width = gaps.elapsed.shape[1]
    return Exercises(
        anchors=ends.flatten(0, 1),
        gaps=Gaps.alone(start=first, stop=torch.where(gaps.free, first, first + 1), **alone),
        target=lessons.target[at, :width],
        weight=lessons.weight[at, :width],
        queries=queries,
        subject=lessons.subject[index],
    )


def asked(lessons: Exercises, query: Int[Tensor, "stretch"]) -> Stretches:
    """All the stretches, each asked about in one way."""
    return Stretches.of(lessons.anchors, lessons.gaps, lessons.queries[torch.arange(len(lessons)), query])


def lessons_of_scenes(encoder: OpenClipEncoder, settings: SceneSettings) -> Lessons:
    """Stretches of Tunnel World's training and validation scenes, from the settings' file where that exists.

    Raises:
        ValueError: if the file holds anything else.
    """
    drawn = gap_scenes(encoder, settings)
    return Lessons(
        stretches_of_scenes(drawn["train"]), stretches_of_scenes(drawn["validation"], elsewhere=0.0), QUERIES
    )


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
