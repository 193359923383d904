"""One chosen scene of the tunnel test: its pictures and gap, what is believed of it, and how the page tells it."""

import dataclasses
import json
import pathlib
import shlex

import pytest
import torch

from slap_core.baselines import Slerp
from slap_core.benchmarks.tunnel import accounts as told
from slap_core.benchmarks.tunnel.cases import draw_cases
from slap_core.benchmarks.tunnel.conditions import CONDITIONS
from slap_core.benchmarks.tunnel.scene import ANY, LENGTHS, SEEDS, Choices, Thing, draw_scene
from slap_core.benchmarks.tunnel.scores import MEASURED, measure
from slap_core.pretrained import load_encoder, load_probe
from slap_core.training.queries import QUERIES
from slap_core.tunnel_world import COLOURS, KINDS, OCCLUDERS, OUTCOMES, SPLITS, describe, render, seeds
from slap_core.ui import tunnel, tunnel_run
from slap_core.ui.tunnel_views import beliefs_view, measured_totals, scan_view, scene_view

FIGURES = pathlib.Path(__file__).resolve().parent.parent / "assets" / "figures"


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


@pytest.fixture(scope="module")
def probe():
    return load_probe()


@pytest.fixture(scope="module")
def scene(encoder):
    return draw_scene(encoder, Choices(seed=30), size=48)


@pytest.fixture(scope="module")
def found(scene, encoder, probe):
    return told.accounts(scene, encoder, probe)


def draw(encoder, **chosen):
    return draw_scene(encoder, Choices(**chosen), size=16)


@pytest.mark.parametrize(
    "chosen",
    [
        {"outcome": "stays", "kind": "bus", "colour": "purple", "occluder": "rock", "hidden": "long"},
        {"outcome": "through", "kind": "car", "colour": "blue", "hidden": "short"},  # a pair held out from training
        {"outcome": "empty", "occluder": "bridge", "hidden": "medium"},
        {"colour": "white", "hidden": "short"},
        {"occluder": "truck"},
    ],
)
def test_choices_are_met(encoder, chosen):
    scene = draw(encoder, seed=5, **chosen)
    scenes, run = scene.scenes, scene.run
    met = {
        "outcome": OUTCOMES[int(scenes.outcome[0])],
        "kind": KINDS[int(scenes.kind[0, 0])],
        "colour": COLOURS[int(scenes.colour[0, 0])],
        "occluder": OCCLUDERS[int(scenes.occluder[0])],
    }
    assert {**met, **chosen, "hidden": None} == {**met, "hidden": None}
    low, high = LENGTHS.get(chosen.get("hidden"), (1, 48))
    assert low <= run.last - run.first + 1 <= high


def test_scene_is_a_function_of_its_choices(encoder, scene):
    again = draw_scene(encoder, Choices(seed=30), size=48)
    assert torch.equal(again.observed, scene.observed)
    assert torch.equal(again.case.target, scene.case.target)
    assert (again.anchors, again.scored, again.nodes) == (scene.anchors, scene.scored, scene.nodes)
    assert not torch.equal(draw_scene(encoder, Choices(seed=31), size=48).observed, scene.observed)


def test_what_is_not_chosen_is_that_of_the_benchmark(encoder):
    number, outcome = 30, "crossing"
    (case,) = draw_cases(encoder, seeds("test", 1, start=number), outcomes=(outcome,), **CONDITIONS["plain"])
    mine = draw(encoder, seed=number, outcome=outcome).case
    assert torch.equal(mine.target, case.target)
    assert torch.equal(mine.scored, case.scored)
    assert torch.equal(mine.seen.points, case.seen.points)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_hidden_frames_are_hidden_and_anchors_show(encoder, outcome):
    scene = draw(encoder, seed=2, outcome=outcome)
    frames = torch.arange(scene.scenes.frames)[None]
    seen = render(scene.scenes, frames, size=24, layers=())
    shown = torch.where(scene.scenes.actor[:, None], seen.visible_fraction, 0.0)[0]
    assert float(shown[list(scene.scored)].amax()) <= 0.2
    assert len(scene.scored) == int(scene.case.scored.sum())
    assert list(scene.scored) == sorted(scene.scored)
    assert all(scene.run.first <= frame <= scene.run.last for frame in scene.scored)
    assert not set(scene.anchors) & set(scene.scored)
    if outcome not in ("empty", "inside"):
        assert float(shown[list(scene.anchors)].amax(-1).min()) > 0.2
    # Frame numbers and the case's nodes agree on where everything is, also where time runs backwards.
    place = describe(scene.scenes, seen, layer="cut_away").place[0]
    for frame, node in zip(scene.scored, scene.nodes, strict=True):
        for actor, there in enumerate(scene.case.place[node].tolist()):
            assert there in (-1, int(place[frame, actor]))
        assert bool(scene.truth(frame)) == (outcome != "empty")


