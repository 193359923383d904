"""Odd but whole: every frame has to come, at its time."""

from uploads.kind import Kind, exactly
from uploads.surgery import moved, put, with_edits
from uploads.workshop import H264, NOISY, SOUND

ALL = exactly(24)


def _encoded(*options, **settings):
    return lambda shop, path: shop.encode(path, *options, **settings)


def _timed(ticks, rate, **options):
    return lambda shop, path: shop.timed(path, ticks, rate, **options)


def _written(content):
    return lambda shop, path: path.write_bytes(content(shop))


def _copied(before=(), after=(), of=".mp4"):
    """Cut or wrapped anew without being encoded again."""

    def make(shop, path):
        whole = shop.encode(path.with_name(f"whole{of}"), *H264, "-g", "100", "-bf", "2", frames=40)
        shop.encode(path, "-c", "copy", *after, source="", frames=0, inputs=(*before, "-i", f"file:{whole}"))
        whole.unlink()

    return make


def _two_sizes(shop, path):
    """The picture grows in the middle of the track."""
    small = shop.encode(path.with_name("small.ts"), *H264).read_bytes()
    later, larger = ("-output_ts_offset", "0.96"), NOISY.replace("64x48", "96x80")
    large = shop.encode(path.with_name("large.ts"), *H264, *later, source=larger).read_bytes()
    path.write_bytes(small + large)


def _covered(shop, path):
    cover = shop.encode(path.with_name("cover.png"), source="color=red:s=32x32", frames=1)
    inputs = (*SOUND, "-i", f"file:{cover}")
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:v", "-c:v:1", "png", "-disposition:v:1", "attached_pic")
    shop.encode(path, *H264, *maps, "-frames:v:1", "1", inputs=inputs)
    cover.unlink()


def _m2ts(shop):
    """A time code of four bytes before every packet, as camcorders write it."""
    packets = shop.like(".ts")
    return b"".join(bytes(4) + packets[i : i + 188] for i in range(0, len(packets), 188))


X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
VFR = [0, 1, 2, 10, 11, 30, 31, 32, 33, 60, 61, 62, 80, 81, 82, 83, 84, 85, 120, 121]
MINUTES = [60 * i for i in range(180)]
TURN = "moov/trak/tkhd"


def _turned(*matrix):
    """With that display matrix, 16.16 fixed point."""
    return _written(lambda shop: put(shop.plain, TURN, 40, *(round(v * 0x10000) & 0xFFFFFFFF for v in matrix)))


