"""One kind of upload: how it is made, and what a person sees of it."""

import dataclasses
import pathlib
import re
from collections.abc import Callable
from typing import Any

from slap_core.video.errors import REASONS

WARNINGS = {
    "incomplete": "The file is incomplete: its picture ends after … s; the part that is there is shown.",
    "damaged": "A part of the file is damaged; …",
}
"""Beside the frames; the first words are looked for."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A file to upload."""

    slug: str
    what: str
    make: Callable[[Any, pathlib.Path], object]
    """Takes the workshop and the path to write."""
    frames: range | None = None
    """How many frames come; None: it is refused."""
    says: str = ""
    """The key of the refusal in `REASONS`, or of the warning in `WARNINGS`; empty: nothing is said."""
    name: str = ""
    """Of the file."""
    exact: bool = True
    """Whether frames and times are those of one pass with PyAV; where a part is damaged they need not be."""
    either: bool = False
    """Whether it may also be refused, or warned of: bits flipped at random hit what they hit."""
    size: tuple[int, int] | None = (48, 64)
    """Height and width of what comes out; None: any."""

    @property
    def file_name(self) -> str:
        return self.name or self.slug

    @property
    def sees(self) -> str:
        """In words, for the table."""
        if self.frames is None:
            sentence = REASONS[self.says].replace("{name}", "*The video*")
            return re.sub(r"\{[^}]*\}", "…", sentence)
        if self.either:
            return "what can be decoded, with a warning where a part is missing; or a sentence"
        first, last = self.frames[0], self.frames[-1]
        count = f"{first} frame{'s' * (first != 1)}" if first == last else f"{first} to {last} frames"
        return f"{count}, and “{WARNINGS[self.says]}”" if self.says else count


def exactly(count: int) -> range:
    """So many frames."""
    return range(count, count + 1)
