"""Full memory and lost GPUs: smaller batches, then a sentence; the CPU, with a notice."""

import pytest
import torch
from tiny import write_encoder

from slap_core import pretrained, recovery
from slap_core.__main__ import main
from slap_core.analysis import analyse_steps
from slap_core.machine import FULL, gpu_lost, out_of_memory
from slap_core.recovery import recover_surely
from slap_core.stages import Decoded, Progress, Settings
from slap_core.types import Clip
from slap_core.video import write_clip

LOST = "CUDA error: an illegal memory access was encountered"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return pretrained.load_encoder(f"local-dir:{write_encoder(tmp_path_factory.mktemp('tiny') / 'tiny')}")


@pytest.fixture
def movie():
    frames = torch.randint(0, 255, (21, 40, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Clip(frames, torch.arange(21.0))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_full_memory_is_known_by_class_and_words(error):
    assert out_of_memory(error)
    assert not gpu_lost(error)


@pytest.mark.parametrize("error", [RuntimeError(LOST), RuntimeError("Found no NVIDIA driver on your system.")])
def test_a_lost_gpu_is_known_by_its_words(error):
    assert gpu_lost(error)
    assert not out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("size mismatch"), ValueError("CUDA"), KeyError("out of memory")])
def test_other_errors_are_neither(error):
    assert not out_of_memory(error)
    assert not gpu_lost(error)


def limited(encoder, monkeypatch, most):
    """An encoder whose memory holds so many frames; and the sizes of the batches that were tried."""
    images, tried = encoder.images, []

    def narrow(frames):
        tried.append(len(frames))
        if len(frames) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return images(frames)

    monkeypatch.setattr(encoder, "images", narrow)
    return tried


@pytest.mark.parametrize("most", [1, 5, 16])
def test_batches_become_smaller_until_they_fit(encoder, movie, monkeypatch, most):
    whole, tokens = encoder.encode(movie)
    tried = limited(encoder, monkeypatch, most)
    found, found_tokens = encoder.encode(movie)
    torch.testing.assert_close(found.points, whole.points)
    torch.testing.assert_close(found_tokens.values, tokens.values)
    assert tried[0] == 16
    assert max(tried[-2:]) <= most
    assert sum(size for size in tried if size <= most) == 21


def test_when_not_even_one_frame_fits_a_sentence_says_what_to_do(encoder, movie, monkeypatch):
    tried = limited(encoder, monkeypatch, 0)
    with pytest.raises(ValueError, match=r"memory of this machine is full\. Take fewer frames"):
        encoder.encode(movie)
    assert tried == [16, 8, 4, 2, 1]


def test_other_errors_of_the_encoder_stay_what_they_are(encoder, movie, monkeypatch):
    def broken(frames):
        raise RuntimeError("size mismatch")

    monkeypatch.setattr(encoder, "images", broken)
    with pytest.raises(RuntimeError, match="size mismatch"):
        encoder.encode(movie)


def steps_until(count, error):
    """A recovery that fails after so many stages."""

    def recover(decoded, prompt, settings, ready):
        for step in recovery.recover_steps(decoded, prompt, settings, ready):
            if not isinstance(step, Progress):
                nonlocal count
                count -= 1
            if count < 0:
                raise error
            yield step

    return recover


@pytest.mark.parametrize("after", [0, 2])
def test_the_cpu_goes_on_where_the_gpu_was_lost(encoder, movie, after, caplog, monkeypatch):
    decoded = next(step for step in analyse_steps(movie, "", encoder=encoder) if isinstance(step, Decoded))
    chosen = Settings(couplings=(0.0, 0.5), device="cpu")
    steps = recovery.recover_steps(decoded, "a car", chosen, encoder)
    expected = [step for step in steps if not isinstance(step, Progress)]
    object.__setattr__(chosen, "device", "cuda")

    def on_cpu(decoded, prompt, settings, ready):
        object.__setattr__(settings, "device", "cpu")
        try:
            yield from steps_until(after, RuntimeError(LOST))(decoded, prompt, settings, ready)
        finally:
            object.__setattr__(settings, "device", "cuda")

    steps = list(recover_surely(decoded, "a car", chosen, encoder, recover=on_cpu))
    found = [step for step in steps if not isinstance(step, Progress)]
    assert [type(step) for step in found] == [type(step) for step in expected]
    torch.testing.assert_close(found[2].drift, expected[2].drift)
    notes = [step.note for step in steps if isinstance(step, Progress) and step.note]
    assert notes == ["The device cuda cannot be used (any more), so that the CPU computes."]
    assert LOST in caplog.text


def test_on_the_cpu_such_an_error_is_an_error(encoder, movie):
    with pytest.raises(RuntimeError, match="illegal memory access"):
        list(analyse_steps(movie, "", encoder=encoder, recover=steps_until(1, RuntimeError(LOST))))


def test_full_memory_anywhere_in_a_run_is_a_sentence(encoder, movie):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the sentence is compared whole
        list(analyse_steps(movie, "", encoder=encoder, recover=steps_until(2, MemoryError())))
    assert str(caught.value) == FULL


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.usefixtures("unhooked")
def test_a_gpu_that_is_not_there_leaves_the_command_to_the_cpu(movie, tmp_path, capsys):
    video = write_clip(tmp_path / "a.mp4", movie)
    flags = ["--device", "cuda", "--max-frames", "3", "--couplings", "0", "0.5"]
    assert main(["analyse", str(video), "--out", str(tmp_path / "out"), *flags]) == 0
    assert "The device cuda cannot be used (any more), so that the CPU computes." in capsys.readouterr().err
    assert (tmp_path / "out" / "report.html").stat().st_size
