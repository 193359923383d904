"""Trainers of the encoder and of the potential: sentences, pictures, losses, and a short run of each, end to end."""

import json

import pytest
import torch

from slap_core import sphere
from slap_core.encoders import from_folder
from slap_core.potential import GRADIENT_NORM, Potential, calibrate, median_gradient_norm
from slap_core.pretrained import load_card, load_encoder
from slap_core.training import alignment, info_nce
from slap_core.training import encoder as encoder_trainer
from slap_core.training import potential as potential_trainer
from slap_core.training.claims import OPEN, Claims, draw_claims
from slap_core.training.pictures import draw_pictures
from slap_core.training.sentences import known_words, sentences
from slap_core.tunnel_world import COLOURS, KINDS, seeds, vocabulary


def claim(**said) -> Claims:
    """One claim; what is not said is open."""
    clause = {
        name: torch.tensor([[said.get(name, OPEN), OPEN]]) for name in ("kind", "colour", "place", "coarse", "relation")
    }
    return Claims(
        **clause,
        used=torch.tensor([["kind" in said or "colour" in said or "coarse" in said, False]]),
        number=torch.tensor([said.get("number", OPEN)]),
        nothing=torch.tensor([said.get("nothing", False)]),
        background=torch.tensor([said.get("background", OPEN)]),
        occluder=torch.tensor([said.get("occluder", OPEN)]),
    )


def written(one: Claims) -> set[str]:
    return {sentences(one, seed=seed)[0] for seed in range(40)}


def test_sentences_say_what_is_claimed():
    car, red = KINDS.index("car"), COLOURS.index("red")
    texts = written(claim(kind=car, colour=red, coarse=0))
    assert all("left" in text for text in texts)
    assert all(any(word in text for word in ("red", "crimson", "scarlet")) for text in texts)
    assert len(texts) > 8
    assert all("tunnel" in text for text in written(claim(kind=car, relation=0, occluder=0)))
    assert any(text == "nothing to see" for text in written(claim(nothing=True)))
    assert all("night" in t or "dark" in t or "moon" in t for t in written(claim(nothing=True, background=3)))


def test_sentences_count_and_say_something_of_anything():
    car = KINDS.index("car")
    assert all("two cars" in text for text in written(claim(kind=car, number=2)))
    assert all("one car" in text for text in written(claim(kind=car, number=1)))
    assert any(text.startswith("something") for text in written(claim(coarse=2)))
    assert any("vehicle" in text for text in written(claim(kind=len(KINDS))))
    assert {"cars", "a car", "a picture of a car"} <= {sentences(claim(kind=car), seed=seed)[0] for seed in range(2000)}


def test_every_word_is_taught_and_what_is_held_out_is_not():
    _, facts = draw_pictures(seeds("train", 400), size=32)
    known = known_words()
    assert known < set(vocabulary())
    assert not {"rock", "boulder", "desert", "dunes"} & known
    for seed in range(3):
        claims = draw_claims(facts, generator=torch.Generator().manual_seed(seed))
        words = {word for text in sentences(claims, seed=seed) for word in text.replace(",", " ").split()}
        assert words <= known, words - known


def test_pictures_are_functions_of_their_seed():
    whole, facts = draw_pictures(seeds("train", 12), size=32)
    part, again = draw_pictures(seeds("train", 5, start=4), size=32)
    assert torch.equal(whole[4:9], part)
    assert torch.equal(facts.visible[4:9], again.visible)


def test_true_pairs_are_no_negatives():
    images = sphere.normalize(torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0]]))
    texts = sphere.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]))
    scale = torch.tensor(20.0)
    apart = 1 - torch.eye(3)
    alike = apart.clone()
    alike[0, 1] = alike[1, 0] = 0
    strict = alignment.contrastive_loss(images, texts, scale, apart)
    lenient = alignment.contrastive_loss(images, texts, scale, alike)
    assert float(strict) > 0.3
    assert float(lenient) < 1e-3
    assert float(lenient) < float(alignment.contrastive_loss(images, texts, scale, (apart + alike) / 2)) < float(strict)


def test_further_captions_are_negatives_of_pictures_only():
    images = torch.eye(3)[:2]
    scale = torch.tensor(1.0)
    more = alignment.contrastive_loss(images, torch.eye(3), scale, 1 - torch.eye(2, 3))
    logits = torch.eye(2, 3)
    expected = (torch.logsumexp(logits, 1) - 1).mean() / 2 + (torch.logsumexp(logits[:, :2], 0) - 1).mean() / 2
    assert float(more) == pytest.approx(float(expected))
    assert float(more) > float(alignment.contrastive_loss(images, images, scale, 1 - torch.eye(2)))


def test_rivals_are_a_weighted_softmax_within_each_group():
    generator = torch.Generator().manual_seed(0)
    images, texts = (sphere.normalize(torch.randn(n, 6, generator=generator)) for n in (4, 5))
    right = torch.tensor([0, 1, 2, 1])
    truth = torch.zeros(4, 5, dtype=torch.bool)
    truth[torch.arange(4), right] = True
    rivals = torch.tensor([[True, True, True, False, False]])
    scale = torch.tensor(7.0)
    weight = torch.rand(4, 5, generator=generator) * ~truth
    loss = alignment.rivals_loss(images, texts, scale, truth, weight, rivals)
    factors = torch.where(truth, 1.0, weight)[:, :3] * torch.exp(scale * images @ texts[:3].T)
    expected = -(factors.gather(1, right[:, None]) / factors.sum(1, keepdim=True)).log().mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert float(alignment.rivals_loss(images, texts, scale, truth, weight * 0, rivals)) < 1e-20


