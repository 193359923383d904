"""The benchmarks on little data: what they write, and scores that a known encoder must get."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from slap_core import sphere
from slap_core.benchmarks import abstention, bands, confidences, examples, hidden_stretches, rendering, solver
from slap_core.benchmarks import encoder as encoder_benchmark
from slap_core.benchmarks.predicted_risk import predict, reliability
from slap_core.benchmarks.reference import QUICK, Reference
from slap_core.encoders import OpenClipEncoder
from slap_core.least_action import LeastAction
from slap_core.pretrained import chosen_coupling, load_card, load_encoder, load_potential, weights_folder
from slap_core.training.gap_scenes import draw_gap_scenes
from slap_core.tunnel_world import COLOURS, sample, seeds


class Chance(OpenClipEncoder):
    """Latents that know nothing: every picture and every text at random."""

    device = torch.device("cpu")

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def images(self, images):
        return torch.nn.functional.normalize(torch.randn(len(images), 64, generator=self.generator), dim=-1), None

    def text(self, texts):
        return torch.nn.functional.normalize(torch.randn(len(texts), 64, generator=self.generator), dim=-1)


def test_chance_gets_the_scores_of_chance():
    scores, intervals = encoder_benchmark.measure(Chance(), seeds("test", 120))
    assert scores["joint_accuracy"] < 0.05
    assert 0.35 < scores["empty_accuracy"] < 0.65
    assert scores["occluder_accuracy"] < 0.35
    assert scores["retrieval_r1"] < 0.3
    for name, value in scores.items():
        low, high = intervals[name]
        assert 0 <= low <= value <= high <= 1


def test_the_bundled_encoder_sees_what_its_card_says():
    """On 150 scenes, so with room for their chance: the full measurement is the benchmark's."""
    scores, _ = encoder_benchmark.measure(load_encoder(), seeds("test", 150))
    assert scores["joint_accuracy"] > 0.93
    assert scores["joint_accuracy_held_out_pairs"] > 0.75
    assert scores["empty_accuracy"] > 0.98
    assert scores["occluder_accuracy"] > 0.95
    assert scores["retrieval_r1"] > 0.85


def test_the_command_writes_the_scores(tmp_path, capsys):
    encoder_benchmark.main(["--out", str(tmp_path), "--seeds", "3221225472-3221225511"])
    scores = json.loads((tmp_path / "encoder.json").read_text())
    assert {
        "joint_accuracy",
        "joint_accuracy_held_out_pairs",
        "retrieval_r1",
        "empty_accuracy",
        "occluder_accuracy",
    } <= set(scores)
    assert (tmp_path / "encoder.md").read_text() == capsys.readouterr().out


def test_any_range_of_seeds_is_measured(tmp_path):
    # One scene of training: what is held out is shown by a scene of the test range, what is not to be seen is null.
    encoder_benchmark.main(["--out", str(tmp_path), "--seeds", "7-7"])
    scores = json.loads((tmp_path / "encoder.json").read_text())
    assert scores.pop("scenes") == 1
    assert set(scores.pop("intervals")) == set(scores)
    assert all(value is None or 0 <= value <= 1 for value in scores.values())
    assert scores["retrieval_r1"] == 1.0  # one caption among one


@pytest.mark.parametrize("text", ["7", "a-b", "9-3", "-5-3", "0-4294967296", ""])
def test_what_is_no_range_of_seeds_is_refused(tmp_path, capsys, text):
    with pytest.raises(SystemExit, match="2"):
        encoder_benchmark.main(["--out", str(tmp_path), f"--seeds={text}", "--encoder", "local-dir:nowhere"])
    assert "--seeds must be A-B" in capsys.readouterr().err


def test_speeds_of_drawing_are_written(tmp_path, capsys):
    rendering.main(["--out", str(tmp_path), "--clips", "1", "--repeats", "1", "--device", "cpu"])
    speeds = json.loads((tmp_path / "rendering.json").read_text())
    assert speeds == json.loads(capsys.readouterr().out)
    assert speeds["frames_of_64_per_second"] > 1
    assert 0 < speeds["seconds_of_a_clip_of_384"] < 60
    with pytest.raises(SystemExit):
        rendering.main(["--out", str(tmp_path), "--repeats", "0"])
    assert "at least 1" in capsys.readouterr().err


