"""The decoder's own process: it reads one request, writes frames, and is allowed nothing else.

It imports neither torch nor the page, so it starts in a quarter of a second. Its limits are set before the first
byte of the file is touched. On standard output it writes lines of JSON, some followed by raw bytes:

    {"count": n, "height": h, "width": w, "duration": seconds}     at most n frames will follow
    {"decoder": "decord"} or {"decoder": "pyav"}                   what reads from here on
    {"time": seconds} + h * w * 3 bytes                            once for each frame
    {"end": true, "warnings": [...]}  or  {"reason": "...", "numbers": {...}}
"""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from slap_core.video import limits
from slap_core.video.errors import RefusedError


def main(request: dict[str, Any]) -> None:
    """Decode as `request` says (see `answer`), write the result, and leave the process."""
    # The libraries may print; only this module writes to the pipe.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    limit_resources()
    try:
        for header, body in answer(**request):
            _write(out, header, body)
    except RefusedError as refusal:
        _write(out, {"reason": refusal.reason, "numbers": refusal.numbers})
    except MemoryError:
        _write(out, {"reason": "memory", "numbers": {}})
    except Exception as error:
        _write(out, {"reason": "broken", "numbers": {"what": type(error).__name__}})
    _leave(out)


def answer(
    *,
    path: str,
    demuxer: str,
    max_frames: int | None,
    size: int | list[int] | None,
    decord: bool,
    until_seconds: float | None = None,
) -> Iterator[tuple[dict[str, Any], memoryview | None]]:
    """The messages of the protocol, in order; see the module.

    Raises:
        RefusedError: if the file is refused.
    """
    from slap_core.video import decoding
    from slap_core.video.geometry import output_size
    from slap_core.video.scan import evenly_in_time, scan

    found = scan(path, demuxer, until_seconds=until_seconds)
    shown = found.shown
    if until_seconds is not None:
        shown = shown[(shown - shown[0]) * float(found.time_base) <= until_seconds]
    ticks = evenly_in_time(shown, max_frames)
    height, width = output_size(
        found.width,
        found.height,
        pixel_aspect=found.pixel_aspect,
        transposed=found.orientation.transposed,
        size=tuple(size) if isinstance(size, list) else size,
    )
    frame_bytes = height * width * 3
    if len(ticks) * frame_bytes > limits.MAX_OUTPUT_BYTES:
        raise RefusedError(
            "output_too_large",
            gigabytes=len(ticks) * frame_bytes / 1024**3,
            count=len(ticks),
            width=width,
            height=height,
            limit=limits.MAX_OUTPUT_BYTES / 1024**3,
            fitting=max(1, limits.MAX_OUTPUT_BYTES // frame_bytes),
        )
    yield {"count": len(ticks), "height": height, "width": width, "duration": found.duration_seconds}, None
    left, sent = ticks, 0
    if decord and decoding.decord_pays(found, ticks):
        yield {"decoder": "decord"}, None
        with contextlib.suppress(decoding.DistrustError):
            for tick, picture in decoding.by_decord(path, found, ticks, height=height, width=width):
                yield {"time": found.seconds(tick)}, memoryview(picture)
                left, sent = left[1:], sent + 1
    warnings = list(found.warnings)
    if len(left):
        yield {"decoder": "pyav"}, None
        reader = decoding.PyAVReader(path, found, height=height, width=width)
        for tick, picture in reader.read(left):
            yield {"time": found.seconds(tick)}, memoryview(picture)
            sent += 1
        if not sent:
            raise RefusedError("no_frames")
        if reader.damaged and not warnings:
            warnings.append("A part of the file is damaged: frames there are left out, and those after may be smeared.")
    yield {"end": True, "warnings": warnings}, None


def limit_resources() -> None:
    """Bound memory, processor time and files of this process, where the system can; no file may grow by a byte."""
    try:
        import resource
    except ImportError:  # Windows: the wall limit and the budgets in `limits` remain
        return
    for name, value in (
        ("RLIMIT_AS", limits.ADDRESS_SPACE_BYTES),
        ("RLIMIT_CPU", limits.CPU_SECONDS),
        ("RLIMIT_NOFILE", limits.OPEN_FILES),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
    ):
        with contextlib.suppress(AttributeError, ValueError, OSError):  # macOS has no working RLIMIT_AS
            number = getattr(resource, name)
            hard = resource.getrlimit(number)[1]
            bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (bounded, bounded))


def _write(out: BinaryIO, header: dict[str, Any], body: memoryview | None = None) -> None:
    out.write(json.dumps(header).encode() + b"\n")
    if body is not None:
        out.write(body)
    out.flush()


def _leave(out: BinaryIO) -> NoReturn:
    """End at once: no destructor of a native library gets the chance to crash after the work is done."""
    with contextlib.suppress(OSError):
        out.close()
    os._exit(0)


def _leave_with_parent() -> None:
    """Standard input stays open as long as the parent lives."""
    while os.read(0, 64):
        pass
    os._exit(1)
