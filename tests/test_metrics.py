import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from slap_core.metrics import bootstrap_interval, dead_slots, drift, fg_ari, mask_entropy, risk_coverage


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


def test_a_worked_curve_of_risk_over_coverage():
    found = risk_coverage(torch.tensor([0.9, 0.1, 0.5, 0.7]), torch.tensor([0.0, 1.0, 0.0, 1.0]))
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found.risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert found.threshold.tolist() == pytest.approx([0.9, 0.7, 0.5, 0.1])
    assert found.area == pytest.approx(4 / 12)
    assert found.excess == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2 - 0 - 0 - 1 / 3 - 1 / 2) / 4)
    assert [found.at(c) for c in (0.2, 0.5, 0.6, 1.0)] == pytest.approx([0.9, 0.7, 0.5, 0.1])


@settings(max_examples=40, deadline=None)
@given(levels=st.lists(st.integers(0, 3), min_size=1, max_size=7), seed=st.integers(0, 1000))
def test_ties_are_the_mean_over_their_orders_and_no_order_beats_the_oracle(levels, seed):
    generator = torch.Generator().manual_seed(seed)
    risk, confidence = torch.rand(len(levels), generator=generator), torch.tensor(levels).float()
    found = risk_coverage(confidence, risk)
    assert found.excess >= -1e-12
    assert float(found.risk[-1]) == pytest.approx(float(risk.mean()))
    shuffles = torch.stack(
        [risk_coverage(confidence + 0.5 * torch.rand(len(levels), generator=generator), risk).risk for _ in range(400)]
    )
    torch.testing.assert_close(shuffles.mean(0), found.risk, atol=0.1, rtol=0)
    shuffle = torch.randperm(len(levels), generator=generator)
    torch.testing.assert_close(risk_coverage(confidence[shuffle], risk[shuffle]).risk, found.risk)
    assert risk_coverage(-risk, risk).excess == pytest.approx(0, abs=1e-12)
    assert risk_coverage(0 * risk, risk).area == pytest.approx(float(risk.mean()))


def test_the_interval_of_a_mean_is_the_normal_ones():
    values = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    low, high = bootstrap_interval(lambda units: float(values[units].mean()), 400, draws=4000)
    error = 1.96 * float(values.std()) / 20
    assert (low, high) == pytest.approx((float(values.mean()) - error, float(values.mean()) + error), abs=0.01)
    assert bootstrap_interval(lambda units: float(values[units].mean()), 400, draws=10) == bootstrap_interval(
        lambda units: float(values[units].mean()), 400, draws=10
    )


def test_draws_without_a_statistic_do_not_count():
    found = bootstrap_interval(lambda units: math.nan if int(units[0]) else 2.0, 2, draws=50)
    assert found == (2.0, 2.0)


def test_infinite_confidence_comes_first():
    found = risk_coverage(torch.tensor([0.0, math.inf, -math.inf]), torch.tensor([2.0, 1.0, 3.0]))
    assert found.risk.tolist() == [1, 1.5, 2]


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: risk_coverage(torch.ones(2), torch.ones(3)), "one confidence and one risk for each case"),
        (lambda: risk_coverage(torch.ones(0), torch.ones(0)), "one confidence and one risk"),
        (lambda: risk_coverage(torch.tensor([math.nan]), torch.ones(1)), "confidences that are numbers"),
        (lambda: risk_coverage(torch.ones(1), torch.tensor([math.inf])), "finite risks"),
        (lambda: bootstrap_interval(float, 0), "at least 1 unit and 1 draw, got 0 and 1000"),
        (lambda: bootstrap_interval(float, 5, draws=0), "at least 1 unit and 1 draw, got 5 and 0"),
        (lambda: risk_coverage(torch.ones(1), torch.ones(1)).at(0), r"coverage must be in \(0, 1\], got 0"),
    ],
)
def test_what_has_no_curve_or_interval_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
