"""Words for what is to be seen: prompts, captions and the vocabulary.

`caption(row, variant)` says one of very many true things about a picture: short ones ("a crimson coach") as people type
them into a search field, and long ones ("a blue ball on the left, in front of a brick wall, at night"). It is plain
Python on tables that are built once, tens of thousands a second, so that worker processes can call it. Every word that
can occur is in `vocabulary()`.
"""

import functools
from typing import Any

from slap_core.tunnel_world import wording
from slap_core.tunnel_world.description import Row, Thing
from slap_core.tunnel_world.names import BACKGROUNDS, COLOURS, KINDS, OCCLUDERS, PLACES, RELATIONS, index_of
from slap_core.tunnel_world.wording import COARSE_PLACES, NOTHING, words

__all__ = ["COARSE_PLACES", "Choices", "NOTHING", "caption", "coarse_place", "prompt", "vocabulary", "words"]


class Choices:
    """A stream of choices out of one integer."""

    __slots__ = ("state",)

    def __init__(self, variant: int) -> None:
        self.state = (variant * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF

    def below(self, number: int) -> int:
        """A whole number in [0, number)."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self.state >> 33) % number

    def one(self, options: tuple[Any, ...]) -> Any:
        """One of the options."""
        self.state = state = (self.state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return options[(state >> 33) % len(options)]


def coarse_place(place: int) -> int:
    """The index into `COARSE_PLACES` of an index into `PLACES`."""
    return place * len(COARSE_PLACES) // len(PLACES)


def _name(thing: Thing, choices: Choices) -> str:
    return choices.one(wording.NAMES[thing.kind][thing.colour])


def _placed(thing: Thing, choices: Choices) -> str:
    return f"{_name(thing, choices)} {choices.one(wording.PLACE_PHRASES[thing.place])}"


def _related(thing: Thing, row: Row, choices: Choices) -> str:
    name = _name(thing, choices)
    hollow = thing.relation == 0 and OCCLUDERS[row.occluder] in wording.HOLLOW
    relation = choices.one(wording.INSIDE if hollow else wording.RELATION_PHRASES[thing.relation])
    return f"{name} {relation} {choices.one(wording.OCCLUDER_PHRASES[row.occluder])}"


def _nothing(row: Row, choices: Choices) -> str:
    style = choices.below(8)
    if style < 3:
        return choices.one(NOTHING)
    if style < 5:
        return choices.one(wording.EMPTY[row.background])
    if style < 7:
        return choices.one(wording.EMPTY_OCCLUDER[row.occluder])
    occluder, scene = choices.one(wording.OCCLUDER_PHRASES[row.occluder]), choices.one(wording.SCENES[row.background])
    return f"{occluder} {choices.one(wording.PLACE_PHRASES[row.occluder_place])} {scene}, no object"


def _one(thing: Thing, row: Row, choices: Choices) -> str:
    style = choices.below(16)
    if style < 4:
        return _name(thing, choices)
    if style < 5:
        return choices.one(wording.BARE[thing.kind][thing.colour])
    if style < 10:
        return _placed(thing, choices)
    if style < 12:
        return _related(thing, row, choices)
    if style < 13:
        return f"{_name(thing, choices)} {choices.one(wording.SCENES[row.background])}"
    if style < 14:
        return f"{_related(thing, row, choices)}, {choices.one(wording.PLACE_PHRASES[thing.place])}"
    if style < 15:
        return f"{_placed(thing, choices)}, {choices.one(wording.OCCLUDER_PHRASES[row.occluder])}"
    return f"{_related(thing, row, choices)} {choices.one(wording.SCENES[row.background])}"


def _several(row: Row, choices: Choices) -> str:
    things = row.things
    style = choices.below(8)
    first, second = things[0], things[1]
    if style == 0 and all(t.kind == first.kind for t in things):
        return f"{wording.NUMBERS[len(things)]} {wording.PLURALS[first.kind]}"
    if style == 1 and coarse_place(first.place) != coarse_place(second.place):
        side = "left of" if first.place < second.place else "right of"
        return f"{_name(first, choices)} {side} {_name(second, choices)}"
    if style < 4:
        named = [_name(t, choices) for t in things]
    elif style < 7:
        named = [_placed(t, choices) for t in things]
    else:
        named = [_related(things[0], row, choices), *(_name(t, choices) for t in things[1:])]
    if choices.below(2):
        named.reverse()
    text = f"{', '.join(named[:-1])} and {named[-1]}"
    return f"{text} {choices.one(wording.SCENES[row.background])}" if choices.below(4) == 0 else text


def caption(row: Row, *, variant: int = 0) -> str:
    """A true sentence about the picture; each `variant` (any whole number) gives one of very many.

    What it says is about what is visible in the row: an observed row does not mention hidden objects.
    """
    choices = Choices(variant)
    if not row.things:
        return _nothing(row, choices)
    if len(row.things) == 1:
        return _one(row.things[0], row, choices)
    return _several(row, choices)


def prompt(
    *,
    kind: int | str | None = None,
    colour: int | str | None = None,
    place: int | str | None = None,
    relation: int | str | None = None,
    occluder: int | str | None = None,
    background: int | str | None = None,
) -> str:
    """The short canonical sentence for what is given.

    Args:
        kind: One of `KINDS`.
        colour: One of `COLOURS`.
        place: One of `PLACES` (also by index), or "middle".
        relation: One of `RELATIONS`, to the occluder.
        occluder: One of `OCCLUDERS`.
        background: One of `BACKGROUNDS`.

    Raises:
        ValueError: if there is no such name.

    >>> prompt(kind="car", colour="red", place="left")
    'a red car on the left'
    >>> prompt(colour="red")
    'something red'
    >>> prompt(occluder="tunnel")
    'an empty tunnel, nothing to see'
    """
    hue = None if colour is None else COLOURS[index_of(colour, COLOURS, "colour")]
    noun = None if kind is None else KINDS[index_of(kind, KINDS, "kind")]
    behind = None if occluder is None else OCCLUDERS[index_of(occluder, OCCLUDERS, "occluder")]
    scene = "" if background is None else " " + wording.SCENES[index_of(background, BACKGROUNDS, "background")][0]
    if place == "middle":
        where = " in the middle"
    else:
        where = "" if place is None else " " + wording.FINE_PHRASES[index_of(place, PLACES, "place")]
    if noun is None and hue is None:
        if behind is not None:
            return f"an empty {behind}{scene}, nothing to see"
        return "nothing to see" if background is None else f"nothing to see{scene}"
    named = " ".join(word for word in (hue, noun) if word)
    text = f"something {hue}" if noun is None else wording.with_article(named)
    if relation is not None:
        text += f" {RELATIONS[index_of(relation, RELATIONS, 'relation')]} the {behind or 'object'}"
    elif behind is not None:
        text += f" and the {behind}"
    return text + where + scene


@functools.lru_cache(maxsize=1)
def _vocabulary() -> tuple[str, ...]:
    return tuple(sorted(wording.words_in(*wording.TABLES, PLACES, RELATIONS)))


def vocabulary() -> list[str]:
    """Every word that captions, prompts and questions can contain, sorted."""
    return list(_vocabulary())
