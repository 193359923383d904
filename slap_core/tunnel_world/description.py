"""What is to be seen in a picture, as numbers: the ground truth that captions and questions are made of."""

import dataclasses
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from slap_core.tunnel_world.names import LAYERS, PLACES, RELATIONS
from slap_core.tunnel_world.rendering import Rendered
from slap_core.tunnel_world.scenes import Scenes

__all__ = ["Description", "Row", "Thing", "describe", "place_of"]


class Thing(NamedTuple):
    """One object that is to be seen; every field is an index into a tuple of `names`."""

    kind: int
    colour: int
    place: int
    relation: int
    """To the occluder."""


class Row(NamedTuple):
    """One picture, in plain integers."""

    background: int
    occluder: int
    occluder_place: int
    things: tuple[Thing, ...]
    """Actors first, then extras."""


@dataclasses.dataclass(frozen=True, eq=False)
class Description:
    """What is to be seen in one layer; names are indices into the tuples of `names`."""

    visible: Bool[Tensor, "scene time object"]
    """Whether enough of the object is to be seen in this layer."""
    place: Int64[Tensor, "scene time object"]
    """Where its centre is, of `PLACES`; what lies outside the picture belongs to the nearest place."""
    relation: Int64[Tensor, "scene time object"]
    """To the occluder, of `RELATIONS`."""
    kind: Int64[Tensor, "scene object"]
    colour: Int64[Tensor, "scene object"]
    background: Int64[Tensor, "scene"]
    occluder: Int64[Tensor, "scene"]
    occluder_place: Int64[Tensor, "scene time"]

    def at(self, times: Int64[Tensor, "some"]) -> "Description":
        """Some of the times."""
        timed = {name: getattr(self, name)[:, times] for name in ("visible", "place", "relation", "occluder_place")}
        return dataclasses.replace(self, **timed)

    def rows(self) -> list[Row]:
        """One `Row` for each picture, scene by scene, frame by frame: plain integers, for worker processes."""
        count, times, _ = self.visible.shape
        scene, time, slot = self.visible.nonzero(as_tuple=True)
        fields = (
            scene * times + time,
            self.kind[scene, slot],
            self.colour[scene, slot],
            self.place[scene, time, slot],
            self.relation[scene, time, slot],
        )
        things: list[list[Thing]] = [[] for _ in range(count * times)]
        for row, *thing in torch.stack(fields, 1).tolist():
            things[row].append(Thing(*thing))
        background = self.background.repeat_interleave(times).tolist()
        occluder = self.occluder.repeat_interleave(times).tolist()
        where = self.occluder_place.flatten().tolist()
        return [Row(b, o, p, tuple(t)) for b, o, p, t in zip(background, occluder, where, things, strict=True)]


def place_of(x: Tensor, aspect: float = 1.0) -> Tensor:
    """The index into `PLACES` of x (picture heights from the left edge of a square picture), for any aspect ratio."""
    share = (x - 0.5) / aspect + 0.5
    return (share * len(PLACES)).floor().clamp(0, len(PLACES) - 1).long()


def describe(
    scenes: Scenes, rendered: Rendered, *, layer: str = "observed", threshold: float = 0.2, aspect: float = 1.0
) -> Description:
    """What is to be seen in `layer` of the rendered frames.

    Args:
        scenes: The scenes that were rendered.
        rendered: What `render` returned for them.
        layer: One of `LAYERS`; it need not have been painted.
        threshold: An object counts as visible where more than this share of its area is to be seen.
        aspect: Width over height of the pictures.

    Raises:
        ValueError: if there is no such layer, or the threshold is outside [0, 1).
    """
    if layer not in LAYERS:
        raise ValueError(f"unknown layer {layer!r}: choose one of {', '.join(LAYERS)}.")
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold is a share of the object's area in [0, 1), got {threshold}.")
    now = rendered.state
    fraction = rendered.visible_fraction if layer == "observed" else rendered.cut_away_fraction
    visible = (fraction > threshold) & scenes.present[:, None]
    if layer == "empty":
        visible = visible & ~scenes.actor[:, None]
    apart = now.x - now.occluder_x[:, :, None]
    beside = torch.where(apart < 0, RELATIONS.index("left of"), RELATIONS.index("right of"))
    across = torch.where(scenes.actor[:, None], RELATIONS.index("behind"), RELATIONS.index("in front of"))
    relation = torch.where(apart.abs() < scenes.occluder_half[:, None, None], across, beside)
    return Description(
        visible=visible,
        place=place_of(now.x, aspect),
        relation=relation,
        kind=scenes.kind,
        colour=scenes.colour,
        background=scenes.background,
        occluder=scenes.occluder,
        occluder_place=place_of(now.occluder_x, aspect),
    )
