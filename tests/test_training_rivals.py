"""The rivals' trainer: its batches, its scores, and a short run of each method."""

import dataclasses
import itertools
import json

import pytest
import torch
from made_scenes import scenes
from tiny import write_encoder

from slap_core.pretrained import baseline_class, load_card
from slap_core.training import rivals as trainer
from slap_core.training import scene_file
from slap_core.training.gap_scenes import QUERIES

METHODS = ("latent_ode", "regressor", "autoregressive", "force_field")


def settings(method, out, **options):
    values = {"steps": 60, "batch": 8, "warmup": 5, "learning_rate": 3e-3, "log_every": 30, "device": "cpu"}
    return trainer.RivalSettings(method=method, out=out, **{**values, **options})


@pytest.mark.parametrize("method", METHODS)
def test_every_rival_learns_what_it_is_shown(method, tmp_path):
    some = scenes()
    model, scores = trainer.train(settings(method, tmp_path), some, some)
    assert isinstance(model, baseline_class(method))
    assert not model.training
    slerp = scores["validation drift, SLERP"]
    assert all(scores[f"validation drift, {name} query"] < 0.6 * slerp for name in QUERIES)
    assert scores["train drift"] < 0.6 * slerp
    assert scores.get("validation: converged", 1.0) == 1.0
    assert ("validation: converged" in scores) == (method == "force_field")


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_training_ends_with_the_same_weights(method, tmp_path, monkeypatch):
    some = scenes()
    options = {"steps": 4, "checkpoint_every": 2}
    whole, _ = trainer.train(settings(method, tmp_path / "whole", **options), some, some)
    partial = settings(method, tmp_path / "partial", resume=True, **options)
    draw = trainer.batches
    monkeypatch.setattr(trainer, "batches", lambda s, o, first: itertools.islice(draw(s, o, first), 3 - first))
    with pytest.raises(ValueError, match="ended before step 3"):
        trainer.train(partial, some, some)
    monkeypatch.undo()
    resumed, _ = trainer.train(partial, some, some)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_batches_are_functions_of_seed_and_step_and_ask_all_four_queries(tmp_path):
    some, options = scenes(), settings("regressor", tmp_path, steps=40)
    first, second = itertools.islice(trainer.batches(some, options, 0), 2)
    again = next(trainer.batches(some, options, 1))
    assert torch.equal(again[0].query, second[0].query)
    assert not torch.equal(first[0].query, second[0].query)
    asked = set()
    for stretches, target in trainer.batches(some, options, 0):
        # Which scene a row is can be told from its target, and which query from the scene's own four.
        scene = (some.target[None] - target[:, None]).abs().amax((2, 3)).argmin(1)
        torch.testing.assert_close(some.target[scene], target)
        torch.testing.assert_close(some.anchors[2 * scene], stretches.start)
        away = (some.queries[scene] - stretches.query[:, None]).abs().amax(-1)
        assert (away.min(1).values == 0).all()
        asked |= set(away.argmin(1).tolist())
    assert asked == {0, 1, 2, 3}


def test_drift_counts_hidden_frames_and_scenes_alike():
    some = scenes(3)
    path = some.target.clone()
    path[:, 2] = -path[:, 2]  # not hidden
    assert float(trainer.drift(path, some)) == pytest.approx(0, abs=1e-6)
    path[1, 0] = -path[1, 0]
    assert float(trainer.drift(path, some)) == pytest.approx(1 / 3)
    hidden = some.hidden.clone()
    hidden[1, 1] = False
    assert float(trainer.drift(path, dataclasses.replace(some, hidden=hidden))) == pytest.approx(2 / 3)


@pytest.mark.usefixtures("unhooked")
def test_the_command_line_writes_a_folder_that_loads(tmp_path, capsys, monkeypatch):
    encoder = write_encoder(tmp_path / "encoder")
    data = tmp_path / "scenes.safetensors"
    line = f"--encoder local-dir:{encoder} --data {data} --steps 2 --batch 2 --scenes 3 --validation-scenes 2"
    line += " --image-size 32 --device cpu"
    trainer.main(["--method", "regressor", "--out", str(tmp_path / "regressor"), *line.split()])
    monkeypatch.setattr(scene_file, "draw_gap_scenes", None)  # they are not drawn again
    trainer.main(["--method", "latent_ode", "--out", str(tmp_path / "latent_ode"), *line.split()])
    for method in ("regressor", "latent_ode"):
        folder = tmp_path / method
        assert {p.name for p in folder.iterdir()} == {"config.json", "model.safetensors", "card.json", "README.md"}
        card = load_card(folder)
        assert card["command"].startswith(f"python -m slap_core.training.rivals --method {method}")
        assert "--out" not in card["command"]
        assert card["scores"]["validation drift, SLERP"] > 0
        network = baseline_class(method).from_pretrained(folder)
        assert network.dim == json.loads((folder / "config.json").read_text())["dim"] == 12
    assert "drift" in capsys.readouterr().out
