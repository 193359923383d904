"""Made to do harm: to open another file or address, to fill the memory, to hang, to crash."""

import os
import struct

from uploads.kind import Kind, exactly
from uploads.surgery import grown, put, renamed, with_edits
from uploads.workshop import H264

STBL = "moov/trak/mdia/minf/stbl"


def _text(pattern, magic=b""):
    """A text that names the secret file and the listening port, behind a magic number."""

    def make(shop, path):
        words = {"secret": shop.secret, "relative": "../secret.mp4", "home": f"127.0.0.1:{shop.port}"}
        path.write_bytes(magic + pattern.format(**words, port=shop.port).encode())

    return make


def _of(change):
    return lambda shop, path: path.write_bytes(change(shop.plain))


def _referring(kind, target):
    """An MP4 whose pictures are said to lie in another file or at an address (a data reference that is not "here")."""

    def make(shop, path):
        data = shop.ending
        where = target.format(secret=shop.secret, home=f"127.0.0.1:{shop.port}").encode() + b"\0"
        entry = struct.pack(">I4sI", 12 + len(where), kind, 0) + where
        data = put(grown(data, "moov/trak/mdia/minf/dinf/dref", entry), "moov/trak/mdia/minf/dinf/dref", 4, 2)
        path.write_bytes(put(data, "moov/trak/mdia/minf/stbl/stsd/avc1", 4, 2))  # the second reference

    return make


def _gif(width, height):
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    return head + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00;"


def _nested(shop, path):
    """A thousand boxes, each inside the one before."""
    inner = b""
    for _ in range(1000):
        inner = struct.pack(">I4s", 8 + len(inner), b"moov") + inner
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + inner)


def _sparse(gigabytes):
    def make(shop, path):
        path.write_bytes(shop.plain)
        os.truncate(path, gigabytes * 1024**3)

    return make


def _many_edits(data):
    return with_edits(data, *((1, -1) if i % 2 else (1, 512 * (i % 24)) for i in range(2_000)))


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
LOCAL = PLAYLIST.format("file://{secret}", "{relative}")
AWAY = PLAYLIST.format("http://{home}/a.ts", "tcp://{home}")
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1"><BaseURL>http://{home}/</BaseURL></Representation></AdaptationSet></Period></MPD>'
)
SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
MAGIC = {
    "mp4": b"\0\0\0\x10ftypisom\0\0\0\0",
    "mkv": b"\x1a\x45\xdf\xa3",
    "avi": b"RIFF\0\0\0\0AVI ",
    "ogg": b"OggS\0",
    "flv": b"FLV\1\5\0\0\0\x09",
    "gif": b"GIF89a",
}

KINDS = (
    Kind("playlist_local.mp4", "an HLS playlist of a file of the server", _text(LOCAL), says="not_video"),
    Kind("playlist_away.mp4", "an HLS playlist of an address", _text(AWAY), says="not_video"),
    Kind("concat.mp4", "an ffconcat script of a file of the server",
         _text("ffconcat version 1.0\nfile '{secret}'\nfile '{relative}'\n"), says="not_video"),
    Kind("session.mp4", "a session description (SDP)", _text(SDP), says="not_video"),
    Kind("dash.mp4", "a DASH manifest of an address", _text(DASH), says="not_video"),
    Kind("real.mp4", "a RealMedia reference", _text("rtsp://{home}/a\nfile://{secret}\n"), says="not_video"),
    Kind("picture.mp4", "an SVG that refers to an address",
         _text('<svg xmlns="http://www.w3.org/2000/svg"><image href="http://{home}/a.png"/></svg>'), says="not_video"),
    Kind("page.mp4", "a page with a script", _text("<!doctype html><script src='http://{home}/'></script>"),
         says="not_video"),
    *(Kind(f"playlist_as_{name}", f"an HLS playlist behind the first bytes of {name.upper()}",
           _text("\n" + AWAY + LOCAL, magic), says=says, name="playlist.mp4")
      for (name, magic), says in zip(
          MAGIC.items(), ("no_index", "damaged", "no_video", "damaged", "damaged", "frame_too_large"), strict=True)),
    Kind("refers_to_file.mov", "its pictures are said to lie in a file of the server",
         _referring(b"url ", "file://{secret}"), exactly(24)),
    Kind("refers_to_address.mov", "its pictures are said to lie at an address",
         _referring(b"url ", "http://{home}/a.mov"), exactly(24)),
    Kind("refers_by_alias.mov", "a Macintosh alias to a file of the server",
         _referring(b"alis", "{secret}"), exactly(24)),
    Kind("two_billion_frames.mp4", "an index that claims 2^31 frames of one size",
         _of(lambda data: put(put(data, f"{STBL}/stsz", 4, 1, 0x7FFFFFFF), f"{STBL}/stts", 8, 0x7FFFFFFF)),
         says="no_frames"),
    Kind("two_billion_times.mp4", "an index that claims times for 2^31 frames",
         _of(lambda data: put(data, f"{STBL}/stts", 8, 0x7FFFFFFF)), exactly(24)),
    Kind("four_billion_rows.mp4", "a table that claims 2^32 rows",
         _of(lambda data: put(data, f"{STBL}/stts", 4, 2**32 - 1)), says="memory"),
    Kind("huge_steps.mp4", "ten hours, by its times",
         _of(lambda data: put(renamed(data, "moov/trak/edts", b"free"), f"{STBL}/stts", 12, 12800 * 1600)),
         says="too_long"),
    Kind("many_edits.mp4", "an edit list of 2,000 pieces",
         lambda shop, path: path.write_bytes(_many_edits(shop.ending)),
         range(1000, 2001), exact=False),
    Kind("nested.mp4", "a thousand boxes, one inside the other", _nested, says="damaged"),
    Kind("16k.mkv", "pictures of 15,360 x 8,640",
         lambda shop, path: shop.encode(path, "-c:v", "mjpeg", "-q:v", "31", "-pix_fmt", "yuvj420p", frames=1,
                                        source="color=gray:s=15360x8640:r=25"), says="frame_too_large"),
    Kind("65k.gif", "a GIF that claims a picture of 65,535 x 65,535", _of(lambda data: _gif(65535, 65535)),
         says="no_frames"),
    Kind("nothing.gif", "a GIF of 0 x 0", _of(lambda data: _gif(0, 0)), says="damaged"),
    Kind("three_gigabytes.mp4", "a sparse file of 3 GB", _sparse(3), says="too_big"),
    Kind("one_gigabyte.mp4", "a video with a gigabyte of zeros behind it", _sparse(1), exactly(24), exact=False),
    Kind("link.mp4", "a symbolic link to a video of the server", lambda shop, path: path.symlink_to(shop.secret),
         says="irregular"),
    Kind("pipe.mp4", "a named pipe, whose opening would wait for ever", lambda shop, path: os.mkfifo(path),
         says="irregular"),
    Kind("folder.mp4", "a folder", lambda shop, path: path.mkdir(), says="folder"),
    Kind("small_zip.mp4", "an archive", _text("PK\3\4"), says="not_video"),
    Kind("many_frames.mp4", "more frames than may be decoded",
         lambda shop, path: shop.encode(path, *H264, frames=600, source="color=gray:s=1280x720:r=600"),
         says="output_too_large"),
)  # fmt: skip
