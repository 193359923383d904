"""Changing bytes of videos: boxes of an MP4 found by their path, numbers written into them, ranges cut and flipped."""

import contextlib
import random
import struct

_INSIDE = {b"stsd": 8, b"meta": 4}
"""Boxes whose children come after some bytes of their own."""


def box(data: bytes, path: str) -> tuple[int, int]:
    """Where the box's payload starts and where it ends; `path` as in "moov/trak/mdia", the first of each name.

    >>> box(b"\\0\\0\\0\\x10moov\\0\\0\\0\\x08trak", "moov/trak")
    (16, 16)
    """
    start, end = 0, len(data)
    for name in path.split("/"):
        while start + 8 <= end:
            length, kind = struct.unpack_from(">I4s", data, start)
            head = 8
            if length == 1:
                length, head = struct.unpack_from(">Q", data, start + 8)[0], 16
            if kind == name.encode():
                start, end = start + head, start + (length or end - start)
                break
            start += length
        else:
            raise ValueError(f"there is no box {path}")
        if name != path.split("/")[-1]:
            start += _INSIDE.get(name.encode(), 0)
    return start, end


def put(data: bytes, path: str, offset: int, *numbers: int) -> bytes:
    """With 32-bit numbers from `offset` of the box's payload on."""
    start, _ = box(data, path)
    changed = bytearray(data)
    struct.pack_into(f">{len(numbers)}I", changed, start + offset, *numbers)
    return bytes(changed)


def renamed(data: bytes, path: str, name: bytes) -> bytes:
    """With another type for that box."""
    start, _ = box(data, path)
    return data[: start - 4] + name + data[start:]


def with_edits(data: bytes, *edits: tuple[int, int]) -> bytes:
    """With an edit list: pairs of duration (in the movie's ticks) and first media time (in the track's; -1: nothing is
    shown). The index has to stand at the end of the file, since it grows.
    """
    body = struct.pack(">II", 0, len(edits)) + b"".join(struct.pack(">IiI", *edit, 0x10000) for edit in edits)
    elst = struct.pack(">I4s", 8 + len(body), b"elst") + body
    edts = struct.pack(">I4s", 8 + len(elst), b"edts") + elst
    with contextlib.suppress(ValueError):
        data = renamed(data, "moov/trak/edts", b"free")
    return grown(data, "moov/trak", edts)


def grown(data: bytes, path: str, more: bytes) -> bytes:
    """With `more` at the end of that box, and its parents' lengths enlarged."""
    _, end = box(data, path)
    names = path.split("/")
    changed = bytearray(data)
    for depth in range(1, len(names) + 1):
        start, _ = box(data, "/".join(names[:depth]))
        (length,) = struct.unpack_from(">I", data, start - 8)
        struct.pack_into(">I", changed, start - 8, length + len(more))
    return bytes(changed[:end]) + more + bytes(changed[end:])


def moved(data: bytes, by: int) -> bytes:
    """With the places of its packets shifted by so many bytes."""
    places, _ = box(data, "moov/trak/mdia/minf/stbl/stco")
    (count,) = struct.unpack_from(">I", data, places + 4)
    old = struct.unpack_from(f">{count}I", data, places + 8)
    return put(data, "moov/trak/mdia/minf/stbl/stco", 8, *(place + by for place in old))


def flipped(data: bytes, seed: int, count: int, start: int = 0, end: int | None = None) -> bytes:
    """With `count` bits flipped, chosen by the seed, between two offsets."""
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(count):
        changed[chance.randrange(start, len(data) if end is None else end)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def zeroed(data: bytes, start: float, end: float) -> bytes:
    """With zeros between two fractions of the length."""
    first, last = round(start * len(data)), round(end * len(data))
    return data[:first] + bytes(last - first) + data[last:]
