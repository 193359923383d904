"""The alarm on potentials that see, and on ones that conjure whatever is asked for (float64)."""

import math

import pytest
import torch

from slap_core import sphere
from slap_core.alarm import hallucination_alarm, weigh
from slap_core.least_action import LeastAction
from slap_core.types import Latents

DIM = 24


def points(count: int, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sphere.normalize(torch.randn(count, DIM, dtype=torch.float64, generator=generator))


SEEN, TIMES, QUERIES = Latents(points(4), torch.arange(4.0)), [0.5, 1.3, 1.6, 2.5, 3.4], points(20, seed=1)


def conjures(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    return 2 * (z * query).sum(-1)


def sees(z: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Pulls only where the first query is asked for."""
    return conjures(z, query) * torch.relu((query * QUERIES[0]).sum(-1) - 0.9) * 10


def test_what_is_conjured_for_anything_rings():
    alarm = hallucination_alarm(LeastAction(conjures), SEEN, TIMES, QUERIES[0], QUERIES[1:])
    assert alarm.rings
    assert alarm.gain > 0.01
    assert 0.3 < alarm.ratio < 2
    assert alarm.converged
    assert alarm.sentence.startswith(
        "What is recovered would have been recovered for things that are certainly not there too: of 19 absent things, "
    )


def test_what_is_there_alone_does_not():
    alarm = hallucination_alarm(LeastAction(sees), SEEN, TIMES, QUERIES[0], QUERIES[1:])
    assert not alarm.rings
    assert alarm.rank == 1 / 20
    assert math.isinf(alarm.ratio)
    assert float(alarm.absent_moved.max()) < 1e-6 < alarm.moved
    assert alarm.sentence.startswith("What is recovered is the query's own: of 19 absent things, 0 gain")
    assert "theirs rises by nothing" in alarm.sentence


def test_without_a_pull_nothing_is_recovered():
    alarm = hallucination_alarm(LeastAction(None), SEEN, TIMES, QUERIES[0], QUERIES[1:])
    assert (alarm.recovered, alarm.rings, alarm.ratio) == (False, False, 0)
    assert abs(alarm.gain) + alarm.moved < 1e-9
    assert "Nothing is recovered" in alarm.sentence


@pytest.mark.parametrize("geometry", ["sphere", "euclidean"])
def test_gain_and_move_are_those_of_each_query_alone(geometry):
    solver = LeastAction(conjures, coupling=0.3, geometry=geometry, tolerance=1e-10)
    alarm = hallucination_alarm(solver, SEEN, TIMES, QUERIES[0], QUERIES[1:4])
    straight = LeastAction(None, geometry=geometry)(SEEN, TIMES).points
    for k in range(4):
        found = solver(SEEN, TIMES, QUERIES[k]).points
        moved = sphere.distance(found, straight) if geometry == "sphere" else (found - straight).norm(dim=-1)
        unit, start = sphere.normalize(found), sphere.normalize(straight)
        gain = ((unit - start) @ QUERIES[k]).mean()
        assert float(gain) == pytest.approx(alarm.gain if k == 0 else float(alarm.absent_gain[k - 1]))
        assert float(moved.mean()) == pytest.approx(alarm.moved if k == 0 else float(alarm.absent_moved[k - 1]))


def test_ranks_of_what_is_absent_itself_are_even():
    """Each of K + 1 like queries has each rank once, if no two gain the same."""
    gain = torch.rand(9, generator=torch.Generator().manual_seed(0)) + 0.1
    ranks = [weigh(gain.roll(k), gain).rank for k in range(9)]
    assert sorted(ranks) == pytest.approx([k / 9 for k in range(1, 10)])


def test_equal_gains_count_as_much():
    assert weigh(torch.full((4,), 0.2), torch.ones(4)).rank == 1
    assert weigh(torch.tensor([0.2, 0.05, 0.05]), torch.ones(3)).ratio == pytest.approx(4)


def test_what_did_not_converge_says_so():
    alarm = hallucination_alarm(LeastAction(conjures, max_iterations=1), SEEN, TIMES, QUERIES[0], QUERIES[1:])
    assert not alarm.converged
    assert alarm.sentence.endswith("The solver did not converge for all of them.")


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: hallucination_alarm(s, SEEN, TIMES, QUERIES[0], QUERIES[:0]), "at least one absent query"),
        (lambda s: hallucination_alarm(s, SEEN, TIMES, QUERIES, QUERIES), r"needs one query \(dim\)"),
        (lambda s: hallucination_alarm(s, SEEN, TIMES, QUERIES[0], QUERIES[:, :3]), "got"),
        (lambda s: hallucination_alarm(s, SEEN, [], QUERIES[0], QUERIES[1:]), "needs something to recover"),
        (lambda s: weigh(torch.ones(1), torch.ones(1)), "weigh needs finite numbers of the query and at least one"),
        (lambda s: weigh(torch.tensor([1.0, math.nan]), torch.ones(2)), "weigh needs finite numbers"),
    ],
)
def test_what_cannot_be_weighed_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(LeastAction(conjures))
