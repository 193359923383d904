import math

import pytest
import torch

from slap_core.metrics import dead_slots, drift, fg_ari, mask_entropy


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, math.pi / 2, math.pi])
def test_drift_is_one_minus_the_cosine_of_the_angle(angle):
    x = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    y = 3 * torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    # 2 sin^2(a / 2) is 1 - cos a without cancellation.
    torch.testing.assert_close(drift(x, y), torch.tensor([2 * math.sin(angle / 2) ** 2], dtype=torch.float64))


def test_drift_broadcasts_over_queries():
    recovered, true = torch.randn(5, 4, 3), torch.randn(4, 3)
    expected = 1 - torch.nn.functional.cosine_similarity(recovered, true, dim=-1)
    torch.testing.assert_close(drift(recovered, true), expected, atol=1e-6, rtol=1e-5)


def test_fg_ari_ignores_names_and_background():
    true = torch.tensor([[0, 0, 1, 1], [0, 2, 2, 1]])
    predicted = torch.tensor([[4, 7, 5, 5], [9, 3, 3, 5]])
    assert fg_ari(predicted, true) == 1.0


def test_fg_ari_of_a_worked_example():
    # Pairs of 6 tokens: 15. Together in truth 6, in the prediction 4, in both 2; expected 6 * 4 / 15 = 1.6.
    true = torch.tensor([1, 1, 1, 2, 2, 2])
    predicted = torch.tensor([0, 0, 1, 1, 2, 2])
    together_true, together_predicted, both = 6, 3, 2
    expected = together_true * together_predicted / 15
    score = (both - expected) / ((together_true + together_predicted) / 2 - expected)
    assert fg_ari(predicted, true) == pytest.approx(score)


def test_fg_ari_is_about_zero_by_chance_and_punishes_a_swap_in_time():
    generator = torch.Generator().manual_seed(0)
    true = torch.randint(1, 4, (4000,), generator=generator)
    assert abs(fg_ari(torch.randint(0, 3, (4000,), generator=generator), true)) < 0.02
    clip = torch.tensor([[1, 1, 2, 2], [1, 1, 2, 2]])
    swapped = torch.tensor([[1, 1, 2, 2], [2, 2, 1, 1]])
    assert all(fg_ari(a, b) == 1.0 for a, b in zip(swapped, clip, strict=True))
    assert fg_ari(swapped, clip) < 0.1


def test_fg_ari_without_foreground_is_nan():
    assert math.isnan(fg_ari(torch.tensor([1, 2]), torch.tensor([0, 0])))


@pytest.mark.usefixtures("unhooked")
def test_fg_ari_needs_labels_of_one_shape():
    with pytest.raises(ValueError, match="token by token"):
        fg_ari(torch.zeros(2, 3, dtype=torch.long), torch.zeros(3, 2, dtype=torch.long))


def test_mask_entropy_from_certain_to_even():
    certain = torch.eye(4)[:, torch.tensor([0, 1, 1, 3, 2])]
    torch.testing.assert_close(mask_entropy(certain), torch.tensor(0.0))
    even = torch.full((2, 4, 5), 0.25)
    torch.testing.assert_close(mask_entropy(even), torch.full((2,), math.log(4)))


def test_dead_slots_counts_those_that_never_win():
    masks = torch.tensor(
        [[[0.6, 0.5, 0.7], [0.3, 0.4, 0.2], [0.1, 0.1, 0.1]], [[0.6, 0.1, 0.1], [0.2, 0.6, 0.1], [0.2, 0.3, 0.8]]]
    )
    assert dead_slots(masks).tolist() == [2, 0]
