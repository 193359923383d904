"""Any causal language model of transformers' format, by the same lines."""

import itertools
import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from slap_core.language_model import LanguageModel, asked, load_language_model
from slap_core.training.tokenizer import write_tokenizer

WORDS = ("question", "answer", "where", "is", "the", "car", "left", "right", "red")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny random Llama in the hub's own format."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    size = write_tokenizer(folder, WORDS, context_length=64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=size, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            bos_token_id=2, eos_token_id=size - 1, pad_token_id=0,
        )  # fmt: skip
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return load_language_model(f"local-dir:{folder}")


def copied(folder, path):
    path.mkdir()
    for file in folder.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    return path


def test_a_local_folder_is_loaded_frozen_and_without_its_path_in_the_name(model):
    assert model.name == "local-dir:tiny"
    assert model.dim == 16
    assert not any(p.requires_grad for p in model.model.parameters())
    assert not model.short


def test_the_stream_grows_and_ends_with_the_answer(model):
    text = model.prompt("where is the car?")
    parts = list(model.stream(None, text, most=5))
    assert all(b.startswith(a) for a, b in itertools.pairwise(parts))
    assert model.answers([None], [text], most=5) == [parts[-1]]


def test_answers_do_not_depend_on_what_is_asked_beside_them(model):
    prefix = torch.randn(7, 16, generator=torch.Generator().manual_seed(3))
    texts = ["question where is the car answer", "question red answer"]
    together = model.answers([prefix, None], texts, most=6)
    assert together == [model.answers([p], [t], most=6)[0] for p, t in zip((prefix, None), texts, strict=True)]


def test_a_prefix_stands_between_the_start_and_the_words(model):
    prefix = torch.ones(3, 16)
    found = model.embed(prefix, "red car")
    table = model.model.get_input_embeddings().weight
    torch.testing.assert_close(found[0], table[2])
    torch.testing.assert_close(found[1:4], prefix)
    torch.testing.assert_close(found[4:], table[model.ids("red car")])
    assert len(found) == 6


def test_a_question_is_summed_where_its_answer_begins_by_a_model_that_was_taught_so(folder, tmp_path):
    other = copied(folder, tmp_path / "summing")
    config, words = json.loads((other / "config.json").read_text()), load_language_model(f"local-dir:{folder}")
    marks = {f"{word}_token_id": words.ids(word)[0] for word in ("question", "answer")}
    (other / "config.json").write_text(json.dumps(config | marks))
    model = load_language_model(f"local-dir:{other}")
    table = model.model.get_input_embeddings().weight
    ids = model.ids("red answer question where is the car answer left")
    found, plain = asked(model.model, torch.tensor([ids, ids])), table[ids]
    torch.testing.assert_close(found[0, 7], plain[7] + plain[3:7].sum(0))
    rest = [0, 1, 2, 3, 4, 5, 6, 8]
    torch.testing.assert_close(found[1, rest], plain[rest])
    torch.testing.assert_close(model.embed(None, "question car answer")[-1], table[model.ids("car answer")].sum(0))
    torch.testing.assert_close(model.embed(None, "red car")[1:], table[model.ids("red car")])
    assert torch.equal(asked(words.model, torch.tensor(ids)), plain)


def test_greedy_is_the_default_and_a_seed_decides_what_is_drawn(model):
    text = model.prompt("where is the car?")
    state = torch.random.get_rng_state()
    assert len({[*model.stream(None, text, most=6)][-1] for _ in range(2)}) == 1
    drawn = [[*model.stream(None, text, most=6, temperature=50.0, seed=seed)][-1] for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert torch.equal(torch.random.get_rng_state(), state)


def test_closing_the_stream_stops_the_model(model, monkeypatch):
    ended = []
    real = model.model.generate
    monkeypatch.setattr(model.model, "generate", lambda **how: ended.append(len(real(**how)[0])))
    stream = model.stream(None, model.prompt("where is the car?", "red " * 30), most=2000)
    next(stream)
    stream.close()
    assert ended
    assert ended[0] < 1500


def test_what_fails_in_the_model_is_raised_where_its_words_are_awaited(model, monkeypatch):
    def generate(**_):
        raise RuntimeError("out of order")

    monkeypatch.setattr(model.model, "generate", generate)
    with pytest.raises(RuntimeError, match="out of order"):
        list(model.stream(None, "question"))


def test_prompts_say_what_to_do_to_models_that_were_not_trained_for_it(model, folder):
    told = model.prompt("where is the car?", "- at 0.0 s (seen): a red car")
    assert told.startswith("- at 0.0 s (seen): a red car")
    assert "Question: where is the car?" in told
    assert told.endswith("Answer:")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    chat = LanguageModel(model.model, tokenizer, name="chat").prompt("where is the car?")
    assert chat.startswith("<user>Question: where is the car?")
    assert chat.endswith("<assistant>")
    short = LanguageModel(model.model, tokenizer, name="short", short=True)
    assert short.prompt("where is the car") == "question where is the car answer"
    assert short.unknown_words("Where is the elephant?") == ["elephant"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pickle formats"),
        (lambda f: (f / "config.json").unlink(), "no readable config.json"),
        (lambda f: (f / "config.json").write_text("{"), "no readable config.json"),
        (lambda f: (f / "model.safetensors").write_bytes(b"12345678"), "could not be loaded"),
        (
            lambda f: (f / "config.json").write_text(
                json.dumps(json.loads((f / "config.json").read_text()) | {"auto_map": {"AutoModel": "evil.Model"}})
            ),
            "brings code of its own",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_a_sentence(folder, tmp_path, change, words):
    broken = copied(folder, tmp_path / "broken")
    change(broken)
    with pytest.raises(ValueError, match=words):
        load_language_model(f"local-dir:{broken}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpt2", "is not the name of a language model; use bundled"),
        ("local-dir:/nowhere/at-all", "'at-all', does not exist"),
        ("hf-hub:nobody/nothing", "could not be fetched: there is no network"),
    ],
)
def test_a_name_that_leads_nowhere_is_a_sentence(name, words):
    with pytest.raises(ValueError, match=words):
        load_language_model(name)


def test_a_repository_in_the_hub_s_cache_is_loaded_by_the_same_lines(folder, monkeypatch):
    from slap_core import language_model

    def cached(repository, file, **_):
        from huggingface_hub.errors import EntryNotFoundError

        assert repository == "somebody/tiny"
        if not (folder / file).is_file():
            raise EntryNotFoundError(file)
        return folder / file

    monkeypatch.setattr(language_model, "hub_file", cached)
    monkeypatch.setattr(language_model, "hub_first", lambda repository, files: cached(repository, files[0]))
    found = load_language_model("hf-hub:somebody/tiny")
    assert found.name == "hf-hub:somebody/tiny"
    assert found.dim == 16
