"""What is remembered of a clip, and for how long."""

import collections
import gc
import threading
import time

import fakes
import pytest
import torch
import umap

from slap_core import recovery
from slap_core.analysis import analyse_steps
from slap_core.memory import Memory, size_of
from slap_core.stages import Decoded, Progress, Projected, Scanned, Slotted, Tracked
from slap_core.video import write_clip

COUPLINGS = (0.0, 0.1)


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    write_clip(path, fakes.clip(12))
    return path


def stages(film, query="a red car", **settings):
    steps = analyse_steps(film, query, **{"couplings": COUPLINGS, **settings})
    return {type(step): step for step in steps if not isinstance(step, Progress)}


def test_a_second_run_on_a_clip_decodes_and_encodes_nothing(film, looked_at):
    memory = Memory()
    first = stages(film, memory=memory)
    assert looked_at["read"] == 1
    assert looked_at["pictures"] >= 12
    seen = dict(looked_at)
    other = stages(film, "a blue ball", coupling=0.3, memory=memory)
    assert looked_at == seen
    assert other[Decoded].clip is first[Decoded].clip
    # The same as without a memory.
    fresh = stages(film, "a blue ball", coupling=0.3)
    torch.testing.assert_close(other[Scanned].points, fresh[Scanned].points, atol=1e-5, rtol=0)
    for ours, theirs in zip(other[Tracked].objects, fresh[Tracked].objects, strict=True):
        torch.testing.assert_close(ours.solutions["SLAP"].points, theirs.solutions["SLAP"].points, atol=1e-5, rtol=0)


def test_what_does_not_depend_on_lambda_is_computed_once(film, monkeypatch):
    counts = collections.Counter()

    def counted(owner, name):
        real = getattr(owner, name)

        def call(*arguments, **options):
            counts[name] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    counted(recovery, "_measured_coupling_number")
    counted(umap.UMAP, "fit_transform")
    counted(umap.UMAP, "transform")
    memory = Memory()
    stages(film, memory=memory)
    solved = len(COUPLINGS)
    assert counts == {"_measured_coupling_number": solved, "fit_transform": 1, "transform": 2}
    again = stages(film, coupling=0.3, memory=memory)
    # Of UMAP, the path with the other lambda is placed.
    assert counts == {"_measured_coupling_number": solved, "fit_transform": 1, "transform": 3}
    fresh = stages(film, coupling=0.3)
    for stage in (again, fresh):
        assert stage[Projected].method == "UMAP"
    torch.testing.assert_close(again[Projected].paths["SLAP"], fresh[Projected].paths["SLAP"])
    torch.testing.assert_close(again[Scanned].drift, fresh[Scanned].drift)
    torch.testing.assert_close(again[Slotted].slow, fresh[Slotted].slow)
    stages(film, "a blue ball", memory=memory)
    assert counts["_measured_coupling_number"] == 3 * solved  # with the fresh one


def test_the_same_run_is_told_again(film, looked_at, monkeypatch):
    memory = Memory()
    first = stages(film, memory=memory)
    monkeypatch.setattr(recovery, "kept_encoder", lambda *_, **__: pytest.fail("it is computed again"))
    again = stages(film, memory=memory)
    assert again == first  # stage by stage the very same


def test_other_content_and_other_names_are_other_clips(film, looked_at):
    memory = Memory()
    stages(film, memory=memory)
    write_clip(film, fakes.clip(16))
    assert len(stages(film, memory=memory)[Decoded].clip) == 16
    other = film.with_name("other.mp4")
    other.write_bytes(film.read_bytes())
    assert stages(other, memory=memory)[Decoded].clip.name == "other.mp4"  # and never the name that a visitor gave
    assert looked_at["read"] == 3


def test_folders_that_may_change_are_not_remembered(film, looked_at):
    memory = Memory()
    with pytest.raises(ValueError, match="encoder folder"):
        stages(film, encoder="local-dir:nowhere", memory=memory)
    assert len(memory) == 0


def test_a_stopped_run_is_not_remembered_as_a_whole(film, looked_at):
    memory = Memory()
    steps = analyse_steps(film, "a red car", couplings=COUPLINGS, memory=memory)
    while not isinstance(next(steps), Decoded):
        pass
    steps.close()
    assert len(memory) == 1  # the clip
    assert Tracked in stages(film, memory=memory)
    assert looked_at["read"] == 1


def test_what_is_old_is_forgotten_though_nobody_asks():
    memory = Memory(seconds=0.2)
    memory.put("a", torch.zeros(3))
    held = memory._values
    end = time.monotonic() + 20
    while held.currsize and time.monotonic() < end:
        time.sleep(0.02)
    assert held.currsize == 0
    assert memory.get("a") is None
    while memory._timer is not None and time.monotonic() < end:
        time.sleep(0.02)
    assert memory._timer is None  # and no thread goes on for nothing


def test_memory_is_bounded():
    memory = Memory(megabytes=1)
    for k in range(10):
        memory.put(k, torch.zeros(100_000, dtype=torch.uint8))
        memory.get(0)
    assert len(memory) == 10
    memory.put("more", torch.zeros(150_000, dtype=torch.uint8))
    assert memory.get("more") is not None
    assert len(memory) == 9
    memory.put("too large", torch.zeros(2_000_000, dtype=torch.uint8))
    assert memory.get("too large") is None
    gc.collect()


def test_threads_may_share_it():
    memory = Memory(megabytes=0.01)

    def work(number):
        for k in range(300):
            memory.put((number, k % 20), bytes(200))
            memory.get((number, k % 7))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < len(memory) <= 50


def test_size_counts_tensors_wherever_they_are():
    found = fakes.stages(12)
    frames = found[0].clip.frames
    assert size_of(frames) == frames.numel()
    assert size_of(found[0]) > frames.numel()
    assert size_of({"a": [frames, (frames,)]}) == 2 * frames.numel()
