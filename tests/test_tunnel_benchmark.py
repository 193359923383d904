"""The tunnel test: its cases, its metrics on paths whose scores are known, its totals and intervals."""

import dataclasses
import itertools
import json
import math
import shutil

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from slap_core import sphere
from slap_core.attractors import AttractorPotential
from slap_core.baselines import Oracle, Slerp
from slap_core.benchmarks.output import draw
from slap_core.benchmarks.tunnel import beliefs, conditions, decisive, replicas, scores, settings_search, sweep, tables
from slap_core.benchmarks.tunnel import cases as asked
from slap_core.benchmarks.tunnel.methods import LANDSCAPES, ROWS, Landscape, methods
from slap_core.curvature import global_bounds
from slap_core.force_field import ForceField
from slap_core.metrics import drift
from slap_core.potential import StaticPotential
from slap_core.pretrained import chosen_coupling, load_encoder
from slap_core.probe import Probe
from slap_core.rivals import DirectRegressor
from slap_core.training.queries import query_pairs
from slap_core.tunnel_world import OUTCOMES, sample, seeds, state
from slap_core.types import Latents
from slap_core.views.figures.tunnel import methods_figure, scan_figure

DIM = 256


def unit(*shape, seed=0):
    return sphere.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)))


def case(outcome="through", *, nodes=5, seed=0, place=2, dim=DIM):
    hidden = torch.full((nodes, 2), -1)
    if outcome != "empty":
        hidden[1:4, 0] = place
    return asked.Case(
        outcome=OUTCOMES.index(outcome),
        seed=seed,
        seen=Latents(unit(2, dim, seed=seed + 1), torch.tensor([0.0, 1.0])),
        times=torch.linspace(0, 1, nodes + 2, dtype=torch.float64)[1:-1],
        queries=unit(4, dim, seed=seed + 2),
        asked=((1, 3), (2, 4), (5, 6), None),
        target=unit(nodes, dim, seed=seed + 3),
        observed=unit(nodes, dim, seed=seed + 4),
        empty=unit(nodes, dim, seed=seed + 5),
        scored=torch.tensor([False, True, True, True, False]),
        kind=torch.tensor([1, -1]),
        colour=torch.tensor([3, -1]),
        place=hidden,
        in_front=(),
    )


def reading(says, kind, colour, place, *, places=6):
    values = [torch.tensor(v) for v in (kind, colour, place)]
    return beliefs.Reading(torch.tensor(says), torch.tensor(says).float(), *values, places, values[2] / places)


def test_a_belief_is_right_if_it_names_a_hidden_object_in_its_own_place():
    one = case()
    good = reading([True, True, True], [1, 1, 2], [3, 3, 3], [2, 1, 2])
    assert good.right(one, one.scored).tolist() == [True, False, False]
    coarse = reading([True, True, False], [1] * 3, [3] * 3, [1, 0, 1], places=3)
    assert coarse.right(one, one.scored).tolist() == [True, False, False]
    nothing = case("empty")
    assert reading([True, False, False], [1] * 3, [3] * 3, [2] * 3).right(nothing, nothing.scored).tolist() == [
        False,
        True,
        True,
    ]
    two = dataclasses.replace(one, kind=torch.tensor([1, 7]), colour=torch.tensor([3, 0]), place=one.place.clone())
    two.place[1:4, 1] = 5
    either = reading([True] * 3, [7, 7, 1], [0, 0, 3], [5, 2, 5])
    assert either.right(two, two.scored).tolist() == [True, False, False]
    assert either.names(7, 0).tolist() == [True, True, False]
    named, placed = either.named_and_placed(two, two.scored)
    assert named.tolist() == [True, True, True]
    assert placed.tolist() == [True, True, True]  # where the other one is
    named, placed = good.named_and_placed(one, one.scored)
    assert named.tolist() == [True, True, False]
    assert placed.tolist() == [True, False, True]


