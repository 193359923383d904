"""The benchmark of answers, on a scene or two and on tiny data sets."""

import json

import pytest
import torch

from slap_core import tunnel_world
from slap_core.answering import Answer
from slap_core.benchmarks import answers, question_sets
from slap_core.benchmarks.answers import Answered
from slap_core.training.interviews import Asked
from slap_core.video import write_clip

ROW = {"clip": 0, "paths": {}, "rate": 0.5, "text": "", "answer": "", "type": "place", "split": "hidden"}


def test_shares_and_their_intervals_are_over_scenes():
    asked = [Asked(**{**ROW, "scene": scene}) for scene in (1, 1, 1, 2)]
    found = Answered(asked, torch.tensor([True, True, True, False]))
    mean, low, high = found.share()
    assert mean == 0.75
    assert (low, high) == (0.0, 1.0)
    assert found.share(lambda one: one.split == "visible") is None


@pytest.mark.slow
def test_the_command_scores_every_method_at_every_rate(tmp_path, monkeypatch):
    first = tunnel_world.SPLITS["test"][0] + 5
    answers.main(["--seeds", f"{first}-{first}", "--out", str(tmp_path), "--drawn", str(tmp_path / "drawn")])
    record = json.loads((tmp_path / "answers.json").read_text())
    assert {"zoh", "lerp", "slerp", "latent_ode", "slap", "oracle", "slerp_shown"} <= set(record["overall"])
    for name in ("overall", "hidden"):
        assert all(set(row) == {"100", "50", "25", "10"} for row in record[name].values())
    assert record["ablations"]["full"] == record["overall"]["slap"]["50"]
    assert set(answers.ABLATIONS) | {"full"} >= set(record["ablations"])
    assert 0 <= record["question_only"] <= 1
    assert record["seeds"] == [first, first]
    assert "| slap |" in (tmp_path / "answers.md").read_text()

    def refuse(*_):
        raise AssertionError("drawn again")

    monkeypatch.setattr(answers, "draw_interviews", refuse)
    answers.main(["--seeds", f"{first}-{first}", "--out", str(tmp_path / "again"), "--drawn", str(tmp_path / "drawn")])
    assert json.loads((tmp_path / "again" / "answers.json").read_text()) == record


def test_scenes_of_the_training_split_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        answers.main(["--seeds", "0-3", "--out", str(tmp_path)])
    assert "outside of the training split" in capsys.readouterr().err


def clip(path):
    scene = tunnel_world.sample(tunnel_world.seeds("test", 1), frames=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_clip(path, tunnel_world.film(tunnel_world.render(scene, size=64).observed[0], 6.0))
    return path


def write(path, rows):
    path.write_text(json.dumps(rows))


def msvd(folder):
    clip(folder / "YouTubeClips" / "abc_1_2.mp4")
    (folder / "youtube_mapping.txt").write_text("abc_1_2 vid7\nother_3_4 vid8\n")
    write(folder / "test_qa.json", [
        {"id": 1, "video_id": 7, "question": "what is there?", "answer": "car"},
        {"id": 2, "video_id": 8, "question": "who runs?", "answer": "man"},
    ])  # fmt: skip


def msrvtt(folder):
    clip(folder / "TestVideo" / "video7010.mp4")
    write(folder / "test_qa.json", [{"id": 1, "video_id": 7010, "question": "what is there?", "answer": "car"}])


def activitynet(folder):
    clip(folder / "videos" / "v_abc.mp4")
    write(folder / "test_q.json", [{"video_name": "abc", "question": "what is there?", "question_id": "v_abc_1"}])
    write(folder / "test_a.json", [{"question_id": "v_abc_1", "answer": "car", "type": 3}])


@pytest.mark.parametrize("layout", [msvd, msrvtt, activitynet])
def test_data_sets_are_read_as_they_are_published(layout, tmp_path):
    layout(tmp_path)
    (one,) = question_sets.read_set(layout.__name__, tmp_path)
    assert one.video.suffix == ".mp4"
    assert (one.question, one.answer) == ("what is there?", "car")
    assert one.type == ("3" if layout is activitynet else "what")


def test_the_same_command_asks_a_data_set(tmp_path):
    msvd(tmp_path / "msvd")
    answers.main(["--data", f"msvd:{tmp_path / 'msvd'}", "--most", "1", "--out", str(tmp_path / "out")])
    record = json.loads((tmp_path / "out" / "answers.json").read_text())
    assert record["data"] == "msvd"
    assert set(record["overall"]) == {"zoh", "lerp", "slerp", "slap"}
    row = record["rates"]["slap"]["25"]
    assert (row["questions"], row["failed"]) == (1, 0)


@pytest.mark.parametrize(
    ("prepare", "layout", "words"),
    [
        (lambda f: None, "imagenet", "is not a layout"),
        (lambda f: None, "msvd", "There is no test_qa.json"),
        (lambda f: (f / "test_qa.json").write_text("{"), "msvd", "is not JSON"),
        (lambda f: write(f / "test_qa.json", [{"q": 1}]), "msvd", "are not in the layout msvd"),
        (
            lambda f: write(f / "test_qa.json", [{"video_id": 1, "question": "who?", "answer": "man"}]),
            "msvd",
            "None of the 1 questions",
        ),
    ],
)
def test_a_folder_that_is_no_such_data_set_is_a_sentence(prepare, layout, words, tmp_path):
    prepare(tmp_path)
    with pytest.raises(ValueError, match=words):
        question_sets.read_set(layout, tmp_path)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        question_sets.read_set("msvd", tmp_path / "none")


def test_answers_in_sentences_are_counted_apart(tmp_path):
    one = question_sets.SetQuestion(tmp_path, "what?", "a car", "what")
    said = [Answer(t, "", "", "", "", (), ()) for t in ("Car.", "It is a red car!", "a cart")]
    found = question_sets.summary([*((one, "slap", 0.5, answer) for answer in said), (one, "slap", 0.5, "broken")])
    row = found["slap"]["50"]
    assert row["accuracy"] == pytest.approx(1 / 3)
    assert row["contained"] == pytest.approx(2 / 3)
    assert (row["questions"], row["failed"]) == (4, 1)