def test_gradients_are_finite_where_nothing_is_a_negative():
    images = torch.eye(2, requires_grad=True)
    scale, truth = torch.tensor(5.0), torch.eye(2, dtype=torch.bool)
    rivals = torch.tensor([[True, True], [False, True]])
    loss = alignment.rivals_loss(images, torch.eye(2), scale, truth, torch.tensor([[0.0, 0.5], [0.0, 0.0]]), rivals)
    (loss + alignment.contrastive_loss(images, torch.eye(2), scale, torch.zeros(2, 2))).backward()
    assert bool(images.grad.isfinite().all())


def test_grey_pictures_show_no_colour_and_claim_none():
    images, facts = draw_pictures(seeds("train", 60), size=32)
    generator = torch.Generator().manual_seed(0)
    shown, told = encoder_trainer._without_colour(images, facts, share=0.5, generator=generator)
    grey = (told.colour == OPEN).all(1)
    assert 15 < int(grey.sum()) < 45
    assert torch.equal(shown[~grey], images[~grey])
    assert bool((shown[grey] == shown[grey][..., :1]).all())
    assert torch.equal(told.colour[~grey], facts.colour[~grey])
    claims = draw_claims(told, generator=generator)
    assert bool((claims.colour[grey] == OPEN).all())
    assert bool(claims.true_of(told).diagonal().all())
    undecided = claims.undecided(told)
    coloured = ((claims.colour != OPEN) & claims.used).any(1)
    assert torch.equal(undecided, (grey & told.visible.any(1))[:, None] & coloured)


@pytest.mark.parametrize(("name", "value"), [("unheard_of", 0.0), ("unheard_of", 1.5), ("grey", 1.0), ("grey", -0.1)])
def test_impossible_settings_of_the_encoder_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must lie in"):
        encoder_trainer.EncoderSettings(**{name: value})


def test_short_captions_get_the_latents_that_open_clip_gives_them():
    encoder = load_encoder()
    texts = ["a red car", "nothing to see", "two boats on the left and a yellow ball by the sea"]
    whole = encoder.tokenizer(texts)
    length = int((whole != 0).sum(1).max())
    with torch.no_grad():
        short = alignment.encode_text(encoder.model, whole[:, :length])
        full = encoder.model.encode_text(whole, normalize=True)
    assert length < whole.shape[1]
    torch.testing.assert_close(short, full, atol=1e-5, rtol=1e-5)


def test_info_nce_of_a_constant_is_the_logarithm():
    batch = info_nce.Batch(
        sphere.normalize(torch.randn(6, 4)),
        sphere.normalize(torch.randn(6, 4)),
        torch.eye(6, dtype=torch.bool),
        torch.arange(6),
    )
    loss, _ = info_nce.info_nce(lambda z, q: torch.zeros(6, 6), batch, tau=0.1)
    assert float(loss) == pytest.approx(torch.log(torch.tensor(6.0)).item())


def test_calibration_gives_the_gradient_its_norm():
    torch.manual_seed(0)
    potential = Potential(8, width=16, spectral_norm=False)
    pairs, queries = sphere.normalize(torch.randn(50, 2, 8)), sphere.normalize(torch.randn(50, 8))
    calibrate(potential, pairs, queries)
    fraction = torch.linspace(0, 1, 9)[1:-1].expand(50, -1)
    points = sphere.slerp(pairs[:, :1].expand(-1, 7, -1), pairs[:, 1:].expand(-1, 7, -1), fraction)
    assert median_gradient_norm(potential, points, queries[:, None]) == pytest.approx(GRADIENT_NORM, rel=1e-4)
    assert float(potential(points, queries[:, None]).mean().detach()) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.slow
def test_a_short_training_of_encoder_and_potential(tmp_path, monkeypatch):
    small = "--image-size 32 --batch 16 --log-every 5 --vision-width 8 --text-width 32 --text-layers 1 --embed-dim 16"
    encoder_trainer.main(f"--out {tmp_path / 'encoder'} --steps 10 --device cpu {small}".split())
    card = load_card(tmp_path / "encoder")
    assert card["scores"]["train loss"] > 0
    assert "notes" in card
    encoder = from_folder(tmp_path / "encoder", name="small")
    assert encoder.unknown_words("a red zebra") == ["zebra"]
    line = f"--objective paper --out {tmp_path / 'potential'} --encoder local-dir:{tmp_path / 'encoder'} --steps 10"
    potential_trainer.main(
        f"{line} --pictures 64 --batch 16 --image-size 32 --log-every 5 --width 16 --device cpu".split()
    )
    assert json.loads((tmp_path / "potential" / "config.json").read_text())["dim"] == 16
    potential = Potential.from_pretrained(tmp_path / "potential")
    assert float(potential.scale) > 1
