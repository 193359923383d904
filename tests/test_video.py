import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import gradio
import numpy as np
import pytest
import torch

from slap_core.types import Clip
from slap_core.video import VideoError, child, decoding, limits, process, read_clip, write_clip
from slap_core.video.errors import RefusedError, display_name
from slap_core.video.geometry import output_size
from slap_core.video.scan import evenly_in_time, scan
from slap_core.video.sniffing import HEAD_BYTES, demuxer_of

WORLD = Path(gradio.__file__).parent / "media_assets" / "videos" / "world.mp4"
FALSE_MP4 = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x10moov" + bytes(99)
MAGIC = [FALSE_MP4[:24], b"\x1a\x45\xdf\xa3", b"RIFF\0\0\0\0AVI ", b"OggS", b"FLV"]
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX process groups and special files")


def level(i: int) -> int:
    """The gray level that marks frame i, in steps of 4."""
    return 20 + 4 * (i % 50)


def picture(i: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frame i: its gray level, with a bright mark in the top left and noise that makes the packets large."""
    frame = np.full((height, width, 3), level(i), np.uint8)
    frame[: height // 4, : width // 4] = 250
    return frame


def make(
    path: Path,
    count: int = 30,
    *,
    height: int = 48,
    width: int = 64,
    ticks: list[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    b_frames: int = 0,
    gop: int = 12,
    options: dict | None = None,
    container_options: dict | None = None,
    prepare=lambda stream: None,
) -> Path:
    """A video whose frame i is `picture(i)`, shown at ticks[i]."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.gop_size = gop
        if codec in ("libx264", "mpeg4"):
            stream.codec_context.max_b_frames = b_frames
        stream.codec_context.time_base = time_base
        prepare(stream)
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(picture(i, height, width), format="rgb24")
            frame.pts, frame.time_base = i if ticks is None else ticks[i], time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def make_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def one_pass(path: Path) -> tuple[np.ndarray, list[float]]:
    """The oracle: every frame in RGB as PyAV reads it from start to end, on one thread, and its time."""
    with av.open(str(path)) as container:
        frames = [(f.to_ndarray(format="rgb24"), float(f.pts * f.time_base)) for f in container.decode(video=0)]
    return np.stack([f for f, _ in frames]), [t for _, t in frames]


def levels(clip: Clip) -> list[int]:
    """Which frame each picture is, by its gray level in the middle."""
    height, width = clip.frames.shape[1:3]
    middle = clip.frames[:, height // 2 : height * 3 // 4, width // 2 : width * 3 // 4].double().mean((1, 2, 3))
    return [round((m - 20) / 4) for m in middle.tolist()]


def request_for(path: Path, max_frames: int | None = None, size: int | list[int] | None = None) -> dict:
    demuxer = demuxer_of(path.read_bytes()[:HEAD_BYTES])
    return {"path": str(path), "demuxer": demuxer, "max_frames": max_frames, "size": size}


def read_here(
    path: Path, max_frames: int | None = None, size: int | list[int] | None = None, *, decord: bool = False
) -> Clip:
    """What the child would answer, from this process: spares starting it where only the pictures are of interest."""
    times, frames, last = [], [], {}
    for message, body in child.answer(**request_for(path, max_frames, size), decord=decord):
        if "time" in message:
            times.append(message["time"])
            frames.append(np.array(body))
        last = message
    frames = torch.from_numpy(np.stack(frames))
    return Clip(frames, torch.tensor(times, dtype=torch.float64), path.name, tuple(last["warnings"]))


def children() -> set[str]:
    """The processes (zombies too) whose parent is this one. Another test's may end meanwhile: look for new ones."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(os.getpid()):
            found.add(entry.parent.name)
    return found


# --- Frames and times -------------------------------------------------------------------------------------------------

VFR = [0, 1, 2, 10, 11, 30, 31, 32, 33, 60, 61, 62, 80, 81, 82, 83, 84, 85, 120, 121]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("constant.mp4", {}),
        ("b_frames.mp4", {"b_frames": 3, "options": {"x264-params": "b-pyramid=normal:scenecut=0:b-adapt=0"}}),
        ("open_gop.mp4", {"b_frames": 3, "options": {"x264-params": "open-gop=1:scenecut=0:b-adapt=0"}}),
        ("variable.mp4", {"count": len(VFR), "ticks": VFR, "b_frames": 2}),
        ("variable.mkv", {"count": len(VFR), "ticks": VFR}),
        ("late.mp4", {"ticks": [i + 40 for i in range(30)]}),
        ("odd.mkv", {"codec": "ffv1", "pix_fmt": "yuv444p", "height": 35, "width": 51}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
        ("avi.avi", {"codec": "mpeg4"}),
        ("one.mp4", {"count": 1}),
        ("two.mp4", {"count": 2}),
    ],
)
def test_every_frame_and_time_is_that_of_one_pass(tmp_path, name, settings):
    path = make(tmp_path / name, **settings)
    frames, times = one_pass(path)
    clip = read_here(path)
    assert clip.name == name
    assert clip.warnings == ()
    assert np.array_equal(clip.frames.numpy(), frames)
    offset = times[0] if name.endswith(".avi") else 0.0  # AVI has no times of its own: it starts at 0
    assert clip.times.tolist() == pytest.approx([t - offset for t in times])
    some = read_here(path, max_frames=5)
    assert len(some) == min(5, len(frames))
    index = [clip.times.tolist().index(t) for t in some.times.tolist()]
    assert np.array_equal(some.frames.numpy(), frames[index])
    assert (index[0], index[-1]) == (0, len(frames) - 1)


def test_frames_of_an_avi_with_b_frames_come_in_order_at_a_constant_pace(tmp_path):
    clip = read_here(make(tmp_path / "b.avi", 20, b_frames=2, codec="libx264"))
    assert levels(clip) == list(range(20))
    assert clip.times.tolist() == pytest.approx([i / 25 for i in range(20)])


@pytest.mark.parametrize("name", ["a.ts", "a.flv"])
def test_an_arbitrary_start_of_the_clock_is_taken_off(tmp_path, name):
    clip = read_here(make(tmp_path / name, 20, b_frames=2))
    assert levels(clip) == list(range(20))
    assert clip.times.tolist() == pytest.approx([i / 25 for i in range(20)], abs=2e-3)


def test_gif(tmp_path):
    clip = read_here(
        make(
            tmp_path / "a.gif",
            6,
            codec="gif",
            pix_fmt="rgb8",
            ticks=[10 * i for i in range(6)],
            time_base=Fraction(1, 100),
        )
    )
    assert clip.times.tolist() == pytest.approx([0.1 * i for i in range(6)])


def test_ogg(tmp_path):
    theora = "libtheora"
    if theora not in av.codecs_available:
        pytest.skip("this PyAV cannot write Theora")
    assert levels(read_here(make(tmp_path / "a.ogv", 12, codec=theora))) == list(range(12))


def test_an_edit_list_hides_what_it_hides(tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("cutting without re-encoding needs the ffmpeg binary")
    whole, cut = make(tmp_path / "whole.mp4", 40, gop=100), tmp_path / "cut.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-ss", "0.4", "-i", whole, "-c", "copy", cut], check=True)
    assert scan(str(cut), "mov").trimmed
    clip = read_here(cut)
    frames, times = one_pass(cut)
    assert levels(clip) == list(range(10, 40))
    assert np.array_equal(clip.frames.numpy(), frames)
    assert clip.times.tolist() == pytest.approx(times)


@pytest.mark.parametrize(
    ("ticks", "count", "expected"),
    [
        ([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        ([0, 1, 2, 3, 4], 9, [0, 1, 2, 3, 4]),
        ([0, 1, 2, 3, 4], 1, [0]),
        ([0, 1, 2, 3, 100], 3, [0, 3, 100]),
        ([0, 97, 98, 99, 100], 4, [0, 97, 98, 100]),
        ([0, 1, 2, 3, 100], 4, [0, 2, 3, 100]),
    ],
)
def test_frames_are_chosen_by_time(ticks, count, expected):
    assert evenly_in_time(np.array(ticks), count).tolist() == expected


def test_times_spread_evenly_over_a_variable_rate():
    ticks = np.sort(np.random.default_rng(0).choice(10_000, 1000, replace=False))
    chosen = evenly_in_time(ticks, 20)
    targets = np.linspace(ticks[0], ticks[-1], 20)
    assert np.array_equal(np.abs(chosen - targets), np.abs(ticks[:, None] - targets).min(0))


# --- Geometry ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_rotation_and_mirror_are_applied(tmp_path, degrees, mirrored):
    if not hasattr(av.video.stream.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV cannot write a display matrix")
    path = make(tmp_path / "a.mp4", 3, prepare=lambda s: s.set_display_rotation(degrees, hflip=mirrored))
    upright = np.rot90(one_pass(path)[0], degrees // 90, axes=(1, 2))  # counter-clockwise, as np.rot90 turns (y, x)
    expected = upright[:, :, ::-1] if mirrored else upright
    clip = read_here(path)
    assert np.array_equal(clip.frames.numpy(), expected)
    assert read_here(path, size=24).frames.shape[1:3] == ((24, 32) if degrees % 180 == 0 else (32, 24))


def test_pixels_become_square(tmp_path):
    path = make(
        tmp_path / "a.mp4", 3, prepare=lambda s: setattr(s.codec_context, "sample_aspect_ratio", Fraction(4, 3))
    )
    assert read_here(path).frames.shape == (3, 48, 85, 3)
    assert read_here(path, size=24).frames.shape == (3, 24, 43, 3)
    assert read_here(path, size=[10, 20]).frames.shape == (3, 10, 20, 3)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"size": None}, (360, 640)),
        ({"size": 224}, (224, 398)),
        ({"size": 224, "transposed": True}, (398, 224)),
        ({"size": (5, 7), "transposed": True}, (5, 7)),
        ({"size": None, "pixel_aspect": Fraction(1, 2)}, (360, 320)),
        ({"size": 1}, (1, 2)),
    ],
)
def test_output_size(settings, expected):
    assert output_size(640, 360, **{"pixel_aspect": Fraction(1), "transposed": False, **settings}) == expected


def test_one_pixel(tmp_path):
    path = make(tmp_path / "a.mkv", 3, height=1, width=1, codec="ffv1", pix_fmt="bgr0")
    clip = read_here(path)
    assert clip.frames.shape == (3, 1, 1, 3)
    assert clip.frames[:, 0, 0, 0].tolist() == [level(i) for i in range(3)]
    assert read_here(path, size=16).frames.shape == (3, 16, 16, 3)


def test_resizing_averages_instead_of_skipping(tmp_path):
    """Columns of black and white become gray; picking every fourth pixel would make them all black or all white."""
    path = tmp_path / "a.mkv"
    columns = np.zeros((48, 64, 3), np.uint8)
    columns[:, ::2] = 200
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(columns, format="rgb24")))
        container.mux(stream.encode())
    inside = read_here(path, size=12).frames[0, 1:-1, 1:-1].double()
    assert (inside - 100).abs().max() <= 2


def test_of_frames_that_nothing_is_predicted_from_only_the_wanted_are_decoded(tmp_path, monkeypatch):
    path = make(tmp_path / "a.mp4", 60, b_frames=3, options={"x264-params": "scenecut=0:b-adapt=0"})
    found, (pictures, times) = scan(str(path), "mov"), one_pass(path)
    decode, decoded = decoding.PyAVReader._decoded, []

    def counted(self, packet):
        for frame in decode(self, packet):
            decoded.append(frame)
            yield frame

    monkeypatch.setattr(decoding.PyAVReader, "_decoded", counted)
    for ticks in (found.shown[1::7], found.shown[::20], found.shown[4:5], found.shown):
        decoded.clear()
        reader = decoding.PyAVReader(str(path), found, height=48, width=64)
        for tick, picture in reader.read(ticks):
            at = times.index(found.seconds(tick) + times[0])
            assert np.array_equal(picture, pictures[at])
        assert len(ticks) <= len(decoded) <= (0.7 if len(ticks) < 60 else 1) * 60


# --- decord -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, 32])
def test_decord_reads_sparse_frames_exactly_as_pyav_does(tmp_path, size):
    pytest.importorskip("decord")
    path = make(tmp_path / "a.mp4", 300, gop=10, options={"x264-params": "scenecut=0"})
    assert process.decode(request_for(path, 8, size)).decoder == "decord"
    assert process.decode(request_for(path, 200, size)).decoder == "pyav"
    found = scan(str(path), "mov")
    ticks = evenly_in_time(found.shown, 8)
    height, width = output_size(64, 48, pixel_aspect=Fraction(1), transposed=False, size=size)
    ours = dict(decoding.PyAVReader(str(path), found, height=height, width=width).read(ticks))
    theirs = dict(decoding.by_decord(str(path), found, ticks, height=height, width=width))
    assert list(ours) == list(theirs) == ticks.tolist()
    for tick in ours:
        assert np.abs(ours[tick].astype(int) - theirs[tick]).max() <= (0 if size is None else 2)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("open_gop.mp4", {"b_frames": 3, "options": {"x264-params": "open-gop=1:scenecut=0:b-adapt=0"}}),
        ("avi.avi", {"codec": "mpeg4"}),
        ("ten_bit.mp4", {"codec": "libx264", "pix_fmt": "yuv422p"}),
    ],
)
def test_decord_is_left_out_where_it_cannot_be_trusted(tmp_path, name, settings):
    path = make(tmp_path / name, 60, **settings)
    assert {"decoder": "pyav"} in [m for m, _ in child.answer(**request_for(path, 2), decord=True)]
    assert {"decoder": "decord"} not in [m for m, _ in child.answer(**request_for(path, 2), decord=True)]


def test_without_decord_pyav_reads(tmp_path, monkeypatch):
    path = make(tmp_path / "a.mp4", 100)
    monkeypatch.setitem(sys.modules, "decord", None)
    found = scan(str(path), "mov")
    with pytest.raises(decoding.DistrustError):
        list(decoding.by_decord(str(path), found, found.shown[:1], height=4, width=4))


def test_decord_is_left_when_its_times_are_not_those_of_the_packets(tmp_path):
    pytest.importorskip("decord")
    first, other = make(tmp_path / "a.mp4", 20), make(tmp_path / "b.mp4", 20, ticks=[2 * i for i in range(20)])
    found = scan(str(first), "mov")
    with pytest.raises(decoding.DistrustError, match="times"):
        list(decoding.by_decord(str(other), found, found.shown[:2], height=4, width=4))


@posix
@pytest.mark.parametrize("fault", ["os.kill(os.getpid(), 11)", "time.sleep(600)"])
def test_when_decord_dies_or_hangs_pyav_reads(tmp_path, monkeypatch, fault):
    path = make(tmp_path / "a.mp4", 300, gop=10)
    fake = (
        f"import os, time, types\nsys.modules['decord'] = types.SimpleNamespace(VideoReader=lambda *_, **__: {fault})\n"
    )
    monkeypatch.setattr(process, "_START", process._START.replace("main(request)", fake + "main(request)"))
    clip = read_clip(path, max_frames=4, deadline_seconds=12)
    assert np.array_equal(clip.frames.numpy(), one_pass(path)[0][[round(t * 25) for t in clip.times.tolist()]])
    assert len(clip) == 4


# --- Damage -----------------------------------------------------------------------------------------------------------


def noisy(path: Path, count: int = 60, **settings) -> Path:
    """A video large enough to be cut and overwritten: moving noise."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": "scenecut=0", **settings})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.gop_size = 10
        for _ in range(count):
            noise = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_cut_file_gives_its_beginning_and_a_warning(tmp_path, suffix):
    path = noisy(tmp_path / f"a{suffix}")
    whole = read_here(path)
    os.truncate(path, path.stat().st_size * 6 // 10)
    clip = read_here(path)
    assert 20 < len(clip) < 45
    good = len(clip) - 1  # the packet that was cut through may be damaged, or lost and another frame the last
    assert torch.equal(clip.frames[:good], whole.frames[:good])
    assert torch.equal(clip.times[:good], whole.times[:good])
    assert clip.times[-1] > clip.times[-2]
    if suffix != ".ts":  # a transport stream does not say how long it should be
        assert len(clip.warnings) == 1
        assert clip.warnings[0].startswith("The file is incomplete")


@pytest.mark.parametrize(("count", "good"), [(None, 40), (12, 8), (6, 4)])
def test_a_hole_in_the_middle_leaves_the_rest_and_a_warning(tmp_path, count, good):
    path = noisy(tmp_path / "a.mp4")
    whole = read_here(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 12] = bytes(len(data) // 12)
    path.write_bytes(data)
    clip = read_here(path, count, decord=True)
    assert any("damaged" in warning for warning in clip.warnings)
    at = {t: i for i, t in enumerate(whole.times.tolist())}
    same = sum(torch.equal(f, whole.frames[at[t]]) for f, t in zip(clip.frames, clip.times.tolist(), strict=True))
    assert same >= good


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda p: p.write_bytes(b""), "a.mp4 has zero bytes"),
        (lambda p: p.write_bytes(np.random.default_rng(0).bytes(5000)), "Accepted are MP4/MOV, MKV/WebM"),
        (lambda p: p.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"), "is not a video"),
        (lambda p: p.write_text("ffconcat version 1.0\nfile /etc/passwd\n"), "is not a video"),
        (lambda p: p.write_text("v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"), "is not a video"),
        (lambda p: p.write_text("<?xml version='1.0'?><MPD></MPD>"), "is not a video"),
        (lambda p: os.truncate(make(p), 600), "'moov' box"),
        (lambda p: p.write_bytes(FALSE_MP4), "cannot be opened|only sound"),
        (lambda p: p.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(500)), "header is damaged"),
        (make_sound, "only sound"),
        (lambda p: p.mkdir(), "is a folder"),
        (lambda p: None, "does not exist"),
    ],
)
def test_what_is_no_video_is_refused_with_a_sentence(tmp_path, prepare, message):
    path = tmp_path / "a.mp4"
    prepare(path)
    with pytest.raises(VideoError, match=message) as caught:
        read_clip(path)
    assert str(tmp_path) not in str(caught.value)


