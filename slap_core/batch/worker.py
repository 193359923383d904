"""The side of whoever waits for an analyst: it is started when there is work, and killed when it takes too long."""

import contextlib
import json
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["Worker", "WorkerError"]

START_SECONDS: Final = 600.0
"""Wall time in which an analyst has to have loaded its encoder, a download included."""
ATTEMPTS: Final = 2
"""How often a video is tried whose analyst dies."""
GRACE_SECONDS: Final = 2.0
"""What an analyst that is ended has to end its decoder."""
_ROOT: Final = pathlib.Path(__file__).resolve().parents[2]


class WorkerError(ValueError):
    """No analyst can be had for any video; the sentence says why."""


class Worker:
    """An analyst and a clock.

    Args:
        encoder: its name.
        device: where it computes.
        threads: of the CPU.
        command: that starts an analyst, without these three; default: our own.
    """

    def __init__(self, encoder: str, device: str, *, threads: int = 1, command: Sequence[str] | None = None) -> None:
        self.command = [*(command or (sys.executable, "-m", "slap_core.batch.analyst")), encoder, device, str(threads)]
        self._threads = threads
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the worker is there)

    def analyse(self, path: str, query: str, settings: Mapping[str, Any], *, limit_seconds: float) -> dict[str, Any]:
        """The row of a video: what was found, or `failure` and `error`; and `seconds`.

        Args:
            path: of the video.
            query: in words.
            settings: fields of `Settings`.
            limit_seconds: wall time after which it is given up, its analyst killed.

        Raises:
            WorkerError: if the encoder cannot be loaded.
        """
        request = json.dumps({"path": path, "query": query, "settings": dict(settings)})
        start = time.monotonic()
        for _ in range(ATTEMPTS):
            self._start()
            start = time.monotonic()
            answer = self._ask(request, limit_seconds)
            if answer is not None:
                break
            self.close()
        else:
            what = f"The process that analysed it died, {ATTEMPTS} times; it may have needed more memory than there is."
            answer = {"failure": "lost", "error": f"{what} {self._complaint()}".strip()}
        return {**answer, "seconds": time.monotonic() - start}

    def close(self) -> None:
        """End the analyst, if there is one; the next video starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def _ask(self, request: str, limit_seconds: float) -> dict[str, Any] | None:
        """What the analyst answers, or that it does not; None where it died."""
        assert self._process is not None
        with contextlib.suppress(OSError):  # it died: there will be no answer
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
        try:
            line = self._answers.get(timeout=limit_seconds)
        except queue.Empty:
            self.close()
            what = f"It took longer than {limit_seconds:g} s, which --limit-seconds sets, and was given up."
            return {"failure": "time", "error": what}
        if line is None:
            return None
        message = json.loads(line)
        return message["row"] if "row" in message else {"failure": "input", "error": message["error"]}

    def _complaint(self) -> str:
        """The last line that the analyst left on standard error."""
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:500] if lines else ""

    def _start(self) -> None:
        """Start an analyst, unless there is one, and wait until it is ready."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        self._complaints.seek(0)
        self._complaints.truncate()
        places = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH")) if part)
        threads = {name: str(self._threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            encoding="utf-8",
            env={**os.environ, **threads, "PYTHONPATH": places},
            start_new_session=os.name != "nt",  # Ctrl-C is for us to tell
        )
        self._answers = queue.SimpleQueue()
        threading.Thread(target=_read, args=(self._process.stdout, self._answers), daemon=True).start()
        try:
            line = self._answers.get(timeout=START_SECONDS)
        except queue.Empty:
            line = None
        message = (
            json.loads(line) if line else {"fatal": f"The process that analyses did not start. {self._complaint()}"}
        )
        if "fatal" in message:
            self.close()
            raise WorkerError(message["fatal"])


def _read(source: Any, answers: "queue.SimpleQueue[str | None]") -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in source:
            answers.put(line)
    answers.put(None)
