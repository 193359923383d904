"""Zero-order hold, LERP, SLERP, the rule and the oracle at points where their values are known."""

import math

import pytest
import torch

from slap_core import sphere
from slap_core.baselines import Lerp, Oracle, Rule, Slerp, ZeroOrderHold
from slap_core.types import Latents, Result

SEEN = Latents(torch.eye(3, dtype=torch.float64), torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))
TIMES = [0.0, 1.5, 2.0, 2.5, 3.0, 9.0]
METHODS = [ZeroOrderHold(), Lerp(), Slerp()]
AXES = torch.eye(5, dtype=torch.float64)
RULE = Rule(empty=AXES[0], thing=AXES[1], middle=sphere.normalize(AXES[1] + AXES[2]))
THINGS = Latents(AXES[[0, 0, 1, 0]], torch.arange(4, dtype=torch.float64))


def test_zero_order_hold_repeats_the_last_anchor_seen():
    assert ZeroOrderHold()(SEEN, TIMES).points.argmax(-1).tolist() == [0, 0, 1, 1, 1, 2]


def test_zero_order_hold_does_not_see_the_next_anchor():
    path = ZeroOrderHold()(SEEN, [1.5]).path
    torch.testing.assert_close(path([1.5, 1.999, 2.0]), SEEN.points[[0, 0, 1]])


def test_lerp_divides_the_chord():
    expected = [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.75, 0.25], [0, 0.5, 0.5], [0, 0, 1]]
    torch.testing.assert_close(Lerp()(SEEN, TIMES).points, torch.tensor(expected, dtype=torch.float64))


def test_slerp_divides_the_angle():
    root, eighth = math.sqrt(0.5), math.pi / 8
    expected = [
        [1, 0, 0],
        [root, root, 0],
        [0, 1, 0],
        [0, math.cos(eighth), math.sin(eighth)],
        [0, root, root],
        [0, 0, 1],
    ]
    torch.testing.assert_close(Slerp()(SEEN, TIMES).points, torch.tensor(expected, dtype=torch.float64))


def test_slerp_keeps_its_speed_through_a_gap():
    path = Slerp()(SEEN, [1.1, 1.7, 1.9]).path
    angles = sphere.distance(path.nodes[:-1], path.nodes[1:])
    torch.testing.assert_close(angles[:4] / path.times.diff()[:4], torch.full((4,), math.pi / 2, dtype=torch.float64))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_nodes_at_anchors_and_recovered_frames(method):
    solution = method(SEEN, TIMES, torch.ones(3, dtype=torch.float64))
    assert solution.path.times.tolist() == [0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 9.0]
    assert solution.times.tolist() == TIMES
    torch.testing.assert_close(solution.path(SEEN.times), SEEN.points)
    assert solution.result is Result.CLOSED_FORM
    assert solution.certificate is None


@pytest.mark.parametrize("method", METHODS)
def test_one_anchor_and_nothing_to_recover(method):
    rest = method(Latents(SEEN.points[:1], SEEN.times[:1]), [0.0, 3.0])
    torch.testing.assert_close(rest.points, SEEN.points[[0, 0]])
    assert method(SEEN, SEEN.times).result is Result.NOTHING_TO_RECOVER


def test_slerp_needs_unit_latents_and_lerp_does_not():
    large = Latents(3 * SEEN.points, SEEN.times)
    with pytest.raises(ValueError, match="SLERP works on the unit sphere: unit latents are required, got norms from 3"):
        Slerp()(large, TIMES)
    torch.testing.assert_close(Lerp()(large, TIMES).points, 3 * Lerp()(SEEN, TIMES).points)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("unhooked")
def test_bad_times_and_no_anchors_are_refused(method):
    with pytest.raises(ValueError, match="strictly increasing"):
        method(SEEN, [2.0, 1.0])
    with pytest.raises(ValueError, match="At least one anchor"):
        method(Latents(SEEN.points[:0], torch.zeros(0)), [0.5])


def test_the_rule_says_the_query_in_the_middle_where_an_anchor_shows_a_thing_and_empty_elsewhere():
    solution = RULE(THINGS, [-1.0, 0.3, 0.6, 1.5, 2.5, 3.5], AXES[3])
    said = sphere.normalize(AXES[3] + RULE.middle - RULE.thing)
    torch.testing.assert_close(solution.points, torch.stack([AXES[0]] * 3 + [said] * 2 + [AXES[0]]))
    torch.testing.assert_close(solution.path(THINGS.times), THINGS.points)
    assert solution.result is Result.CLOSED_FORM


def test_the_rule_answers_every_query_and_none():
    several = RULE(THINGS, [0.5, 1.5], AXES[[3, 4]]).points
    torch.testing.assert_close(several[1], RULE(THINGS, [0.5, 1.5], AXES[4]).points)
    assert several.shape == (2, 2, 5)
    torch.testing.assert_close(RULE(THINGS, [0.5, 1.5]).points, torch.stack([AXES[0], RULE.middle]))
    assert RULE(THINGS, THINGS.times, AXES[3]).result is Result.NOTHING_TO_RECOVER


def test_the_rule_is_made_of_three_prompts():
    latents = {"nothing to see": AXES[0], "an object": AXES[1], "an object in the middle": RULE.middle}
    made = Rule.in_words(lambda prompts: torch.stack([latents[prompt] for prompt in prompts]))
    assert torch.equal(made(THINGS, [1.5], AXES[3]).points, RULE(THINGS, [1.5], AXES[3]).points)


@pytest.mark.usefixtures("unhooked")
def test_what_the_rule_cannot_use_is_refused():
    with pytest.raises(ValueError, match=r"A Rule needs three latents of one shape \(dim\), got .*\(4,\)"):
        Rule(empty=AXES[0], thing=AXES[1], middle=AXES[2, :4])
    with pytest.raises(ValueError, match="Rule works on the unit sphere"):
        Rule(empty=AXES[0], thing=2 * AXES[1], middle=AXES[2])
    with pytest.raises(ValueError, match="Rule works on the unit sphere"):
        RULE(Latents(2 * THINGS.points, THINGS.times), [0.5])
    with pytest.raises(ValueError, match="This Rule has prompts of 5 dimensions, got latents of 3; make the Rule with"):
        RULE(SEEN, TIMES)
    with pytest.raises(ValueError, match="A query must have the latents' 5 dimensions"):
        RULE(THINGS, [0.5], AXES[0, :3])


def test_the_oracle_returns_the_truth():
    truth = Latents(AXES[[4, 3, 2]], torch.tensor([0.5, 1.5, 3.5], dtype=torch.float64))
    solution = Oracle(truth)(THINGS, [0.5, 2.0, 3.5])
    torch.testing.assert_close(solution.points, torch.stack([AXES[4], AXES[1], AXES[2]]))
    assert solution.result is Result.CLOSED_FORM
    assert Oracle(truth)(THINGS, THINGS.times).result is Result.NOTHING_TO_RECOVER


def test_what_the_oracle_does_not_know_is_refused():
    truth = Latents(AXES[[4]], torch.tensor([0.5], dtype=torch.float64))
    with pytest.raises(ValueError, match=r"the truth at its own times only, and was asked for 1\.5 s; give it the lat"):
        Oracle(truth)(THINGS, [0.5, 1.5])
    with pytest.raises(ValueError, match="The oracle needs true latents, got none"):
        Oracle(truth.select([]))(THINGS, [0.5])
    with pytest.raises(ValueError, match="The oracle's latents have 5 dimensions, the anchors 3"):
        Oracle(truth)(SEEN, [1.5])
