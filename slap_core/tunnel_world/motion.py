"""Where everything is at a time: the kinematics of a scene.

Time runs from 0 to 1 over the clip: frame i of n is at i / (n - 1). A motion warps it before the keys are looked up:

    accelerating t^1.6     slowing 1 - (1 - t)^1.6     stopping smooths each stretch between two keys to 3s^2 - 2s^3
"""

import dataclasses

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slap_core.tunnel_world.names import MOTIONS
from slap_core.tunnel_world.scenes import Scenes

__all__ = ["State", "state"]


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """Positions in the picture (x right, y down, picture heights; the camera's drift is already subtracted)."""

    x: Float[Tensor, "scene time object"]
    """Centre of each object."""
    y: Float[Tensor, "scene time object"]
    """Foot of each object."""
    facing: Float[Tensor, "scene time object"]
    """+1 to the right, -1 to the left."""
    phase: Float[Tensor, "scene time object"]
    """Distance travelled, in object heights."""
    occluder_x: Float[Tensor, "scene time"]
    camera: Float[Tensor, "scene time"]
    gain: Float[Tensor, "scene time 3"]
    """Light: factors on red, green and blue."""


def _lookup(scenes: Scenes, t: Tensor) -> Tensor:
    """Positions on the objects' polylines at times t (scene, time)."""
    t = t[:, :, None]
    motion = scenes.motion[:, None]
    warped = torch.where(motion == MOTIONS.index("accelerating"), t**1.6, t)
    warped = torch.where(motion == MOTIONS.index("slowing"), 1 - (1 - t) ** 1.6, warped)
    smooth = motion == MOTIONS.index("stopping")
    x = scenes.key_positions[:, None, :, 0].expand_as(warped)
    for key in range(scenes.key_times.shape[2] - 1):
        start, end = scenes.key_times[:, None, :, key], scenes.key_times[:, None, :, key + 1]
        s = ((warped - start) / (end - start).clamp_min(1e-6)).clamp(0, 1)
        s = torch.where(smooth, s * s * (3 - 2 * s), s)
        x = x + s * (scenes.key_positions[:, None, :, key + 1] - scenes.key_positions[:, None, :, key])
    return x


def state(scenes: Scenes, index: Int64[Tensor, "scene time"]) -> State:
    """The state of each scene at its frame numbers `index`.

    Raises:
        ValueError: if a frame number is outside the clip.
    """
    if index.numel():
        low, high = index.aminmax()
        if low < 0 or high >= scenes.frames:
            raise ValueError(f"frame numbers lie in [0, {scenes.frames}), got {int(low)} to {int(high)}.")
    t = index.to(torch.float32) / (scenes.frames - 1)
    camera = scenes.camera[:, None] * (t - 0.5)
    occluder_x = scenes.occluder_centre[:, None] + scenes.occluder_velocity[:, None] * (t - 0.5)
    origin = torch.where(scenes.actor[:, None], occluder_x[:, :, None], 0.0)
    relative = _lookup(scenes, t)
    world = origin + relative
    step = 1e-2
    ahead = _lookup(scenes, (t + step).clamp(0, 1)) - _lookup(scenes, (t - step).clamp(0, 1))
    direction = scenes.direction[:, None].expand_as(ahead)
    facing = torch.where(ahead.abs() < 1e-4, direction, torch.sign(ahead))
    height = scenes.height[:, None]
    phase = world / height
    hop = (torch.sin(phase * (0.45 / (0.2 + scenes.bounce[:, None])))).abs() * scenes.bounce[:, None]
    bob = 0.008 * torch.sin(phase * 2.5) * (scenes.lift[:, None] > 0)
    y = scenes.baseline[:, None] - scenes.lift[:, None] - hop - bob
    light = torch.lerp(scenes.light[:, None, :2], scenes.light[:, None, 2:], t[:, :, None])
    bright, warm = light[..., 0], 0.05 * light[..., 1]
    gain = torch.stack([bright * (1 + warm), bright, bright * (1 - warm)], -1)
    return State(
        x=world - camera[:, :, None],
        y=y,
        facing=facing,
        phase=phase * facing,
        occluder_x=occluder_x - camera,
        camera=camera,
        gain=gain,
    )
