"""Three ways to read all frames of a video, each in a process that may be killed, for `benchmarks.decode`.

`one_pass` is the reference: PyAV from the first packet to the last. decord hangs or ends its process on some files,
so nothing here runs in the caller's own process.

Frames come upright, with square pixels, as fingerprints: a hash, which is equal for equal pictures, and 64 pixels, by
which nearly equal ones (of another conversion to RGB) are told from different ones.
"""

import dataclasses
import hashlib
import multiprocessing
import pathlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import UInt8

__all__ = ["READERS", "Apart", "Prints", "decord_all", "one_pass"]

NEAR: Final = 4.0
"""Levels of 255, the mean over the 64 pixels: pictures no farther apart are nearly equal."""
IMPORTING_SECONDS: Final = 60.0
"""More for the first file of a process."""


@dataclasses.dataclass(eq=False)
class Prints:
    """The fingerprints of frames and their times in seconds."""

    times: list[float] = dataclasses.field(default_factory=list)
    hashes: list[bytes] = dataclasses.field(default_factory=list)
    pixels: list[np.ndarray] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    """How long the reading took, without the fingerprints."""

    def __len__(self) -> int:
        return len(self.hashes)

    def add(self, picture: UInt8[np.ndarray, "height width 3"], at: float) -> None:
        """Take the next frame."""
        height, width = picture.shape[:2]
        rows, columns = (np.linspace(0, side - 1, 8).round().astype(int) for side in (height, width))
        self.times.append(float(at))
        self.hashes.append(hashlib.blake2b(np.ascontiguousarray(picture), digest_size=16).digest())
        self.pixels.append(picture[rows][:, columns].astype(np.int16))

    def alike(self, index: int, other: "Prints", at: int) -> str:
        """Equal, near or different: this frame beside one of another reading."""
        if self.hashes[index] == other.hashes[at]:
            return "equal"
        return "near" if np.abs(self.pixels[index] - other.pixels[at]).mean() <= NEAR else "different"


def one_pass(path: str, demuxer: str, height: int, width: int) -> Prints:
    """Every frame that PyAV gives from the start to the end, on as many threads as it likes.

    Args:
        path: of the video.
        demuxer: the one that may open it.
        height: of the upright picture.
        width: of the upright picture.
    """
    import av

    from slap_core.video.geometry import orientation_of

    found, begin = Prints(), time.perf_counter()
    with av.open(path, format=demuxer, options={"protocol_whitelist": "file"}, metadata_errors="replace") as container:
        moving = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        best = container.streams.best("video")
        stream = best if best in moving else moving[0]
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                turned = orientation_of(frame)
                sides = (height, width) if turned.transposed else (width, height)
                picture = frame.reformat(*sides, "rgb24", interpolation="BILINEAR").to_ndarray()
                found.seconds += time.perf_counter() - begin
                found.add(turned.apply(picture), float("nan") if frame.time is None else frame.time)
                begin = time.perf_counter()
    return found


def decord_all(path: str, demuxer: str, height: int, width: int) -> Prints:
    """Every frame that decord gives, in order; arguments as for `one_pass`, `demuxer` is not looked at."""
    import decord

    found, begin = Prints(), time.perf_counter()
    reader = decord.VideoReader(path)
    if reader[0].shape[:2] != (height, width):  # where it need not resize, it may turn
        reader = decord.VideoReader(path, width=width, height=height)
    times = np.asarray(reader.get_frame_timestamp(np.arange(len(reader))))[:, 0]
    for start in range(0, len(reader), 32):
        pictures = reader.get_batch(range(start, min(start + 32, len(reader)))).asnumpy()
        found.seconds += time.perf_counter() - begin
        for picture, at in zip(pictures, times[start:], strict=False):
            found.add(picture, at)
        begin = time.perf_counter()
    return found


READERS: Final[dict[str, Callable[[str, str, int, int], Prints]]] = {"pyav": one_pass, "decord": decord_all}


def _serve(pipe: Any) -> None:
    while True:
        name, arguments = pipe.recv()
        try:
            pipe.send(READERS[name](*arguments))
        except Exception as error:
            said = re.sub(r"\[[\d:]+\] \S+:\d+: ", "", str(error)).replace(arguments[0], "the file")
            pipe.send(f"{type(error).__name__}: {said}".partition("\n")[0][:160])


class Apart:
    """A process that reads videos, and is started again after it has died or was killed."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None

    def read(self, reader: str, path: pathlib.Path, arguments: Sequence[Any], *, seconds: float) -> Prints | str:
        """The fingerprints, or in words why there are none.

        Args:
            reader: one of `READERS`.
            path: of the video.
            arguments: demuxer, height and width.
            seconds: after which the process is killed.
        """
        if self._process is None:
            self._pipe, theirs = self._context.Pipe()
            self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
            seconds += IMPORTING_SECONDS
        self._pipe.send((reader, (str(path), *arguments)))
        try:
            if self._pipe.poll(seconds):
                return self._pipe.recv()
            self.close()
            return f"hung: killed after {seconds:.0f} s"
        except (EOFError, ConnectionResetError):
            self._process.join()
            status = self._process.exitcode
            self.close()
            return f"died: exit status {status}"

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None