def test_the_scores_of_the_answer_and_of_the_empty_frame_are_what_they_must_be():
    one, probe = case(), Probe(DIM).eval()
    path = torch.stack([one.target, one.empty, one.target, one.empty])
    found = dict(zip(scores.MEASURED, scores.measure(path, one, probe), strict=True))
    torch.testing.assert_close(found["drift"][[0, 2]], torch.zeros(2).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(found["presence"], torch.tensor([1.0, 0, 1, 0]).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(found["drift_relative"][[1, 3]], torch.ones(2).double(), atol=1e-5, rtol=0)
    absent = dict(zip(scores.MEASURED, scores.measure(path, case("empty"), probe), strict=True))
    for name in ("presence", "drift_relative", "place_error", "named", "placed"):
        assert bool(absent[name].isnan().all())
    assert bool(absent["drift"].isfinite().all())


def test_figures_show_every_method_and_the_papers_scan_apart():
    scan = {
        "couplings": [0.0, 0.1, 1.0],
        "accuracy": [[0.3, 0.2, 0.4], [0.6, 0.5, 0.7], [0.2, 0.1, 0.3]],
        "drift": [[0.2, 0.1, 0.3]] * 3,
        "unconverged": [0.0, 0.0, 0.2],
        "regimes": ["ballistic", "resonance", "chaos"],
        "best": 0.1,
    }
    figure = scan_figure({"slap_paper": scan | {"unconverged": [0.0] * 3}, "slap": scan})
    names = [trace.name for trace in figure.data if trace.name]
    assert "the paper's figures, on its own data" in names
    assert sum("trained" in name for name in names) == 4
    assert list(figure.data[1].y) == [0.3, 0.6, 0.2]
    lost = next(trace for trace in figure.data if trace.name == "over 1 % of the paths not found")
    assert list(lost.y) == [0.2]
    assert lost.showlegend
    groups = {"all": [0.5, 0.4, 0.6], "basic": [0.7, 0.6, 0.8], "worst": [0.1, 0.0, 0.2]}
    figure = methods_figure({"slap": groups, "slerp": groups})
    assert [list(trace.y) for trace in figure.data] == [["slerp", "slap"]] * 3
    assert list(figure.data[0].error_x.array) == pytest.approx([0.1, 0.1])


def test_a_figure_is_drawn_as_a_page_and_as_a_picture(tmp_path, monkeypatch, capsys):
    figure = methods_figure({"slap": {"all": [0.5, 0.4, 0.6], "basic": [0.7, 0.6, 0.8], "worst": [0.1, 0.0, 0.2]}})
    assert [path.name for path in draw(tmp_path, "some", figure)] == ["some.html", "some.svg"]
    assert "<svg" in (tmp_path / "some.svg").read_text()
    assert "the four basic ones" in (tmp_path / "some.html").read_text()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert [path.name for path in draw(tmp_path / "bare", "some", figure)] == ["some.html"]
    assert "that takes kaleido" in capsys.readouterr().out


def test_conjured_is_what_was_asked_for_and_is_not_there(monkeypatch):
    one = case()
    named = {0: (1, 3), 1: (2, 4), 2: (0, 0), 3: (2, 4)}
    rows = [torch.tensor([[named[q][k]] * 3 for q in range(4)]) for k in (0, 1)]
    says = torch.ones(4, 3, dtype=torch.bool)
    fake = beliefs.Reading(says, says.float(), *rows, rows[0] * 0, 6, rows[0] * 0.0)
    monkeypatch.setattr(scores, "read", lambda *_: (fake, fake))
    found = dict(zip(scores.MEASURED, scores.measure(one.target.expand(4, -1, -1), one, Probe(DIM)), strict=True))
    assert found["conjured"].tolist() == [0.0, 1.0, 0.0, 0.0]


def table_of(numbers):
    """Values of cases, (case, measured, query), with `numbers` by name and NaN elsewhere."""
    some = next(iter(numbers.values()))
    table = torch.full((len(some), len(scores.MEASURED), 4), torch.nan, dtype=torch.float64)
    for name, column in numbers.items():
        table[:, scores.MEASURED.index(name)] = torch.as_tensor(column, dtype=torch.float64)[:, None]
    return table


def test_totals_weigh_outcomes_alike_and_the_worst_is_the_worst():
    members = [case(name) for name in ("through", "through", "through", "stays", "empty", "empty")]
    numbers = {
        "accuracy": [1, 1, 0, 0.5, 1, 0],
        "says": [1, 1, 1, 0, 0.25, 0.25],
        "sure": [3, 1, 2, 0.5, 0, 1],
        "drift": [0.1, 0.1, 0.4, 0.3, 0, 0],
        "presence": [2, 2, 2, 0.5, float("nan"), float("nan")],
    }
    found = scores.summarise(table_of(numbers), members, resamples=50)
    whole = found["all"]["all"]
    assert whole["accuracy"].value == pytest.approx((2 / 3 + 1 / 2 + 1 / 2) / 3)
    assert found["basic"]["true"]["accuracy"].value == whole["accuracy"].value
    assert whole["present_accuracy"].value == pytest.approx(((1 + 0) / 2 + 0.75) / 2)
    assert whole["false_positive_rate"].value == pytest.approx(0.25)
    assert whole["permanence"].value == pytest.approx(1 + 4 * min(1, (2 + 0.5) / 2))
    assert found["stays"]["all"]["permanence"].value == pytest.approx(3)
    assert found["worst"]["all"]["accuracy"].value == pytest.approx(0.5)
    assert found["worst"]["all"]["drift"].value == pytest.approx(0.3)
    assert np.isnan(found["through"]["all"]["false_positive_rate"].value)
    # Outcomes weigh alike: each through scene counts a third, the one that stays as much as all three.
    expected = roc_auc_score([1, 1, 1, 1, 0, 0], numbers["sure"], sample_weight=[1 / 3, 1 / 3, 1 / 3, 1, 1, 1])
    assert whole["auc"].value == pytest.approx(expected)
    assert whole["accuracy"].low <= whole["accuracy"].value <= whole["accuracy"].high


def test_intervals_shrink_with_the_number_of_scenes_and_cover_the_mean():
    rng = np.random.default_rng(1)
    widths = []
    for count in (20, 320):
        numbers = {"drift": rng.random(count), "says": np.zeros(count), "sure": np.zeros(count)}
        whole = scores.summarise(table_of(numbers), [case()] * count)["through"]["all"]["drift"]
        assert whole.low < 0.5 < whole.high
        widths.append(whole.high - whole.low)
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.3)


def test_a_glimpse_is_an_anchor_and_no_longer_asked_for():
    one = case()
    seen = asked.glimpse(one, [2], one.target[2:3])
    assert len(seen.seen) == 3
    assert len(seen.times) == 4
    torch.testing.assert_close(seen.seen.points[1], one.target[2])
    assert float(seen.seen.times[1]) == float(one.times[2])
    torch.testing.assert_close(seen.target, one.target[[0, 1, 3, 4]])
    assert seen.scored.tolist() == [False, True, True, False]


@pytest.mark.parametrize("count", [2, 9, 10, 11, 20, 40])
def test_another_case_is_another(count):
    some = [case(seed=k) for k in range(count)]
    assert all(asked.another(some, k) is not some[k] for k in range(count))


def test_conditions_change_what_they_say():
    scenes = sample(seeds("test", 32), outcome="through")
    alone = conditions.nothing_in_front(scenes)
    assert bool((alone.present == scenes.actor).all())
    assert bool((scenes.present & ~scenes.actor).any())
    slow = conditions.hidden_longer(scenes, factor=4.0)
    assert bool((slow.key_times[:, 0, 0] == 0).all())
    torch.testing.assert_close(slow.key_times[:, 0, -1], torch.ones(32))

    def behind(some):
        at = state(some, torch.arange(48).expand(32, -1)).x[:, :, 0]
        centre = some.occluder_centre[:, None]
        return ((at - centre).abs() < some.occluder_half[:, None]).float().mean()

    assert float(behind(slow)) > 1.05 * float(behind(scenes))
    same = conditions.hidden_longer(scenes, factor=1.0)
    torch.testing.assert_close(same.key_times[:, 0], scenes.key_times[:, 0])


def test_what_is_asked_for_is_never_there_when_it_is_absent():
    scenes = sample(seeds("test", 64))
    for row, (true, distractor, absent, generic) in enumerate(query_pairs(scenes)):
        there = {
            (int(k), int(c))
            for k, c, p in zip(scenes.kind[row], scenes.colour[row], scenes.present[row], strict=True)
            if p
        }
        assert (true in there) == bool(scenes.actor[row].any())
        assert absent not in there
        assert distractor != true
        assert generic is None


def test_the_best_lambda_is_the_one_whose_path_ends_at_the_answer():
    """The answer is the path of least action itself at lambda = 0.3, so that no other lambda drifts less."""
    one = case(dim=8)
    path = Landscape(StaticPotential(), 0.3)(one.seen, one.times, one.queries[0])
    known = dataclasses.replace(one, target=path.points.float(), queries=one.queries[:1].expand(4, -1))
    assert settings_search.choose_couplings({"static": StaticPotential()}, [known]) == {"static": 0.3}


def test_rows_answer_about_the_case_that_they_are_made_for():
    encoder = load_encoder()
    potentials = dict.fromkeys(LANDSCAPES, StaticPotential())
    one = case()
    rows = methods(encoder, potentials, dict.fromkeys(LANDSCAPES, 0.1), {0: unit(DIM, seed=9)})
    assert tuple(rows) == ROWS

    def found(name):
        return rows[name](one)(one.seen, one.times, one.queries).points

    torch.testing.assert_close(found("oracle"), one.target)
    torch.testing.assert_close(found("floor"), one.observed)
    torch.testing.assert_close(found("slap_pure_inertia")[0], found("slerp").float(), atol=1e-4, rtol=0)
    assert found("wrong_query").ndim == 2
    pulled = [float((found(name)[0] @ one.queries[0]).mean()) for name in ("slerp", "slap", "slap_pure_potential")]
    assert pulled == sorted(pulled)
    for name in ("latent_ode", "autoregressive", "regressor", "field", "regressor_gp"):
        assert found(name).shape == (4, 5, DIM)


def test_the_anchor_inside_is_held_the_less_the_less_it_shows():
    """Between two anchors that show what is asked for, one that does not."""
    query = unit(8)
    near = sphere.normalize(query + 0.1 * unit(8, seed=1))
    away = unit(8, seed=2)
    away = sphere.normalize(away - (away @ query) * query)
    seen = Latents(torch.stack([near, away, near]), torch.tensor([0.0, 0.5, 1.0]))
    path = Landscape(StaticPotential(), 0.0)(seen, [0.25, 0.49, 0.75], query)
    assert float(sphere.distance(path.points[1], away)) > 0.2


@pytest.mark.slow
def test_the_command_writes_what_it_promises(tmp_path, capsys, monkeypatch):
    from slap_core.benchmarks.tunnel import __main__ as command

    monkeypatch.setattr(command, "QUICK", 1)
    monkeypatch.setattr(command, "COUPLINGS", (0.0, 0.1))
    first = 2**31 + 2**30
    command.main(["--quick", "--seeds", f"{first}-{first + 17}", "--out", str(tmp_path)])
    lines = (tmp_path / "tunnel.csv").read_text().splitlines()
    assert lines[0].startswith("method,outcome,query,scenes,accuracy,accuracy_low,accuracy_high,")
    rows = [line.split(",") for line in lines[1:]]
    assert {row[0] for row in rows} == set(ROWS)
    groups = {*OUTCOMES, "basic", "all", "worst"}
    ways = {"true", "distractor", "absent", "generic", "all"}
    assert {(row[1], row[2]) for row in rows} == set(itertools.product(groups, ways))
    assert "## Accuracy by outcome" in capsys.readouterr().out
    record = json.loads((tmp_path / "tunnel.json").read_text())
    totals = json.loads((tmp_path / "tunnel_totals.json").read_text())
    assert totals["scenes"] == record["scenes"]["all"]
    assert totals["methods"]["slap"]["drift"] == record["methods"]["slap"]["all"]["all"]["drift"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "0-20"], "outside of the training split"),
        (["--seeds", "3221225472-3221225473"], "at least 9 scenes"),
        (["--seeds", "x"], "must be A-B"),
    ],
)
def test_seeds_that_cannot_be_used_are_refused(tmp_path, capsys, arguments, message):
    from slap_core.benchmarks.tunnel import __main__ as command

    with pytest.raises(SystemExit):
        command.main([*arguments, "--out", str(tmp_path)])
    assert message in capsys.readouterr().err


