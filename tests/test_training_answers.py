"""What answers are learned from, and that they are learned."""

import dataclasses
import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from slap_core.baselines import Slerp
from slap_core.cards import load_card
from slap_core.evidence import BRANCHES
from slap_core.language_model import LanguageModel
from slap_core.pretrained import load_encoder, load_slots
from slap_core.question_paths import QuestionPath
from slap_core.slot_vlm import Projector, ProjectorConfig
from slap_core.training import interview_files, language_model, sayings, slot_vlm
from slap_core.training.accounts import SPREAD, lines_of
from slap_core.training.clause_targets import PathTargets, SlotTargets, clauses
from slap_core.training.interview_files import load, save
from slap_core.training.interviews import RATES, draw_interviews, kept_frames
from slap_core.training.question_batches import IGNORED, VARIANTS, answered, packed, read, told
from slap_core.training.tokenizer import write_tokenizer
from slap_core.tunnel_world import MOMENTS, account, seeds

SMALL = {"dim": 32, "layers": 2, "heads": 2}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    write_tokenizer(folder, language_model.words(), context_length=512)
    return PreTrainedTokenizerFast.from_pretrained(folder)


@pytest.fixture(scope="module")
def told_by():
    return language_model.draw_stories(seeds("train", 24))


@pytest.fixture(scope="module")
def network(tokenizer):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=512, initializer_range=0.2,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def language(network, tokenizer):
    return LanguageModel(network, tokenizer, name="bundled", short=True)


@pytest.fixture(scope="module")
def interviews():
    methods = {"slerp": QuestionPath(Slerp(), shown=False), "slerp_shown": QuestionPath(Slerp())}
    slots = load_slots()
    with torch.no_grad():
        return draw_interviews(
            load_encoder(),
            {"": slots, "untrained": slot_vlm.unfitted(slots)},
            methods,
            seeds("train", 2, start=7),
            rates=(0.25, 0.1),
            every_rate=True,
            every_method=True,
            oracle=True,
            dense=True,
        )


