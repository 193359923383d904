"""The borrowed GPU: lent, refused, taken away; with a lender made up for the tests, and with the real package."""

import functools
import http.server
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import pickle
import subprocess
import sys
import threading
import types

import gradio as gr
import pytest
import torch

from slap_core.recovery import recover_steps
from slap_core.stages import Compared, Decoded, Encoded, Progress, Scanned, Settings, Slotted, Solved, Tracked
from slap_core.ui import hardware
from slap_core.video import read_clip

ROOT = pathlib.Path(hardware.__file__).parents[2]
STAGES = [Encoded, Solved, Scanned, Compared, Slotted, Tracked]
SETTINGS = Settings(max_frames=8, couplings=(0.0, 0.5))


@pytest.fixture(scope="module")
def decoded():
    clip = read_clip(ROOT / "assets" / "clips" / "car_stays.mp4", max_frames=8, size=64)
    return Decoded(clip, *clip.kept_index(4))


class Lender(types.ModuleType):
    """Stands in for the package `spaces`: lends a CPU, until it refuses."""

    def __init__(self):
        super().__init__("spaces")
        self.__spec__ = importlib.machinery.ModuleSpec("spaces", None)
        self.asked, self.crossed, self.closed = [], [], 0
        self.error, self.after = None, 0

    def GPU(self, task, *, duration):  # noqa: N802  its real name
        def lent(*arguments):
            self.asked.append(duration(*arguments))
            given = 0
            try:
                for item in task(*pickle.loads(pickle.dumps(arguments))):
                    if self.error is not None and given >= self.after:
                        raise self.error
                    self.crossed.append(item)
                    given += not isinstance(pickle.loads(item), Progress)
                    yield item
            finally:
                self.closed += 1

        return lent


@pytest.fixture
def lender(monkeypatch):
    lender = Lender()
    monkeypatch.setitem(sys.modules, "spaces", lender)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(hardware, "GPU", "cpu")
    hardware._encoder.cache_clear()
    yield lender
    hardware._encoder.cache_clear()


def stages(steps):
    return [step for step in steps if not isinstance(step, Progress)]


def notes(steps):
    return [step.note for step in steps if isinstance(step, Progress) and step.note]


def assert_same(found, expected):
    assert [type(stage) for stage in found] == [type(stage) for stage in expected] == STAGES
    assert torch.equal(found[0].truth.points, expected[0].truth.points)
    assert torch.equal(found[1].solutions["SLAP"].points, expected[1].solutions["SLAP"].points)
    assert torch.equal(found[2].drift, expected[2].drift)
    assert torch.equal(found[4].slow, expected[4].slow)


def test_without_zero_gpu_nothing_is_borrowed(monkeypatch, lender):
    monkeypatch.delenv("SPACES_ZERO_GPU")
    assert hardware.borrowed() is None
    assert hardware.on_gpu(iter, duration=len) is iter


def test_without_the_package_nothing_is_borrowed(monkeypatch, lender):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert hardware.borrowed() is None


def test_lent_gpu_finds_what_the_cpu_finds_and_only_bytes_cross(lender, decoded):
    steps = list(hardware.borrowed()(decoded, "a red car", SETTINGS))
    assert_same(stages(steps), stages(recover_steps(decoded, "a red car", SETTINGS)))
    assert notes(steps) == []
    assert {type(item) for item in lender.crossed} == {bytes}
    assert lender.asked == [hardware.seconds(b"", 8, 2, "bundled", "auto")]


@pytest.mark.parametrize("after", [0, 2, 5])
def test_cpu_goes_on_where_the_gpu_was_refused_or_taken_away(lender, decoded, after):
    lender.error, lender.after = gr.Error("60 s requested, 3 s left", title="ZeroGPU quota exceeded"), after
    steps = list(hardware.borrowed()(decoded, "a red car", SETTINGS))
    assert_same(stages(steps), stages(recover_steps(decoded, "a red car", SETTINGS)))
    assert notes(steps) == ["No GPU could be borrowed (quota exceeded), so that the CPU computes."]
    told = next(index for index, step in enumerate(steps) if isinstance(step, Progress) and step.note)
    assert len(stages(steps[:told])) == after


def test_failure_of_the_lender_is_logged_and_survived(lender, decoded, caplog):
    lender.error = RuntimeError("/schedule: 500")
    steps = list(hardware.borrowed()(decoded, "", SETTINGS))
    assert len(stages(steps)) == len(STAGES)
    assert "(it failed)" in notes(steps)[0]
    assert "/schedule: 500" in caplog.text


def test_sentence_of_the_library_comes_back_whole(lender, decoded, monkeypatch):
    def refuses(*_):
        yield Progress("encode", 0.0)
        raise ValueError("The encoder cannot be had; choose another.")

    monkeypatch.setattr("slap_core.recovery.recover_steps", refuses)
    with pytest.raises(ValueError, match=r"^The encoder cannot be had; choose another\.$"):
        list(hardware.borrowed()(decoded, "", SETTINGS))


