"""Frames that are encoded while others are still being decoded: seen once, the same, and nobody waits for errors."""

import threading

import fakes
import pytest
import torch
from servers import until

from slap_core import analysis
from slap_core.ahead import Ahead
from slap_core.memory import Memory
from slap_core.recovery import recover_steps
from slap_core.stages import Encoded
from slap_core.video import write_clip

BATCH = 4


class Watched:
    """An encoder that tells what it looked at; a picture's latent is its mean colour."""

    batch, device = BATCH, torch.device("cpu")

    def __init__(self, *, stop_at: int | None = None) -> None:
        self.looked: list[int] = []
        self.stop_at = stop_at
        self.memory = None

    def remembering(self, memory):
        self.memory = memory
        return self

    def images(self, images):
        if len(self.looked) == self.stop_at:
            raise RuntimeError("no more")
        self.looked += images[:, 0, 0, 0].tolist()
        return images.float().mean((1, 2)), torch.zeros(len(images), 2, 2, 1000)


def pictures(count):
    return torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(-1, 2, 2, 3).contiguous()


def test_whole_batches_are_seen_in_order_and_the_rest_is_left():
    encoder = Watched()
    with Ahead(lambda: encoder, Memory()) as looking:
        for count in (1, 3, 5, 6, 11):
            looking(pictures(count))
        until(lambda: len(encoder.looked) == 8, seconds=20)
    assert encoder.looked == list(range(8))


def test_of_nothing_that_arrives_no_encoder_is_loaded():
    with Ahead(lambda: pytest.fail("was loaded"), Memory()):
        pass


def test_an_error_ends_it_quietly():
    encoder = Watched(stop_at=4)
    with Ahead(lambda: encoder, Memory()) as looking:
        looking(pictures(12))
        until(lambda: not looking._thread.is_alive(), seconds=20)
        looking(pictures(16))
    assert encoder.looked == [0, 1, 2, 3]


def test_no_more_is_seen_than_can_be_remembered_for_so_long():
    encoder = Watched()
    with Ahead(lambda: encoder, Memory(megabytes=0.4)) as looking:  # 16 kB a picture, and a quarter of it
        looking(pictures(100))
        until(lambda: not looking._thread.is_alive(), seconds=20)
    assert len(encoder.looked) == 8


def test_who_fails_does_not_wait_for_the_encoder():
    loading, go = threading.Event(), threading.Event()

    def load():
        loading.set()
        go.wait(60)
        return encoder

    def decode():
        with Ahead(load, Memory()) as looking:
            began.append(looking)
            looking(pictures(8))
            loading.wait(60)
            raise ValueError("broken")

    encoder, began = Watched(), []
    with pytest.raises(ValueError, match="broken"):
        decode()
    go.set()
    began[0]._thread.join(60)
    assert encoder.looked == []


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    write_clip(path, fakes.clip(40))
    return path


def run_on(film, **more):
    steps = analysis.analyse_steps(film, "a red car", couplings=(0.0, 0.1), **more)
    return next(step for step in steps if isinstance(step, Encoded))


def test_a_run_sees_every_picture_once_and_the_same(film, looked_at, monkeypatch):
    plain = run_on(film)
    looked_at["pictures"] = 0
    read, early = analysis.read_clip, []

    def slow(*arguments, arrived, **options):
        """All frames but the last few have come, and decoding goes on until they have been seen."""
        clip = read(*arguments, **options)
        arrived(clip.frames[:35])
        until(lambda: looked_at["pictures"] == 32, seconds=60)
        early.append(looked_at["pictures"])
        return clip

    monkeypatch.setattr(analysis, "read_clip", slow)
    found = run_on(film, memory=Memory())
    assert early == [32]
    assert looked_at["pictures"] == 40
    assert torch.equal(found.truth.points, plain.truth.points)


def test_elsewhere_nothing_is_seen_ahead(film, monkeypatch):
    monkeypatch.setattr(analysis, "Ahead", lambda *_: pytest.fail("was called"))
    run_on(film, memory=Memory(), recover=recover_steps)
    run_on(film)


def test_an_encoder_that_cannot_be_had_is_told_as_ever(film):
    with pytest.raises(ValueError, match="is not the name of an encoder"):
        run_on(film, memory=Memory(), encoder="nothing")


def test_frames_are_told_as_they_come(film):
    told = []
    clip = analysis.read_clip(film, arrived=lambda frames: told.append(frames.clone()))
    for frames in told:
        assert torch.equal(frames, clip.frames[: len(frames)])
    lengths = [len(frames) for frames in told]
    assert lengths == sorted(set(lengths))