def test_figures_of_the_solver_are_written(tmp_path, capsys):
    solver.main(["--out", str(tmp_path), "--quick", "--repeats", "1", "--device", "cpu"])
    record = json.loads((tmp_path / "solver.json").read_text())
    assert set(solver.AIMS) <= set(record)
    assert all(int(n) > 0 and count > 0 for n, count in record["gradients_by_missing_frames"].items())
    assert all(record[name] is None or record[name] >= 0 for name in solver.AIMS if name != "inspection_share")
    text = (tmp_path / "solver.md").read_text()
    assert text == capsys.readouterr().out
    assert f"| {solver.AIMS['tflop'][0]} |" in text
    # No rival ends below the action that ours found, and ours is below the geodesic's.
    actions = record["action_on_the_frame_grid"]
    assert actions["frames"] < actions["geodesic"]
    rivals = record["rivals"]
    for found in [*rivals["adam"].values(), rivals["descent"], rivals["lbfgs"]]:
        assert found["action"] > actions["frames"] - 1e-5 * abs(actions["frames"])
        assert found["evaluations"] <= 30
    with pytest.raises(SystemExit):
        solver.main(["--out", str(tmp_path), "--repeats", "0"])
    assert "at least 1" in capsys.readouterr().err


def test_flops_of_a_solve_are_those_of_its_products():
    sizes = QUICK
    potential = Reference.of(sizes).potential
    z, query = torch.randn(5, sizes.dim), torch.randn(sizes.dim)
    asked = potential.asked(z, query)
    with FlopCounterMode(display=False) as counter:
        asked.value_and_gradient(z)
    # The last layer's gradient is elementwise, and so not counted there as a product.
    assert counter.get_total_flops() == pytest.approx(5 * solver.gradient_flops(potential), rel=0.1)


@pytest.mark.slow
def test_rows_of_the_examples():
    row, *others = examples.measure([{"file": "car_stays.mp4", "query": "a red car"}], keep_every=(8,))
    assert not others
    assert row["drift"]["ZOH"] > row["drift"]["SLERP"]  # the car moves
    assert row["lambda_star_drift"] <= row["drift"]["SLERP"] + 1e-9
    assert "| car_stays.mp4 | a red car | 8 |" in examples.table([row])


