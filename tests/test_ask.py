"""Asking: what the view is told and in which order, what is refused, and the command line; all with made-up answers."""

import dataclasses
import json

import fakes
import pytest

import app
from slap_core.__main__ import main
from slap_core.answering import Answer
from slap_core.stages import Progress
from slap_core.ui import ask as asking
from slap_core.ui import layout, question_box
from slap_core.ui.callbacks import UNEXPECTED

ANSWER = Answer(
    text="left", question="where is the car?", about="a car", model="bundled", way="From slots.", frames=(8, 0),
    times=(0.8, 0.0), recovered=((0.0, 0.8),), slots=((8, 2),), steps=(0.5,), unknown_words=("quark",),
)  # fmt: skip


def ask(video, question, query="", *, language="bundled", **settings):
    yield Progress("decode", 0.0)
    yield Progress("encode", 0.5)
    yield dataclasses.replace(ANSWER, question=question, text="")
    yield dataclasses.replace(ANSWER, question=question)
    yield dataclasses.replace(ANSWER, question=question, done=True)


def answered(question="where is the car?", *, video="clip.mp4", job=ask, **settings):
    return [json.loads(told) for told in asking.answer(video, question, ask=job, ticket="7", **settings)]


def test_the_view_is_told_step_by_step():
    told = answered()
    assert [one["state"] for one in told] == ["loading"] * 5 + ["ready"]
    assert [one["sentence"] for one in told[:3]] == [
        *(asking.DOING["decode"], asking.DOING["decode"], f"{asking.DOING['encode']} 50 %")
    ]
    assert [one["text"] for one in told[3:]] == ["", "left", "left"]
    assert {one["run"] for one in told} == {"7"}
    last = told[-1]
    assert (last["model"], last["way"], last["about"]) == ("bundled", "From slots.", "a car")
    assert (last["frames"], last["times"], last["recovered"]) == ([8, 0], [0.8, 0.0], [[0.0, 0.8]])
    assert (last["slots"], last["steps"], last["unknown_words"]) == ([[8, 2]], [0.5], ["quark"])


def test_what_is_asked_arrives_typed():
    arrived = {}

    def job(*given, **settings):
        arrived.update(settings, given=given)
        return iter(())

    list(asking.answer("c.mp4", " where \n is it? ", "a car", ask=job, language=" ", keep_every=4.0, encoder=""))
    assert arrived == {
        "given": ("c.mp4", "where is it?", "a car"), "language": "bundled", "keep_every": 4, "encoder": "bundled",
    }  # fmt: skip
    assert isinstance(arrived["keep_every"], int)


def test_stop_closes_the_job():
    closed = []

    def job(*_, **__):
        try:
            yield from ask("clip.mp4", "where?")
        finally:
            closed.append(True)

    running = asking.answer("clip.mp4", "where?", ask=job)
    for _ in range(3):
        next(running)
    assert not closed
    running.close()
    assert closed


def test_the_deadline_is_that_of_a_run(monkeypatch):
    monkeypatch.setattr(asking, "DEADLINE_SECONDS", -1.0)
    assert "given up" in answered()[-1]["sentence"]


def test_an_error_of_the_library_is_its_sentence():
    def broken(*_, **__):
        raise ValueError("The language model cannot be had; choose another.")
        yield

    assert answered(job=broken)[-1] == {
        "state": "failed", "sentence": "The language model cannot be had; choose another.", "run": "7",
    }  # fmt: skip


def test_an_unexpected_error_tells_nothing_of_the_server(caplog):
    def broken(*_, **__):
        yield Progress("decode", 0.0)
        raise RuntimeError("/srv/secret/path")

    told = answered(job=broken)
    assert told[-1]["sentence"] == UNEXPECTED
    assert "secret" not in json.dumps(told)
    assert "/srv/secret/path" in caplog.text


