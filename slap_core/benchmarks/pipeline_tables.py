"""What `pipeline` measured, in tables, with what was aimed at."""

from collections.abc import Mapping
from typing import Any, Final

from slap_core.benchmarks.output import markdown_table
from slap_core.benchmarks.page_run import STAGES

__all__ = ["AIMS", "table"]

AIMS: Final = {
    "decode_ratio": ("decode, plain / ours", ">= 3"),
    "encode_ratio": ("encode, plain / ours", ">= 3"),
    "overlap_ratio": ("decode and encode, one after the other / at once, wall", ""),
    "rerun_ratio": ("first run / again with another lambda", ">= 20"),
    "rerun_query_ratio": ("first run / again with another query", ">= 20"),
    "overhead_share": ("all but decode and encode / these two", "<= 0.25"),
    "peak_mb": ("peak memory, MB", ""),
    "page_mb": ("JSON of all figures, MB", ""),
}
"""Of each clip and encoder: what the number is, and what it is meant to be."""


def table(record: Mapping[str, Any]) -> str:
    """The tables in Markdown."""
    rows = record["clips"]
    summary = [[what, *(_cell(row[name]) for row in rows), aim] for name, (what, aim) in AIMS.items()]
    heads = [f"{row['clip']}, {row['encoder']}" for row in rows]
    parts = [markdown_table(["what", *heads, "aim"], summary)]
    for head, row in zip(heads, rows, strict=True):
        lines = [
            [
                name,
                *(_cell(row[kind].get(name)) for kind in ("cold", "stages")),
                f"{100 * row['shares'][name]:.1f} %",
                *(_cell(row["rerun"][kind][name]) for kind in ("coupling", "query")),
                *(_cell(row[kind].get(name)) for kind in ("plain", "ratios")),
            ]
            for name in STAGES
        ]
        sums = [row["cold"], row["stages"], None, *row["rerun"].values(), row["plain"]]
        lines.append(["all", *("100 %" if part is None else _cell(sum(part.values())) for part in sums), ""])
        titles = ["stage", "cold, s", "first, s", "share", "other λ, s", "other query, s", "plain, s", "plain / first"]
        close = "" if row["adam"]["close"] else ", where it was not close yet"
        parts += [
            f"**{head}**, {row['frames']} frames, {row['dropped']} of them dropped; Adam was stopped after "
            f"{row['adam']['evaluations']:,} evaluations{close}.",
            markdown_table(titles, lines),
        ]
    views = dict.fromkeys(view for row in rows for view in row["figures_mb"])
    parts.append(
        markdown_table(
            ["figure, MB of JSON", *heads],
            [[view, *(_cell(row["figures_mb"].get(view)) for row in rows)] for view in views],
        )
    )
    startup, ratio, importing = (record[name] for name in ("startup_seconds", "import_ratio", "import_seconds"))
    parts.append(
        f"From `python app.py` to the first answer {startup:.2f} s, {ratio:.2f} times the {importing:.2f} s of "
        f"importing everything (aim: <= 0.5). Seconds are of the {record['clock']} clock; torch's threads: "
        f"{record['threads']}; device: {record['device']}."
    )
    return "\n\n".join(parts)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
