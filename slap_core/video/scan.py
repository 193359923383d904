"""What a file really holds: every packet of its video track is read, and nothing is decoded but the first picture.

Headers lie (by mistake or on purpose) about counts, durations and rates, so presentation times, keyframes and the
extent of the damage come from the packets. Times are counted in ticks of the track's time base until they leave this
package; `Scan.seconds` converts them.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from jaxtyping import Bool, Int64

from slap_core.video import limits
from slap_core.video.errors import RefusedError
from slap_core.video.geometry import Orientation, orientation_of

_ORIGIN_IS_ARBITRARY = ("mpegts", "flv", "ogg")


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """The video track as its packets describe it."""

    demuxer: str
    codec: str
    pixel_format: str
    width: int
    height: int
    pixel_aspect: Fraction
    orientation: Orientation
    time_base: Fraction
    origin: int
    """The tick at which the presentation starts."""
    shown: Int64[np.ndarray, "time"]
    """Presentation ticks of the frames that are shown, strictly increasing."""
    counted: bool
    """The packets carry no usable presentation ticks: the k-th frame that comes out is shown at `shown[k]`."""
    trimmed: bool
    """Some packets are decoded but not shown (an edit list)."""
    key: Bool[np.ndarray, "packet"]
    """In decoding order: can decoding start here?"""
    pts: Int64[np.ndarray, "packet"]
    """In decoding order: presentation ticks; 0 where a packet has none, which makes the track `counted`."""
    warnings: tuple[str, ...]

    @property
    def closed(self) -> bool:
        """Whether no frame is shown before the keyframe after which it is decoded: any keyframe is a clean start."""
        if self.counted or not self.key[0]:
            return False
        group = np.maximum.accumulate(np.where(self.key, np.arange(len(self.key)), 0))
        return bool((self.pts >= self.pts[group]).all())

    @property
    def duration_seconds(self) -> float:
        """From the first frame to the last one."""
        return float((int(self.shown[-1]) - int(self.shown[0])) * self.time_base)

    def seconds(self, tick: int) -> float:
        """The presentation time of a tick, in seconds from the start of the presentation."""
        return float((tick - self.origin) * self.time_base)


@contextlib.contextmanager
def opened(path: str, demuxer: str) -> Iterator[Any]:
    """The file as an `av` container, opened by this demuxer and no other, which may open files only.

    Raises:
        RefusedError: if the header cannot be read.
    """
    try:
        container = av.open(path, format=demuxer, options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except MemoryError:
        raise
    except (av.FFmpegError, OSError) as error:
        raise RefusedError("damaged") from error
    with container:
        yield container


def best_stream(container: Any) -> Any:
    """The moving picture that a player would show.

    Raises:
        RefusedError: if there is none, or no decoder for it.
    """
    picture = av.stream.Disposition.attached_pic
    moving = [stream for stream in container.streams.video if not stream.disposition & picture]
    if not moving:
        raise RefusedError("no_video")
    best = container.streams.best("video")
    stream = best if best in moving else moving[0]
    if stream.codec_context is None:
        raise RefusedError("no_codec")
    return stream


def packets(container: Any, stream: Any, problems: list[str]) -> Iterator[Any]:
    """The track's packets in decoding order; a part that cannot be read ends them and is added to `problems`."""
    try:
        yield from container.demux(stream)
    except MemoryError:
        raise
    except (av.FFmpegError, OSError) as error:
        problems.append(f"read: {error}")


def scan(path: str, demuxer: str, *, until_seconds: float | None = None) -> Scan:
    """The description of the best video track.

    Args:
        path: of the file.
        demuxer: which opens it.
        until_seconds: so much of it is wanted, from its first frame on; then it may be longer than is allowed.

    Raises:
        RefusedError: if there is no video in it, nothing of it can be decoded, or it passes a limit.
    """
    with opened(path, demuxer) as container:
        stream = best_stream(container)
        context = stream.codec_context
        _check_picture(context.width, context.height)
        context.thread_count = 1  # with more, the first picture comes out several packets later
        problems: list[str] = []
        rows: list[tuple[int | None, int | None, bool, bool]] = []
        first = None
        damaged = False
        end = 0
        for packet in packets(container, stream, problems):
            if packet.size:
                rows.append((packet.pts, packet.dts, packet.is_keyframe, packet.is_discard))
                damaged |= packet.is_corrupt
                start = packet.pts if packet.pts is not None else packet.dts
                end = max(end, (start or 0) + (packet.duration or 0))
                if len(rows) > limits.MAX_PACKETS:
                    raise RefusedError("too_many_frames", limit=limits.MAX_PACKETS)
            if first is None:
                first = _first_picture(packet)
        if first is None:
            raise RefusedError("no_frames")
        _check_picture(first.width, first.height)
        shown, counted = _shown(rows, demuxer, stream)
        time_base = stream.time_base
        seconds = float((int(shown[-1]) - int(shown[0])) * time_base)
        if seconds > limits.MAX_DURATION_SECONDS and until_seconds is None:
            raise RefusedError("too_long", hours=seconds / 3600, limit=limits.MAX_DURATION_SECONDS / 3600)
        origin = 0
        if demuxer in _ORIGIN_IS_ARBITRARY and container.start_time is not None:
            origin = round(Fraction(container.start_time, av.time_base) / time_base)
        return Scan(
            demuxer=demuxer,
            codec=context.name,
            pixel_format=first.format.name,
            width=first.width,
            height=first.height,
            pixel_aspect=_pixel_aspect(stream.sample_aspect_ratio),
            orientation=orientation_of(first),
            time_base=time_base,
            origin=min(origin, int(shown[0])),
            shown=shown,
            counted=counted,
            trimmed=any(discard for *_, discard in rows),
            key=np.array([key for _, _, key, _ in rows]),
            pts=np.array([pts or 0 for pts, *_ in rows], dtype=np.int64),
            warnings=_warnings(container, stream, len(rows), float(end * time_base), bool(problems) or damaged),
        )


