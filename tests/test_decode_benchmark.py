"""The benchmark of decoders: what it finds equal, what it finds different, and a short run of the command."""

import json
import multiprocessing
import os
import time

import numpy as np
import pytest
import torch
import uploads

from slap_core.benchmarks import decode, decoders
from slap_core.benchmarks.decoders import Apart, Prints
from slap_core.types import Clip
from slap_core.video import VideoError, read_clip, write_clip


@pytest.fixture(scope="module")
def apart():
    process = Apart()
    yield process
    process.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "plain.mp4"
    pictures = np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)
    return write_clip(path, Clip(torch.from_numpy(pictures), torch.arange(24) / 10.0))


def test_a_good_file_has_no_difference_and_a_speed_for_each_decoder(plain, apart):
    row = decode.compare(plain, apart)
    assert (row["frames"], row["size"], row["differences"]) == (24, [48, 64], [])
    assert row["per_second"].keys() == {"read_clip", "pyav", "decord"}
    assert min(row["per_second"].values()) > 0
    assert row["sparse_decoder"] in ("decord", "pyav")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda clip: clip.select(range(23)), "read_clip: 23 frames instead of 24"),
        (
            lambda clip: Clip(clip.frames.roll(1, 0), clip.times),
            "read_clip: 24 pictures different, the first at 0.000 s",
        ),
        (lambda clip: Clip(clip.frames.clamp(3, 252), clip.times), "read_clip: 24 pictures near"),
        (lambda clip: Clip(clip.frames, clip.times + 0.2), "read_clip: times differ by up to 0.2 s"),
    ],
)
def test_each_difference_is_found(plain, apart, change, words):
    row = decode.compare(plain, apart, others=["pyav"], clip=change(read_clip(plain)))
    assert any(found.startswith(words) for found in row["differences"]), row["differences"]


def test_what_is_refused_says_why(tmp_path, apart):
    (tmp_path / "a.mp4").write_text("#EXTM3U")
    row = decode.compare(tmp_path / "a.mp4", apart)
    assert row["refused"].startswith("not_video: a.mp4 is not a video")
    assert row["per_second"] == {}


def test_a_clip_that_does_not_fit_is_compared_smaller(plain, apart, monkeypatch):
    def tight(path, *, size=None):
        if size is None:
            raise VideoError("output_too_large", path, gigabytes=2, count=1, width=1, height=1, limit=1, fitting=1)
        return read_clip(path, size=size)

    monkeypatch.setattr(decode, "read_clip", tight)
    row = decode.compare(plain, apart, others=["pyav"])
    assert (row["size"], row["differences"]) == ([180, 240], [])


def _dies(*_):
    os._exit(7)


def _hangs(*_):
    time.sleep(600)


def _fails(*_):
    raise RuntimeError("first line\nsecond line")


@pytest.mark.parametrize(
    ("reader", "words"),
    [(_dies, "died: exit status 7"), (_hangs, "hung: killed after"), (_fails, "RuntimeError: first line")],
)
def test_a_decoder_that_dies_or_hangs_is_a_difference_and_the_next_file_is_read(plain, monkeypatch, reader, words):
    apart = Apart()
    # A forked process has the reader that this test puts in.
    monkeypatch.setattr(apart, "_context", multiprocessing.get_context("fork"))
    monkeypatch.setitem(decoders.READERS, "decord", reader)
    try:
        monkeypatch.setattr(decoders, "IMPORTING_SECONDS", 2.0)
        found = apart.read("decord", plain, ("mov", 48, 64), seconds=1.0)
        assert isinstance(found, str)
        assert found.startswith(words)
        assert len(apart.read("pyav", plain, ("mov", 48, 64), seconds=60.0)) == 24
    finally:
        apart.close()


def test_near_pictures_are_told_from_different_ones():
    one, two, other = Prints(), Prints(), Prints()
    picture = np.full((20, 30, 3), 100, np.uint8)
    for prints, shift in ((one, 0), (two, 2), (other, 40)):
        prints.add(picture + np.uint8(shift), 0.0)
    assert one.alike(0, one, 0) == "equal"
    assert one.alike(0, two, 0) == "near"
    assert one.alike(0, other, 0) == "different"


@pytest.mark.slow
def test_the_command_writes_every_difference(tmp_path, capsys):
    shop = uploads.Workshop(tmp_path / "videos")
    for kind in uploads.KINDS:
        if kind.slug in ("trimmed.mp4", "strange_name", "concat.mp4"):
            shop.file(kind)
    shop.secret.unlink()
    decode.main(["--videos", str(tmp_path / "videos"), "--out", str(tmp_path / "out")])
    found = json.loads((tmp_path / "out" / "decode.json").read_text())
    assert len(found["files"]) == 3
    assert "torch" in found["versions"]
    by_name = {row["file"]: row for row in found["files"]}
    assert not [d for d in by_name["trimmed.mp4"]["differences"] if d.startswith("read_clip")]
    assert [d for d in by_name["trimmed.mp4"]["differences"] if d.startswith("decord")]  # it shows what is cut away
    assert by_name["concat.mp4"]["refused"].startswith("not_video")
    text = (tmp_path / "out" / "decode.md").read_text()
    assert "2 of 3 files were read" in text
    assert "| read_clip | 2 of 2 |" in text
    assert "<b>" not in text
    assert "3/3" in capsys.readouterr().out


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(("folder", "words"), [("nowhere", "does not exist"), ("empty", "holds no file")])
def test_a_folder_without_videos_is_refused(tmp_path, capsys, folder, words):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit):
        decode.main(["--videos", str(tmp_path / folder), "--out", str(tmp_path / "out")])
    assert words in capsys.readouterr().err