def never(*_, **__):
    pytest.fail("the job was started")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"question": "x" * 100_000}, "The question is 100,000 characters long, at most 200 are read"),
        ({"question": ["where?"]}, "The question must be words, got list."),
        ({"question": None}, "The question must be words, got NoneType."),
        ({"question": " \u202e\n"}, "There is no question"),
        ({"language": 3}, "The language model must be words, got int."),
        ({"language": "x" * 201}, "The language model has a name of 201 characters"),
        ({"keep_every": "four"}, "keep_every cannot be used"),
        ({"concepts": ["a car"]}, "concepts cannot be used"),
        ({"video": None}, "There is no video yet"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_computed(given, sentence):
    told = answered(**given, job=never)
    assert [one["state"] for one in told] == ["loading", "failed"]
    assert told[-1]["sentence"].startswith(sentence)


@pytest.mark.parametrize("setting", ["language", "encoder"])
def test_visitors_open_no_folders(setting, monkeypatch):
    monkeypatch.setattr("slap_core.analysis.ask_steps", never)
    told = answered(job=lambda *given, **s: app.ask(*given, folders=False, **s), **{setting: "local-dir:/etc"})
    assert told[-1]["sentence"].startswith("Visitors of this server cannot open its folders")


def test_on_one_s_own_machine_folders_are_opened(monkeypatch):
    monkeypatch.setattr("slap_core.analysis.ask_steps", ask)
    told = answered(job=lambda *given, **s: app.ask(*given, folders=True, **s), language="local-dir:mine")
    assert told[-1]["text"] == "left"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    return layout.build_page(steps=lambda *_, **__: iter(()), ask=ask, examples=empty, figures=empty)


def test_the_box_stands_before_the_certificate_and_its_handler_is_private(page):
    ids = [block.elem_id for block in page.blocks.values() if block.elem_id]
    box = ["input-question", "button-ask", "button-ask-stop", "input-language", "view-answer"]
    assert [name for name in ids if name in box] == box
    assert ids.index("view-sees") < ids.index("input-question") < ids.index("view-certificate")
    assert list(page.get_api_info()["named_endpoints"]) == ["/analyse", "/tunnel_test"]


def test_an_old_link_says_the_same_as_before_and_a_new_one_the_question_too(page):
    by_id = {block.elem_id: block for block in page.blocks.values()}
    inputs = {name: by_id[f"input-{name}"] for name in ("video", "query", "question", "language")}
    rows = layout._link(inputs, 2)
    assert [row["name"] for row in rows] == ["example", "query", "question", "language"]
    assert [row.get("asks", False) for row in rows] == [False, False, True, True]
    assert rows[2] == {"name": "question", "initial": "", "longest": 200, "asks": True}
    assert rows[3]["initial"] == "bundled"


def test_without_an_ask_there_is_no_box(tmp_path):
    bare = layout.build_page(steps=iter, examples=tmp_path, figures=tmp_path)
    assert "input-question" not in {block.elem_id for block in bare.blocks.values()}


def test_examples_are_questions_that_can_be_asked(unhooked):
    from slap_core.answering import QUESTION_CHARACTERS, checked_question
    from slap_core.tunnel_world.clip_asking import MOMENTS

    assert [checked_question(words) for words in question_box.EXAMPLES] == list(question_box.EXAMPLES)
    assert all(any(moment in words for moment in MOMENTS) for words in question_box.EXAMPLES)
    assert QUESTION_CHARACTERS == 200  # as the box says


def test_command_line(monkeypatch, capsys):
    asked = {}

    def job(video, question, query, *, language, **settings):
        asked.update(settings, video=video, query=query, language=language)
        return ask(video, question)

    monkeypatch.setattr("slap_core.analysis.ask_steps", job)
    arguments = ["ask", "clip.mp4", "--question", "where is the car?", "--query", "a car", "--keep-every", "8"]
    assert main([*arguments, "--language", "hf-hub:a/b"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "left",
        "model: bundled. From slots.",
        "looked for: a car",
        "frames: 8 (0.80 s), 0 (0.00 s)",
        "recovered: 0.00-0.80 s",
        "rests most on: slot 3 in frame 8; on the path at 0.50 s",
        "words never taught: quark",
    ]
    assert asked["keep_every"] == 8
    assert (asked["video"], asked["query"], asked["language"]) == ("clip.mp4", "a car", "hf-hub:a/b")
    assert "coupling" not in asked
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(dataclasses.asdict(dataclasses.replace(ANSWER, done=True))))


def test_command_line_refuses_with_a_sentence(capsys, tmp_path):
    assert main(["ask", str(tmp_path / "none.mp4"), "--question", "x" * 300]) == 2
    assert "The question is 300 characters long" in capsys.readouterr().err


def test_times_are_those_of_the_frames(monkeypatch):
    from slap_core import analysis

    def answers(*_, frames, **__):
        yield dataclasses.replace(ANSWER, frames=tuple(frames.tolist()), times=())

    monkeypatch.setattr(analysis, "answer_steps", answers)
    clip = fakes.clip(9)
    *_, found = analysis.ask_steps(clip, "where?", keep_every=4, encoder="bundled")
    assert found.frames == (0, 4, 8)
    assert found.times == tuple(round(float(clip.times[k]), 4) for k in (0, 4, 8))
