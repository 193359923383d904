"""The parent's side: a fresh interpreter for every video, which dies at its deadline and takes only itself along.

A decoder is a million lines of C that reads what a stranger uploaded. It may crash, hang, or fill the memory; here that
is an error message. The child is the head of its own process group, and the whole group is killed on every way out.
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float64, UInt8

from slap_core.video import limits
from slap_core.video.errors import REASONS, VideoError

_FOLDER = Path(__file__).resolve().parent

# The packages stand there without their __init__, which would import torch: seconds instead of a quarter of one.
_START = f"""
import json, sys, types
request = json.loads(sys.stdin.buffer.readline())
sys.path[:] = request.pop("sys_path")
for name, folder in {[("slap_core", str(_FOLDER.parent)), ("slap_core.video", str(_FOLDER))]!r}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from slap_core.video.child import main
main(request)
"""

_LINE_BYTES = 65_536
_POLL_SECONDS = 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class Decoded:
    """What the child sent."""

    frames: UInt8[np.ndarray, "time height width 3"]
    times: Float64[np.ndarray, "time"]
    warnings: tuple[str, ...]
    decoder: str
    """"pyav", "decord", or "decord+pyav" where the one began and the other ended."""


class _Child:
    """A running decoder, and what has arrived from it so far."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.header: dict[str, Any] | None = None
        self.decoders: list[str] = []
        self.last: dict[str, Any] = {}
        self.times: list[float] = []
        self.frames = np.empty((0, 1, 1, 3), np.uint8)
        group: dict[str, Any] = {"start_new_session": True}
        if os.name == "nt":
            group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            **group,
        )
        # A thread reads, so that the caller's own thread can be interrupted at any moment.
        self.reader = threading.Thread(target=self._read, args=(request,), daemon=True)
        self.reader.start()

    def _read(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        out = self.process.stdout
        # A child that died, or wrote something else than the protocol, is told by the missing last message.
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            request = {**request, "sys_path": [str(Path(entry).resolve()) for entry in sys.path]}
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            while line := out.readline(_LINE_BYTES):
                message = json.loads(line)
                if "count" in message:
                    shape = (int(message["count"]), int(message["height"]), int(message["width"]), 3)
                    if min(shape) < 1 or np.prod(shape, dtype=float) > limits.MAX_OUTPUT_BYTES:
                        return
                    self.frames = np.empty(shape, np.uint8)
                    self.header = message
                elif "decoder" in message:
                    self.decoders.append(str(message["decoder"]))
                elif "time" in message:
                    if not _fill(out, memoryview(self.frames[len(self.times)]).cast("B")):
                        return
                    self.times.append(float(message["time"]))
                else:
                    self.last = message
                    return

    def close(self) -> int:
        """The exit status, after the whole process group has been killed and its pipes closed."""
        if self.process.returncode is None:
            # Kill first: as long as nobody has waited for it, even a dead child keeps its number from being reused.
            if os.name == "nt":
                self.process.kill()
            else:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.reader.join()
            for pipe in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()
        return self.process.returncode


def _fill(source: BinaryIO, target: memoryview) -> bool:
    """Whether `target` could be filled from `source`."""
    filled = 0
    while filled < len(target):
        count = source.readinto(target[filled:])
        if not count:
            return False
        filled += count
    return True


def decode(
    request: dict[str, Any],
    *,
    deadline_seconds: float | int | None = None,
    cancelled: Callable[[], bool] | None = None,
    arrived: Callable[[UInt8[np.ndarray, "time height width 3"]], None] | None = None,
) -> Decoded:
    """The frames for a request (see `child.answer`), decoded in a process of its own.

    Args:
        request: path, demuxer, max_frames, size, until_seconds.
        deadline_seconds: wall time after which to give up; None: `limits.WALL_SECONDS` and a share of the duration.
        cancelled: asked 20 times a second whether to give up.
        arrived: told up to 20 times a second which frames there are by now.

    Raises:
        VideoError: if the file is refused, the decoder dies, the deadline passes, or the caller cancels.
    """
    start = time.monotonic()
    child = _Child({**request, "decord": True})
    how = {"start": start, "deadline_seconds": deadline_seconds, "cancelled": cancelled, "arrived": arrived}
    try:
        status = _wait(child, request["path"], **how)
        if not child.last and child.decoders == ["decord"]:
            # decord crashed or hung: PyAV gets the rest of the time.
            child.close()
            child = _Child({**request, "decord": False})
            status = _wait(child, request["path"], **how)
    finally:
        child.close()
    message = child.last
    if not message:
        raise VideoError("crashed", request["path"], status=status)
    if "reason" in message:
        reason = message["reason"] if message["reason"] in REASONS else "crashed"
        raise VideoError(reason, request["path"], **{"status": status, **message["numbers"]})
    count = len(child.times)
    return Decoded(
        frames=child.frames[:count],
        times=np.array(child.times, dtype=np.float64),
        warnings=tuple(str(warning) for warning in message["warnings"]),
        decoder="+".join(child.decoders),
    )


def _wait(
    child: _Child,
    path: str,
    *,
    start: float,
    deadline_seconds: float | int | None,
    cancelled: Callable[[], bool] | None,
    arrived: Callable[[UInt8[np.ndarray, "time height width 3"]], None] | None,
) -> int:
    """Wait for the child's last message and return its exit status; half of the time is all that decord gets."""
    begin, told = time.monotonic(), 0
    while child.reader.is_alive():
        child.reader.join(_POLL_SECONDS)
        if arrived is not None and len(child.times) > told:
            told = len(child.times)
            arrived(child.frames[:told])
        if cancelled is not None and cancelled():
            raise VideoError("cancelled", path)
        limit = deadline_seconds
        if limit is None:
            duration = float(child.header["duration"]) if child.header else 0.0
            limit = min(limits.WALL_SECONDS + limits.WALL_PER_SECOND * max(duration, 0.0), limits.MAX_WALL_SECONDS)
        now = time.monotonic()
        if now - start > limit and child.reader.is_alive():
            raise VideoError("deadline", path, seconds=limit)
        if child.decoders == ["decord"] and now - begin > (start + limit - begin) / 2 and child.reader.is_alive():
            break
    return child.close()
