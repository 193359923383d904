"""The rows of a batch as parquet: one part for each video, and one table of all.

A part's name is a hash of all that its row depends on: the content of the video, the query, the settings but for the
device, the shipped networks, the version. Parts are there whole or not at all.

pyarrow is no requirement of the project, for it is as large as the rest of it but torch: it comes with the extra
`batch`, or by itself.
"""

import dataclasses
import hashlib
import io
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from slap_core.files import write_whole
from slap_core.provenance import networks, versions
from slap_core.stages import Settings

__all__ = ["DONE", "METHODS", "STAGES", "Parts", "content_of", "key_of"]

METHODS: Final = ("zoh", "lerp", "slerp", "latent_ode", "slap")
"""Those with a column of drift each."""
STAGES: Final = ("decoded", "encoded", "solved", "projected_1", "scanned", "compared", "slotted", "tracked")
"""Those with a column of seconds each."""
COLUMNS: Final = {
    "path": "string",
    "sha256": "string",
    "key": "string",
    "query": "string",
    "settings": "string",
    "frames": "int32",
    "kept": "int32",
    "dropped": "int32",
    "duration_seconds": "float64",
    "encoder": "string",
    "potential": "string",
    **{f"drift_{method}": "float64" for method in METHODS},
    "lambda_star": "float64",
    "lambda_star_drift": "float64",
    "certificate": "string",
    "converged": "bool_",
    "objects": "int32",
    "notes": "string",
    **{f"seconds_{stage}": "float64" for stage in STAGES},
    "seconds": "float64",
    "failure": "string",
    "error": "string",
}
"""Of the table, with their types. `settings` is JSON; `notes` are sentences; `seconds` are of wall time, and the last
column of these has that of the whole video. `failure` is input, time or lost; both it and `error`, which says it in a
sentence, are null where all went well."""
DONE: Final = "summary.parquet"


def content_of(file: pathlib.Path) -> str | None:
    """The SHA-256 of a file; None where it cannot be read, or is no ordinary file."""
    try:
        if not file.is_file():
            return None
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return None


def key_of(content: str, query: str, settings: Settings) -> str:
    """By what the row is known that belongs to a video of this content (or, where it cannot be read, path)."""
    chosen = dataclasses.asdict(settings)
    del chosen["device"]
    origin = [content, query, chosen, networks(), versions(["torch"])["slap-core"]]
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:40]


class Parts:
    """The results in a folder.

    Raises:
        ValueError: if the folder is a file, or pyarrow is not installed.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise ValueError(
                "Results are written as parquet, for which pyarrow is missing: pip install pyarrow, or, to use several "
                'processes or machines as well, pip install "ray>=2.40" pyarrow.'
            ) from error
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"--out must be a folder, but {folder.name} is a file; name another folder.")
        self.folder, self._arrow, self._parquet = folder, pa, pq
        self.schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in COLUMNS.items()])
        (folder / "parts").mkdir(parents=True, exist_ok=True)

    def known(self, key: str) -> dict[str, Any] | None:
        """The row of that key; None where there is none, or its file is damaged."""
        file = self._file(key)
        if not file.exists():
            return None
        try:
            (row,) = self._parquet.ParquetFile(io.BytesIO(file.read_bytes())).read().to_pylist()
        except (self._arrow.ArrowException, ValueError):
            return None
        return row

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row under its key; columns that it lacks are null."""
        self._write(self._file(row["key"]), [row])

    def finish(self, rows: Iterable[Mapping[str, Any]]) -> pathlib.Path:
        """Write all rows in one table; its path."""
        file = self.folder / DONE
        self._write(file, list(rows))
        return file

    def _file(self, key: str) -> pathlib.Path:
        return self.folder / "parts" / f"{key}.parquet"

    def _write(self, file: pathlib.Path, rows: list[Mapping[str, Any]]) -> None:
        buffer = io.BytesIO()
        full = [{name: row.get(name) for name in COLUMNS} for row in rows]
        self._parquet.write_table(self._arrow.Table.from_pylist(full, schema=self.schema), buffer)
        write_whole(file, buffer.getvalue())
