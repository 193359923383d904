"""The sphere's geometry against identities that hold for every pair of points, coincident and antipodal ones too."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slap_core import sphere

seeds = st.integers(0, 10_000)
angles = st.one_of(st.floats(0, math.pi), st.sampled_from([0.0, 1e-12, 1e-7, math.pi - 1e-7, math.pi]))


def pair(seed: int, angle: float, dim: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Two points at a known angle."""
    x, v = torch.randn(2, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x = x / x.norm()
    v = v - (v @ x) * x
    return x, math.cos(angle) * x + math.sin(angle) * v / v.norm()


@settings(deadline=None, max_examples=40)
@given(seeds, angles)
def test_distance_is_the_angle_to_the_last_digits(seed, angle):
    x, y = pair(seed, angle)
    assert float(sphere.distance(x, y)) == pytest.approx(angle, abs=1e-15 + 4e-16 * angle + 1e-15 * (angle > 1))


@settings(deadline=None, max_examples=40)
@given(seeds, angles)
def test_log_is_tangent_as_long_as_the_angle_and_inverted_by_exp(seed, angle):
    x, y = pair(seed, angle)
    v = sphere.log(x, y)
    assert abs(float(v @ x)) < 1e-13
    assert float(v.norm()) == pytest.approx(angle, abs=1e-7)
    torch.testing.assert_close(sphere.exp(x, v), y, atol=1e-7 if angle > 3 else 1e-14, rtol=0)


@settings(deadline=None, max_examples=40)
@given(seeds, st.floats(0, 3.1))
def test_logs_are_both_logs(seed, angle):
    x, y = pair(seed, angle)
    onward, back, length = sphere.logs(x, y)
    torch.testing.assert_close(onward, sphere.log(x, y), atol=1e-13, rtol=1e-12)
    torch.testing.assert_close(back, sphere.log(y, x), atol=1e-13, rtol=1e-12)
    torch.testing.assert_close(length[0], sphere.distance(x, y))


def test_logs_between_antipodes_are_zero():
    x, y = torch.eye(3)[0], -torch.eye(3)[0]
    onward, back, angle = sphere.logs(x, y)
    assert not onward.any()
    assert not back.any()
    assert float(angle) == pytest.approx(math.pi)


@settings(deadline=None, max_examples=40)
@given(seeds, st.floats(0, 3.1), st.floats(0, 1))
def test_slerp_divides_the_angle(seed, angle, fraction):
    x, y = pair(seed, angle)
    point = sphere.slerp(x, y, torch.tensor(fraction, dtype=torch.float64))
    assert float(sphere.distance(x, point)) == pytest.approx(fraction * angle, abs=1e-13)
    assert float(sphere.distance(point, y)) == pytest.approx((1 - fraction) * angle, abs=1e-13)


@settings(deadline=None, max_examples=40)
@given(seeds, st.floats(0, 3.0))
def test_transport_keeps_angles_and_the_geodesic_direction(seed, angle):
    x, y = pair(seed, angle)
    v, w = sphere.tangent(x, torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + 1)))
    moved_v, moved_w = sphere.transport(x, y, v), sphere.transport(x, y, w)
    assert abs(float(moved_v @ y)) < 1e-12
    assert float(moved_v @ moved_w) == pytest.approx(float(v @ w), abs=1e-12)
    torch.testing.assert_close(sphere.transport(x, y, sphere.log(x, y)), -sphere.log(y, x), atol=1e-12, rtol=0)


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_rotations_change_nothing(seed):
    x, y = pair(seed, 1.0)
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64, generator=generator)).Q
    torch.testing.assert_close(sphere.log(rotation @ x, rotation @ y), rotation @ sphere.log(x, y))


@pytest.mark.parametrize("angle", [0.0, math.pi])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_finite_at_coincident_points_and_antipodes(angle, dtype):
    x = torch.eye(4, dtype=dtype)[0].requires_grad_(True)
    y = (x.detach() * math.cos(angle)).requires_grad_(True)
    found = [sphere.distance(x, y), sphere.slerp(x, y, torch.tensor(0.3, dtype=dtype)).sum(), sphere.log(x, y).sum()]
    for value in found:
        gradients = torch.autograd.grad(value, (x, y), retain_graph=True)
        assert value.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_antipodes_are_joined_by_a_great_semicircle():
    x = torch.tensor([[0.6, 0.8, 0.0]], dtype=torch.float64)
    middle = sphere.slerp(x, -x, torch.tensor([0.5], dtype=torch.float64))
    assert float(sphere.distance(x, middle)) == pytest.approx(math.pi / 2)


def test_normalize_leaves_zero_alone():
    assert not sphere.normalize(torch.zeros(3)).any()
    torch.testing.assert_close(sphere.normalize(torch.tensor([3.0, 4.0])), torch.tensor([0.6, 0.8]))


def test_require_unit():
    assert sphere.is_unit(torch.eye(3, dtype=torch.bfloat16))
    sphere.require_unit("SLERP", torch.eye(3))
    with pytest.raises(ValueError, match="unit latents are required, got norms from 2 to 2; divide"):
        sphere.require_unit("SLERP", 2 * torch.eye(3))
