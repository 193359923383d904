"""Files that are trusted, and files that are written: hashes, pickles, half files, no network."""

import errno
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import fakes
import pytest
import torch
from tiny import write_encoder

from slap_core import cards, pretrained
from slap_core.__main__ import main
from slap_core.cards import sha256
from slap_core.encoders import from_architecture, from_folder
from slap_core.files import write_whole
from slap_core.hub import network_folder
from slap_core.pretrained import BASELINES, POTENTIALS, load_baseline, load_encoder, load_potential, load_slots
from slap_core.video import limits, process

ROOT = pathlib.Path(pretrained.__file__).resolve().parents[1]
CLIP = ROOT / "assets" / "clips" / "car_stays.mp4"


class Bomb:
    """Unpickling it leaves a trace."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A copy of the shipped networks, which may be spoilt."""
    shutil.copytree(cards.ASSETS / "weights", tmp_path / "weights")
    monkeypatch.setattr(cards, "ASSETS", tmp_path)
    pretrained._own.cache_clear()
    yield tmp_path / "weights"
    pretrained._own.cache_clear()


LOADERS = {
    "encoder": load_encoder,
    "slots": load_slots,
    **{folder: lambda recipe=recipe: load_potential(recipe=recipe) for recipe, folder in POTENTIALS.items()},
    **{name: lambda name=name: load_baseline(name) for name in BASELINES},
}


@pytest.mark.parametrize("name", LOADERS)
def test_shipped_weights_are_refused_when_one_bit_is_flipped(name, shipped):
    if not (shipped / name).is_dir():
        pytest.skip(f"{name} is not shipped")
    (path,) = (shipped / name).glob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged: its hash is not the card's"):
        LOADERS[name]()


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "open_clip_model.pt", "model.ckpt"])
def test_a_pickle_is_never_opened(name, tmp_path):
    trace = tmp_path / "exploded"
    bomb = tmp_path / "bomb"
    torch.save({"weight": Bomb(trace)}, bomb)
    torch.load(bomb, weights_only=False)
    assert trace.is_dir()  # it would explode
    trace.rmdir()
    encoder = write_encoder(tmp_path / "encoder")
    (encoder / "open_clip_model.safetensors").unlink()
    shutil.copy(bomb, encoder / name)
    with pytest.raises(ValueError, match="pickle formats"):
        from_folder(encoder, name="x")
    with pytest.raises(ValueError, match="pickles are not read"):
        from_architecture("ViT-B-32", encoder / name, {}, name="x")
    (encoder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="weights in pickle formats are not read"):
        network_folder(encoder)
    # The same bytes under the right name are no safetensors, and are not unpickled either.
    shutil.copy(bomb, encoder / "open_clip_model.safetensors")
    with pytest.raises(ValueError, match="could not be loaded"):
        from_folder(encoder, name="x")
    assert not trace.exists()


def run(*arguments, environment=None, **options):
    """A command of the library in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "slap_core", *map(str, arguments)],
        cwd=ROOT, env=os.environ | (environment or {}), capture_output=True, text=True, timeout=600, **options,
    )  # fmt: skip


QUICK = ("--max-frames", "3", "--couplings", "0", "0.5")
"""Too few points for UMAP, which would be compiled first."""


@pytest.mark.slow
def test_without_a_network_and_without_a_cache_the_command_works_and_hub_names_get_a_sentence(tmp_path):
    nowhere = "http://127.0.0.1:9"
    environment = {"HF_HOME": str(tmp_path / "empty"), "HF_ENDPOINT": nowhere, "HF_HUB_OFFLINE": "0"}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere)
    done = run("analyse", CLIP, "--query", "a red car", "--out", tmp_path / "out", *QUICK, environment=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (tmp_path / "empty").exists() or not list((tmp_path / "empty").rglob("*.safetensors"))
    hub = run("analyse", CLIP, "--out", tmp_path / "hub", "--encoder", "hf-hub:owner/name", *QUICK,
              environment=environment | {"HF_HUB_OFFLINE": "1"})  # fmt: skip
    assert hub.returncode == 2
    assert "there is no network and it was not downloaded before" in hub.stderr
    assert "Traceback" not in hub.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_run_leaves_no_half_file_and_a_rerun_replaces_what_is_there(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.json").write_text("old")
    # Slow the writing down, so that it can be hit in the middle of a file.
    code = (
        "import pathlib, sys, time\n"
        "write = pathlib.Path.write_bytes\n"
        "def slow(self, data):\n"
        "    with self.open('wb') as file:\n"
        "        for start in range(0, len(data), max(1, len(data) // 20)):\n"
        "            file.write(data[start : start + max(1, len(data) // 20)]); file.flush(); time.sleep(0.05)\n"
        "pathlib.Path.write_bytes = slow\n"
        "from slap_core.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    flags = ["analyse", str(CLIP), "--out", str(out), *QUICK]
    with subprocess.Popen([sys.executable, "-c", code, *flags], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while not [part for part in out.glob(".*.part") if part.stat().st_size]:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert [path.name for path in out.iterdir() if not path.name.startswith(".")] == ["summary.json"]
    assert (out / "summary.json").read_text() == "old"
    done = run(*flags)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in out.iterdir()) == ["paths.csv", "paths.npz", "report.html", "summary.json"]
    assert json.loads((out / "summary.json").read_text())["video"]["frames"] == 3


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("video", "words"),
    [
        ("http://127.0.0.1:9/a.mp4", "a.mp4 is an address, not a file"),
        ("nowhere.mp4", "nowhere.mp4 does not exist"),
        ("playlist.mp4", "playlist.mp4 is not a video that can be read here"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_sentence(tmp_path, video, words, capsys):
    (tmp_path / "playlist.mp4").write_text("#EXTM3U\nhttp://127.0.0.1:9/\n")
    place = video if video.startswith("http") else str(tmp_path / video)
    assert main(["analyse", place, "--out", str(tmp_path / "out"), *QUICK]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("fault", "seconds", "words"),
    [
        ("os.kill(os.getpid(), 11)", 20, r"car_stays.mp4 crashed the decoder \(exit status -11\)"),
        ("time.sleep(600)", 2, r"car_stays.mp4 was not decoded within 2 s"),
        ("raise SystemExit(0)", 20, r"car_stays.mp4 crashed the decoder"),
    ],
)
def test_the_command_outlives_its_decoder(tmp_path, monkeypatch, capsys, fault, seconds, words):
    monkeypatch.setattr(process, "_START", f"import os, time\n{fault}")
    monkeypatch.setattr(limits, "WALL_SECONDS", seconds)
    assert main(["analyse", str(CLIP), "--out", str(tmp_path / "out"), *QUICK]) == 2
    said = capsys.readouterr().err
    assert re.search(words, said)
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    def full(self, data):
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr("slap_core.analysis.analyse_steps", lambda *_, **__: iter(fakes.stages(8)))
    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    assert main(["analyse", str(CLIP), "--out", str(tmp_path / "out")]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_hashes_are_of_the_whole_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_write_that_fails_leaves_the_older_file(tmp_path, monkeypatch):
    file = tmp_path / "numbers.json"
    write_whole(file, "old")
    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            write_whole(file, b"new")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["numbers.json"]
    write_whole(file, "neu \N{LATIN SMALL LETTER U WITH DIAERESIS}")
    assert file.read_bytes() == "neu \u00fc".encode()
