"""Drawn and encoded scenes, kept in a file: drawing them takes longer than most networks take to learn from them.

One .safetensors file holds the scenes of several splits, and what they were drawn from: how many, how large, and what
the encoder makes of some words, for one that is trained anew has the same name.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from slap_core.encoders import OpenClipEncoder
from slap_core.gaps import Gaps
from slap_core.training.gap_scenes import GapScenes, draw_gap_scenes
from slap_core.training.team import team
from slap_core.tunnel_world import seeds

__all__ = ["SceneSettings", "gap_scenes", "load_scenes", "save_scenes"]

_WORDS = "an object"
"""What the encoder is known by."""
_GAPS = ("start", "stop", "free", "elapsed", "length", "count", "soft")
"""What there is to know of stretches that are problems of their own."""


@dataclasses.dataclass(frozen=True)
class SceneSettings:
    """Which scenes a trainer learns from and is judged by, and where they are kept."""

    scenes: int = 40_000
    """Tunnel World training scenes that are drawn and encoded, once."""
    nodes: int = 6
    """Dropped frames of each of them, at most; of validation scenes there are up to 12, evenly."""
    evenly: bool = False
    """Whether the dropped frames are those at even distances, or random ones."""
    parts: float = 0.3
    """Share of the scenes whose anchors may show no more than a part of what hides; of validation scenes none."""
    validation_scenes: int = 480
    """Validation scenes, to choose by and for the card."""
    image_size: int = 96
    """Pixels of a side of the rendered frames."""
    data: pathlib.Path = pathlib.Path("runs/gap_scenes.safetensors")
    """File of the drawn scenes: read where it exists, else written."""


def gap_scenes(
    encoder: OpenClipEncoder, settings: SceneSettings, *, layers: Sequence[str] = ()
) -> dict[str, GapScenes]:
    """The first scenes of "train" and "validation", from the file where it exists; else drawn, and kept there.

    Of several processes that train together the first one draws.

    Args:
        encoder: of their frames.
        settings: which they are.
        layers: what is needed of the dropped frames besides the cut-away.

    Raises:
        ValueError: if the file holds anything else.
    """
    counts = {"train": settings.scenes, "validation": settings.validation_scenes}
    origin = {"scenes": counts, "image_size": settings.image_size, "layers": sorted(layers)}
    origin |= {name: getattr(settings, name) for name in ("nodes", "evenly", "parts")}
    words = encoder.text([_WORDS])[0].cpu()

    def found() -> dict[str, GapScenes]:
        if settings.data.exists():
            return load_scenes(settings.data, origin, words)
        scenes = _drawn(encoder, settings, layers, counts)
        save_scenes(settings.data, scenes, origin, words)
        return scenes

    return team().first_then_others(found)


def _drawn(
    encoder: OpenClipEncoder, settings: SceneSettings, layers: Sequence[str], counts: Mapping[str, int]
) -> dict[str, GapScenes]:
    moments = {
        "train": {"most": settings.nodes, "evenly": settings.evenly, "parts": settings.parts},
        "validation": {},
    }
    return {
        split: draw_gap_scenes(encoder, seeds(split, count), layers=layers, size=settings.image_size, **moments[split])
        for split, count in counts.items()
    }


def save_scenes(
    file: pathlib.Path, scenes: Mapping[str, GapScenes], origin: Mapping[str, object], words: Tensor
) -> None:
    """Write scenes to a file, whole or not at all.

    Args:
        file: its folder is made.
        scenes: by split.
        origin: numbers and texts that say what they were drawn from.
        words: the encoder's latent of some words.
    """
    tensors = {"words": words}
    for split, some in scenes.items():
        fields = {field.name: getattr(some, field.name) for field in dataclasses.fields(some)}
        gaps = fields.pop("gaps")
        tensors |= {f"{split}.{name}": value for name, value in fields.items() if value is not None}
        tensors |= {f"{split}.gaps.{name}": getattr(gaps, name) for name in _GAPS}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    about = {"origin": json.dumps(origin, sort_keys=True)}
    safetensors.torch.save_file(
        {key: value.cpu().clone(memory_format=torch.contiguous_format) for key, value in tensors.items()},
        partial,
        about,
    )
    partial.replace(file)  # at once: an interrupted write leaves no file


def load_scenes(file: pathlib.Path, origin: Mapping[str, object], words: Tensor) -> dict[str, GapScenes]:
    """The scenes of a file, by split.

    Args:
        file: written by `save_scenes`.
        origin: what they must have been drawn from.
        words: what the encoder makes of the words it is known by.

    Raises:
        ValueError: if it is no such file, or its scenes were drawn from anything else.
    """
    remedy = "name another file by --data, or remove it to have it drawn again"
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            about = opened.metadata() or {}
        tensors = safetensors.torch.load_file(file)
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{file.name} is no readable .safetensors file; {remedy}.") from error
    if about.get("origin") != json.dumps(origin, sort_keys=True):
        raise ValueError(f"{file.name} should hold {origin}, got {about.get('origin', 'something else')}; {remedy}.")
    known = tensors.pop("words")
    if known.shape != words.shape or not torch.allclose(known, words, atol=1e-4):
        raise ValueError(f"The scenes of {file.name} were encoded by another encoder; {remedy}.")
    scenes = {}
    for split in {key.partition(".")[0] for key in tensors}:
        found = {key.removeprefix(f"{split}."): tensors[key] for key in tensors if key.startswith(f"{split}.")}
        gaps = {name: found.pop(f"gaps.{name}") for name in _GAPS}
        drawn = {name: found.pop(name, None) for name in ("observed", "empty")}
        scenes[split] = GapScenes(gaps=Gaps.alone(**gaps), **drawn, **found)
    return scenes
