"""Words for what is to be seen: prompts, captions and the vocabulary.

`caption(row, variant)` says one of very many true things about a picture: short ones ("a crimson coach") as people type
them into a search field, and long ones ("a blue ball on the left, in front of a brick wall, at night"). It is plain
Python on tables that are built once, tens of thousands a second, so that worker processes can call it. Every word that
can occur is in `vocabulary()`.
"""

import functools
from typing import Final

from slap_core.tunnel_world.description import Row, Thing
from slap_core.tunnel_world.names import BACKGROUNDS, COLOURS, KINDS, OCCLUDERS, PLACES, RELATIONS, index_of

__all__ = ["COARSE_PLACES", "Choices", "NOTHING", "caption", "coarse_place", "prompt", "vocabulary", "words"]

COARSE_PLACES: Final = ("left", "middle", "right")

KIND_WORDS: Final = (
    ("car", "automobile", "auto"),
    ("bus", "coach"),
    ("train", "locomotive", "steam train"),
    ("ball", "beach ball"),
    ("box", "crate", "package", "parcel"),
    ("cone", "traffic cone", "pylon"),
    ("bird", "small bird"),
    ("boat", "sailboat", "ship", "sailing boat"),
    ("person", "figure", "human", "pedestrian", "walker"),
)
_PLURALS: Final = ("cars", "buses", "trains", "balls", "boxes", "cones", "birds", "boats", "people")
_GROUPS: Final = {"vehicle": (0, 1, 2), "toy": (3,), "animal": (6,)}
COLOUR_WORDS: Final = (
    ("red", "crimson", "scarlet"),
    ("orange", "tangerine"),
    ("yellow", "golden"),
    ("green", "emerald"),
    ("blue", "azure"),
    ("purple", "violet"),
    ("white", "snowy white"),
    ("black", "jet black"),
)
SCENES: Final = (
    ("in the street", "in the city", "on a city street", "in town", "on the road"),
    ("in a field", "in the countryside", "in the meadow", "on a country road", "in the country"),
    ("by the sea", "at the seaside", "on the pier", "by the ocean", "at the beach"),
    ("at night", "in the dark", "in the city at night", "by moonlight"),
    ("in the snow", "in winter", "in the mountains", "in a snowy landscape"),
    ("at sunset", "at dusk", "in the evening", "in the sunset"),
    ("in the desert", "in the dunes", "in a dry desert"),
)
_SCENE_NOUNS: Final = (
    ("street", "city street", "road"),
    ("field", "country road", "meadow"),
    ("pier", "seaside", "beach"),
    ("night street", "dark street", "city at night"),
    ("snowy road", "winter landscape", "snowy landscape"),
    ("evening road", "sunset landscape", "road at dusk"),
    ("desert", "desert road", "dry desert"),
)
OCCLUDER_WORDS: Final = (
    ("tunnel", "stone tunnel", "railway tunnel"),
    ("wall", "brick wall"),
    ("tree", "big tree", "bush"),
    ("bridge", "stone bridge", "viaduct"),
    ("billboard", "poster", "sign"),
    ("house", "building", "home"),
    ("truck", "lorry", "moving truck"),
    ("rock", "boulder", "big stone"),
)
_PLACE_PHRASES: Final = (
    ("on the far left", "at the left edge", "on the left", "at the left", "on the left side"),
    ("on the left", "on the left", "at the left", "on the left side", "to the left"),
    ("left of the middle", "in the middle", "in the middle", "in the centre", "in the center"),
    ("right of the middle", "in the middle", "in the middle", "in the centre", "in the center"),
    ("on the right", "on the right", "at the right", "on the right side", "to the right"),
    ("on the far right", "at the right edge", "on the right", "at the right", "on the right side"),
)
_FINE: Final = (
    "on the far left",
    "on the left",
    "left of the middle",
    "right of the middle",
    "on the right",
    "on the far right",
)
_HOLLOW: Final = ("tunnel", "house", "truck")
"""Occluders of which one says that something is inside."""
_INSIDE: Final = ("behind", "inside", "inside", "in", "hidden in", "hidden by")
_RELATION_PHRASES: Final = (
    ("behind", "behind", "hidden behind", "hidden by", "at the back of"),
    ("in front of", "before"),
    ("left of", "to the left of", "beside", "next to"),
    ("right of", "to the right of", "beside", "next to"),
)
NOTHING: Final = (
    "nothing",
    "no object",
    "nothing to see",
    "nothing here",
    "no objects",
    "nothing is there",
    "empty",
    "there is nothing",
    "an empty picture",
    "an empty scene",
)
_NUMBERS: Final = ("no", "one", "two", "three", "four")
_GLUE: Final = (
    "a an the and or with no of is are there picture photo scene showing something object objects nothing to see only"
    " nowhere none empty in on at left right middle centre center side , where what which how many"
    " colour color kind behind hidden visible any yes"
)