KINDS = (
    Kind("plain.mp4", "H.264 in MP4, index in front", _written(lambda shop: shop.plain), ALL),
    Kind("index_last.mp4", "index at the end", _written(lambda shop: shop.ending), ALL),
    Kind("b_frames.mp4", "B-frames in a pyramid",
         _encoded(*X264, "-g", "8", "-bf", "3", "-b_strategy", "0", "-x264-params", "b-pyramid=normal"), ALL),
    Kind("open_gop.mp4", "open groups of pictures",
         _encoded(*X264, "-g", "8", "-bf", "3", "-x264-params", "open-gop=1:scenecut=0:b-adapt=0"), ALL),
    Kind("one_frame.mp4", "a single frame", _encoded(*H264, frames=1), exactly(1)),
    Kind("two_frames.mp4", "two frames", _encoded(*H264, frames=2), exactly(2)),
    Kind("one_pixel.mkv", "pictures of 1 x 1",
         _encoded("-c:v", "ffv1", "-pix_fmt", "bgr0", source="color=teal:s=2x2:r=25,scale=1:1,format=bgr0"), ALL,
         size=(1, 1)),
    Kind("odd_sides.mp4", "pictures of 51 x 35, H.264 4:4:4",
         _encoded("-c:v", "libx264", "-pix_fmt", "yuv444p", source="testsrc2=s=102x70:r=25,scale=51:35"), ALL,
         size=(35, 51)),
    Kind("very_wide.mkv", "pictures of 4096 x 2",
         _encoded("-c:v", "ffv1", source="color=teal:s=4096x2:r=25", frames=4), exactly(4), size=(2, 4096)),
    Kind("8k.mp4", "pictures of 7680 x 4320",
         _encoded("-c:v", "mjpeg", "-q:v", "31", "-pix_fmt", "yuvj420p", source="color=teal:s=7680x4320:r=25",
                  frames=2), exactly(2), size=(4320, 7680)),
    Kind("1000_fps.mp4", "a thousand frames a second",
         _encoded(*H264, source=NOISY.replace("r=25", "r=1000"), frames=100), exactly(100)),
    Kind("uneven_times.mp4", "variable frame rate in MP4", _timed(VFR, 25), exactly(20)),
    Kind("uneven_times.mkv", "variable frame rate in Matroska", _timed(VFR, 25), exactly(20)),
    Kind("late_start.mp4", "the first frame is shown after 1.6 s", _timed([i + 40 for i in range(24)], 25), ALL),
    Kind("three_hours.mp4", "one frame a minute for three hours", _timed(MINUTES, 1), exactly(180)),
    Kind("turned_90.mp4", "a phone's video, turned by 90°", _turned(0, 1, 0, -1, 0), ALL, size=(64, 48)),
    Kind("turned_180.mp4", "turned by 180°", _turned(-1, 0, 0, 0, -1), ALL),
    Kind("turned_270.mp4", "turned by 270°", _turned(0, -1, 0, 1, 0), ALL, size=(64, 48)),
    Kind("turned_0.mp4", "a display matrix that turns nothing", _turned(1, 0, 0, 0, 1), ALL),
    Kind("mirrored.mp4", "a mirrored selfie", _turned(-1, 0, 0, 0, 1), ALL),
    Kind("wide_pixels.mp4", "pixels of 4:3", _encoded(*H264, "-vf", "setsar=4/3"), ALL, size=(48, 85)),
    Kind("hdr.mp4", "HEVC, 10 bit, BT.2020, PQ",
         _encoded("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020",
                  "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-x265-params", "log-level=none"), ALL),
    Kind("transparent.webm", "VP9 with alpha",
         _encoded(*VP9, "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", source=f"{NOISY},format=yuva420p"), ALL),
    Kind("vp8.webm", "VP8 in WebM", _encoded("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"), ALL),
    Kind("av1.mp4", "AV1 in MP4", _encoded("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"), ALL),
    Kind("movie.gif", "an animated GIF", _encoded("-c:v", "gif"), ALL),
    Kind("hevc.mkv", "HEVC in Matroska",
         _encoded("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"), ALL),
    Kind("prores.mov", "ProRes, 10 bit 4:2:2, in QuickTime", _encoded("-c:v", "prores_ks"), ALL),
    Kind("raw.mov", "uncompressed in QuickTime", _encoded("-c:v", "rawvideo", "-pix_fmt", "uyvy422"), ALL),
    Kind("divx.avi", "MPEG-4 part 2 with B-frames in AVI", _encoded("-c:v", "mpeg4", "-bf", "2"), range(23, 25)),
    Kind("motion_jpeg.avi", "Motion JPEG in AVI", _encoded("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"), ALL),
    Kind("flash.flv", "Sorenson Spark in Flash Video", _encoded("-c:v", "flv"), ALL),
    Kind("theora.ogv", "Theora in Ogg", _encoded("-c:v", "libtheora"), ALL),
    Kind("phone.3gp", "H.263 in 3GP",
         _encoded("-c:v", "h263", source="testsrc2=s=128x96:r=25"), ALL, size=(96, 128)),
    Kind("broadcast.ts", "H.264 in a transport stream", _encoded(*H264), ALL),
    Kind("interlaced.ts", "interlaced MPEG-2", _encoded("-c:v", "mpeg2video", "-flags", "+ilme+ildct"), ALL),
    Kind("camcorder.m2ts", "a transport stream of packets of 192 bytes", _written(_m2ts), ALL),
    Kind("two_sizes.ts", "the picture's size changes in the middle", _two_sizes, exactly(48), "damaged", exact=False),
    Kind("two_videos.mkv", "two video tracks: the first one is taken",
         _encoded("-c:v", "ffv1", "-map", "0:v", "-map", "1:v", source="testsrc2=s=32x32:r=25",
                  inputs=("-f", "lavfi", "-i", NOISY)), ALL, size=(32, 32)),
    Kind("sound_too.mp4", "with sound", _encoded(*H264, "-shortest", inputs=SOUND), ALL),
    Kind("covered.mp4", "with sound and a cover picture", _covered, ALL),
    Kind("trimmed.mp4", "an edit list hides the first frames", _copied(("-ss", "0.4")), exactly(30)),
    Kind("trimmed_twice.mp4", "an edit list hides frames at both ends",
         _copied(("-ss", "0.4"), ("-t", "0.6")), range(15, 18)),
    Kind("pieces.mp4", "an edit list shows two pieces",
         _written(lambda shop: with_edits(shop.ending, (200, 0), (200, 8 * 512))), range(5, 25), exact=False),
    Kind("empty_edit.mp4", "an edit list begins with half a second of nothing",
         _written(lambda shop: with_edits(shop.ending, (500, -1), (960, 0))), ALL),
    Kind("fragments.mp4", "a fragmented MP4", _encoded(*H264, "-movflags", "+frag_keyframe+empty_moov"), ALL),
    Kind("recording.webm", "as a browser records: no length, no index", _encoded(*VP9, "-live", "1"), ALL),
    Kind("no_suffix", "a WebM without a suffix",
         lambda shop, path: shop.encode(path.with_suffix(".webm"), *VP9).rename(path), ALL),
    Kind("wrong_suffix", "a WebM that is called .mp4",
         lambda shop, path: shop.encode(path.with_suffix(".webm"), *VP9).rename(path), ALL, name="wrong.mp4"),
    Kind("free_space.mp4", "a megabyte of free space in front",
         _written(lambda shop: b"\0\x10\0\0free" + bytes((1 << 20) - 8) + moved(shop.ending, 1 << 20)), ALL),
    Kind("more_behind.mp4", "an archive behind the video", _written(lambda shop: shop.plain + b"PK\3\4" * 9999), ALL),
    Kind("strange_name", "a name of quotes, a line feed, an emoji and a right-to-left override",
         _written(lambda shop: shop.plain), ALL, name="\u202egnp.\"'`$(id)\n🎬 é%s&<b>.mp4"),
    Kind("option_name", "a name that looks like an option", _written(lambda shop: shop.plain), ALL, name="-i.mp4"),
    Kind("pattern_name", "a name that looks like a pattern and a filter", _written(lambda shop: shop.plain), ALL,
         name="%03d*[0],movie=a.mp4"),
    Kind("long_name", "a name of 250 bytes", _written(lambda shop: shop.plain), ALL, name="a" * 246 + ".mp4"),
    Kind("markup_inside.mp4", "markup in title and comment",
         _encoded(*H264, "-metadata", "title=<img src=x onerror=alert(1)>", "-metadata", "comment=</script><script>"),
         ALL),
)  # fmt: skip

__all__ = ["KINDS"]
