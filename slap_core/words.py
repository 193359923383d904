"""Concepts as a person writes them: words with commas between them. No tensor enters here."""

import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["MAX_CHARACTERS", "MAX_CONCEPTS", "concept_list", "distinct", "one_line"]

MAX_CONCEPTS = 6
MAX_CHARACTERS = 60
"""Of one concept."""


def concept_list(concepts: str | Sequence[str]) -> tuple[str, ...]:
    """The concepts, each once, without surrounding white space.

    Args:
        concepts: words, separated by commas, or a sequence of words.

    Raises:
        ValueError: if there are more than six, one is longer than 60 characters, or one is not words.

    >>> concept_list("a red car, a tunnel,")
    ('a red car', 'a tunnel')
    """
    parts = concepts.split(",") if isinstance(concepts, str) else concepts
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise ValueError(f"Concepts must be words, separated by commas, or a list of words, got {concepts!r:.60}.")
    found = []
    for part in parts:
        words = one_line(part)
        if len(words) > MAX_CHARACTERS:
            raise ValueError(
                f"The concept “{words[:24]}…” is {len(words):,} characters long, at most {MAX_CHARACTERS} are read; "
                "name the thing in a few words, and put commas between concepts."
            )
        found.append(words)
    found = distinct(found)
    if len(found) > MAX_CONCEPTS:
        raise ValueError(f"{len(found):,} concepts were given, at most {MAX_CONCEPTS} are tracked; leave some out.")
    return found


def one_line(text: str) -> str:
    r"""The text on one line, without characters that are not seen: control characters, those that turn the direction
    of writing, halves of pairs. The joiners stay, which scripts and emoji need.

    >>> one_line(" a\tred\u202e car ")
    'a red car'
    """
    spaced = " ".join(text.split())
    seen = "".join(c for c in spaced if c in "\u200c\u200d" or not unicodedata.category(c).startswith("C"))
    return " ".join(seen.split())


def distinct(phrases: Iterable[str]) -> tuple[str, ...]:
    """Those that are not empty, each as it comes first; capitals make no difference.

    >>> distinct(["a car", "", "A car", "a bus"])
    ('a car', 'a bus')
    """
    found: dict[str, str] = {}
    for phrase in filter(None, phrases):
        found.setdefault(phrase.lower(), phrase)
    return tuple(found.values())
