"""The chosen frames, by decord where it is known to be right and by PyAV everywhere else.

PyAV reads the track once from its start, or jumps from keyframe to keyframe where that spares work; on the way frames
that nothing else is predicted from are only decoded where they are wanted themselves. decord has random access too, but
counts frames instead of reading their times. So it is used only where counting cannot go wrong: an 8-bit 4:2:0 track of
a codec that it knows, upright, not trimmed, whose every packet has a time and whose keyframes are all clean starts;
only if its own table of times then agrees with ours; and only for few frames far apart, where random access is what is
wanted. The two give the same pictures: both convert and resize by swscale, bilinearly.
"""

import os
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Int64, UInt8

from slap_core.video import limits
from slap_core.video.scan import Scan, best_stream, opened, packets

Picture = tuple[int, UInt8[np.ndarray, "height width 3"]]
"""The tick at which a picture is shown, and the upright picture."""

_DECORD_CODECS = ("h264", "hevc", "vp9", "mpeg4")
_DECORD_BATCH_BYTES = 64 * 1024**2
_SEEK_COST = 6
"""Frames whose decoding takes as long as one jump: the pipeline of threads is emptied and filled again."""

_SPARSE = 4
"""decord reads where at least one frame in this many needs a jump. There it takes 0.9 to 1.6 times as long as PyAV's
jumps and a fraction of one pass; elsewhere one pass is as fast."""


class DistrustError(Exception):
    """decord is not there, fails, or sees the file differently than its packets say."""


def _threads() -> int:
    return min(limits.DECODING_THREADS, os.cpu_count() or 1)


def runs_of(scan: Scan, ticks: Int64[np.ndarray, "chosen"]) -> list[tuple[int | None, list[int]]]:
    """The ticks grouped by where to jump before reading them: a keyframe's tick to seek to, or None for no jump."""
    if scan.counted or scan.demuxer not in ("mov", "matroska") or not scan.key[0]:
        return [(None, ticks.tolist())]
    position = {int(tick): i for i, tick in enumerate(scan.pts)}
    keys = np.flatnonzero(scan.key)
    keys = keys[np.argsort(scan.pts[keys], kind="stable")]
    runs: list[tuple[int | None, list[int]]] = []
    reached = 0
    for tick in ticks.tolist():
        key = int(keys[max(0, np.searchsorted(scan.pts[keys], tick, side="right") - 1)])
        if key - reached > _SEEK_COST:
            runs.append((int(scan.pts[key]), [tick]))
        elif runs:
            runs[-1][1].append(tick)
        else:
            runs.append((None, [tick]))
        reached = max(reached, position[tick])
    return runs


def decord_pays(scan: Scan, ticks: Int64[np.ndarray, "chosen"]) -> bool:
    """Whether decord is known to be right on such a track, and the ticks are so sparse that random access pays."""
    return (
        scan.demuxer in ("mov", "matroska")
        and scan.codec in _DECORD_CODECS
        and scan.pixel_format in ("yuv420p", "yuvj420p")
        and scan.orientation.upright
        and not scan.trimmed
        and not scan.warnings
        and scan.closed
        and _SPARSE * len(runs_of(scan, ticks)) >= len(ticks)
    )


