"""The potentials: values, gradients, spectral norms, what is refused."""

import pytest
import torch

from slap_core import sphere
from slap_core.potential import LearnedPotential, StaticPotential, median_gradient_norm


def unit(*shape, seed=0, dtype=torch.float64):
    return sphere.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype))


def network(spectral_norm=False):
    torch.manual_seed(0)
    return LearnedPotential(6, width=10, depth=2, spectral_norm=spectral_norm).double()


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


def test_gradient_is_right():
    potential = network()
    assert torch.autograd.gradcheck(lambda z: potential(z, unit(6, seed=1)), unit(4, 6).requires_grad_(True))


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
    again = LearnedPotential.from_pretrained(tmp_path)
    z, query = unit(4, 6, dtype=torch.float32), unit(6, seed=1, dtype=torch.float32)
    torch.testing.assert_close(again(z, query), potential(z, query))


def test_another_dimension_is_refused(unhooked):
    with pytest.raises(ValueError, match="needs latents and queries of 6 dimensions, got 7 and 6"):
        network()(unit(3, 7), unit(6))


def test_float64_latents_stay_float64():
    assert network().float()(unit(3, 6), unit(6, seed=1)).dtype == torch.float64