@pytest.mark.parametrize("outcome", ["through", "emerges", "empty"])
def test_the_oracle_is_right_and_the_numbers_are_those_of_the_benchmark(encoder, probe, outcome):
    scene = draw(encoder, seed=1, outcome=outcome)
    found = told.accounts(scene, encoder, probe)
    assert tuple(found) == told.SHOWN
    oracle = found["oracle"]
    assert oracle.accuracy == 1
    assert oracle.drift == pytest.approx(0, abs=1e-6)
    for frame, one in zip(scene.scored, oracle.statements, strict=True):
        assert one.thing in (scene.truth(frame) or (None,))
        assert 0.5 <= one.sure <= 1
    case = scene.case
    numbers = measure(Slerp()(case.seen, case.times).points, case, probe)[:, 0]
    assert found["slerp"].accuracy == pytest.approx(float(numbers[MEASURED.index("accuracy")]))
    assert found["slerp"].drift == pytest.approx(float(numbers[MEASURED.index("drift")]), abs=1e-6)


def test_a_guess_is_judged_as_methods_are(scene, encoder):
    frame = scene.asked
    (true,) = scene.truth(frame)
    assert told.is_right(scene, frame, true)
    assert not told.is_right(scene, frame, None)
    assert not told.is_right(scene, frame, Thing(true.kind, true.colour, (true.place + 1) % 3))
    assert not told.is_right(scene, frame, Thing((true.kind + 1) % len(KINDS), true.colour, true.place))
    assert (true.kind, true.colour) in scene.possible()
    empty = draw(encoder, seed=3, outcome="empty")
    assert told.is_right(empty, empty.asked, None)
    assert not told.is_right(empty, empty.asked, true)


def test_the_words_asked_matter_only_where_they_may(scene, encoder, probe, found):
    other = told.accounts(scene, encoder, probe, query="absent")
    for name in ("zoh", "lerp", "slerp", "latent_ode", "oracle"):
        assert other[name].drift == pytest.approx(found[name].drift, abs=0.02)


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seed": SEEDS}, "seed must be a whole number"),
        ({"seed": True}, "seed must be a whole number"),
        ({"outcome": "vanishes"}, "no outcome 'vanishes' to choose; choose any or one of: through"),
        ({"kind": "dragon"}, "no kind 'dragon'"),
        ({"colour": ""}, "no colour ''"),
        ({"occluder": "fog"}, "no occluder 'fog'"),
        ({"hidden": "eternal"}, "choose any or one of: short, medium, long"),
    ],
)
def test_bad_choices_are_refused(unhooked, chosen, sentence):
    with pytest.raises(ValueError, match=sentence):
        Choices(**chosen)


def test_what_no_scene_meets_is_refused(encoder, monkeypatch):
    monkeypatch.setattr("slap_core.benchmarks.tunnel.scene._TRIES", 2)
    with pytest.raises(ValueError, match=r"'emerges' hides something for 1 to 10 of 48 frames; choose another"):
        draw(encoder, outcome="emerges", hidden="short")


def test_an_unknown_query_is_refused(scene, encoder, probe):
    with pytest.raises(ValueError, match="no query 'any' to ask; choose one of: true"):
        told.accounts(scene, encoder, probe, query="any")
    with pytest.raises(ValueError, match="no query 'rude'"):
        tunnel_run.tunnel_test(0, query="rude")


def test_seeds_are_those_of_tests_only():
    assert SPLITS["test"][0] + SEEDS == SPLITS["test"][1]
    assert set(LENGTHS) | {ANY} == {value for _, value in tunnel.LENGTHS}
    assert set(tunnel.ASKED) == set(QUERIES)


def test_the_page_is_told_step_by_step_and_the_first_step_tells_nothing():
    updates = list(tunnel_run.run(30.0, ANY, ANY, ANY, ANY, ANY, "generic", ticket="mine", figures=FIGURES))
    steps = [changes for changes in updates[1:] if set(changes) != {"status"}]
    assert [[n for n in changes if n != "status"] for changes in steps] == [["guess"], ["beliefs"], ["scan"]]
    assert {json.loads(value)["run"] for changes in updates for value in changes.values()} == {"mine"}
    # Between two methods, and between two chunks of the scans, a run may be stopped.
    at = [updates.index(changes) for changes in steps]
    assert at[1] - at[0] > len(told.SHOWN)
    assert at[2] - at[1] > 2 * len(told.SCANNED)
    guess, beliefs, scan = (json.loads(step[name]) for step, name in zip(steps, tunnel_run.VIEWS, strict=True))
    assert {guess["state"], beliefs["state"], scan["state"]} == {"ready"}
    assert sum(guess["data"]["right"]) >= 1
    assert guess["data"]["right"][-1] is False
    words = json.dumps([guess["headline"], guess["caption"], guess["description"]])
    assert not any(colour in words for colour in COLOURS)
    assert len(beliefs["data"]["rows"]) == len(told.SHOWN)
    own = next(row for row in beliefs["table"]["rows"] if row[0].startswith("SLAP, paper"))
    assert own[3:] == ["23.4\u00a0% (21–25)", "4.05", "0.182", "83.9\u00a0%*", "4.7*", "0.14*"]
    assert sum(span for _, span in beliefs["table"]["groups"]) == len(beliefs["table"]["columns"]) == len(own)
    assert {"ballistic"} <= {regime for regime in ("ballistic", "resonance") if regime in scan["description"]}
    for view in (guess, beliefs, scan):  # behind each stands the command that computes its numbers
        command = shlex.split(view["provenance"]["Command"])
        assert command[:2] == ["python", "-c"]
        assert command[2].endswith('print(tunnel_test(seed=30, query="generic"))')
        assert "regressor " in view["provenance"]["Shipped networks"]
    assert json.loads(updates[-1]["status"])["state"] == "ready"