def _check_picture(width: int, height: int) -> None:
    if width * height > limits.MAX_FRAME_PIXELS:
        raise RefusedError("frame_too_large", width=width, height=height, limit=limits.MAX_FRAME_PIXELS / 1e6)


def _first_picture(packet: Any) -> Any | None:
    try:
        return next(iter(packet.decode()), None)
    except MemoryError:
        raise
    except av.FFmpegError:
        return None


def _shown(rows: list[tuple], demuxer: str, stream: Any) -> tuple[Int64[np.ndarray, "time"], bool]:
    """The presentation ticks of the frames that are shown, and whether they were only counted.

    AVI has no presentation ticks; what FFmpeg derives for B-frames there is out of order. Its frames follow each
    other at the pace of its packets.
    """
    visible = [row for row in rows if not row[3]] or rows
    ticks = [pts for pts, *_ in visible]
    # Two packets at one tick are two fields of a picture, or damage: then only the order can be relied upon.
    if demuxer != "avi" and all(pts is not None for pts, *_ in rows) and len(set(ticks)) == len(ticks):
        return np.sort(np.array(ticks, dtype=np.int64)), False
    ticks = [dts if pts is None or demuxer == "avi" else pts for pts, dts, *_ in visible]
    known = np.unique(np.array([tick for tick in ticks if tick is not None], dtype=np.int64))
    if 2 * len(known) >= len(ticks):
        return known, True
    step = max(1, round(1 / ((stream.average_rate or 25) * stream.time_base)))
    return np.arange(len(ticks), dtype=np.int64) * step, True


def _pixel_aspect(aspect: Fraction | None) -> Fraction:
    """The sample aspect ratio, or 1 where it is absent or absurd."""
    return aspect if aspect and Fraction(1, 10) <= aspect <= 10 else Fraction(1)


def _warnings(container: Any, stream: Any, count: int, end: float, damaged: bool) -> tuple[str, ...]:
    """A sentence where the packets end (in seconds) before what the index or the header says, or are damaged."""
    missing, declared = False, 0.0
    if container.format.name.startswith("mov"):
        # Its index is in its header, so it knows of packets that are not there; its durations ignore edit lists.
        missing = len(stream.index_entries) > count
    elif stream.duration is not None:
        declared = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    elif container.duration is not None and len(container.streams) == 1:
        declared = ((container.start_time or 0) + container.duration) / av.time_base
    if missing or declared - end > max(0.5, 0.1 * declared):
        until = f" of {declared:.1f} s" if declared else ""
        return (f"The file is incomplete: its picture ends after {end:.1f} s{until}; the part that is there is shown.",)
    return ("A part of the file is damaged; what can be read is shown.",) if damaged else ()


def evenly_in_time(ticks: Int64[np.ndarray, "time"], count: int | None) -> Int64[np.ndarray, "chosen"]:
    """`count` of the ticks (all where there are fewer), nearest to even spacing, with the first and the last one."""
    if count is None or count >= len(ticks):
        return ticks
    if count == 1:
        return ticks[:1]
    targets = np.linspace(float(ticks[0]), float(ticks[-1]), count)
    right = np.clip(np.searchsorted(ticks, targets), 1, len(ticks) - 1)
    index = np.where(targets - ticks[right - 1] <= ticks[right] - targets, right - 1, right)
    # Where frames are sparse, two targets may have one nearest frame: move on by one, but leave enough for the rest.
    order = np.arange(count)
    index = np.maximum.accumulate(index - order) + order
    return ticks[np.minimum(index, len(ticks) - count + order)]
