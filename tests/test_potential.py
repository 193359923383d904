"""The potentials: values, derivatives, spectral norms, anchors as context, loading, and what is refused."""

import itertools
import json

import pytest
import torch

from slap_core import sphere
from slap_core.cards import write_card
from slap_core.perceptron import derivatives
from slap_core.potential import Potential, StaticPotential, median_gradient_norm


def unit(*shape, seed=0, dtype=torch.float64):
    return sphere.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype))


def network(spectral_norm=False, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Potential(6, **{"width": 10, "depth": 2, **options}, spectral_norm=spectral_norm).double()


def by_definition(potential, z, query, start, stop):
    """The MLP on the concatenation [z, q, z * q] or [z, q, z * q, a, b], as its module docstring has it."""
    z, query, start, stop = torch.broadcast_tensors(z, query, start, stop)
    inputs = [z, query, z * query, start, stop][: 5 if potential.context else 3]
    return potential.scale * (potential.network(torch.cat(inputs, -1)).squeeze(-1) - potential.shift)


KINDS = list(itertools.product(["silu", "softplus", "tanh"], [1, 3], [False, True], [False, True]))


def test_static_is_the_cosine():
    z, query = unit(5, 6), unit(6, seed=1)
    torch.testing.assert_close(StaticPotential(3.0)(z, query), 3 * z @ query)


def test_static_gradient_norm_is_the_sine_of_the_angle():
    z, query = unit(1, 6), unit(6, seed=1)
    expected = 3 * torch.sin(sphere.distance(z[0], query))
    assert median_gradient_norm(StaticPotential(3.0), z, query) == pytest.approx(float(expected))


def test_queries_broadcast_against_latents():
    potential = network()
    z, queries = unit(3, 5, 6), unit(3, 1, 6, seed=1)
    for i in range(3):
        torch.testing.assert_close(potential(z, queries)[i], potential(z[i], queries[i, 0]))


def test_scale_and_shift():
    potential = network()
    z, query = unit(4, 6), unit(6, seed=1)
    raw = potential(z, query)
    potential.scale.fill_(2.5)
    potential.shift.fill_(0.3)
    torch.testing.assert_close(potential(z, query), 2.5 * (raw - 0.3))


@pytest.mark.parametrize(("activation", "depth", "context", "single"), KINDS)
def test_values_and_derivatives_are_those_of_the_definition(activation, depth, context, single):
    """The hand-written passes against autograd on the plain concatenated network, to 1e-10."""
    potential = network(activation=activation, depth=depth, context=context)
    potential.scale.fill_(2.5)
    potential.shift.fill_(0.3)
    shape = () if single else (3, 1)
    query, start, stop = (unit(*shape, 6, seed=seed) for seed in (1, 2, 3))
    question = potential.in_gaps(query, start, stop)
    z, v = unit(3, 5, 6).requires_grad_(True), torch.randn(3, 5, 6, dtype=torch.float64)
    value = by_definition(potential, z, query, start, stop)
    (gradient,) = torch.autograd.grad(value.sum(), z, create_graph=True)
    (curved,) = torch.autograd.grad((gradient * v).sum(), z)
    close = {"atol": 1e-10, "rtol": 1e-10}
    torch.testing.assert_close(potential(z, question), value, **close)
    found, slope = potential.value_and_gradient(z, question)
    torch.testing.assert_close(found, value, **close)
    torch.testing.assert_close(slope, gradient, **close)
    (product,) = torch.autograd.grad((slope * v).sum(), z)
    torch.testing.assert_close(product, curved, **close)


@pytest.mark.parametrize("activation", ["silu", "softplus", "tanh"])
def test_derivatives_of_activations(activation):
    h = torch.linspace(-8, 8, 101, dtype=torch.float64, requires_grad=True)
    value, slope, bend = derivatives(activation, h, order=2)
    (first,) = torch.autograd.grad(value.sum(), h, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), h, retain_graph=True)
    torch.testing.assert_close(slope, first)
    torch.testing.assert_close(bend, second)
    assert [len(derivatives(activation, h, order=order)) for order in (0, 1, 2)] == [1, 2, 3]


def test_the_solver_may_run_without_any_graph():
    potential = network()
    for parameter in potential.parameters():
        parameter.requires_grad_(False)
    value, gradient = potential.value_and_gradient(unit(4, 6), unit(6, seed=1))
    assert value.grad_fn is None
    assert gradient.grad_fn is None


