"""The file of drawn scenes: what goes in comes out, and nothing else is taken for it."""

import dataclasses

import pytest
import torch
from made_scenes import DIM, scenes

from slap_core.training import scene_file

ORIGIN = {"scenes": {"train": 3, "validation": 2}, "image_size": 32}
WORDS = torch.arange(DIM) / 10


@pytest.fixture
def file(tmp_path):
    found = tmp_path / "runs" / "scenes.safetensors"
    scene_file.save_scenes(found, {"train": scenes(3), "validation": scenes(2)}, ORIGIN, WORDS)
    return found


def test_what_is_kept_comes_back(file):
    again = scene_file.load_scenes(file, ORIGIN, WORDS)
    assert list(file.parent.iterdir()) == [file]
    assert {split: len(some) for split, some in again.items()} == {"train": 3, "validation": 2}
    for split, count in (("train", 3), ("validation", 2)):
        written = scenes(count)
        for field in dataclasses.fields(written):
            if field.name != "gaps":
                assert torch.equal(getattr(again[split], field.name), getattr(written, field.name)), field.name
        for name in ("start", "stop", "free", "elapsed", "length", "count", "soft"):
            assert torch.equal(getattr(again[split].gaps, name), getattr(written.gaps, name)), name
        assert len(again[split].select(torch.tensor([1]))) == 1


def test_layers_that_were_not_drawn_stay_away(tmp_path):
    file = tmp_path / "scenes.safetensors"
    bare = dataclasses.replace(scenes(3), observed=None, empty=None)
    scene_file.save_scenes(file, {"train": bare}, ORIGIN, WORDS)
    again = scene_file.load_scenes(file, ORIGIN, WORDS)["train"]
    assert again.observed is None
    assert again.empty is None
    assert torch.equal(again.target, bare.target)


def test_scenes_drawn_from_anything_else_are_refused(file):
    with pytest.raises(ValueError, match=r"scenes\.safetensors should hold .*'image_size': 96.*got .*remove it"):
        scene_file.load_scenes(file, {**ORIGIN, "image_size": 96}, WORDS)
    with pytest.raises(ValueError, match="were encoded by another encoder; name another file by --data"):
        scene_file.load_scenes(file, ORIGIN, -WORDS)
    with pytest.raises(ValueError, match="were encoded by another encoder"):
        scene_file.load_scenes(file, ORIGIN, torch.zeros(DIM + 1))
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"is no readable \.safetensors file; name another"):
        scene_file.load_scenes(file, ORIGIN, WORDS)