def with_article(noun: str) -> str:
    return ("an " if noun[0] in "aeio" else "a ") + noun


def _noun_phrases(kind: int, colour: int) -> tuple[str, ...]:
    """Ways to name an object of a colour; the plain one most often."""
    plain = [f"{with_article(COLOURS[colour])} {KINDS[kind]}"] * 6
    rich = [f"{with_article(c)} {k}" for c in COLOUR_WORDS[colour] for k in KIND_WORDS[kind]]
    groups = [f"{with_article(COLOURS[colour])} {g}" for g, kinds in _GROUPS.items() if kind in kinds]
    return (*plain, *rich, *groups, f"{COLOURS[colour]} {KINDS[kind]}", f"the {COLOURS[colour]} {KINDS[kind]}")


def _bare_phrases(kind: int, colour: int) -> tuple[str, ...]:
    """Ways to name an object by its kind or its colour alone."""
    by_kind = [with_article(word) for word in KIND_WORDS[kind]]
    return (
        *by_kind,
        by_kind[0],
        KINDS[kind],
        f"something {COLOURS[colour]}",
        f"{with_article(COLOURS[colour])} object",
    )


_NAMES: Final = tuple(tuple(_noun_phrases(k, c) for c in range(len(COLOURS))) for k in range(len(KINDS)))
_BARE: Final = tuple(tuple(_bare_phrases(k, c) for c in range(len(COLOURS))) for k in range(len(KINDS)))
_OCCLUDER_PHRASES: Final = tuple(
    (f"the {words[0]}", with_article(words[0]), f"the {words[0]}", *(with_article(w) for w in words[1:]))
    for words in OCCLUDER_WORDS
)
EMPTY: Final = tuple(
    tuple(f"an empty {noun}{end}" for noun in nouns for end in ("", ", nothing to see", ", no object"))
    for nouns in _SCENE_NOUNS
)
EMPTY_OCCLUDER: Final = tuple(
    (
        f"an empty {words[0]}, nothing to see",
        f"an empty {words[0]}",
        f"only {with_article(words[0])}",
        f"only {with_article(words[-1])}",
        f"{with_article(words[0])}, nothing to see",
        f"{with_article(words[0])} and nothing else",
    )
    for words in OCCLUDER_WORDS
)


