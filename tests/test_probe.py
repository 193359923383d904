"""The probe of what is hidden: what its beliefs say, and that it learns from examples that it is right about."""

import json

import pytest
import torch
from made_scenes import DIM, scenes

from slap_core.probe import Belief, Probe, prompt_latents
from slap_core.training import probe as trainer
from slap_core.tunnel_world import COLOURS, KINDS, PLACES

SHAPE = (len(KINDS), len(COLOURS), len(PLACES))


def belief(present, kind, colour, place, *, sure=20.0):
    what = torch.zeros(SHAPE)
    what[kind, colour, place] = sure
    return Belief(torch.tensor(present), what)


def test_the_likeliest_is_named_and_where_it_is_expected():
    one = belief(1.0, 3, 5, 4)
    assert tuple(int(value) for value in one.named()) == (3, 5, 4)
    assert float(one.position()) == pytest.approx(4.5 / 6, abs=1e-3)
    assert float(belief(1.0, 0, 0, 0, sure=0.0).position()) == pytest.approx(0.5)


def test_the_likelihood_is_that_of_any_hidden_object():
    """Logits 0 everywhere: each of 432 answers alike, and something as likely as nothing."""
    flat = belief(0.0, 0, 0, 0, sure=0.0)
    each = torch.tensor([3, 1]), torch.tensor([5, 2]), torch.tensor([4, 0])
    both = flat.log_likelihood(*each, torch.tensor([True, True]))
    one = flat.log_likelihood(*each, torch.tensor([True, False]))
    none = flat.log_likelihood(*each, torch.tensor([False, False]))
    answers = len(KINDS) * len(COLOURS) * len(PLACES)
    assert both.exp().item() == pytest.approx(0.5 * 2 / answers)
    assert one.exp().item() == pytest.approx(0.5 / answers)
    assert none.exp().item() == pytest.approx(0.5)
    sure = belief(20.0, 3, 5, 4).log_likelihood(*each, torch.tensor([True, False]))
    assert sure.exp().item() == pytest.approx(1, abs=1e-5)


def test_prompts_are_laid_out_by_kind_colour_and_place():
    said = []

    def text(prompts):
        said.extend(prompts)
        return torch.arange(len(prompts)).float()[:, None].expand(-1, 2)

    latents = prompt_latents(text)
    assert latents.shape == (len(KINDS), len(COLOURS), 3, 2)
    assert said[int(latents[2, 3, 1, 0])] == "a green train in the middle"


def test_without_its_correction_the_probe_says_what_the_prompts_say():
    probe = Probe(DIM).eval()
    with torch.no_grad():
        for parameter in probe.network[-1].parameters():
            parameter.zero_()
        probe.prompts.copy_(torch.nn.functional.normalize(torch.randn(*SHAPE[:2], 3, DIM), dim=-1))
    z = probe.prompts[4, 2, 1] + 0.4 * torch.ones(DIM)
    found = probe(z, torch.ones(DIM))
    assert tuple(int(value) for value in found.named()) in ((4, 2, 2), (4, 2, 3))
    torch.testing.assert_close(found.what[..., 2:4:2], probe.prompted(z, torch.ones(DIM))[..., 1:2])


def test_other_dimensions_are_refused(unhooked):
    with pytest.raises(ValueError, match="reads latents of 8 dimensions, got 8 and 9"):
        Probe(DIM)(torch.zeros(DIM), torch.zeros(DIM + 1))


def drawn(count):
    """Scenes whose actor's kind shows in the first coordinates of the cut-away latents."""
    some = scenes(count)
    kind = torch.arange(count)[:, None] % 4
    shown = torch.nn.functional.one_hot(kind, DIM).float().expand(-1, 3, -1)
    empty = torch.nn.functional.one_hot(torch.tensor(7), DIM).float().expand(count, 3, -1)
    place = torch.where(some.hidden[..., None], 2, -1)
    fields = {"kind": kind, "colour": kind * 0, "place": place, "target": shown, "empty": empty}
    return type(some)(**{**vars(some), **fields})


def test_it_learns_what_it_is_shown_and_resumes(tmp_path):
    material = {"train": drawn(24), "validation": drawn(12)}
    prompts = torch.nn.functional.normalize(torch.randn(*SHAPE[:2], 3, DIM), dim=-1)
    options = {"steps": 150, "batch": 32, "warmup": 5, "learning_rate": 1e-2, "dropout": 0.0, "device": "cpu"}
    probe, scores = trainer.train(trainer.ProbeSettings(out=tmp_path, **options), material, prompts)
    assert not probe.training
    assert scores["what"] > 0.95
    assert scores["what and which of six places"] > 0.95
    nothing = trainer.absent(material["validation"])
    assert not bool(nothing.hidden.any())
    assert float((probe(nothing.latents, nothing.without).present < 0).float().mean()) == 1


@pytest.mark.usefixtures("unhooked")
def test_the_command_writes_a_folder_with_a_card(tmp_path):
    from tiny import write_encoder

    encoder = write_encoder(tmp_path / "encoder")
    line = f"--encoder local-dir:{encoder} --data {tmp_path / 'scenes.safetensors'} --steps 2 --batch 8 --scenes 6"
    line += f" --validation-scenes 3 --image-size 32 --device cpu --out {tmp_path / 'probe'}"
    trainer.main(line.split())
    card = json.loads((tmp_path / "probe" / "card.json").read_text())
    assert card["command"].startswith("python -m slap_core.training.probe")
    assert 0 <= card["scores"]["what"] <= 1
    assert Probe.from_pretrained(tmp_path / "probe").dim == 12
