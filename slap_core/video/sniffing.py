"""Which container a file is, by its first bytes alone.

The answer is the name of the one FFmpeg demuxer that may open it. Letting FFmpeg guess would let a text file named
.mp4 be a playlist, and a playlist opens other files and addresses.
"""

from pathlib import Path

HEAD_BYTES = 1024

_MP4_BOXES = (b"ftyp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx")


def demuxer_of(head: bytes) -> str | None:
    """The FFmpeg demuxer for a file that starts with `head` (its first `HEAD_BYTES`), or None if none is accepted.

    >>> demuxer_of(b"GIF89a")
    'gif'
    >>> demuxer_of(b"#EXTM3U") is None
    True
    """
    if head[4:8] in _MP4_BOXES:
        return "mov"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[:3] == b"FLV":
        return "flv"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    # MPEG-TS has no header, only a sync byte in every packet: of 188 bytes, or of 192 with a time code in front.
    for start, step in ((0, 188), (4, 192)):
        if len(head) > start + 3 * step and all(head[start + i * step] == 0x47 for i in range(4)):
            return "mpegts"
    return None


def has_index(path: Path) -> bool:
    """Whether an MP4 file has a 'moov' box, without which nothing in it can be decoded."""
    size = path.stat().st_size
    with path.open("rb") as file:
        position = 0
        while position + 8 <= size:
            file.seek(position)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if header[4:8] == b"moov":
                return True
            if length == 1:  # the true length follows as 64 bits
                length = int.from_bytes(header[8:16], "big")
            if length < 8:  # 0: to the end of the file; 1 to 7: damaged
                return False
            position += length
    return False
