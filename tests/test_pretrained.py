"""Cards, hashes, and names of encoders: what is loaded, what is refused, and in which words."""

import json
import shutil

import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError
from tiny import write_encoder

from slap_core import pretrained
from slap_core.pretrained import (
    BASELINES,
    POTENTIALS,
    baseline_class,
    kept_encoder,
    load_baseline,
    load_card,
    load_encoder,
    load_potential,
    load_slots,
    weights_folder,
    write_card,
)
from slap_core.types import Clip

CARD = {
    "title": "T",
    "what": "W",
    "trained_on": "D",
    "command": "python -m x",
    "seed": 3,
    "scores": {"accuracy": 0.5},
    "licence": "Apache-2.0",
}


@pytest.mark.parametrize("name", ["encoder", "slots", *POTENTIALS.values(), *BASELINES])
def test_shipped_networks_have_true_cards_and_are_small(name):
    folder = weights_folder(name)
    card = load_card(folder)
    assert "model.safetensors" in " ".join(card["sha256"])
    assert card["command"].startswith("python -m slap_core.training.")
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 10_000_000
    assert not [file.name for file in folder.iterdir() if file.suffix in (".pt", ".bin", ".pth", ".pkl")]


def test_the_bundled_encoder_sees_and_reads():
    encoder = load_encoder()
    movie = Clip(torch.randint(0, 255, (3, 60, 80, 3), dtype=torch.uint8), torch.arange(3.0))
    latents, tokens = encoder.encode(movie)
    torch.testing.assert_close(latents.points.norm(dim=-1), torch.ones(3))
    assert min(tokens.values.shape[1:3]) >= 8
    assert encoder.text(["a red car", "nothing"]).shape == (2, encoder.dim)
    assert encoder.unknown_words("a red car on the moon") == ["moon"]
    assert encoder.notes
    assert load_potential().dim == load_potential(recipe="solver").dim == encoder.dim
    assert load_slots().config.dim_token == tokens.values.shape[-1]


@pytest.mark.usefixtures("unhooked")
def test_a_recipe_that_is_none_is_refused():
    with pytest.raises(ValueError, match="'magic' is not a recipe of potentials; choose one of: paper, solver"):
        load_potential(recipe="magic")


def test_networks_of_other_encoders_are_not_there():
    assert load_potential("ViT-B-32/openai") is None
    assert load_slots("ViT-B-32/openai") is None


@pytest.mark.parametrize("name", BASELINES)
def test_a_trained_baseline_is_loaded_where_there_is_one(name, tmp_path, monkeypatch):
    monkeypatch.setattr("slap_core.cards.ASSETS", tmp_path)
    assert load_baseline(name) is None
    network = baseline_class(name)(16)
    network.save_pretrained(weights_folder(name))
    write_card(weights_folder(name), CARD)
    pretrained._own.cache_clear()
    found = load_baseline(name)
    pretrained._own.cache_clear()
    assert type(found) is type(network)
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), network.parameters(), strict=True))
    assert not found.training
    assert not any(p.requires_grad for p in found.parameters())
    assert load_baseline(name, "ViT-B-32/openai") is None


def test_a_baseline_that_does_not_exist():
    with pytest.raises(ValueError, match="'lerp' is not a trained baseline; choose one of: latent_ode, regressor"):
        load_baseline("lerp")


def test_a_written_card_is_read_again(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_card(tmp_path, CARD)
    assert load_card(tmp_path)["scores"] == {"accuracy": 0.5}
    text = (tmp_path / "README.md").read_text()
    assert "python -m x" in text
    assert "| accuracy | 0.5 |" in text


def test_one_flipped_byte_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_card(tmp_path, CARD)
    (tmp_path / "model.safetensors").write_bytes(b"weightt")
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged: its hash is not the card's; restore"):
        load_card(tmp_path)


def test_a_missing_file_and_a_missing_card_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no readable card\.json"):
        load_card(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_card(tmp_path, CARD)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors is missing"):
        load_card(tmp_path)


def test_own_networks_need_safetensors(tmp_path, monkeypatch):
    folder = tmp_path / "weights" / "potential"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"dim": 4}))
    torch.save({}, folder / "pytorch_model.bin")
    write_card(folder, CARD)
    monkeypatch.setattr("slap_core.cards.ASSETS", tmp_path)
    pretrained._own.cache_clear()
    with pytest.raises(ValueError, match=r"has no model\.safetensors"):
        load_potential()
    pretrained._own.cache_clear()


def test_a_local_folder_loads_by_name(tmp_path):
    encoder = load_encoder(f"local-dir:{write_encoder(tmp_path / 'mine')}")
    assert encoder.name == "local-dir:mine"
    assert encoder.text(["a car"]).shape == (1, 12)


def test_a_hub_model_loads_through_the_same_lines(tmp_path, monkeypatch):
    """The hub's own layout, without a network: what hf_hub_download would return is a folder of the same files."""
    folder = write_encoder(tmp_path / "hub")

    def download(repository, file):
        if not (folder / file).exists():
            raise EntryNotFoundError(file)
        return str(folder / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    encoder = load_encoder("hf-hub:owner/name")
    assert encoder.name == "hf-hub:owner/name"
    (folder / "open_clip_model.safetensors").unlink()
    shutil.copy(folder / "tokenizer.json", folder / "open_clip_pytorch_model.bin")
    with pytest.raises(ValueError, match="has no safetensors weights"):
        load_encoder("hf-hub:owner/name")


@pytest.mark.parametrize("name", ["hf-hub:owner/name", "ViT-B-32/laion2b_s34b_b79k"])
def test_without_a_network_a_sentence_says_so(name, monkeypatch):
    def download(repository, file):
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(ValueError, match=r"there is no network and it was not downloaded before. The bundled encoder"):
        load_encoder(name)


def test_a_repository_that_does_not_exist(monkeypatch):
    def download(repository, file):
        raise HFValidationError("no such name")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(ValueError, match="is no public model on the Hugging Face hub"):
        load_encoder("hf-hub:owner/missing")


def test_names_that_are_none():
    with pytest.raises(ValueError, match="is not the name of an encoder; use bundled, local-dir:FOLDER"):
        load_encoder("my favourite")
    with pytest.raises(ValueError, match=r"is not the name of an encoder.*for example ViT-B-32/"):
        load_encoder("ViT-B-32")
    with pytest.raises(ValueError, match=r"has no weights 'nonsense' for 'ViT-B-32'; its tags are: .*openai"):
        load_encoder("ViT-B-32/nonsense")


def test_a_tag_that_is_a_pickle_only(monkeypatch):
    monkeypatch.setattr("open_clip.pretrained.get_pretrained_cfg", lambda *_: {"url": "https://example.org/model.pt"})
    with pytest.raises(ValueError, match="published as a pickle only"):
        load_encoder("ViT-B-32/openai")


def test_the_last_encoder_stays_in_memory_unless_its_folder_may_change(tmp_path):
    assert kept_encoder("bundled") is kept_encoder("bundled")
    name = f"local-dir:{write_encoder(tmp_path / 'mine')}"
    assert kept_encoder(name) is not kept_encoder(name)
