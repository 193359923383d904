"""The rivals' trainer: its batches, its scores, and a short run of each method."""

import itertools
import json

import pytest
import torch
from made_scenes import scenes
from tiny import write_encoder

from slap_core.pretrained import baseline_class, load_card
from slap_core.shaping import drift
from slap_core.training import rivals as trainer
from slap_core.training import scene_file
from slap_core.training.lessons import Lessons, asked, stretches_of_scenes
from slap_core.training.queries import QUERIES

METHODS = ("latent_ode", "regressor", "autoregressive", "force_field")


def lessons():
    some = scenes()
    return Lessons(stretches_of_scenes(some), stretches_of_scenes(some, elsewhere=0.0), QUERIES)


def settings(method, out, **options):
    values = {"steps": 120, "batch": 8, "warmup": 5, "learning_rate": 3e-3, "log_every": 30, "device": "cpu"}
    values |= {"stations": 0.5, "noise": 0.0, "width": 64}
    return trainer.RivalSettings(method=method, out=out, **{**values, **options})


@pytest.mark.parametrize("method", METHODS)
def test_every_rival_learns_what_it_is_shown(method, tmp_path):
    model, scores = trainer.train(settings(method, tmp_path), lessons())
    assert isinstance(model, baseline_class(method))
    assert not model.training
    slerp = scores["validation drift, SLERP"]
    assert all(scores[f"validation drift, {name} query"] < 0.6 * slerp for name in QUERIES)
    assert scores["train drift"] < 0.6 * slerp
    assert scores.get("validation: converged", 1.0) == 1.0
    assert ("validation: converged" in scores) == (method == "force_field")


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_training_ends_with_the_same_weights(method, tmp_path, monkeypatch):
    some = lessons()
    options = {"steps": 4, "checkpoint_every": 2}
    whole, _ = trainer.train(settings(method, tmp_path / "whole", **options), some)
    partial = settings(method, tmp_path / "partial", resume=True, **options)
    draw = trainer.batches
    monkeypatch.setattr(trainer, "batches", lambda s, o, first: itertools.islice(draw(s, o, first), 3 - first))
    with pytest.raises(ValueError, match="ended before step 3"):
        trainer.train(partial, some)
    monkeypatch.undo()
    resumed, _ = trainer.train(partial, some)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_batches_are_functions_of_seed_and_step_and_ask_all_four_queries(tmp_path):
    some, options = lessons().train, settings("regressor", tmp_path, steps=40)
    whole = list(trainer.batches(some, options, 0))
    later = next(trainer.batches(some, options, 1))
    assert torch.equal(later.index, whole[1].index)
    assert torch.equal(later.query, whole[1].query)
    assert not torch.equal(whole[0].index, whole[1].index)
    assert [batch.early for batch in whole] == [True] * 20 + [False] * 20
    assert set(torch.cat([batch.query for batch in whole]).tolist()) == {0, 1, 2, 3}
    assert set(torch.cat([batch.index for batch in whole]).tolist()) == set(range(len(some)))


def test_what_is_asked_is_the_scenes_own_query():
    some = lessons().train
    query = torch.arange(len(some)) % 4
    stretches = asked(some, query)
    torch.testing.assert_close(stretches.query, some.queries[torch.arange(len(some)), query])
    torch.testing.assert_close(stretches.start, some.anchors[::2])
    torch.testing.assert_close(stretches.stop, some.anchors[1::2])


def test_only_hidden_frames_are_scored():
    some = scenes(3)
    judged, every = stretches_of_scenes(some, elsewhere=0.0), torch.arange(3)
    path = some.target.clone()
    path[:, 2] = -path[:, 2]  # not hidden
    assert float(drift(path, judged, every).abs().max()) == pytest.approx(0, abs=1e-6)
    path[1, 0] = -path[1, 0]
    torch.testing.assert_close(drift(path, judged, every), torch.tensor([0.0, 1.0, 0.0]), atol=1e-5, rtol=0)


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
