"""What benchmarks leave behind: tables in Markdown, and the files of a run."""

import csv
import importlib.util
import io
import json
import os
import pathlib
import shutil
from collections.abc import Iterable, Sequence
from typing import Any

from slap_core.files import write_whole

__all__ = ["draw", "markdown_table", "write"]


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
    write_whole(folder / f"{name}.json", json.dumps(record, indent=2) + "\n")
    write_whole(folder / f"{name}.md", text + "\n")
    if rows is not None:
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        write_whole(folder / f"{name}.csv", table.getvalue())
    print(text)


def draw(folder: pathlib.Path, name: str, figure: Any) -> list[pathlib.Path]:
    """Write NAME.html, with plotly's script beside it, and NAME.svg where kaleido and a Chromium are installed.

    Args:
        folder: made if it is not there.
        name: of the figure.
        figure: of plotly.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, picture = folder / f"{name}.html", folder / f"{name}.svg"
    figure.write_html(page, include_plotlyjs="directory")
    browser = next((found for kind in ("chromium", "google-chrome", "chrome") if (found := shutil.which(kind))), None)
    if browser is None or importlib.util.find_spec("kaleido") is None:
        print(f"{picture.name} is not drawn: that takes kaleido (pip install kaleido) and Chromium.")
        return [page]
    os.environ.setdefault("BROWSER_PATH", browser)  # where kaleido looks
    # A picture stands on pages of any colour.
    figure.update_layout(paper_bgcolor="white").write_image(picture, width=820)
    return [page, picture]
