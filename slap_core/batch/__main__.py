"""The command: python -m slap_core.batch --videos "clips/**/*.mp4" --query "a red car" --out runs/many.

Its other flags are the settings of the analysis and those of `BatchSettings`. Videos of which there is a row already
are not analysed again; those that failed are with --retry. The table of all videos, summary.parquet, is written in the
end.
"""

import contextlib
import dataclasses
import glob
import importlib.util
import json
import os
import pathlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from slap_core.batch.cluster import Cluster
from slap_core.batch.parts import Parts, content_of, key_of
from slap_core.batch.settings import BatchSettings
from slap_core.batch.worker import Worker
from slap_core.training import command_line
from slap_core.words import one_line

__all__ = ["find", "main", "run"]


def find(patterns: Iterable[str]) -> list[str]:
    """The files that fit any of the patterns, once each, in order.

    Raises:
        ValueError: if there is none.
    """
    found = {path for pattern in patterns for path in glob.glob(pattern, recursive=True)}  # noqa: PTH207  (absolute ones)
    files = sorted(path for path in found if not pathlib.Path(path).is_dir())
    if not files:
        raise ValueError(
            f"No file fits {', '.join(patterns)}; give paths with wildcards, in quotes, such as 'a/*.mp4'."
        )
    return files


def run(batch: BatchSettings, *, command: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows of all videos, in order; each is written as soon as it is known, and all in the end.

    Args:
        batch: what to do.
        command: that starts an analyst; default: our own.

    Raises:
        ValueError: if no video is found, the output is no folder, something is not installed, or the encoder cannot be
            had.
    """
    files, parts, settings = find(batch.videos), Parts(batch.out), batch.analysis()
    chosen = dataclasses.asdict(settings)
    query, text = one_line(batch.query), json.dumps(chosen, sort_keys=True)
    keys: dict[str, str] = {}
    about: dict[str, dict[str, Any]] = {}

    def jobs() -> Iterator[dict[str, Any]]:
        begun = set()
        for file in files:
            content = content_of(pathlib.Path(file))
            key = keys[file] = key_of(content or f"path {file}", query, settings)
            known = parts.known(key)
            if key in begun or (known is not None and not (known["error"] and batch.retry)):
                continue
            begun.add(key)
            path = str(pathlib.Path(file).absolute())
            about[path] = {"path": file, "sha256": content, "key": key, "query": query, "settings": text}
            yield {"path": path, "query": query, "settings": chosen, "limit_seconds": batch.limit_seconds}

    with contextlib.closing(_analysed(batch, jobs(), command)) as analysed:
        for job, row in analysed:
            told = about.pop(job["path"])
            parts.add({**row, **told})
            print(f"{told['path']}: {row.get('error') or row['certificate']}", flush=True)
    # Two files of one content have one part, and a row each.
    rows = [{**parts.known(keys[file]), "path": file} for file in files]
    parts.finish(rows)
    return rows


def _analysed(
    batch: BatchSettings, jobs: Iterator[dict[str, Any]], command: Sequence[str] | None
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each job with its row, as they come: on Ray, or by one worker."""
    workers = batch.workers or max(1, (os.cpu_count() or 1) // batch.threads)
    if batch.ray_address is None and workers > 1 and importlib.util.find_spec("ray") is None:
        print("Ray is not installed (pip install ray): one video after the other.", file=sys.stderr)
        workers = 1
    if batch.ray_address is not None or workers > 1:
        with Cluster(batch.ray_address, workers=workers, threads=batch.threads, command=command) as cluster:
            yield from cluster.analyse(jobs, encoder=batch.encoder, device=batch.device)
        return
    worker = Worker(batch.encoder, batch.device, threads=batch.threads, command=command)
    try:
        for job in jobs:
            yield job, worker.analyse(**job)
    finally:
        worker.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 once every video has a row, 2 with a sentence for unusable input, 130 after Ctrl-C."""
    try:
        batch = command_line.parse(BatchSettings, "Analyse many videos.", arguments)
        rows = run(batch)
    except (ValueError, OSError) as error:
        print(f"slap_core.batch: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("slap_core.batch: interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    failed = sum(row["error"] is not None for row in rows)
    print(f"{len(rows) - failed} of {len(rows)} videos are in {batch.out / 'summary.parquet'}", end="")
    print(f"; {failed} failed, and say why in the column error (--retry tries them again)." if failed else ".")
    return 0


if __name__ == "__main__":
    sys.exit(main())