def by_decord(
    path: str, scan: Scan, ticks: Int64[np.ndarray, "chosen"], *, height: int, width: int
) -> Iterator[Picture]:
    """The pictures at `ticks`, by random access.

    Raises:
        DistrustError: if it is not installed, fails, or has other frame times than the packets; PyAV can go on from
            the last picture.
    """
    expected = (scan.shown - scan.shown[0]) * float(scan.time_base)
    index = np.searchsorted(scan.shown, ticks)
    step = max(1, _DECORD_BATCH_BYTES // (height * width * 3))
    try:
        import decord

        reader = decord.VideoReader(path, width=width, height=height, num_threads=_threads())
        starts = np.asarray(reader.get_frame_timestamp(np.arange(len(reader))))[:, 0]
        if starts.shape != expected.shape or np.abs(starts - starts[0] - expected).max() > 1e-3:
            raise DistrustError("its frame times are not those of the packets")
        for start in range(0, len(index), step):
            batch = reader.get_batch(index[start : start + step]).asnumpy()
            yield from zip(ticks[start : start + step].tolist(), batch, strict=True)
    except MemoryError:
        raise
    except Exception as error:  # its errors have no common base, and a missing wheel is one of them
        raise DistrustError(str(error)) from error


class PyAVReader:
    """Reads chosen frames with PyAV, and remembers what was damaged on the way."""

    def __init__(self, path: str, scan: Scan, *, height: int, width: int) -> None:
        self._path = path
        self._scan = scan
        self._height = height
        self._width = width
        self._problems: list[str] = []
        self._lost = 0
        self._reformatter = VideoReformatter()  # one for all: its tables cost ten times as much as their use

    @property
    def damaged(self) -> bool:
        """Whether anything could not be read or decoded."""
        return bool(self._problems or self._lost)

    def read(self, ticks: Int64[np.ndarray, "chosen"]) -> Iterator[Picture]:
        """The pictures at `ticks`, in order; a damaged one is replaced by the next good one that is decoded, if any."""
        left = ticks.tolist()
        runs = runs_of(self._scan, ticks)
        if len(runs) > 1 or runs[0][0] is not None:
            for tick, picture in self._by_jumps(runs):
                while left and left[0] <= tick:
                    del left[0]
                yield tick, picture
        if left:
            yield from self._in_one_pass(left)

    def _by_jumps(self, runs: list[tuple[int | None, list[int]]]) -> Iterator[Picture]:
        """The pictures, until one is not where it should be: then the index is wrong or the file damaged."""
        with opened(self._path, self._scan.demuxer) as container:
            stream = self._prepared(container)
            for start, wanted in runs:
                if start is not None:
                    try:
                        container.seek(start, stream=stream)
                    except av.FFmpegError:
                        return
                wanted = set(wanted)
                last = max(wanted)
                for tick, frame in self._frames(container, stream, frozenset(wanted)):
                    if tick in wanted:
                        wanted.discard(tick)
                        yield tick, self._picture(frame)
                    elif wanted and tick > min(wanted):
                        return
                    if tick >= last:
                        break
                if wanted:
                    return

    def _in_one_pass(self, ticks: list[int]) -> Iterator[Picture]:
        with opened(self._path, self._scan.demuxer) as container:
            stream = self._prepared(container)
            wanted = iter(ticks)
            target = next(wanted, None)
            previous = None
            for tick, frame in self._frames(container, stream, frozenset(ticks)):
                if target is None:
                    return
                previous = (tick, frame)
                if tick < target:
                    continue
                yield tick, self._picture(frame)
                previous = None
                while target is not None and target <= tick:
                    target = next(wanted, None)
            # The last frame asked for never came: the last one that did is the nearest.
            if target is not None and previous is not None:
                yield previous[0], self._picture(previous[1])

    def _prepared(self, container: Any) -> Any:
        stream = best_stream(container)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = _threads()
        return stream

    def _frames(self, container: Any, stream: Any, wanted: frozenset[int]) -> Iterator[tuple[int, Any]]:
        """The undamaged frames from here on, with their ticks, strictly increasing.

        Those that are not wanted may be left out, where no other frame is predicted from them.
        """
        shown = self._scan.shown.tolist()
        last = None
        count = -1
        # Elsewhere a packet need not be a whole frame, or frames are counted.
        whole = self._scan.demuxer in ("mov", "matroska") and not self._scan.counted
        for packet in packets(container, stream, self._problems):
            if whole:
                spare = packet.pts is not None and packet.pts not in wanted
                stream.codec_context.skip_frame = "NONREF" if spare else "DEFAULT"
            for frame in self._decoded(packet):
                count += 1
                if frame is None or frame.is_corrupt:
                    self._lost += 1
                    continue
                tick = frame.pts
                if self._scan.counted:
                    tick = shown[count] if count < len(shown) else None
                if tick is not None and (last is None or tick > last):
                    last = tick
                    yield tick, frame

    def _decoded(self, packet: Any) -> Iterator[Any | None]:
        """The frames that this packet completes; None for a packet that cannot be decoded."""
        attempts = 1 if packet.size else _threads() + 1  # at the end each thread may have an error to tell
        for _ in range(attempts):
            try:
                yield from packet.decode()
            except MemoryError:
                raise
            except av.FFmpegError:
                yield None
            else:
                return

    def _picture(self, frame: Any) -> UInt8[np.ndarray, "height width 3"]:
        orientation = self._scan.orientation
        width, height = self._width, self._height
        if orientation.transposed:
            width, height = height, width
        resized = self._reformatter.reformat(frame, width, height, "rgb24", interpolation="BILINEAR")
        return orientation.apply(resized.to_ndarray())