@posix
def test_links_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "link.mp4").symlink_to(make(tmp_path / "a.mp4", 1))
    for name in ("pipe.mp4", "link.mp4"):
        with pytest.raises(VideoError, match="not a regular file"):
            read_clip(tmp_path / name)


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path):
    make(tmp_path / "a.mp4", 1).chmod(0)
    with pytest.raises(VideoError, match="may not be read"):
        read_clip(tmp_path / "a.mp4")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.mp4", "file:///etc/a.mp4", "concat:a.mp4|b.mp4"])
def test_addresses_are_refused(url):
    with pytest.raises(VideoError, match="is an address"):
        read_clip(url)


@pytest.mark.parametrize("name", ["a\0b.mp4", "-i.mp4"])
def test_odd_names_are_only_names(name):
    with pytest.raises(VideoError, match="does not exist"):
        read_clip(name)


def test_names_are_shown_without_tricks():
    assert display_name("/secret/\u202egnp\u202c.mp4\x1b[31m\n") == "gnp.mp4[31m"
    assert display_name("/x/" + "a" * 300 + ".mp4") == "a" * 39 + "…" + "a" * 16 + ".mp4"
    assert display_name("\u202e") == "The video"


def test_a_network_address_inside_a_file_is_never_opened(tmp_path):
    """A playlist under each accepted magic number: the forced demuxer refuses it, and the canary hears nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.2)
        playlist = f"\n#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{canary.getsockname()[1]}/a.ts\n".encode()
        for i, magic in enumerate(MAGIC):
            path = tmp_path / f"{i}.mp4"
            path.write_bytes(magic + playlist)
            with pytest.raises(VideoError):
                read_clip(path)
        with pytest.raises(TimeoutError):
            canary.accept()


# --- Budgets ----------------------------------------------------------------------------------------------------------


def test_a_huge_sparse_file_is_refused_by_its_size(tmp_path):
    with (tmp_path / "a.mp4").open("wb") as file:
        file.truncate(3 * 1024**3)
    with pytest.raises(VideoError, match="more than the 2147 MB allowed"):
        read_clip(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("MAX_PACKETS", 29, "too_many_frames"),
        ("MAX_DURATION_SECONDS", 1.0, "too_long"),
        ("MAX_FRAME_PIXELS", 64 * 48 - 1, "frame_too_large"),
    ],
)
def test_the_scan_keeps_its_limits(tmp_path, monkeypatch, limit, value, reason):
    path = str(make(tmp_path / "a.mp4"))
    scan(path, "mov")
    monkeypatch.setattr(limits, limit, value)
    with pytest.raises(RefusedError, match=reason) as refusal:
        scan(path, "mov")
    assert "a.mp4 " in str(VideoError(refusal.value.reason, path, **refusal.value.numbers))


def test_of_a_video_that_is_too_long_the_first_seconds_are_taken(tmp_path, monkeypatch):
    path = make(tmp_path / "a.mp4")
    whole = read_here(path)
    length = float(whole.times[-1] - whole.times[0])
    monkeypatch.setattr(limits, "MAX_DURATION_SECONDS", 0.5 * length)
    with pytest.raises(RefusedError, match="too_long"):
        read_here(path)
    until = 0.25 * length
    for most in (None, 4):
        messages = list(child.answer(**request_for(path, most), decord=False, until_seconds=until))
        times = [message["time"] for message, _ in messages if "time" in message]
        inside = whole.times[whole.times - whole.times[0] <= until].tolist()
        assert times[0] == inside[0]
        assert times[-1] == inside[-1]
        assert len(times) == (len(inside) if most is None else most)
    with pytest.raises(ValueError, match="until_seconds must be None or above 0, got 0"):
        read_clip(path, until_seconds=0)


def test_more_frames_than_fit_are_refused_and_max_frames_is_named(tmp_path):
    path = make(tmp_path / "a.mkv", 24, codec="ffv1", pix_fmt="bgr0")
    with pytest.raises(VideoError, match=r"max_frames=21 or less"):
        read_clip(path, size=(4096, 4096))
    assert len(read_clip(path, size=(64, 64))) == 24


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_frames": 0}, "max_frames must be"),
        ({"max_frames": 2.5}, "max_frames must be"),
        ({"size": 0}, "size must be"),
        ({"size": (10,)}, "size must be"),
        ({"size": (10, 9000)}, "size must be"),
        ({"size": "big"}, "size must be"),
        ({"deadline_seconds": 0}, "deadline_seconds must be"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_arguments_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        read_clip(WORLD, **settings)


# --- The child --------------------------------------------------------------------------------------------------------


def stand_in(monkeypatch, body: str) -> None:
    """Run `body` in place of the decoder."""
    monkeypatch.setattr(process, "_START", "import os, signal, subprocess, sys, time\n" + body)


@posix
def test_a_crash_is_an_error_and_the_next_video_is_read(tmp_path, monkeypatch):
    path = make(tmp_path / "a.mp4", 3)
    with monkeypatch.context() as patched:
        stand_in(patched, "os.kill(os.getpid(), signal.SIGSEGV)")
        with pytest.raises(VideoError, match=r"crashed the decoder \(exit status -11\)"):
            read_clip(path)
    assert len(read_clip(path)) == 3


@posix
def test_the_deadline_kills_the_child_and_its_children(tmp_path, monkeypatch):
    note = tmp_path / "pid"
    stand_in(
        monkeypatch,
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} {{p.pid}}')\ntime.sleep(600)",
    )
    start = time.monotonic()
    with pytest.raises(VideoError, match=r"not decoded within 3 s"):
        read_clip(make(tmp_path / "a.mp4", 1), deadline_seconds=3)
    assert time.monotonic() - start < 8
    for pid in map(int, note.read_text().split()):
        assert gone(pid)


def gone(pid: int) -> bool:
    """Whether the process ends within two seconds (an orphan's zombie is its new parent's affair)."""
    for _ in range(40):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


@posix
def test_cancelling_and_interrupting_kill_the_child(tmp_path, monkeypatch):
    path = make(tmp_path / "a.mp4", 1)
    stand_in(monkeypatch, "time.sleep(600)")
    before = children()
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(VideoError, match="was cancelled"):
        read_clip(path, cancelled=stop.is_set)
    assert children() <= before

    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_clip(path, cancelled=interrupt)
    assert children() <= before


def test_the_child_dies_with_its_parent():
    """Its standard input closes then, whatever it is doing."""
    stuck = "import slap_core.video.child as c, time\nc.answer = lambda: time.sleep(600)\nmain(request)"
    code = process._START.replace("main(request)", stuck)
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as started:
        started.stdin.write(json.dumps({"sys_path": sys.path}).encode() + b"\n")
        started.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            started.wait(timeout=1)
        started.stdin.close()
        assert started.wait(timeout=10) == 1


@posix
@pytest.mark.parametrize(
    "noise", ["b'garbage\\n'", 'b\'{"count": 1000000000, "height": 10, "width": 10}\\n\'', "b'{\"time\": 0}\\n'"]
)
def test_a_child_that_speaks_nonsense_is_a_crash(tmp_path, monkeypatch, noise):
    stand_in(monkeypatch, f"sys.stdout.buffer.write({noise})")
    with pytest.raises(VideoError, match="crashed the decoder"):
        read_clip(make(tmp_path / "a.mp4", 1))


@posix
def test_the_child_is_limited_and_light(tmp_path, monkeypatch):
    """Memory ends as a sentence; no file can be written, few be open; neither torch nor gradio is imported."""
    path = make(tmp_path / "a.mp4", 2)
    probe = (
        "import slap_core.video.child as c, resource\n"
        "from slap_core.video.errors import RefusedError\n"
        "def answer(**request):\n"
        "    import slap_core.video.scan\n"
        "    if {'torch', 'gradio'} & set(sys.modules): raise RefusedError('broken', what='heavy')\n"
        f"    try:\n        open({str(tmp_path / 'new')!r}, 'wb', 0).write(b'x')\n"
        "        raise RefusedError('broken', what='writes')\n"
        "    except OSError: pass\n"
        "    for name, most in (('CORE', 0), ('CPU', 1200), ('NOFILE', 64), ('FSIZE', 0), ('AS', 3 << 30)):\n"
        "        soft, hard = resource.getrlimit(getattr(resource, 'RLIMIT_' + name))\n"
        "        if not 0 <= soft <= hard <= most: raise RefusedError('broken', what=name)\n"
        "    held = []\n"
        "    try:\n"
        "        while len(held) < 100: held.append(open('/dev/null'))\n"
        "        raise RefusedError('broken', what='opens')\n"
        "    except OSError: held.clear()\n"
        "    yield {'hoard': len(bytearray(8 << 30))}, None\n"
        "c.answer = answer\n"
    )
    monkeypatch.setattr(process, "_START", process._START.replace("main(request)", probe + "main(request)"))
    if sys.platform == "darwin":
        pytest.skip("macOS does not bound address space")
    with pytest.raises(VideoError, match="more memory"):
        read_clip(path)


def working() -> set[threading.Thread]:
    """The threads there are, but for the timers by which memories of other tests forget: one may ring at any time."""
    return {thread for thread in threading.enumerate() if not isinstance(thread, threading.Timer)}


@posix
def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    video, broken = make(tmp_path / "a.mp4", 3), tmp_path / "b.mp4"
    broken.write_bytes(FALSE_MP4)
    before, threads, files = children(), working(), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        read_clip(video)
        with pytest.raises(VideoError):
            read_clip(broken)
    assert children() <= before
    assert working() <= threads
    assert len(list(Path("/proc/self/fd").iterdir())) <= files
    assert list((tmp_path / "tmp").iterdir()) == []


def test_reading_imports_no_decoder_into_this_process(tmp_path):
    path = make(tmp_path / "a.mp4", 2)
    code = (
        f"import sys; from slap_core.video import read_clip; read_clip({str(path)!r})\n"
        "assert not {'av', 'decord'} & set(sys.modules), 'a decoder was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


# --- Writing ----------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_again(tmp_path):
    times = torch.tensor([0.0, 0.04, 0.5, 0.52, 1.0], dtype=torch.float64)
    frames = torch.from_numpy(np.stack([picture(10 * i, 48, 64) for i in range(5)]))
    path = write_clip(tmp_path / "a.mp4", Clip(frames, times))
    clip = read_clip(path)
    assert clip.times.tolist() == pytest.approx(times.tolist(), abs=1e-4)
    assert clip.frames.shape == frames.shape
    assert (clip.frames.double() - frames).abs().mean() < 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4"]


def test_odd_sides_are_padded_and_a_rate_replaces_the_times(tmp_path):
    clip = Clip(torch.full((4, 35, 51, 3), 99, dtype=torch.uint8), torch.arange(4).double())
    read = read_clip(write_clip(tmp_path / "a.mp4", clip, fps=10))
    assert read.frames.shape == (4, 36, 52, 3)
    assert read.times.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_writing_refuses_what_cannot_be_written(tmp_path):
    clip = Clip(torch.zeros(1, 8, 8, 3, dtype=torch.uint8), torch.zeros(1))
    with pytest.raises(ValueError, match="at least one frame"):
        write_clip(tmp_path / "a.mp4", clip.select([]))
    with pytest.raises(ValueError, match="fps must be above 0"):
        write_clip(tmp_path / "a.mp4", clip, fps=-1)
    with pytest.raises(ValueError, match="quality lies in 0 to 51"):
        write_clip(tmp_path / "a.mp4", clip, quality=99)
    with pytest.raises(OSError, match="No such file"):
        write_clip(tmp_path / "nowhere" / "a.mp4", clip)
    assert list(tmp_path.iterdir()) == []


# --- A real video -----------------------------------------------------------------------------------------------------


def test_world(tmp_path):
    clip = read_clip(WORLD, max_frames=64, size=90)
    assert clip.frames.shape == (64, 90, 160, 3)
    assert clip.times[0] == 0
    assert clip.times[-1] == pytest.approx(30.0)
    assert (clip.times.diff() - 30 / 63).abs().max() <= 1 / 30
    chosen = {round(t * 30) for t in clip.times.tolist()}
    with av.open(str(WORLD)) as container:
        expected = [
            frame.reformat(160, 90, "rgb24", interpolation="BILINEAR").to_ndarray()
            for i, frame in enumerate(container.decode(video=0))
            if i in chosen
        ]
    assert np.array_equal(clip.frames.numpy(), np.stack(expected))
