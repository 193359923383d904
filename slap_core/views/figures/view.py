"""One view of the page: a figure and the words that belong to it.

A `View` is what a person reads: a headline computed from the data, the figure itself, a caption that says how to read
it, a text alternative. `View.to_json` is all that the browser receives; the page and the saved report draw the same
JSON with the same script. Text is shown as text, never as markup: everything that came from outside (query, file name)
passes through `plain`, and inside plotly, which understands some tags, through `escaped`.
"""

import dataclasses
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import plotly.graph_objects as go

__all__ = ["State", "Table", "View", "amount", "escaped", "plain", "seconds"]

State = Literal["empty", "loading", "ready", "failed"]

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclasses.dataclass(frozen=True)
class Table:
    """A small table of words and numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    folded: bool = False
    """Whether it waits behind a fold."""
    groups: Sequence[tuple[str, int]] = ()
    """Names over the columns: each with how many of them it spans; none or all."""


@dataclasses.dataclass(frozen=True)
class View:
    """A figure with its words.

    `figure` is drawn by plotly, `data` by the script of the same name as the view; either may be missing.
    """

    name: str
    """strip, map, resonance, energies, slots or certificate."""
    title: str
    state: State = "empty"
    headline: str = ""
    """One sentence in plain words: what this clip shows."""
    caption: str = ""
    """What is drawn, how to read it, what to try next."""
    description: str = ""
    """The text alternative of the figure."""
    message: str = ""
    """What to show instead of a figure while empty, loading or failed."""
    notes: Sequence[str] = ()
    """What the person should know beside it, one sentence each."""
    figure: go.Figure | None = None
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    table: Table | None = None
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Where it comes from, by heading (see `slap_core.provenance`)."""
    run: str = ""
    """Which run made it: to the page, equal results of two runs are two events."""

    def to_json(self) -> str:
        """The view as JSON: numbers as base64 typed arrays, and no "<" or "&", so that it may stand inside HTML."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        fields["figure"] = None if self.figure is None else json.loads(self.figure.to_json())
        fields["table"] = None if self.table is None else dataclasses.asdict(self.table)
        if fields["figure"]:
            fields["figure"]["layout"].pop("template", None)
        text = json.dumps(fields, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        return text.replace("<", "\\u003c").replace("&", "\\u0026").replace(">", "\\u003e")


def plain(text: str, *, limit: int = 200) -> str:
    """Text from outside, fit to be shown: no control, bidirectional or other format characters, one line, at most
    `limit` characters.
    """
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def escaped(text: str, *, limit: int = 200) -> str:
    """`plain` text with the characters escaped that plotly's labels would read as markup."""
    return plain(text, limit=limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def amount(value: float, unit: str = "") -> str:
    """A number with at most three significant digits and its unit: "0.0312", "1.2 × 10⁻⁵ rad"."""
    if value != value:
        number = "not defined"
    elif value in (float("inf"), float("-inf")):
        number = "infinite"
    elif value != 0 and not 1e-3 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:.1e}".split("e")
        number = f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    else:
        digits = f"{value:.3g}"
        number = f"{float(digits):.0f}" if "e" in digits else digits
    return f"{number.replace('-', '−')} {unit}".strip()


def seconds(value: float) -> str:
    """A duration or time of day in the clip: "2.1 s"."""
    return f"{value:.2f} s" if abs(value) < 10 else f"{value:.1f} s"