def test_a_table_has_the_papers_figures_in_columns_of_their_own():
    summary = {name: scores.summarise(table_of({"accuracy": [0.5], "says": [1.0], "sure": [0.0], "drift": [0.2]}),
                                      [case()], resamples=5) for name in ("slerp", "rule")}  # fmt: skip
    text = tables.markdown(summary, {"slerp": 0.25}, outcome="all")
    slerp, rule = text.splitlines()[2:]
    assert slerp.endswith("| *41.5* | *2.1* | *0.38* |")
    assert "0.25" in slerp
    assert rule.endswith("|  |  |  |")


def test_a_glimpse_of_the_decisive_experiment_is_what_it_says():
    one, other = case(), case(seed=50)
    hard = decisive.glimpsed(one, "hard glimpse", other)
    assert len(hard.seen) == 3
    shown = hard.seen.points[1]
    assert bool((one.target[1:4] == shown).all(-1).any())
    assert not bool((hard.target == shown).all(-1).any())
    soft = decisive.glimpsed(one, "soft glimpse", other)
    assert float(sphere.distance(soft.seen.points[1], shown)) == pytest.approx(decisive.NOISE, abs=1e-4)
    lie = decisive.glimpsed(one, "contradiction", other)
    assert bool((other.target == lie.seen.points[1]).all(-1).any())
    assert len(decisive.glimpsed(one, "two hard glimpses", other).seen) == 4
    few = dataclasses.replace(one, scored=torch.tensor([False, True, False, False, False]))
    assert decisive.glimpsed(few, "hard glimpse", other) is few