def test_weights_learn_through_the_written_gradient():
    """d/dw <u, grad P(z)> by one backward pass equals that through autograd's own double backward."""
    potential = network(context=True)
    question = potential.in_gaps(*(unit(2, 1, 6, seed=seed) for seed in (1, 2, 3)))
    z, u = unit(2, 3, 6).requires_grad_(True), unit(2, 3, 6, seed=5)
    (slope,) = torch.autograd.grad(potential(z, question).sum(), z, create_graph=True)
    weights = list(potential.parameters())[:-1]  # the gradient does not depend on the output's bias
    expected = torch.autograd.grad((u * slope).sum(), weights)
    _, slope = potential.value_and_gradient(z.detach(), question)
    for a, b in zip(torch.autograd.grad((u * slope).sum(), weights), expected, strict=True):
        torch.testing.assert_close(a, b)


def test_without_context_a_question_is_the_query():
    query = unit(6)
    assert network().in_gaps(query, unit(6, seed=1), unit(6, seed=2)) is query


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "relu"}, "smooth activation, silu, softplus, tanh, got 'relu'"),
        ({"depth": 0}, "at least 1, got"),
    ],
)
def test_impossible_networks_are_refused(options, message, unhooked):
    with pytest.raises(ValueError, match=message):
        network(**options)


def test_exported_layers_have_spectral_norm_one():
    plain = network(spectral_norm=True).exported()
    weights = [layer.weight for layer in plain.network if isinstance(layer, torch.nn.Linear)]
    assert len(weights) == 3
    for weight in weights:
        assert float(torch.linalg.matrix_norm(weight.detach(), ord=2)) == pytest.approx(1.0, abs=1e-9)


def test_exported_is_the_same_function_up_to_power_iteration():
    spectral = network(spectral_norm=True)
    spectral.train()
    z, query = unit(4, 6), unit(6, seed=1)
    for _ in range(200):  # each forward pass in training mode is a step of power iteration
        spectral(z, query)
    spectral.eval()
    torch.testing.assert_close(spectral.exported()(z, query), spectral(z, query), rtol=1e-6, atol=1e-8)


def test_saved_and_loaded(tmp_path):
    potential = network().float()
    potential.scale.fill_(4.0)
    potential.save_pretrained(tmp_path)
    again = Potential.from_pretrained(tmp_path)
    z, query = unit(4, 6, dtype=torch.float32), unit(6, seed=1, dtype=torch.float32)
    torch.testing.assert_close(again(z, query), potential(z, query))


def test_the_shipped_folder_loads_by_its_path():
    assert Potential.from_pretrained("assets/weights/potential").dim == 256


def test_a_potential_of_the_hub_comes_as_safetensors(tmp_path, monkeypatch):
    asked = []

    def download(repository, file, **options):
        asked.append((file, options))
        if not (tmp_path / file).exists():
            from huggingface_hub.errors import EntryNotFoundError

            raise EntryNotFoundError(file)
        return str(tmp_path / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    network(context=True, activation="tanh").float().save_pretrained(tmp_path)
    found = Potential.from_pretrained("owner/name", revision="v1")
    assert found.context
    assert found.activation == "tanh"
    assert not found.training
    assert {file for file, _ in asked} == {"model.safetensors", "config.json", "card.json"}
    assert all(options == {"revision": "v1"} for _, options in asked)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="on the hub has no safetensors weights"):
        Potential.from_pretrained("owner/name")


def test_what_is_no_potential_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is neither a folder nor OWNER/NAME"):
        Potential.from_pretrained(tmp_path / "nowhere")
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"has no model.safetensors; weights in pickle formats are not read"):
        Potential.from_pretrained(tmp_path)
    network().float().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"dim": 7}))
    with pytest.raises(ValueError, match="holds no potential: its config and weights do not fit"):
        Potential.from_pretrained(tmp_path)


def test_a_folder_that_differs_from_its_card_is_refused(tmp_path):
    network().float().save_pretrained(tmp_path)
    card = dict.fromkeys(("title", "what", "trained_on", "command", "seed", "licence"), "")
    write_card(tmp_path, {**card, "scores": {}})
    assert Potential.from_pretrained(tmp_path).dim == 6
    (tmp_path / "config.json").write_text(json.dumps({"dim": 7}))
    with pytest.raises(ValueError, match=r"config.json is damaged: its hash is not the card's"):
        Potential.from_pretrained(tmp_path)


def test_another_dimension_is_refused(unhooked):
    with pytest.raises(ValueError, match="needs latents of 6 dimensions and queries of 6, got 7 and 6"):
        network()(unit(3, 7), unit(6))
    with pytest.raises(ValueError, match=r"queries of 18 \(make them with in_gaps\), got 6 and 6"):
        network(context=True)(unit(3, 6), unit(6))


def test_float64_latents_stay_float64():
    assert network().float()(unit(3, 6), unit(6, seed=1)).dtype == torch.float64
