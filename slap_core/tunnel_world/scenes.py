"""Scenes: what is in the picture, where, and how it moves, as tensors.

A scene has one occluder, up to three *actors* that go behind it as its outcome says, and up to two *extras* in front
of everything, who have nothing to do with the outcome. Slots 0, 1, 2 hold the actors, the next ones the extras.

A picture of a square clip spans [0, 1] in x and in y (down); lengths are in picture heights, clip time runs from 0 to
1. `sampling` draws who plays in which scene, `choreography` where and when everyone moves.
"""

import dataclasses
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

__all__ = ["Scenes"]


@dataclasses.dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes, as tensors with the axis `scene` first; names are indices into the tuples of `names`."""

    seed: Int64[Tensor, "scene"]
    outcome: Int64[Tensor, "scene"]
    background: Int64[Tensor, "scene"]
    occluder: Int64[Tensor, "scene"]
    kind: Int64[Tensor, "scene object"]
    colour: Int64[Tensor, "scene object"]
    present: Bool[Tensor, "scene object"]
    """Whether the slot holds an object at all."""
    actor: Bool[Tensor, "scene object"]
    """Whether the object belongs to the outcome, and passes behind the occluder, or is an extra in front of it."""
    motion: Int64[Tensor, "scene object"]
    height: Float[Tensor, "scene object"]
    """In picture heights."""
    baseline: Float[Tensor, "scene object"]
    """y on which the object stands (over which it flies)."""
    lift: Float[Tensor, "scene object"]
    """Height of flight."""
    bounce: Float[Tensor, "scene object"]
    """Height of bounces."""
    key_times: Float[Tensor, "scene object key"]
    key_positions: Float[Tensor, "scene object key"]
    """x relative to the occluder's centre for actors, of the picture for extras."""
    direction: Float[Tensor, "scene object"]
    """+1 where the object faces right before it has moved."""
    occluder_centre: Float[Tensor, "scene"]
    """At half time."""
    occluder_velocity: Float[Tensor, "scene"]
    """Picture heights per clip; 0 for all occluders that stand."""
    occluder_half: Float[Tensor, "scene"]
    occluder_top: Float[Tensor, "scene"]
    ground: Float[Tensor, "scene"]
    """y of the line on which actors stand."""
    camera: Float[Tensor, "scene"]
    """Drift of the camera to the right, picture heights per clip."""
    light: Float[Tensor, "scene 4"]
    """Brightness and warmth at the start, brightness and warmth at the end."""
    variation: Float[Tensor, "scene 8"]
    """What else differs between backgrounds, uniform on [0, 1)."""
    frames: int
    """Frames in a clip."""

    def __len__(self) -> int:
        return len(self.seed)

    def select(self, index: Int64[Tensor, "chosen"]) -> "Scenes":
        """The scenes at `index`."""
        return self._map(lambda value: value[index])

    def to(self, device: str | torch.device) -> "Scenes":
        """The scenes on another device."""
        return self._map(lambda value: value.to(device))

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Scenes":
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return Scenes(**{name: change(v) if isinstance(v, Tensor) else v for name, v in values.items()})
