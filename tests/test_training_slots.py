import dataclasses
import itertools
import json

import pytest
import torch
import torch.nn.functional as F
from blobs import blobs

from slap_core.encoders import OpenClipEncoder
from slap_core.pretrained import load_card
from slap_core.slot_branches import usual
from slap_core.slots import SlowFastSlots
from slap_core.training import loop
from slap_core.training import slots as trainer

SETTINGS = trainer.SlotSettings(
    steps=6,
    batch=2,
    clips=8,
    frames=5,
    slow_frames=2,
    dim_slot=16,
    dim_hidden=16,
    image_size=32,
    log_every=3,
    checkpoint_every=2,
    device="cpu",
)


def clips_of(found):
    tokens = torch.stack([one.tokens.values for one in found])
    cover = torch.stack([F.one_hot(one.labels, 4)[..., 1:].movedim(-1, 1) for one in found]).float()
    return trainer.Clips(tokens, cover, usual(tokens))


def batches(first):
    for step in itertools.count(first):
        yield clips_of([blobs(2 * step + i, time=5, size=5, dim=8) for i in range(2)])


class Encoder(OpenClipEncoder):
    """Means of 8 x 8 pixels as tokens, without a graph as real encoders' are; remembers what it saw."""

    device = torch.device("cpu")

    def __init__(self):
        self.seen = []

    @torch.no_grad()
    def images(self, images):
        self.seen.append(images.clone())
        tokens = images.float().unflatten(1, (-1, 8)).unflatten(3, (-1, 8)).mean((2, 4)) / 255
        return tokens.mean((1, 2)), tokens


def test_training_lowers_both_losses(tmp_path):
    settings = dataclasses.replace(
        SETTINGS, steps=60, log_every=10, checkpoint_every=60, warmup=5, learning_rate=5e-3, out=tmp_path
    )
    _, log = trainer.train(settings, lambda first: itertools.repeat(next(batches(0))))
    assert log[-1]["slow"] < 0.9 * log[0]["slow"]
    assert log[-1]["fast"] < 0.9 * log[0]["fast"]
    assert log[-1]["masks"] < 0.8 * log[0]["masks"]
    assert log[-1]["events"] < 0.8 * log[0]["events"]
    assert 0 <= log[-1]["slow_dead"] <= 8


def test_a_resumed_training_ends_with_the_same_weights(tmp_path):
    whole, _ = trainer.train(dataclasses.replace(SETTINGS, out=tmp_path / "whole"), batches)
    settings = dataclasses.replace(SETTINGS, out=tmp_path / "partial", resume=True)
    with pytest.raises(ValueError, match="ended before step 5"):
        trainer.train(settings, lambda first: itertools.islice(batches(first), 5 - first))
    resumed, _ = trainer.train(settings, batches)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_the_branches_do_not_see_each_others_gradient():
    model = SlowFastSlots(SETTINGS.config(8))
    clips = next(batches(0))
    model.measure(clips.tokens)
    losses = trainer.explanation(model, clips, torch.Generator().manual_seed(0), SETTINGS)
    (losses["fast"] + losses["events"]).backward()
    assert all(p.grad is None for p in model.slow.parameters())
    model.zero_grad()
    (losses["slow"] + losses["masks"] + losses["uneven"]).backward()
    assert all(p.grad is None for p in model.fast.parameters())


def test_slow_slots_learn_from_different_frames_of_each_clip():
    model = SlowFastSlots(SETTINGS.config(8))
    seen = []
    attend = model.slow.attend

    def spy(tokens, when, **options):
        seen.append((tokens, when))
        return attend(tokens, when, **options)

    model.slow.attend = spy
    tokens = torch.arange(12.0).view(2, 6, 1, 1, 1).expand(2, 6, 3, 3, 8)
    clips = trainer.Clips(tokens, torch.zeros(2, 6, 1, 3, 3), usual(tokens))
    trainer.explanation(model, clips, torch.Generator().manual_seed(1), dataclasses.replace(SETTINGS, slow_frames=3))
    numbers, when = seen[0][0][:, :, 0, 0, 0], seen[0][1]
    assert bool((numbers.diff(dim=1) > 0).all())
    torch.testing.assert_close(when, (numbers - torch.tensor([[0.0], [6.0]])) / 5)


