"""Loading open_clip folders, and what an encoder returns."""

import json
import shutil

import open_clip
import pytest
import safetensors.torch
import torch
from PIL import Image
from tiny import write_encoder

from slap_core import encoders
from slap_core.encoders import from_architecture, from_folder, preprocess
from slap_core.types import Clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def encoder(folder):
    return from_folder(folder, name="tiny")


def clip(frames=5, height=20, width=30):
    generator = torch.Generator().manual_seed(3)
    picture = torch.randint(0, 255, (frames, height, width, 3), generator=generator, dtype=torch.uint8)
    return Clip(picture, torch.arange(frames) * 0.5)


def test_latents_are_those_of_open_clip_itself(encoder):
    movie = clip()
    latents, tokens = encoder.encode(movie)
    images = preprocess(movie.frames, encoder.model.visual.preprocess_cfg)
    with torch.no_grad():
        expected = encoder.model.encode_image(images, normalize=True)
    torch.testing.assert_close(latents.points, expected)
    assert tokens.values.shape == (5, 4, 4, 16)
    assert latents.times.tolist() == movie.times.tolist()
    assert encoder.dim == 12


@pytest.mark.parametrize("native", [True, False])
def test_a_large_image_tower_is_in_bfloat16_where_the_cpu_multiplies_it(folder, encoder, monkeypatch, native):
    monkeypatch.setattr(encoders, "LARGE", 100)
    monkeypatch.setattr(encoders, "_multiplies_bfloat16", lambda: native)
    light = from_folder(folder, name="tiny")
    assert next(light.model.visual.parameters()).dtype == (torch.bfloat16 if native else torch.float32)
    movie = clip()
    latents, tokens = light.encode(movie)
    exact, _ = encoder.encode(movie)
    assert latents.points.dtype == tokens.values.dtype == torch.float32
    assert float((latents.points * exact.points).sum(-1).min()) > 0.999
    torch.testing.assert_close(light.text(["a red car"]), encoder.text(["a red car"]))


def test_batches_do_not_matter(encoder):
    movie = clip(7)
    whole = encoder(movie).points
    encoder.batch = 2
    torch.testing.assert_close(encoder(movie).points, whole)
    encoder.batch = 16


def test_text_is_unit_and_words_are_told_apart(encoder):
    latents = encoder.text(["a red car", "a red ball", "A RED, car!"])
    torch.testing.assert_close(latents.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(latents[0], latents[2])
    assert not torch.allclose(latents[0], latents[1])


def test_unknown_words_are_named_once_in_order(encoder):
    assert encoder.unknown_words("A zebra on the red mars, zebra") == ["zebra", "mars"]
    assert encoder.unknown_words("a red car") == []
    assert encoder.unknown_words("") == []


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize(("height", "width"), [(64, 128), (100, 40), (1, 1), (1, 300)])
def test_preprocessing_has_the_models_size(mode, height, width):
    config = {"size": (32, 32), "mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bicubic", "resize_mode": mode}
    assert preprocess(clip(2, height, width).frames, config).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_preprocessing_agrees_with_open_clip(mode):
    config = {"size": 32, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.25), "interpolation": "bicubic"}
    reference = open_clip.image_transform(
        32, is_train=False, mean=config["mean"], std=config["std"], interpolation="bicubic", resize_mode=mode
    )
    smooth = torch.linspace(0, 255, 64 * 96 * 3).reshape(64, 96, 3).byte()
    ours = preprocess(smooth[None], {**config, "resize_mode": mode})[0]
    theirs = reference(Image.fromarray(smooth.numpy()))
    assert (ours - theirs).abs().mean() < 0.02


def test_the_box_of_a_cropping_encoder(tmp_path):
    encoder = from_folder(write_encoder(tmp_path / "crop", resize_mode="shortest"), name="crop")
    assert encoder.box(clip(1, 50, 100)) == (0.25, 0.0, 0.75, 1.0)
    assert encoder.box(clip(1, 100, 50)) == (0.0, 0.25, 1.0, 0.75)


def test_weights_are_required_and_pickles_are_refused(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "open_clip_model.safetensors").unlink()
    torch.save({}, copy / "open_clip_pytorch_model.bin")
    with pytest.raises(ValueError, match=r"has no open_clip_model\.safetensors; weights in pickle formats"):
        from_folder(copy, name="copy")


def test_weights_that_do_not_fit_are_refused(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "open_clip_config.json").read_text())
    config["model_cfg"]["embed_dim"] = 13
    (copy / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="do not fit each other"):
        from_folder(copy, name="copy")


def test_missing_folder_and_config(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        from_folder(tmp_path / "nowhere", name="x")
    with pytest.raises(ValueError, match=r"has no open_clip_config\.json"):
        from_folder(tmp_path, name="x")


def test_a_pickle_is_refused_for_an_architecture(tmp_path):
    with pytest.raises(ValueError, match="pickles are not read"):
        from_architecture("ViT-B-32", tmp_path / "weights.pt", {}, name="x")


@pytest.mark.parametrize(("layers", "grid", "dim"), [(3, (8, 8), 16), ([1, 1, 1, 1], (8, 8), 64)])
def test_an_architecture_loads_with_its_tags_settings(tmp_path, layers, grid, dim):
    """Transformers and ResNets alike; a ResNet's tokens come from the deepest layer of at least 8 x 8."""
    vision = {"image_size": 64, "patch_size": 8, "layers": layers, "width": 16 if layers == 3 else 8, "head_width": 8}
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    name = f"tiny-{tmp_path.name}"
    config = {"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}
    (tmp_path / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path)
    model = open_clip.create_model(name).eval()
    safetensors.torch.save_file(model.state_dict(), tmp_path / "weights.safetensors")
    tag = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "resize_mode": "squash", "interpolation": "bilinear"}
    encoder = from_architecture(name, tmp_path / "weights.safetensors", tag, name="tiny")
    latents, tokens = encoder.encode(clip())
    images = preprocess(clip().frames, {"size": 64, **tag})
    with torch.no_grad():
        torch.testing.assert_close(latents.points, model.encode_image(images, normalize=True))
    assert tokens.values.shape == (5, *grid, dim)
    assert encoder.unknown_words("any word is spelt") == []
    (tmp_path / "weights.safetensors").unlink()
    safetensors.torch.save_file({"nothing": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors do not fit the architecture"):
        from_architecture(name, tmp_path / "other.safetensors", tag, name="tiny")


def test_an_empty_clip_is_refused(encoder):
    with pytest.raises(ValueError, match="at least one frame"):
        list(encoder.encode_batches(Clip(torch.zeros(0, 4, 4, 3, dtype=torch.uint8), torch.zeros(0))))