class Choices:
    """A stream of choices out of one integer."""

    __slots__ = ("state",)

    def __init__(self, variant: int) -> None:
        self.state = (variant * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF

    def below(self, number: int) -> int:
        """A whole number in [0, number)."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self.state >> 33) % number

    def one(self, options: tuple[str, ...]) -> str:
        """One of the options."""
        self.state = state = (self.state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return options[(state >> 33) % len(options)]


def coarse_place(place: int) -> int:
    """The index into `COARSE_PLACES` of an index into `PLACES`."""
    return place * len(COARSE_PLACES) // len(PLACES)


def _placed(thing: Thing, choices: Choices) -> str:
    return f"{choices.one(_NAMES[thing.kind][thing.colour])} {choices.one(_PLACE_PHRASES[thing.place])}"


def _related(thing: Thing, row: Row, choices: Choices) -> str:
    name = choices.one(_NAMES[thing.kind][thing.colour])
    hollow = thing.relation == 0 and OCCLUDERS[row.occluder] in _HOLLOW
    relation = choices.one(_INSIDE if hollow else _RELATION_PHRASES[thing.relation])
    return f"{name} {relation} {choices.one(_OCCLUDER_PHRASES[row.occluder])}"


def _nothing(row: Row, choices: Choices) -> str:
    style = choices.below(8)
    if style < 3:
        return choices.one(NOTHING)
    if style < 5:
        return choices.one(EMPTY[row.background])
    if style < 7:
        return choices.one(EMPTY_OCCLUDER[row.occluder])
    occluder, scene = choices.one(_OCCLUDER_PHRASES[row.occluder]), choices.one(SCENES[row.background])
    return f"{occluder} {choices.one(_PLACE_PHRASES[row.occluder_place])} {scene}, no object"


def _one(thing: Thing, row: Row, choices: Choices) -> str:
    style = choices.below(16)
    if style < 4:
        return choices.one(_NAMES[thing.kind][thing.colour])
    if style < 5:
        return choices.one(_BARE[thing.kind][thing.colour])
    if style < 10:
        return _placed(thing, choices)
    if style < 12:
        return _related(thing, row, choices)
    if style < 13:
        return f"{choices.one(_NAMES[thing.kind][thing.colour])} {choices.one(SCENES[row.background])}"
    if style < 14:
        return f"{_related(thing, row, choices)}, {choices.one(_PLACE_PHRASES[thing.place])}"
    if style < 15:
        return f"{_placed(thing, choices)}, {choices.one(_OCCLUDER_PHRASES[row.occluder])}"
    return f"{_related(thing, row, choices)} {choices.one(SCENES[row.background])}"


def _several(row: Row, choices: Choices) -> str:
    things = row.things
    style = choices.below(8)
    first, second = things[0], things[1]
    if style == 0 and all(t.kind == first.kind for t in things):
        return f"{_NUMBERS[len(things)]} {_PLURALS[first.kind]}"
    if style == 1 and coarse_place(first.place) != coarse_place(second.place):
        side = "left of" if first.place < second.place else "right of"
        return (
            f"{choices.one(_NAMES[first.kind][first.colour])} {side} {choices.one(_NAMES[second.kind][second.colour])}"
        )
    if style < 4:
        named = [choices.one(_NAMES[t.kind][t.colour]) for t in things]
    elif style < 7:
        named = [_placed(t, choices) for t in things]
    else:
        named = [_related(things[0], row, choices), *(choices.one(_NAMES[t.kind][t.colour]) for t in things[1:])]
    if choices.below(2):
        named.reverse()
    text = f"{', '.join(named[:-1])} and {named[-1]}"
    return f"{text} {choices.one(SCENES[row.background])}" if choices.below(4) == 0 else text


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
    scene = "" if background is None else " " + SCENES[index_of(background, BACKGROUNDS, "background")][0]
    if place == "middle":
        where = " in the middle"
    else:
        where = "" if place is None else " " + _FINE[index_of(place, PLACES, "place")]
    if noun is None and hue is None:
        if behind is not None:
            return f"an empty {behind}{scene}, nothing to see"
        return "nothing to see" if background is None else f"nothing to see{scene}"
    named = " ".join(word for word in (hue, noun) if word)
    text = f"something {hue}" if noun is None else with_article(named)
    if relation is not None:
        text += f" {RELATIONS[index_of(relation, RELATIONS, 'relation')]} the {behind or 'object'}"
    elif behind is not None:
        text += f" and the {behind}"
    return text + where + scene


def words(text: str) -> list[str]:
    """The words of a text, lower case; commas are words, other punctuation is dropped."""
    text = text.lower().replace(",", " , ")
    return "".join(c if c.isalnum() or c in " ,'" else " " for c in text).split()


@functools.lru_cache(maxsize=1)
def _vocabulary() -> tuple[str, ...]:
    tables = (_NAMES, _BARE, _OCCLUDER_PHRASES, EMPTY, EMPTY_OCCLUDER, SCENES, _SCENE_NOUNS, _PLACE_PHRASES)
    tables += (_RELATION_PHRASES, _INSIDE, NOTHING, _NUMBERS, _PLURALS, _FINE, RELATIONS, PLACES, COARSE_PLACES, _GLUE)
    known: set[str] = set()

    def collect(entry: object) -> None:
        if isinstance(entry, str):
            known.update(words(entry))
        else:
            for part in entry:
                collect(part)

    collect(tables)
    return tuple(sorted(known))


def vocabulary() -> list[str]:
    """Every word that captions, prompts and questions can contain, sorted."""
    return list(_vocabulary())