@pytest.mark.parametrize("outcome", ["switch", "parade", "empty"])
def test_every_outcome_is_told_by_name(encoder, probe, outcome):
    scene = draw(encoder, seed=4, outcome=outcome)
    view = beliefs_view(scene, told.accounts(scene, encoder, probe), {})
    for k, c in zip(scene.case.kind.tolist(), scene.case.colour.tolist(), strict=True):
        assert k < 0 or f"{COLOURS[c]} {KINDS[k]}" in view.headline.lower()
    assert "{" not in view.headline
    assert json.loads(scene_view(scene).to_json())["data"]["asked"] == scene.asked
    if outcome == "empty":
        assert json.loads(scan_view(scene, told.scans(scene, probe)).to_json())["figure"]["data"]


def test_a_bad_seed_is_a_sentence_on_the_page(unhooked):
    for seed in (None, 1.5, -3):
        *_, last = tunnel_run.run(seed, ANY, ANY, ANY, ANY, ANY, "generic")
        assert json.loads(last["guess"])["state"] == "failed"
        assert "seed must be a whole number" in json.loads(last["guess"])["message"]


def test_unexpected_errors_tell_nothing_of_the_server(monkeypatch, caplog):
    def broken(*choices):
        raise RuntimeError("/srv/secret/path")

    monkeypatch.setattr(tunnel_run, "_steps", broken)
    last = list(tunnel_run.run(0, ANY, ANY, ANY, ANY, ANY, "generic"))[-1]
    assert json.loads(last["guess"])["message"] == tunnel_run.UNEXPECTED
    assert "secret" not in json.dumps(last)
    assert "/srv/secret/path" in caplog.text


def test_closing_a_run_ends_the_job(monkeypatch, scene, found):
    asked = []

    def each_account(*arguments, **options):
        for account in found.values():
            asked.append(account.method)
            yield account

    monkeypatch.setattr(told, "each_account", each_account)
    monkeypatch.setattr("slap_core.benchmarks.tunnel.scene.draw_scene", lambda *_, **__: scene)
    monkeypatch.setattr(told, "scan_chunks", lambda *_: pytest.fail("it goes on"))
    job = tunnel_run.run(30, ANY, ANY, ANY, ANY, ANY, "generic")
    for _ in range(4):  # all is blank, the scene, two methods
        changes = next(job)
    job.close()
    assert asked == list(told.SHOWN[:2])
    assert set(changes) == {"status"}


def test_scores_without_what_was_measured(scene, found, tmp_path):
    assert measured_totals(None) == measured_totals(tmp_path) == {}
    table = beliefs_view(scene, found, {}).table
    assert {len(row) for row in table.rows} == {len(table.columns)} == {6}
    assert [name for name, _ in table.groups] == ["", "this scene", "the paper’s*"]


def test_the_link_holds_every_choice(encoder):
    assert [row["name"] for row in tunnel.LINK] == [*dataclasses.asdict(Choices()), "query"]
    seed, *rest = tunnel.LINK
    assert (seed["low"], seed["high"]) == (0, SEEDS - 1)
    for row in rest[:-1]:
        for value in row["values"]:
            Choices(**{row["name"]: value})
    assert set(rest[-1]["values"]) == set(QUERIES)
    initial = {row["name"]: row["initial"] for row in tunnel.LINK}
    assert Choices(**{name: value for name, value in initial.items() if name != "query"}) == Choices()


def test_the_endpoint_s_numbers():
    numbers = tunnel_run.tunnel_test(30, hidden="short", query="true")
    json.dumps(numbers, allow_nan=False)
    assert numbers["choices"]["hidden"] == "short"
    assert set(numbers["methods"]) == set(told.SHOWN)
    assert set(numbers["scan"]) == set(told.SCANNED)
    for method in numbers["methods"].values():
        assert len(method["beliefs"]) == len(numbers["asked"]) == len(numbers["truth"])
    assert numbers["methods"]["oracle"]["drift"] == pytest.approx(0, abs=1e-4)
