"""Hostile and odd videos, made from nothing, and what a person sees of each.

    python -m uploads                in tests/: prints the table of docs/uploads.md
    python -m uploads --out DIR      and writes every file there

Every file is the same on every call with one FFmpeg: pictures are drawn by formula, encoders run on one thread, and
bytes are changed where a table or a seed says. `KINDS` are all of them; `workshop.Workshop` makes them.
"""

from uploads import damage, formats, traps
from uploads.kind import Kind
from uploads.workshop import Workshop

__all__ = ["KINDS", "Kind", "Workshop", "table"]

KINDS: tuple[Kind, ...] = (*formats.KINDS, *damage.KINDS, *traps.KINDS)

HEAD = """# What a person sees of each upload

Made by `python -m uploads` in `tests/`, which also writes the files themselves (`--out DIR`); a test compares this
table with what really happens to each of them. None of them ends the server, hangs, reaches a network,
or reads another file.
"""


def table() -> str:
    """The page docs/uploads.md."""
    parts = [HEAD]
    for title, kinds in (("Odd but whole", formats.KINDS), ("Damaged", damage.KINDS), ("Traps", traps.KINDS)):
        rows = "\n".join(f"| {kind.slug} | {kind.what} | {kind.sees} |" for kind in kinds)
        parts.append(f"\n## {title}\n\n| kind | what it is | what the person sees |\n|---|---|---|\n{rows}\n")
    return "".join(parts)