def test_the_decisive_experiment_finds_who_is_ahead():
    """One answers with the truth, one with the empty frame; who asks for a stiffness gets the best on validation."""

    def answer(name):
        return lambda one, _: Oracle(Latents(getattr(one, name), one.times))(one.seen, one.times)

    def wavering(one, kappa):
        return answer("target" if kappa == 10 else "empty")(one, kappa)

    cases = [case(seed=k) for k in range(4)]
    known = dict.fromkeys(decisive.GLIMPSES, cases)
    rows = [{"slap": wavering, "field": answer("empty"), "regressor": answer("empty"), "regressor_gp": wavering}]
    found, spread, stiffness = decisive.experiment(rows * 2, known, {"hard glimpse": cases}, Probe(DIM).eval())
    assert stiffness["slap"] == dict.fromkeys(decisive.GLIMPSES, 10.0)
    assert found["hard glimpse"]["slap"]["drift"].value == pytest.approx(0, abs=1e-6)
    assert found["hard glimpse"]["field"]["drift"].low > 0.3
    assert spread["hard glimpse"]["slap"] == pytest.approx([0, 0], abs=1e-6)
    assert "least mean drift in 0" in decisive.verdict(found)
    del rows[0]["regressor_gp"]
    rows[0]["regressor_gp"] = answer("empty")
    found, _, _ = decisive.experiment(rows, known, {"hard glimpse": cases}, Probe(DIM).eval())
    assert "least mean drift in 1 (hard glimpse)" in decisive.verdict(found)


