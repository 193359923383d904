"""The names of everything that can appear in Tunnel World, and what is held out of training.

Everywhere else these are integers: the index into one of the tuples below.
"""

from typing import Final

__all__ = ["BACKGROUNDS", "COLOURS", "HELD_OUT_BACKGROUND", "HELD_OUT_COLOUR", "HELD_OUT_OCCLUDER", "KINDS"]
__all__ += ["LAYERS", "MAX_OBJECTS", "MOTIONS", "OCCLUDERS", "OUTCOMES", "PLACES", "QUERIES", "RELATIONS", "SPLITS"]
__all__ += ["index_of"]

KINDS: Final = ("car", "bus", "train", "ball", "box", "cone", "bird", "boat", "person")
COLOURS: Final = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")
BACKGROUNDS: Final = ("street", "field", "sea", "night", "snow", "sunset", "desert")
OCCLUDERS: Final = ("tunnel", "wall", "tree", "bridge", "billboard", "house", "truck", "rock")
OUTCOMES: Final = (
    "through",  # goes in, comes out
    "stays",  # goes in, is still inside at the end
    "emerges",  # was inside from the start, comes out
    "empty",  # nothing ever goes in
    "switch",  # one goes in, another comes out
    "crossing",  # two go through in opposite directions
    "turns_back",  # goes in, comes out on the same side
    "inside",  # goes through, and spends most of the clip hidden
    "parade",  # three go through, one after the other
)
MOTIONS: Final = ("straight", "accelerating", "slowing", "bouncing", "stopping")
PLACES: Final = ("far left", "left", "centre left", "centre right", "right", "far right")
RELATIONS: Final = ("behind", "in front of", "left of", "right of")
LAYERS: Final = ("observed", "cut_away", "empty")
QUERIES: Final = ("true", "distractor", "absent", "generic")
"""The four ways of asking about a scene (see `training.queries`)."""
MAX_OBJECTS: Final = 4

SPLITS: Final = {"train": (0, 2**31), "validation": (2**31, 2**31 + 2**30), "test": (2**31 + 2**30, 2**32)}
"""First seed, and one past the last, of each split."""

HELD_OUT_OCCLUDER: Final = OCCLUDERS.index("rock")
HELD_OUT_BACKGROUND: Final = BACKGROUNDS.index("desert")
HELD_OUT_COLOUR: Final = tuple((3 * kind + 4) % len(COLOURS) for kind in range(len(KINDS)))
"""For each kind, the one colour in which training scenes never show it (a blue car, a black bus, ...)."""


def index_of(choice: int | str, names: tuple[str, ...], what: str) -> int:
    """The index of `choice` (a name or an index) among `names`.

    Raises:
        ValueError: if there is no such `what`; the message lists the choices.
    """
    if isinstance(choice, str) and choice in names:
        return names.index(choice)
    if isinstance(choice, int) and not isinstance(choice, bool) and 0 <= choice < len(names):
        return choice
    raise ValueError(f"unknown {what} {choice!r}: choose one of {', '.join(names)}.")