def test_tokens_are_those_of_training_clips_and_a_function_of_the_step():
    encoder = Encoder()
    batches_from = trainer.tunnel_world_tokens(encoder, SETTINGS)
    first, second = itertools.islice(batches_from(0), 2)
    assert first.cover.shape[:2] == (2, 5)
    assert first.cover.shape[-2:] == (4, 4)
    assert 0 < float(first.cover.amax()) <= 1
    torch.testing.assert_close(first.background, usual(first.tokens), atol=1e-3, rtol=1e-3)
    first, second = first.tokens, second.tokens
    assert first.shape == (2, 5, 4, 4, 3)
    assert not torch.equal(first, second)
    assert torch.equal(next(batches_from(1)).tokens, second)
    again = next(trainer.tunnel_world_tokens(encoder, dataclasses.replace(SETTINGS, seed=1))(0)).tokens
    assert not torch.equal(again, first)
    validation = next(trainer.tunnel_world_tokens(encoder, SETTINGS, split="validation")(0)).tokens
    assert not torch.equal(validation, first)
    # In the order (clip, frame), forwards or backwards: the pictures' own means, rounded to half precision.
    pictures = encoder.seen[0].unflatten(0, (SETTINGS.clips, 5)).float().mean((2, 3)) / 255
    ways = set()
    for step, batch in enumerate(itertools.islice(batches_from(0), 4)):
        order = torch.randperm(SETTINGS.clips, generator=loop.generator_of(SETTINGS.seed, step))[: SETTINGS.batch]
        for mean, k in zip(batch.tokens.mean((2, 3)), order, strict=True):
            forwards = float((mean - pictures[k]).abs().max()) < 1e-3
            torch.testing.assert_close(mean, pictures[k] if forwards else pictures[k].flip(0), atol=1e-3, rtol=0)
            ways.add(forwards)
    assert ways == {True, False}
    first.requires_grad_().sum().backward()  # they can enter a graph


def test_the_command_writes_a_folder_that_loads(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trainer, "load_encoder", lambda name, device: Encoder())
    line = f"--out {tmp_path} --steps 2 --batch 1 --clips 4 --frames 4 --slow-frames 2 --dim-slot 8 --image-size 32"
    trainer.main([*line.split(), "--device", "cpu"])
    assert {p.name for p in tmp_path.iterdir()} == {"config.json", "model.safetensors", "card.json", "README.md"}
    card = load_card(tmp_path)
    assert card["command"].startswith("python -m slap_core.training.slots --steps 2")
    assert "--out" not in card["command"]  # where it went is nobody's business
    assert set(card["sha256"]) == {"config.json", "model.safetensors"}
    assert card["scores"]["train slow"] > 0
    assert "loss" in capsys.readouterr().out
    slots = SlowFastSlots.from_pretrained(tmp_path)
    assert slots.config.dim_token == 3
    assert slots.config.origin == json.loads((tmp_path / "config.json").read_text())["origin"]
    assert "2 steps" in slots.config.origin
    assert slots.slow.standardise.scale.ne(1).all()


def test_a_training_goes_on_from_trained_slots_with_one_branch(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "load_encoder", lambda name, device: Encoder())
    sizes = "--batch 1 --clips 4 --frames 4 --slow-frames 2 --dim-slot 8 --image-size 32 --device cpu"
    first, second = tmp_path / "first", tmp_path / "second"
    trainer.main(["--out", str(first), *f"--steps 2 {sizes}".split()])
    go_on = f"--start {first} --branch slow --seed 1 --steps 3 {sizes}".split()
    trainer.main(["--out", str(second), *go_on])
    before, after = (SlowFastSlots.from_pretrained(folder) for folder in (first, second))
    changed = {name for name, value in before.state_dict().items() if not torch.equal(value, after.state_dict()[name])}
    assert changed
    assert all(name.startswith("slow.") for name in changed)
    assert not any("standardise" in name for name in changed)
    card = load_card(second)
    assert card["command"].split(" && ")[0] == load_card(first)["command"]
    assert "then (slow)" in card["trained_on"]
    assert card["scores"]["train fast"] == load_card(first)["scores"]["train fast"]
    assert card["scores"]["train slow"] != load_card(first)["scores"]["train slow"]
    assert "2 steps" in after.config.origin
    assert after.config.origin.endswith("the slow ones for 3 more.")
    with pytest.raises(ValueError, match="have other sizes"):
        trainer.main(["--out", str(tmp_path / "third"), *go_on, "--slow-slots", "4"])
    (first / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is damaged"):
        trainer.main(["--out", str(tmp_path / "third"), *go_on])