def test_a_folder_without_replicas_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no folder 0 with potential, regressor, force_field"):
        replicas.replicas(tmp_path)


def test_a_replica_that_lacks_a_network_is_refused(tmp_path):
    (tmp_path / "0" / "potential").mkdir(parents=True)
    (tmp_path / "0" / "potential" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="0 lacks regressor, force_field"):
        replicas.replicas(tmp_path)


def test_the_shipped_networks_are_a_replica_whose_card_says_lambda():
    (shipped,) = replicas.replicas(None)
    assert shipped.landscape.coupling == chosen_coupling("solver")


def test_training_seeds_are_told_apart_with_their_spread():
    one = case()
    same = DirectRegressor(DIM).eval()
    trained = [
        replicas.Replica(Landscape(StaticPotential(), coupling), same, ForceField(DIM, width=8, depth=1).eval())
        for coupling in (0.0, 3.0)
    ]
    found = replicas.by_training_seed(trained, [one], Probe(DIM).eval())
    drifts = [row["drift, all"].value for row in found["slap"]]
    slerp = drift(Slerp()(one.seen, one.times).points, one.target)
    assert drifts[0] == pytest.approx(float(slerp[one.scored].mean()))
    assert abs(drifts[1] - drifts[0]) > 1e-3
    column = list(found["slap"][0]).index("drift, all") + 2
    slap, regressor, _ = (line.split("|")[column].strip() for line in replicas.spread_table(found).splitlines()[2:])
    assert slap.startswith(f"{sum(drifts) / 2:.4f} ± {abs(drifts[1] - drifts[0]) / 2**0.5:.4f} ({min(drifts):.4f}–")
    assert "± 0.0000" in regressor


def test_a_sweep_tells_up_to_which_lambda_a_path_is_the_only_one():
    one = case(dim=8)
    network = AttractorPotential(8, width=8, depth=1).eval()
    found = sweep.sweep(network, [one], Probe(8).eval(), (0.0, 0.5, 1.0))
    question = network.in_gaps(one.queries[:1], one.seen.points[:1], one.seen.points[1:])[0]
    # A string of one gap as the unit of time has pi^2.
    expected = global_bounds(network, question).riemannian / math.pi**2
    assert found.softness.tolist() == pytest.approx([0, expected / 2, expected], rel=0.05)
    assert found.as_json()["Lambda"] == found.softness.tolist()


def test_a_sweep_finds_the_lambda_at_which_the_answer_lies():
    one = case(dim=8)
    path = Landscape(StaticPotential(), 0.3)(one.seen, one.times, one.queries[0])
    known = dataclasses.replace(one, target=path.points.float(), queries=one.queries[:1].expand(4, -1))
    found = sweep.sweep(StaticPotential(), [known], Probe(8).eval(), (0.0, 0.1, 0.3, 0.6))
    assert int(found.drift[:, 0].argmin()) == 2
    assert float(found.drift[2, 0]) == pytest.approx(0, abs=1e-6)
    assert float(found.unconverged.max()) == 0
    assert len(found.regimes) == 4
    assert bool(found.softness.isnan().all())  # the cosine has no bound of a network
    assert "(λ*)" in sweep.table({"static": found})
