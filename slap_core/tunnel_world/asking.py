"""Questions about a frame, with answers that are known.

Each question belongs to a type (presence, colour, place, relation, count) and to a split, by the object that it is
about: `visible` in the frame, `hidden` behind the occluder, or `absent` from the scene. Someone who looks at the frame
alone can know the answers to the first kind only.
"""

from typing import Final, NamedTuple

from slap_core.tunnel_world.description import Row, Thing
from slap_core.tunnel_world.language import COARSE_PLACES, Choices, coarse_place, prompt
from slap_core.tunnel_world.names import COLOURS, KINDS, OCCLUDERS, RELATIONS

__all__ = ["NUMBERS", "QUESTION_SPLITS", "QUESTION_TYPES", "Question", "questions"]

QUESTION_TYPES: Final = ("presence", "colour", "place", "relation", "count")
QUESTION_SPLITS: Final = ("visible", "hidden", "absent")
NUMBERS: Final = ("none", "one", "two", "three", "four")


class Question(NamedTuple):
    """A question with its answer, both in words of the vocabulary."""

    text: str
    answer: str
    type: str
    """One of `QUESTION_TYPES`."""
    split: str
    """One of `QUESTION_SPLITS`."""


def _absent(row: Row, choices: Choices) -> tuple[int, int]:
    """A kind and a colour that no object in the row has together."""
    taken = {(thing.kind, thing.colour) for thing in row.things}
    pairs = [(k, c) for k in range(len(KINDS)) for c in range(len(COLOURS)) if (k, c) not in taken]
    return pairs[choices.below(len(pairs))]


def _about(thing: Thing, row: Row, split: str) -> list[Question]:
    name = prompt(kind=thing.kind, colour=thing.colour)
    noun = f"{COLOURS[thing.colour]} {KINDS[thing.kind]}"
    occluder = OCCLUDERS[row.occluder]
    behind = "yes" if RELATIONS[thing.relation] == "behind" else "no"
    asked = [
        Question(f"is there {name}?", "yes", "presence", split),
        Question(f"where is the {noun}?", COARSE_PLACES[coarse_place(thing.place)], "place", split),
        Question(f"is the {noun} behind the {occluder}?", behind, "relation", split),
    ]
    if sum(other.kind == thing.kind for other in row.things) == 1:
        asked.append(Question(f"what colour is the {KINDS[thing.kind]}?", COLOURS[thing.colour], "colour", split))
    return asked


def questions(seen: Row, cut_away: Row, *, variant: int = 0) -> list[Question]:
    """Questions about one frame: about one of its objects, about one that is absent, and how many there are.

    Args:
        seen: What is to be seen in the observed frame; describe it with threshold=0.01, so that what is barely visible
            does not pass for hidden.
        cut_away: What is to be seen in the cut-away.
        variant: Which object, and which absent one.
    """
    choices = Choices(variant)
    visible = {(thing.kind, thing.colour) for thing in seen.things}
    splits = ["visible" if (t.kind, t.colour) in visible else "hidden" for t in cut_away.things]
    asked: list[Question] = []
    if cut_away.things:
        chosen = choices.below(len(cut_away.things))
        asked += _about(cut_away.things[chosen], cut_away, splits[chosen])
    kind, colour = _absent(cut_away, choices)
    asked.append(Question(f"is there {prompt(kind=kind, colour=colour)}?", "no", "presence", "absent"))
    asked.append(Question(f"where is the {COLOURS[colour]} {KINDS[kind]}?", "nowhere", "place", "absent"))
    split = "absent" if not splits else "hidden" if "hidden" in splits else "visible"
    asked.append(Question("how many objects are there?", NUMBERS[len(splits)], "count", split))
    return asked
