"""A rendered scene as a clip, and the truth about it as JSON."""

import torch
from jaxtyping import UInt8
from torch import Tensor

from slap_core.tunnel_world import names
from slap_core.tunnel_world.asking import questions
from slap_core.tunnel_world.description import describe
from slap_core.tunnel_world.language import caption
from slap_core.tunnel_world.rendering import Rendered
from slap_core.tunnel_world.scenes import Scenes
from slap_core.tunnel_world.splits import split_of
from slap_core.types import Clip

__all__ = ["film", "truth"]


def film(frames: UInt8[Tensor, "time height width 3"], fps: float, *, name: str = "scene") -> Clip:
    """The frames of one scene as a clip.

    Args:
        frames: RGB, on any device.
        fps: Frames per second, above 0.
        name: What to call it.

    Raises:
        ValueError: if fps is not above 0.
    """
    if not fps > 0:
        raise ValueError(f"fps must be above 0, got {fps}.")
    return Clip(frames.cpu(), torch.arange(len(frames), dtype=torch.float64) / fps, name=name)


def truth(scenes: Scenes, rendered: Rendered, *, fps: float, aspect: float = 1.0) -> dict:
    """All that is true of one rendered scene, as plain numbers and names, for a JSON file.

    Args:
        scenes: Exactly one scene, all of whose frames were rendered.
        rendered: What `render` returned for it.
        fps: Frames per second of the file.
        aspect: Width over height of the pictures.

    Raises:
        ValueError: if there is not exactly one scene.
    """
    if len(scenes) != 1:
        raise ValueError(f"truth describes one scene, got {len(scenes)}; use scenes.select.")
    seen = describe(scenes, rendered, layer="observed", aspect=aspect).rows()
    glimpsed = describe(scenes, rendered, layer="observed", threshold=0.01, aspect=aspect).rows()
    cut = describe(scenes, rendered, layer="cut_away", aspect=aspect)
    cut_rows = cut.rows()
    slots = scenes.present[0].nonzero().squeeze(1).tolist()
    seed = int(scenes.seed[0])
    now = rendered.state

    def numbers(values: Tensor) -> list[float]:
        return [round(v, 4) for v in values.tolist()]

    return {
        "seed": seed,
        "split": split_of(seed),
        "outcome": names.OUTCOMES[int(scenes.outcome[0])],
        "background": names.BACKGROUNDS[int(scenes.background[0])],
        "occluder": names.OCCLUDERS[int(scenes.occluder[0])],
        "occluder_x": numbers(now.occluder_x[0]),
        "frames": scenes.frames,
        "fps": fps,
        "objects": [
            {
                "kind": names.KINDS[int(scenes.kind[0, j])],
                "colour": names.COLOURS[int(scenes.colour[0, j])],
                "passes_behind": bool(scenes.actor[0, j]),
                "motion": names.MOTIONS[int(scenes.motion[0, j])],
                "x": numbers(now.x[0, :, j]),
                "y": numbers(now.y[0, :, j]),
                "visible_fraction": numbers(rendered.visible_fraction[0, :, j]),
                "place": [names.PLACES[p] for p in cut.place[0, :, j].tolist()],
                "relation": [names.RELATIONS[r] for r in cut.relation[0, :, j].tolist()],
            }
            for j in slots
        ],
        "captions_observed": [caption(row, variant=i) for i, row in enumerate(seen)],
        "captions_cut_away": [caption(row, variant=i) for i, row in enumerate(cut_rows)],
        "questions": [
            [q._asdict() for q in questions(*rows, variant=i)]
            for i, rows in enumerate(zip(glimpsed, cut_rows, strict=True))
        ],
    }
