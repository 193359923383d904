"""Tunnel World: a procedural world of moving objects and things to hide behind, with exact ground truth.

    scenes   = sample(seeds("test", 8), outcome="stays")
    pictures = render(scenes, size=96, layers=("observed", "cut_away", "empty"))
    truth    = describe(scenes, pictures, layer="cut_away")
    text     = caption(truth.rows()[0], variant=3)

A seed determines a scene to the last pixel, on the CPU and on a GPU (pictures agree to 1/255). Files, in the order of
the ideas: `names`, `random`, `splits`, `scenes` (what there is), `choreography` (who is where, and when), `sampling`,
`motion`, `shapes`, `objects`, `occluders`, `canvas`, `backgrounds` (how it looks), `patches`, `painting`,
`visibility`, `rendering`, `description` (what is to be seen), `wording`, `language`, `asking`, `clip_asking`,
`filming`.

Names are loaded when they are first used: who needs only what there is does not wait for torch.
"""

import importlib
from typing import Any

_HOME = {
    "asking": ("Question", "questions"),
    "clip_asking": ("CLIP_TYPES", "ClipQuestion", "MOMENTS", "Story", "account", "interview", "stories"),
    "description": ("Description", "Row", "Thing", "describe", "place_of"),
    "filming": ("film", "truth"),
    "language": ("COARSE_PLACES", "NOTHING", "caption", "coarse_place", "prompt", "vocabulary", "words"),
    "motion": ("State", "state"),
    "names": (
        *("BACKGROUNDS", "COLOURS", "HELD_OUT_BACKGROUND", "HELD_OUT_COLOUR", "HELD_OUT_OCCLUDER", "KINDS"),
        *("LAYERS", "MAX_OBJECTS", "MOTIONS", "OCCLUDERS", "OUTCOMES", "PLACES", "RELATIONS", "SPLITS"),
    ),
    "rendering": ("Rendered", "render"),
    "sampling": ("sample",),
    "scenes": ("Scenes",),
    "splits": ("HELD_OUT", "seeds", "split_of"),
}
"""By module: its public names, none of which may be the name of a module."""
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"slap_core.tunnel_world has no {name!r}; it has: {', '.join(__all__)}.")
    return getattr(importlib.import_module(f"slap_core.tunnel_world.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return __all__
