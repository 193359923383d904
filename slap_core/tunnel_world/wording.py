"""The words for everything: tables of synonyms, one entry for each index into the tuples of `names`."""

from typing import Final

from slap_core.tunnel_world.names import COLOURS, KINDS

__all__ = [
    "BARE",
    "COARSE_PLACES",
    "COLOUR_WORDS",
    "EMPTY",
    "EMPTY_OCCLUDER",
    "FINE_PHRASES",
    "GLUE",
    "GROUPS",
    "HOLLOW",
    "INSIDE",
    "KIND_WORDS",
    "NAMES",
    "NOTHING",
    "NUMBERS",
    "OCCLUDER_PHRASES",
    "OCCLUDER_WORDS",
    "PLACE_PHRASES",
    "PLURALS",
    "RELATION_PHRASES",
    "SCENES",
    "SCENE_NOUNS",
    "TABLES",
    "with_article",
    "words",
    "words_in",
]

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
PLURALS: Final = ("cars", "buses", "trains", "balls", "boxes", "cones", "birds", "boats", "people")
GROUPS: Final = {"vehicle": (0, 1, 2), "toy": (3,), "animal": (6,)}
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
SCENE_NOUNS: Final = (
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
PLACE_PHRASES: Final = (
    ("on the far left", "at the left edge", "on the left", "at the left", "on the left side"),
    ("on the left", "on the left", "at the left", "on the left side", "to the left"),
    ("left of the middle", "in the middle", "in the middle", "in the centre", "in the center"),
    ("right of the middle", "in the middle", "in the middle", "in the centre", "in the center"),
    ("on the right", "on the right", "at the right", "on the right side", "to the right"),
    ("on the far right", "at the right edge", "on the right", "at the right", "on the right side"),
)
FINE_PHRASES: Final = (
    "on the far left",
    "on the left",
    "left of the middle",
    "right of the middle",
    "on the right",
    "on the far right",
)
HOLLOW: Final = ("tunnel", "house", "truck")
"""Occluders of which one says that something is inside."""
INSIDE: Final = ("behind", "inside", "inside", "in", "hidden in", "hidden by")
RELATION_PHRASES: Final = (
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
NUMBERS: Final = ("no", "one", "two", "three", "four")
GLUE: Final = (
    "a an the and or with no of is are there picture photo scene showing something object objects nothing to see only"
    " nowhere none empty in on at left right middle centre center side , where what which how many"
    " colour color kind behind hidden visible any yes"
)


def with_article(noun: str) -> str:
    """The noun behind "a" or "an"."""
    return ("an " if noun[0] in "aeio" else "a ") + noun


def _noun_phrases(kind: int, colour: int) -> tuple[str, ...]:
    """Ways to name an object of a colour; the plain one most often."""
    plain = [f"{with_article(COLOURS[colour])} {KINDS[kind]}"] * 6
    rich = [f"{with_article(c)} {k}" for c in COLOUR_WORDS[colour] for k in KIND_WORDS[kind]]
    groups = [f"{with_article(COLOURS[colour])} {g}" for g, kinds in GROUPS.items() if kind in kinds]
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


NAMES: Final = tuple(tuple(_noun_phrases(k, c) for c in range(len(COLOURS))) for k in range(len(KINDS)))
BARE: Final = tuple(tuple(_bare_phrases(k, c) for c in range(len(COLOURS))) for k in range(len(KINDS)))
OCCLUDER_PHRASES: Final = tuple(
    (f"the {words[0]}", with_article(words[0]), f"the {words[0]}", *(with_article(w) for w in words[1:]))
    for words in OCCLUDER_WORDS
)
EMPTY: Final = tuple(
    tuple(f"an empty {noun}{end}" for noun in nouns for end in ("", ", nothing to see", ", no object"))
    for nouns in SCENE_NOUNS
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
TABLES: Final = (
    *(NAMES, BARE, OCCLUDER_PHRASES, EMPTY, EMPTY_OCCLUDER, SCENES, SCENE_NOUNS, PLACE_PHRASES, RELATION_PHRASES),
    *(INSIDE, NOTHING, NUMBERS, PLURALS, FINE_PHRASES, COARSE_PLACES, GLUE),
)
"""All of them."""


def words(text: str) -> list[str]:
    """The words of a text, lower case; commas are words, other punctuation is dropped."""
    text = text.lower().replace(",", " , ")
    return "".join(c if c.isalnum() or c in " ,'" else " " for c in text).split()


def words_in(*tables: object) -> set[str]:
    """The words of all texts in these tables, however nested."""
    return {word for entry in tables for word in (words(entry) if isinstance(entry, str) else words_in(*entry))}
