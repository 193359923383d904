"""Damaged on the way: the good part comes with a warning, or a sentence says why nothing does."""

import random

from uploads.kind import Kind, exactly
from uploads.surgery import box, flipped, put, renamed, zeroed
from uploads.workshop import SOUND

STBL = "moov/trak/mdia/minf/stbl"
SOME = range(1, 25)


def _of(change):
    """What `change` makes of the ordinary MP4."""
    return lambda shop, path: path.write_bytes(change(shop.plain))


def _cut(share, suffix="", *options):
    def make(shop, path):
        whole = shop.like(suffix, *options) if suffix else shop.plain
        path.write_bytes(whole[: round(share * len(whole))])

    return make


def _flipped_index(seed, count):
    def change(data):
        return flipped(data, seed, count, *box(data, "moov"))

    return _of(change)


def _flipped_pictures(seed, count):
    return _of(lambda data: flipped(data, seed, count, *box(data, "mdat")))


def _late_packets(shop, path):
    """As after tuning in: the first packets, with the first keyframe, are missing."""
    data = shop.like(".ts")
    path.write_bytes(data[188 * (len(data) // 188 // 4) :])


MKV = ("-c:v", "mpeg4", "-g", "8")

KINDS = (
    Kind("empty.mp4", "zero bytes", _of(lambda data: b""), says="empty"),
    Kind("one_byte.mp4", "one byte", _of(lambda data: data[:1]), says="not_video"),
    Kind("noise.mp4", "random bytes", _of(lambda data: random.Random(0).randbytes(5000)), says="not_video"),
    Kind("zeros.mp4", "only zeros", _of(lambda data: bytes(5000)), says="not_video"),
    Kind("cut_in_index.mp4", "cut inside the index", _of(lambda data: data[: box(data, "moov")[1] - 100]),
         says="damaged"),
    Kind("cut_after_index.mp4", "nothing behind the index", _of(lambda data: data[: box(data, "moov")[1]]),
         says="no_frames"),
    Kind("cut_at_half.mp4", "the first half", _cut(0.5), range(4, 20), "incomplete", exact=False),
    Kind("cut_at_nine_tenths.mp4", "without its last tenth", _cut(0.9), range(16, 24), "incomplete", exact=False),
    Kind("cut_without_index.mp4", "an interrupted recording: the index was to come last",
         lambda shop, path: path.write_bytes(shop.ending[: len(shop.ending) // 2]), says="no_index"),
    Kind("cut.mkv", "half of a Matroska", _cut(0.5, ".mkv", *MKV), range(4, 20), "incomplete", exact=False),
    Kind("cut.ts", "half of a transport stream", _cut(0.5, ".ts"), range(4, 24), "damaged", exact=False),
    Kind("cut.avi", "half of an AVI, its index lost", _cut(0.5, ".avi", *MKV), range(4, 20), "damaged", exact=False),
    Kind("cut.flv", "half of a Flash Video", _cut(0.5, ".flv", "-c:v", "flv"), range(4, 20), "incomplete",
         exact=False),
    Kind("cut.ogv", "half of an Ogg", _cut(0.5, ".ogv", "-c:v", "libtheora"), range(1, 24), exact=False),
    Kind("cut.gif", "half of a GIF", _cut(0.5, ".gif", "-c:v", "gif"), range(4, 24), exact=False),
    Kind("tuned_in.ts", "a transport stream from its middle", _late_packets, range(8, 24), exact=False),
    Kind("hole.mp4", "a twelfth of it zeroed", _of(lambda data: zeroed(data, 0.5, 0.58)), range(8, 25), "damaged",
         exact=False),
    Kind("beginning_zeroed.mkv", "zeros behind the head of a Matroska",
         lambda shop, path: path.write_bytes(zeroed(shop.like(".mkv", *MKV), 0.1, 0.3)), SOME, "damaged", exact=False),
    *(Kind(f"flipped_pictures_{n}.mp4", f"{n} bits flipped in the coded pictures", _flipped_pictures(n, n),
           SOME, exact=False, either=True) for n in (1, 10, 300)),
    *(Kind(f"flipped_index_{seed}.mp4", f"{count} bits flipped in the index (seed {seed})",
           _flipped_index(seed, count), SOME, exact=False, either=True, size=None)
      for seed, count in ((1, 1), (2, 3), (3, 10), (4, 40))),
    Kind("no_pictures.mp4", "an index that lists no frame", _of(lambda data: put(data, f"{STBL}/stsz", 8, 0)),
         says="no_frames"),
    Kind("places_beyond.mp4", "an index that points behind the end of the file",
         _of(lambda data: put(data, f"{STBL}/stco", 8, 0x7FFFFFF0)), says="no_frames"),
    Kind("no_clock.mp4", "a time scale of 0", _of(lambda data: put(data, "moov/trak/mdia/mdhd", 12, 0)), SOME,
         exact=False),
    Kind("unknown_codec.mp4", "a codec that there is not",
         _of(lambda data: renamed(data, f"{STBL}/stsd/avc1", b"zzzz")),
         says="no_codec"),
    Kind("not_a_video_track.mp4", "its one track says that it is sound",
         _of(lambda data: put(data, "moov/trak/mdia/hdlr", 8, int.from_bytes(b"soun"))), says="no_video"),
    Kind("renamed_index.mp4", "the box of the index has another name", _of(lambda data: renamed(data, "moov", b"moow")),
         says="no_index"),
    Kind("sound_only.mp4", "only sound", lambda shop, path: shop.encode(path, source="", frames=0, inputs=SOUND),
         says="no_video"),
    Kind("head_only.avi", "the head of an AVI", _cut(0.02, ".avi", *MKV), says="damaged"),
    Kind("head_only.webm", "the head of a Matroska", _cut(0.01, ".mkv", *MKV), says="no_frames"),
    Kind("bad_size.mp4", "a box that claims four gigabytes",
         _of(lambda data: data.replace(b"mdat", b"mdat", 1)[: box(data, "mdat")[0] - 8]
             + b"\xff\xff\xff\xf0mdat" + data[box(data, "mdat")[0] :]), exactly(24)),
)  # fmt: skip
