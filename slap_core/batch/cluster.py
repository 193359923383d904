"""Several workers on Ray, on this machine or on many.

A task of Ray has one video analysed by the worker of its process, which is kept for the next one, and its encoder with
it. Where a process of Ray or a machine is lost, Ray gives its video to another: nothing is but the time.

On several machines all need the same version of the project and its requirements, and see the videos at the same paths.
The rows come back to whoever asked, who alone writes.
"""

import atexit
import contextlib
import functools
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Final

from slap_core.batch.worker import Worker, WorkerError

__all__ = ["Cluster", "analyse_video"]

RETRIES: Final = 3
"""How often Ray starts anew what was lost."""
STORE_BYTES: Final = 100_000_000
"""Of Ray's memory for shared objects on this machine: rows are small."""
AHEAD: Final = 2
"""Tasks that are waiting, for each that can run."""


@functools.cache
def _worker(encoder: str, device: str, threads: int, command: tuple[str, ...] | None) -> Worker:
    """The worker of this process of Ray."""
    worker = Worker(encoder, device, threads=threads, command=command)
    atexit.register(worker.close)
    return worker


def analyse_video(job: dict[str, Any], who: tuple[Any, ...]) -> dict[str, Any]:
    """The row of a video, by the worker of this process.

    Args:
        job: arguments of `Worker.analyse`.
        who: arguments of `Worker`.
    """
    return _worker(*who).analyse(**job)


class Cluster:
    """A connection to Ray; leave it (`with`) to close it, and what it started.

    Args:
        address: of a running cluster, "auto" for the one of this machine; None starts one here, for this only.
        workers: how many tasks at once, if one is started.
        threads: CPU cores of each.
        command: that starts an analyst; default: our own.

    Raises:
        ValueError: if Ray is not installed, or there is no cluster at the address.
    """

    def __init__(
        self, address: str | None, *, workers: int, threads: int, command: Sequence[str] | None = None
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell Ray's makers
        if address is None:
            # Off, Ray keeps to 127.0.0.1, on any system; else it listens on every interface.
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        try:
            import ray
        except ImportError as error:
            raise ValueError(
                "Several processes or machines need Ray, which is not installed: pip install ray. Without "
                "--ray-address all is done in one process."
            ) from error
        self._ray, self._threads, self._command = ray, threads, None if command is None else tuple(command)
        self._folder = tempfile.TemporaryDirectory(prefix="slap-ray-", ignore_cleanup_errors=True)
        here = {
            "num_cpus": workers * threads,
            "num_gpus": 0,
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
            "_temp_dir": self._folder.name,
            "_system_config": {"enable_metrics_collection": False},
        }
        try:
            ray.init(
                log_to_driver=False, logging_level=logging.ERROR, **(here if address is None else {"address": address})
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ValueError(f"Ray could not be reached or started: {error}") from error

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()
        self._folder.cleanup()

    def analyse(
        self, jobs: Iterator[dict[str, Any]], *, encoder: str, device: str
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each job (arguments of `Worker.analyse`) with its row, as they come.

        Raises:
            WorkerError: if the encoder cannot be loaded.
        """
        ray = self._ray
        task = ray.remote(num_cpus=self._threads, max_retries=RETRIES)(analyse_video)
        who = (encoder, device, self._threads, self._command)
        at_once = max(1, int(ray.cluster_resources().get("CPU", 1)) // self._threads)
        running: dict[Any, dict[str, Any]] = {}
        more = True
        while more or running:
            while more and len(running) < at_once * AHEAD:
                job = next(jobs, None)
                more = job is not None
                if job is not None:
                    running[task.remote(job, who)] = job
            for done in ray.wait(list(running), num_returns=1)[0] if running else []:
                yield running.pop(done), self._row(done)

    def _row(self, done: Any) -> dict[str, Any]:
        try:
            return self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            with contextlib.suppress(AttributeError):
                if isinstance(error.cause, WorkerError):
                    raise error.cause from error
            raise
        except self._ray.exceptions.RayError as error:
            what = str(error).strip().splitlines()[0]
            return {"failure": "lost", "error": f"It was lost {RETRIES + 1} times with the process it was in: {what}"}
