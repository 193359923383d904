"""What benchmarks leave behind: tables in Markdown, and the files of a run."""

import csv
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["markdown_table", "write"]


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a heading, one line for each row of as many cells."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in rows)])


def write(
    folder: pathlib.Path, name: str, record: Any, text: str, *, rows: Sequence[dict[str, Any]] | None = None
) -> None:
    """Write NAME.json and NAME.md, and NAME.csv where there are rows; prints the text.

    Args:
        folder: made if it is not there.
        name: of the benchmark.
        record: what the JSON file holds.
        text: the tables.
        rows: with the same keys each, at least one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    if rows is not None:
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    print(text)