def test_a_confidence_that_knows_the_risk_is_chosen_and_answers_the_better_part():
    risk = torch.linspace(0, 1, 40, dtype=torch.float64)
    noise = torch.rand(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cases = dict.fromkeys(confidences.CONFIDENCES, noise) | dict.fromkeys(confidences.RISKS, risk)
    cases |= {"eigenvalue": -risk, "rings": (risk > 0.5).double(), "converged": torch.ones(40, dtype=torch.float64)}
    found = abstention.summarise(cases, cases, coverage=0.5, draws=200)
    assert {row["confidence"] for row in found["rows"] if row["chosen"]} == {"eigenvalue"}
    row = next(row for row in found["rows"] if row["chosen"])
    assert [row["test_excess_area"], row["test_excess_area_high"]] == pytest.approx([0, 0])
    assert row["test_coverage"] == 0.5
    assert row["test_coverage_low"] < 0.5 < row["test_coverage_high"]
    assert row["test_risk_answered"] == pytest.approx(float(risk[:20].mean()))
    # Any order has the mean risk at every coverage; the oracle's curve is half of it at most.
    assert row["test_below_any_order"] == pytest.approx(0.5 - float((risk.cumsum(0) / torch.arange(1, 41)).mean()))
    assert row["test_below_any_order_low"] > 0.1
    assert "| drift | **eigenvalue** | 0.0000 (0.0000 to 0.0000) |" in abstention.table(found)


def test_a_threshold_that_nothing_reaches_answers_nothing():
    risk = torch.linspace(0, 1, 8, dtype=torch.float64)
    found = abstention._on_test(-risk, risk, 1.0, draws=5)
    assert found["test_coverage"] == 0
    assert found["test_risk_answered"] is found["test_risk_answered_low"] is None


def drawn_risks(scenes: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Confidences, one of them telling and one not, a risk of known expectation, that expectation, and scenes."""
    generator = torch.Generator().manual_seed(seed)
    known = torch.randn(4 * scenes, 2, generator=generator, dtype=torch.float64)
    expected = 0.1 + 0.8 * torch.sigmoid(-2 * known[:, 0])
    risk = (torch.rand(4 * scenes, generator=generator, dtype=torch.float64) < expected).double()
    return known, risk, expected, torch.arange(4 * scenes) // 4


def test_predicted_risks_are_the_expected_ones_and_their_reliability_says_so():
    known, risk, _, scene = drawn_risks(500, seed=0)
    asked, realised, expected, others = drawn_risks(500, seed=1)
    crossed, predicted = predict(known, risk, scene, asked)
    assert float((predicted - expected).abs().mean()) < 0.05
    assert float((crossed - risk).square().mean()) < float(risk.var()) * 0.8
    rows = reliability(predicted, realised, others)
    assert sum(row["cases"] for row in rows) == 2000
    assert all(row["low"] - 0.03 <= row["predicted"] <= row["high"] + 0.03 for row in rows)
    assert rows[-1]["realised"] > 0.75
    # One that is too low by 0.2 is found out.
    assert all(row["predicted"] < row["low"] for row in reliability(predicted - 0.2, realised, others))


def test_the_cross_fitted_prediction_does_not_know_its_own_scene():
    """Risks that are each scene's own and that no confidence tells but by naming the scene."""
    generator = torch.Generator().manual_seed(0)
    scene = torch.arange(400) // 4
    risk = torch.rand(100, generator=generator, dtype=torch.float64)[scene]
    crossed, _ = predict(scene.double()[:, None], risk, scene, scene.double()[:, None])
    assert abs(float(torch.corrcoef(torch.stack([crossed, risk]))[0, 1])) < 0.35


def test_cases_of_one_prediction_share_a_bin():
    (row,) = reliability(torch.full((8,), 0.25).double(), torch.tensor([0.0, 1, 0, 0] * 2), torch.arange(8) // 4)
    assert (row["cases"], row["predicted"], row["realised"], row["low"], row["high"]) == (8, 0.25, 0.25, 0.25, 0.25)


@pytest.mark.usefixtures("unhooked")
def test_predictions_that_cannot_be_made_are_refused():
    one = torch.zeros(4)
    with pytest.raises(ValueError, match="cases of at least 2 scenes, got 1"):
        predict(one[:, None], one, one.long(), one[:, None])
    with pytest.raises(ValueError, match="at least 1 bin and 1 case, got 0 and 4"):
        reliability(one, one, one.long(), bins=0)
    with pytest.raises(ValueError, match="at least 1 bin and 1 case, got 5 and 0"):
        reliability(one[:0], one[:0], one[:0].long())


def drawn_distances(scenes: int, *, factor: float, freedom: float, spread: int, seed: int = 0) -> bands.Distances:
    """Squared distances of a posterior that is too sure by a factor, with a temperature drawn for each case."""
    rng = np.random.default_rng(seed)
    tau = factor * (1.0 if math.isinf(freedom) else freedom / rng.chisquare(freedom, size=3 * scenes))
    ratio = torch.from_numpy(tau * rng.chisquare(spread, size=3 * scenes) / spread)
    scene = torch.arange(3 * scenes) // 3
    same = torch.ones_like(ratio)
    return bands.Distances(ratio, same, spread * same, scene, scene % 4 == 0)


@pytest.mark.parametrize("spread", [1, 200])
@pytest.mark.parametrize("freedom", [math.inf, 4.0])
def test_a_calibration_finds_by_how_much_a_band_was_too_sure(spread, freedom):
    known = drawn_distances(2000, factor=3.0, freedom=freedom, spread=spread)
    factor, found = bands.fit(known)
    assert factor == pytest.approx(3.0, rel=0.15)
    assert found == freedom or (spread == 1 and freedom != math.inf) or found >= 60
    test = drawn_distances(2000, factor=3.0, freedom=freedom, spread=spread, seed=1)
    rows = bands.report({"latents": known}, {"latents": test})
    assert len(rows) == 6
    for row in rows:
        covered = [row[f"{level:g}"] for level in bands.LEVELS]
        if row["correction"] == "scaled, t":
            assert covered == pytest.approx(bands.LEVELS, abs=0.06)
            assert all(row[f"{level:g} low"] - 0.05 < level < row[f"{level:g} high"] + 0.05 for level in bands.LEVELS)
        elif row["correction"] == "as stated":
            assert covered[0] < 0.35
    assert "| latents | two anchors | scaled, t |" in bands.table(rows)


def test_every_scene_weighs_the_same_in_coverage():
    ratio = torch.tensor([0.1, 0.1, 0.1, 9.0], dtype=torch.float64)
    one = torch.ones(4, dtype=torch.float64)
    found = bands.Distances(ratio, one, one, torch.tensor([0, 0, 0, 7]), torch.zeros(4).bool())
    assert found.weight().tolist() == pytest.approx([1 / 6] * 3 + [1 / 2])
    row = bands.report({"latents": found}, {"latents": found})[0]
    assert (row["0.5"], row["0.5 low"], row["0.5 high"], row["scenes"]) == (0.5, 0.0, 1.0, 2)


@pytest.mark.usefixtures("unhooked")
def test_nothing_to_calibrate_on_is_refused():
    none = torch.zeros(0, dtype=torch.float64)
    with pytest.raises(ValueError, match="at least one distance, got none"):
        bands.fit(bands.Distances(none, none, none, none.long(), none.bool()))


def test_the_distances_are_those_of_the_posterior_that_the_library_states():
    scenes = hidden_stretches.draw(load_encoder(), seeds("validation", 3))
    potential = load_potential(recipe="solver")
    found = bands.measure(load_encoder(), potential, seeds("validation", 3), coupling=0.4)["latents"]
    start = 0
    for number in range(len(scenes)):
        hidden = scenes.hidden[number].nonzero().flatten()
        for query in scenes.queries[number]:
            solution = hidden_stretches.with_band(LeastAction(potential, coupling=0.4), scenes, number, query)
            apart = sphere.distance(solution.points, scenes.target[number, : len(solution.times)])[hidden].double()
            part = slice(start, start + len(hidden))
            expected = solution.posterior.radius()[hidden]
            torch.testing.assert_close(found.ratio[part].sqrt() * expected, apart, rtol=1e-3, atol=1e-4)
            assert bool((found.free[part] == scenes.gaps.free[number]).all())
            start += len(hidden)
    assert start == len(found.ratio)


def test_the_coverage_of_bands_is_written(tmp_path, capsys):
    bands.main(["--out", str(tmp_path), "--scenes", "6", "--recipe", "paper"])
    record = json.loads((tmp_path / "bands.json").read_text())
    assert (record["recipe"], record["coupling"]) == ("paper", hidden_stretches.COUPLING)
    assert {row["of"] for row in record["rows"]} == {"latents", "concept scores"}
    for row in record["rows"]:
        assert 0 <= row["0.5"] <= row["0.95"] <= 1
    assert (tmp_path / "bands.md").read_text() == capsys.readouterr().out
    assert (tmp_path / "bands.csv").read_text().count("\n") == 1 + len(record["rows"])


def test_lambda_is_that_of_the_card():
    assert chosen_coupling("solver") == load_card(weights_folder("potential_through_solver"))["scores"]["coupling"]
    assert chosen_coupling("paper") is None


def test_scenes_that_hide_nothing_are_refused(monkeypatch, tmp_path, capsys):
    scenes = draw_gap_scenes(load_encoder(), seeds("validation", 1))
    nothing = dataclasses.replace(scenes, hidden=torch.zeros_like(scenes.hidden))
    monkeypatch.setattr(hidden_stretches, "draw_gap_scenes", lambda encoder, scene_seeds: nothing)
    with pytest.raises(ValueError, match="none of these hides anything"):
        hidden_stretches.draw(load_encoder(), seeds("validation", 1))
    for benchmark in (bands, abstention):
        with pytest.raises(SystemExit, match="2"):
            benchmark.main(["--out", str(tmp_path), "--quick"])
        assert "none of these hides anything" in capsys.readouterr().err


def test_absent_things_are_of_kinds_that_the_scene_does_not_show():
    scenes = draw_gap_scenes(load_encoder(), seeds("validation", 8), most=2)
    drawn = sample(scenes.seed)
    for row, numbers in enumerate(confidences._absent(scenes)):
        kinds = set((numbers // len(COLOURS)).tolist())
        assert not kinds & set(drawn.kind[row][drawn.present[row]].tolist())


def test_the_curves_of_abstention_are_written(tmp_path, capsys):
    abstention.main(["--out", str(tmp_path), "--quick", "--seeds", "3221225472-3221225483"])
    found = json.loads((tmp_path / "abstention.json").read_text())
    assert found["scenes"] == 12
    assert found["cases"]["test"] % 4 == 0
    assert (found["recipe"], found["coupling"]) == ("solver", chosen_coupling("solver"))
    assert len(found["rows"]) == len(confidences.RISKS) * (len(confidences.CONFIDENCES) + 1)
    for row in found["rows"]:
        assert row["validation_excess_area"] >= 0
        assert row["test_excess_area"] >= 0
        assert 0 <= row["test_coverage_low"] <= row["test_coverage"] <= row["test_coverage_high"] <= 1
    for rows in found["reliability"].values():
        assert sum(row["cases"] for row in rows) == found["cases"]["test"]
    curve = found["curves"]["drift"]["alarm"]
    assert curve["coverage"][-1] == 1
    assert curve["risk"][-1] == pytest.approx(found["rows"][0]["test_risk_of_all"], abs=1e-4)
    assert (tmp_path / "abstention.md").read_text() == capsys.readouterr().out
    assert (tmp_path / "abstention.csv").read_text().count("\n") == 1 + len(found["rows"])


@pytest.mark.parametrize("arguments", [["--scenes", "0"], ["--coverage", "0"], ["--coupling", "-1"], ["--seeds", "3"]])
def test_abstention_refuses_what_it_cannot_measure(tmp_path, capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        abstention.main(["--out", str(tmp_path), *arguments])
    assert "must be" in capsys.readouterr().err
