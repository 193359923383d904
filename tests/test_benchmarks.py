"""The benchmarks on little data: what they write, and scores that a known encoder must get."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from slap_core.benchmarks import abstention, examples, rendering, solver
from slap_core.benchmarks import encoder as encoder_benchmark
from slap_core.benchmarks.reference import QUICK, Reference
from slap_core.encoders import OpenClipEncoder
from slap_core.pretrained import load_encoder
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
    cases = dict.fromkeys(abstention.CONFIDENCES, noise) | dict.fromkeys(abstention.RISKS, risk)
    cases |= {"eigenvalue": -risk, "rings": (risk > 0.5).double(), "converged": torch.ones(40, dtype=torch.float64)}
    found = abstention.summarise(cases, cases, coverage=0.5)
    assert {row["confidence"] for row in found["rows"] if row["chosen"]} == {"eigenvalue"}
    row = next(row for row in found["rows"] if row["chosen"])
    assert row["test_excess_area"] == pytest.approx(0)
    assert row["test_coverage"] == 0.5
    assert row["test_risk_answered"] == pytest.approx(float(risk[:20].mean()))
    assert "| drift | **eigenvalue** | 0.0000 |" in abstention.table(found)


def test_absent_things_are_of_kinds_that_the_scene_does_not_show():
    scenes = draw_gap_scenes(load_encoder(), seeds("validation", 8), most=2)
    drawn = sample(scenes.seed)
    for row, numbers in enumerate(abstention._absent(scenes)):
        kinds = set((numbers // len(COLOURS)).tolist())
        assert not kinds & set(drawn.kind[row][drawn.present[row]].tolist())


def test_the_curves_of_abstention_are_written(tmp_path, capsys):
    abstention.main(["--out", str(tmp_path), "--quick", "--seeds", "3221225472-3221225483"])
    found = json.loads((tmp_path / "abstention.json").read_text())
    assert found["scenes"] == 12
    assert found["cases"]["test"] % 4 == 0
    assert len(found["rows"]) == len(abstention.RISKS) * len(abstention.CONFIDENCES)
    for row in found["rows"]:
        assert row["validation_excess_area"] >= 0
        assert row["test_excess_area"] >= 0
        assert 0 <= row["test_coverage"] <= 1
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