def test_other_encoders_are_loaded_before_a_gpu_is_asked_for(lender, decoded, monkeypatch):
    def missing(name, **_):
        raise ValueError(f"There is no {name}.")

    monkeypatch.setattr("slap_core.pretrained.load_encoder", missing)
    monkeypatch.setattr(hardware, "_encoder", functools.cache(lambda: None))
    with pytest.raises(ValueError, match="There is no x"):
        list(hardware.borrowed()(decoded, "", Settings(encoder="x")))
    assert lender.asked == []


def test_stopping_gives_the_gpu_back(lender, decoded):
    job = hardware.borrowed()(decoded, "a red car", SETTINGS)
    next(job), next(job)
    assert lender.closed == 0
    job.close()
    assert lender.closed == 1


def test_tensors_elsewhere_come_back_to_the_cpu():
    class Elsewhere(torch.Tensor):
        device = torch.device("cuda")

        def cpu(self):
            return torch.ones(2)

    found = pickle.loads(hardware._packed({"there": torch.zeros(2).as_subclass(Elsewhere), "here": torch.zeros(3)}))
    assert torch.equal(found["there"], torch.ones(2))
    assert type(found["there"]) is torch.Tensor
    assert torch.equal(found["here"], torch.zeros(3))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_finds_what_the_cpu_finds(lender, decoded, monkeypatch):
    monkeypatch.setattr(hardware, "GPU", "cuda")
    steps = list(hardware.borrowed()(decoded, "a red car", SETTINGS))
    found, expected = stages(steps), stages(recover_steps(decoded, "a red car", SETTINGS))
    assert notes(steps) == []
    torch.testing.assert_close(found[0].truth.points, expected[0].truth.points, atol=1e-3, rtol=0)
    torch.testing.assert_close(found[2].drift, expected[2].drift, atol=1e-3, rtol=0)
    assert {found[0].truth.points.device.type, found[2].points.device.type, found[4].slow.device.type} == {"cpu"}


def test_seconds_grow_with_the_work_and_end():
    def asked(frames=64, couplings=16, encoder="bundled", potential="auto"):
        return hardware.seconds(b"", frames, couplings, encoder, potential)

    assert 10 <= asked(frames=2) < asked() < asked(frames=256) <= hardware.MOST_SECONDS
    assert asked() < asked(couplings=33)
    assert asked(encoder="ViT-B-32/laion2b_s34b_b79k") == asked() + 60
    assert asked(potential="fitted") == asked() + 20
    assert asked(frames=512, couplings=129) == hardware.MOST_SECONDS
    assert isinstance(asked(frames=63), int)


def _real_spaces():
    return pytest.mark.skipif(importlib.util.find_spec("spaces") is None, reason="the package spaces is not installed")


@_real_spaces()
def test_real_package_leaves_the_task_alone_off_zero_gpu():
    import spaces

    assert spaces.GPU(hardware._compute, duration=hardware.seconds) is hardware._compute
    assert hardware.borrowed() is None


class Zero(http.server.BaseHTTPRequestHandler):
    """ZeroGPU's own server: refuses, or lends a GPU that is not there."""

    schedules: tuple[int, dict[str, object]]
    asked: list[str]

    def do_POST(self):
        self.asked.append(self.path)
        status, answer = self.schedules if self.path.startswith("/schedule") else (200, {})
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


ON_ZERO_GPU = """
import pathlib
from slap_core.ui import hardware
recover = hardware.borrowed()
from slap_core.stages import Decoded, Progress, Settings
from slap_core.video import read_clip
clip = read_clip(pathlib.Path("assets/clips/car_stays.mp4"), max_frames=8, size=64)
decoded = Decoded(clip, *clip.kept_index(4))
for step in recover(decoded, "a red car", Settings(max_frames=8, couplings=(0.0, 0.5))):
    print(step.note if isinstance(step, Progress) else type(step).__name__)
"""


@_real_spaces()
@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedules", "reason"),
    [
        ((429, {"left": 3, "wait": 3600}), "quota exceeded"),
        ((503, {}), "client error"),
        ((200, {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "GPU-none", "allowToken": "x"}), "worker error"),
    ],
)
def test_real_package_without_a_gpu_leaves_the_run_to_the_cpu(schedules, reason):
    Zero.schedules, Zero.asked = schedules, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Zero) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        zero = {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{server.server_port}"}
        found = subprocess.run(
            [sys.executable, "-c", ON_ZERO_GPU],
            cwd=ROOT, env=os.environ | zero, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        server.shutdown()
    assert found.returncode == 0, found.stderr[-3000:]
    lines = found.stdout.splitlines()
    told = lines.index(f"No GPU could be borrowed ({reason}), so that the CPU computes.")
    assert [line for line in lines[told + 1 :] if line] == [stage.__name__ for stage in STAGES]
    assert f"durationSeconds={hardware.seconds(b'', 8, 2, 'bundled', 'auto')}" in Zero.asked[0]