def test_questions_in_one_row_do_not_see_each_other(network):
    generator = torch.Generator().manual_seed(0)
    shared, own = torch.randn(2, 5, 32, generator=generator), torch.randn(4, 6, 32, generator=generator)
    held = torch.tensor([[True] * 5, [True, True, True, False, False]])
    with torch.no_grad():
        found = packed(network.model, shared, held, own, torch.ones(4, 6, dtype=torch.bool))
        for k in range(4):
            row = torch.cat([shared[k // 2][held[k // 2]], own[k]])[None]
            alone = network.model(inputs_embeds=row).last_hidden_state[0, -6:]
            torch.testing.assert_close(found[k], alone, atol=1e-5, rtol=1e-4)


def test_squeezed_clauses_take_one_place_each(tokenizer, told_by):
    asked = [(told_by[0], 3), (told_by[1], 4)]

    def lines(**how):
        return lines_of(tokenizer, asked, torch.Generator().manual_seed(0), questions=3, **how)

    long, short, none = (
        lines(squeezed=False, alone=0.0),
        lines(squeezed=True, alone=0.0),
        lines(squeezed=True, alone=1.0),
    )
    assert torch.equal(long.words, short.words)
    assert int((long.line == 0).sum()) == int(long.lengths[0])
    clauses = len(account(told_by[0], variant=3))
    assert int(short.lengths[0]) == clauses + 1
    assert none.lengths.tolist() == [1, 1]
    words = [tokenizer.convert_ids_to_tokens(row[row != IGNORED].tolist()) for row in long.labels]
    assert all(row[-1] == "<end>" for row in words)
    assert len(long.ids) == 6


def test_rough_accounts_say_some_things_again_and_stand_far_apart(tokenizer, told_by):
    generator = torch.Generator().manual_seed(0)
    rough = lines_of(
        tokenizer, [(told_by[0], 3)], generator, questions=3, squeezed=True, alone=0.0, noise=0.5, again=1.0, blank=9
    )
    clauses = account(told_by[0], variant=3)
    places = [tokenizer.convert_ids_to_tokens(rough.words[rough.place == k].tolist()) for k in range(rough.lengths[0])]
    said = [words for words in places[1:] if words]
    told = [sorted(words) for words in said]
    assert {tuple(words) for words in told} == {tuple(sorted(clause)) for clause in clauses}
    assert len(clauses) < len(told) <= 4 * len(clauses)
    assert 0 < len(places) - 1 - len(said) <= 9  # those say nothing
    positions = rough.positions[0]
    assert bool((positions.diff() > 0).all())
    assert int(positions[0]) == 0
    assert 2 * len(places) < int(positions[-1]) < SPREAD
    assert 0 < float(rough.noise.max()) <= 0.5


def test_questions_stand_behind_the_last_place_of_what_they_share(network):
    generator = torch.Generator().manual_seed(0)
    shared, own = torch.randn(1, 3, 32, generator=generator), torch.randn(2, 4, 32, generator=generator)
    everywhere, places = torch.ones(2, 4, dtype=torch.bool), torch.tensor([[0, 7, 20]])
    with torch.no_grad():
        found = packed(network.model, shared, torch.ones(1, 3, dtype=torch.bool), own, everywhere, places)
        row = torch.cat([shared[0], own[1]])[None]
        at = torch.tensor([[0, 7, 20, 21, 22, 23, 24]])
        alone = network.model(inputs_embeds=row, position_ids=at).last_hidden_state[0, 3:]
    torch.testing.assert_close(found[1], alone, atol=1e-5, rtol=1e-4)


def test_of_what_hides_some_clauses_are_missing(tokenizer, told_by):
    def clauses(story, missing):
        lines = lines_of(
            tokenizer,
            [(story, 3)],
            torch.Generator().manual_seed(0),
            questions=1,
            squeezed=True,
            alone=0.0,
            missing=missing,
        )
        return int(lines.lengths[0]) - 1

    for story in told_by:
        hidden = sum(
            story.split((thing.kind, thing.colour), story.frame(moment)) == "hidden"
            for moment in range(5)
            for thing in story.cut_away[story.frame(moment)].things
        )
        assert clauses(story, 0.0) - clauses(story, 1.0) == hidden


@pytest.mark.slow
def test_a_language_model_is_trained_and_saved(tmp_path):
    arguments = ["--out", str(tmp_path / "lm"), "--steps", "40", "--scenes", "16", "--dim", "32", "--layers", "2"]
    language_model.main([*arguments, "--heads", "2", "--batch", "8", "--log-every", "10", "--warmup", "5"])
    card = load_card(tmp_path / "lm")
    assert "in squeezed clauses" in " ".join(card["scores"])
    assert {"model.safetensors", "tokenizer.json", "config.json"} <= set(card["sha256"])
    assert PreTrainedTokenizerFast.from_pretrained(tmp_path / "lm").eos_token == "<end>"


def test_kept_frames_are_even_and_hold_both_ends():
    assert [len(kept_frames(rate)) for rate in RATES] == [51, 25, 12, 5]
    assert all(kept_frames(rate)[[0, -1]].tolist() == [0, 50] for rate in RATES)


def test_interviews_hold_paths_by_every_method_and_what_ablations_see(interviews):
    clips = {one.clip: one.rate for one in interviews.asked}
    assert sorted(clips.values()) == [0.1, 0.1, 0.25, 0.25]
    assert all(set(one.paths) == {"slerp", "slerp_shown", "oracle"} for one in interviews.asked)
    few, many = (next(c for c, rate in clips.items() if rate == r) for r in (0.1, 0.25))
    assert interviews.slots.held["slow"].sum(1)[[few, many]].tolist() == [40, 56]
    for variant in VARIANTS.values():
        assert all(len(interviews.slots.vectors[key]) == 4 for key in variant.values())
    one = interviews.asked[0]
    marks = interviews.paths.places["path"][one.paths["slerp"], :, 1]
    assert bool(marks[0] == 0)
    assert bool(marks[-1] == 0)


def test_interviews_are_kept_in_a_file(interviews, tmp_path):
    save(interviews, tmp_path / "a" / "some.safetensors", {"made": "so"})
    again = load(tmp_path / "a" / "some.safetensors", {"made": "so"})
    assert again.asked == interviews.asked
    assert torch.equal(again.paths.vectors["path"], interviews.paths.vectors["path"])
    assert load(tmp_path / "none.safetensors", {}) is None
    with pytest.raises(ValueError, match="was drawn with other settings"):
        load(tmp_path / "a" / "some.safetensors", {"made": "otherwise"})


def test_what_a_folder_lacks_is_drawn_and_parts_are_joined(interviews, tmp_path, monkeypatch):
    monkeypatch.setattr(interview_files, "PART", 2)
    drawn = []

    def draw(some):
        drawn.append(some.tolist())
        return interviews

    def gathered(count):
        return interview_files.gathered(tmp_path, {"made": "so"}, torch.arange(count), draw, workers=1)

    assert gathered(2).asked == interviews.asked
    both = gathered(4)
    assert drawn == [[0, 1], [2, 3]]
    assert len(both.slots) == 2 * len(interviews.slots)
    count = len(interviews.asked)
    again = both.evidence([both.asked[count + 3]], ["slerp"])
    once = interviews.evidence([interviews.asked[3]], ["slerp"])
    assert all(torch.equal(again.vectors[name], once.vectors[name]) for name in ("slow", "fast", "path"))
    assert both.clauses["slow"][len(interviews.slots)] == interviews.clauses["slow"][0]


def test_slots_are_told_the_clause_of_what_they_look_at(interviews, language):
    places = interviews.slots.places["slow"]
    agrees = []
    for clip, said in enumerate(interviews.clauses["slow"]):
        for token, words in enumerate(said):
            if not words:
                continue
            _, column, _, time = places[clip, token].tolist()
            where = ("left", "middle", "right")[min(int(3 * column), 2)]
            agrees.append(where in words.split())
            moment = min(range(5), key=lambda k: abs((0.1, 0.3, 0.5, 0.7, 0.9)[k] - time))
            assert words.startswith(MOMENTS[moment])
    assert len(agrees) >= 10
    assert sum(agrees) > 0.8 * len(agrees)
    assert {len(said) for said in interviews.clauses["fast"]} == {128}
    assert any(words for said in interviews.clauses["fast"] for words in said)

    targets = SlotTargets(language, interviews.clauses["slow"])
    held, clips = interviews.slots.held["slow"], torch.arange(len(interviews.slots))
    table, lookup = language.model.get_input_embeddings().weight, language.tokenizer.get_vocab()
    exact = torch.zeros(*held.shape, language.dim)
    for clip, said in enumerate(interviews.clauses["slow"]):
        for token, words in enumerate(said):
            exact[clip, token] = table[[lookup[word] for word in words.split()]].sum(0)
    assert float(targets.loss(exact, held, clips)) == 0
    assert float(targets.loss(torch.zeros_like(exact), held, clips)) == pytest.approx(1)


def test_what_is_right_in_a_batch_is_what_the_model_says_alone(interviews, language):
    projector = Projector(ProjectorConfig(32)).eval()
    first = [one for one in interviews.asked if one.clip == 0][:6]
    batch = read(interviews, language, first, ["slerp"] * 6, 1)
    evidence = interviews.evidence(first, ["slerp"] * 6)
    said = []
    for k, one in enumerate(first):
        with torch.no_grad():
            tokens, held = projector(evidence.only(BRANCHES).at(torch.tensor([k])))
        said.append(language.answers([tokens[0][held[0]]], [language.prompt(one.text.rstrip("?"))], most=4)[0])
    asked = [type(one)(**{**vars(one), "answer": text}) for one, text in zip(first, said, strict=True)]
    right = answered(projector, language, read(interviews, language, asked, ["slerp"] * 6, 1), BRANCHES)
    ended = torch.tensor([len(text.split()) < 4 for text in said])
    assert torch.equal(right[ended], torch.ones(int(ended.sum()), dtype=torch.bool))
    wrong = [type(one)(**{**vars(one), "answer": "purple purple"}) for one in first]
    assert not answered(projector, language, read(interviews, language, wrong, ["slerp"] * 6, 1), BRANCHES).any()
    assert set(told(projector, language, batch, BRANCHES)) == {"loss", "right"}


def test_paths_are_told_the_clauses_of_what_they_are_of(interviews, language, told_by):
    scene = sorted({one.scene for one in interviews.asked})[0]
    (story,) = language_model.draw_stories(torch.tensor([scene]))
    one = next(o for o in interviews.asked if o.scene == scene and o.type == "presence" and o.answer == "yes")
    about = one.text.removeprefix("is there ").rstrip("?")
    moment = next(m for m, when in enumerate(MOMENTS) if about.endswith(when))
    about = about.removesuffix(MOMENTS[moment]).strip()
    (clause,) = clauses(story, about, moment)
    assert about.split()[-1] in clause
    nothing = dataclasses.replace(one, text="how many objects are there late?")
    target, silent = PathTargets(language, {scene: story}, tokens=4).of([one, nothing])
    step = 1 + 2 * moment
    ids = torch.tensor([language.tokenizer.get_vocab()[word] for word in clause])
    torch.testing.assert_close(target[step, 0], language.model.get_input_embeddings().weight[ids].sum(0))
    assert not target[step, 1:].any()
    assert not target[::2].any()
    assert not silent.any()


@pytest.mark.slow
@pytest.mark.parametrize("branch", ["path", "slow"])
def test_branches_learn_what_to_say_and_then_to_answer(interviews, language, tmp_path, branch):
    scenes = sorted({one.scene for one in interviews.asked})
    stories = dict(zip(scenes, language_model.draw_stories(torch.tensor(scenes)), strict=True))
    settings = slot_vlm.ProjectorSettings(
        out=tmp_path, stage="single", branches=(branch, "fast"), steps=5, said_steps=400, batch=2, questions=4,
        warmup=5, learning_rate=3e-3, dim_hidden=32,
    )  # fmt: skip
    model, log = slot_vlm.train(settings, language, interviews, load_encoder().text(slot_vlm.phrases()), stories)
    assert [row["step"] for row in log[:2]] == [200, 400]
    assert log[1]["loss"] < 0.7 * log[0]["loss"]
    assert model.config.phrases == len(slot_vlm.phrases())


@pytest.mark.slow
def test_tokens_go_on_saying_what_they_learned_while_answers_are_learned(interviews, language, tmp_path):
    scenes = sorted({one.scene for one in interviews.asked})
    stories = dict(zip(scenes, language_model.draw_stories(torch.tensor(scenes)), strict=True))
    words, lost = load_encoder().text(slot_vlm.phrases()), {}
    for anchor in (0.0, 1.0):
        settings = slot_vlm.ProjectorSettings(
            out=tmp_path / str(anchor), stage="single", branches=("path",), steps=30, said_steps=200, batch=2,
            questions=4, warmup=5, learning_rate=3e-3, dim_hidden=32, anchor=anchor,
        )  # fmt: skip
        model, _ = slot_vlm.train(settings, language, interviews, words, stories)
        saying = sayings.saying_of(model, language, interviews, "path", stories, "slots")
        with torch.no_grad():
            lost[anchor] = float(saying.loss(torch.arange(saying.count)))
    assert lost[1.0] < 0.8 * lost[0.0]


def test_what_means_and_queries_should_say_is_not_known(interviews, language):
    model = Projector(ProjectorConfig(language.dim, dim_latent=8))
    for variant, branch in (("mean", "slow"), ("queries", "dense"), ("slots", "path")):
        assert sayings.saying_of(model, language, interviews, branch, None, variant) is None
    assert sayings.saying_of(model, language, interviews, "slow", None, "slots").count == len(interviews.slots)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "variant"), [("single", "slots"), ("joint", "slots"), ("joint", "queries")])
def test_a_projector_learns_and_the_language_model_stays(interviews, language, tmp_path, stage, variant):
    branches = ("dense", "path") if variant == "queries" else BRANCHES
    settings = slot_vlm.ProjectorSettings(
        out=tmp_path, stage=stage, variant=variant, branches=branches, steps=25, batch=2, questions=4, warmup=2,
        learning_rate=3e-3, log_every=5, dim_hidden=32, said_steps=0,
    )  # fmt: skip
    before = {k: v.clone() for k, v in language.model.state_dict().items()}
    _, log = slot_vlm.train(settings, language, interviews)
    by_stage = [row["loss"] for row in log]
    assert by_stage[4] < by_stage[0]
    assert len(log) == (15 if stage == "single" else 5)
    assert all(torch.equal(v, before[k]) for k, v in language.model.state_dict().items())
    assert json.dumps(log)
