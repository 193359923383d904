"""What a person takes away from a run: the files of `slap_core.report`, where the browser finds them, what each holds.

They are written once the figures are there, and deleted with the upload.
"""

import json
import pathlib
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slap_core.stages import Analysis

__all__ = ["Publish", "offer", "waiting"]

Publish = Callable[[pathlib.Path], str]
"""Takes a file to where the browser may fetch it, and returns its path there."""

WHAT = {
    "report.html": ("Report", "every figure, interactive, in one file that opens offline and can be mailed"),
    "paths.csv": ("CSV", "one row per dropped frame and method: time, drift, alignment"),
    "paths.npz": ("NPZ", "latents of all frames and of every path, for NumPy"),
    "summary.json": ("JSON", "settings, versions, command and all numbers"),
}


def offer(analysis: "Analysis", publish: Publish, *, run: str) -> str:
    """The JSON that lists the files of an analysis, after they have been written.

    Args:
        analysis: what a whole run found.
        publish: where they go.
        run: which run made them.
    """
    from slap_core.report import write_report  # late: the page is up before torch is

    files = []
    with tempfile.TemporaryDirectory(prefix="slap-") as folder:
        for path in write_report(analysis, folder):
            title, words = WHAT[path.name]
            files.append(
                {"name": path.name, "title": title, "words": words, "bytes": path.stat().st_size, "path": publish(path)}
            )
    return json.dumps({"state": "ready", "files": files, "run": run})


def waiting(state: str, *, run: str = "") -> str:
    """The JSON while there are no files: "empty", "loading", or "failed"."""
    return json.dumps({"state": state, "files": [], "run": run})
