"""A question about a clip, from what was kept of it to an answer."""

import pathlib

import pytest
import torch
from tiny import write_encoder

from slap_core import tunnel_world
from slap_core.analysis import ask_steps
from slap_core.answering import Answer, checked_question, subject, with_moment
from slap_core.memory import Memory
from slap_core.stages import Progress
from slap_core.tunnel_world import MOMENTS
from slap_core.types import Clip

CLIP = pathlib.Path(__file__).parents[1] / "assets" / "clips" / "car_stays.mp4"


@pytest.fixture(scope="module")
def hidden() -> Clip:
    """A drawn scene in which something goes in and stays: every frame but those of its end shows the occluder."""
    scene = tunnel_world.sample(tunnel_world.seeds("validation", 1, start=77), outcome="stays", frames=51)
    return tunnel_world.film(tunnel_world.render(scene, size=96).observed[0], 10.0)


def asked(*arguments, **settings):
    steps = list(ask_steps(*arguments, **settings))
    answers = [step for step in steps if isinstance(step, Answer)]
    assert all(isinstance(step, Progress) for step in steps[: -len(answers)])
    return answers


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("Where is the RED car halfway?", "a red car"),
        ("what is red?", "something red"),
        ("what colour is the ball?", "a ball"),
        ("how many objects are there?", "an object"),
    ],
)
def test_what_a_question_is_about(question, about):
    assert subject(question) == about


def test_the_query_says_what_a_question_does_not():
    assert subject("is it still there?", "a small dog") == "a small dog"


@pytest.mark.parametrize(
    ("seconds", "moment"), [("0", 0), ("0.9 s", 0), ("1.5", 1), ("2.6 seconds", 2), ("3.4 s", 3), ("99", 4)]
)
def test_seconds_are_said_in_words_of_the_language(seconds, moment):
    unit = "" if "s" in seconds else " s"
    assert with_moment(f"where is it at {seconds}{unit}?", (0.0, 5.0)) == f"where is it {MOMENTS[moment]}?"


def test_an_answer_says_who_gave_it_and_from_what(hidden):
    *growing, last = asked(hidden, "is there a red car halfway?", keep_every=5)
    assert last.done
    assert last.model == "bundled"
    assert last.text in ("yes", "no")
    assert "projected into the language model" in last.way
    assert last.about == "a red car"
    kept = set(range(0, 51, 5))
    assert set(last.frames) <= kept
    assert {frame for frame, _ in last.slots} <= kept
    assert len(last.steps) == 3
    assert all(a < b for a, b in last.recovered)
    assert [one.text for one in growing] == sorted([one.text for one in growing], key=len)


def test_dropped_frames_are_not_looked_at(hidden):
    noise = hidden.frames.clone()
    kept = torch.arange(0, 51, 10)
    dropped = torch.ones(51, dtype=torch.bool)
    dropped[kept] = False
    noise[dropped] = torch.randint(256, noise[dropped].shape, dtype=torch.uint8)
    question = "where is the red car late?"
    one, other = (asked(clip, question, keep_every=10)[-1] for clip in (hidden, Clip(noise, hidden.times)))
    assert vars(one) == vars(other)


def test_a_second_question_decodes_and_encodes_nothing(monkeypatch):
    memory = Memory()
    first = asked(CLIP, "is there a red car at last?", keep_every=8, memory=memory)[-1]

    def never(*_, **__):
        raise AssertionError("decoded again")

    monkeypatch.setattr("slap_core.analysis.read_clip", never)
    monkeypatch.setattr("slap_core.encoders.OpenClipEncoder._looked_at", never)
    again = asked(CLIP, "where is the red car at last?", keep_every=8, memory=memory)[-1]
    assert again.frames != ()
    assert first.model == again.model


def test_words_that_the_language_model_was_never_taught_are_named(hidden):
    assert asked(hidden, "is there a giraffe halfway?", keep_every=10)[-1].unknown_words == ("giraffe",)


def test_another_encoder_is_told_of_in_words(hidden, tmp_path):
    folder = write_encoder(tmp_path / "tiny")
    last = asked(
        hidden, "is there a red car?", "a red car", encoder=f"local-dir:{folder}", concepts="a ball", keep_every=10
    )[-1]
    assert "no projector is trained" in last.way
    assert last.about == "a red car"
    assert "a ball" in last.evidence
    assert "(recovered)" in last.evidence
    assert "(seen)" in last.evidence
    assert last.frames == (0, 10, 20, 30, 40, 50)


@pytest.mark.parametrize(
    ("question", "words"),
    [("", "There is no question"), ("  \u202e ", "There is no question"), ("a" * 201, "at most 200")],
)
def test_questions_that_cannot_be_read_are_a_sentence(question, words):
    with pytest.raises(ValueError, match=words):
        checked_question(question)


def test_a_question_must_be_words(unhooked):
    with pytest.raises(ValueError, match="There is no question"):
        checked_question(["where?"])


def test_an_unknown_language_model_is_a_sentence(hidden):
    with pytest.raises(ValueError, match="is not the name of a language model"):
        asked(hidden, "is there a red car?", language="gpt2")
