"""What all trained interpolators share: calls, anchors, queries, units, errors."""

import pytest
import torch
from loud import DIM, SEEN, SMALL, TIMES, loud, quiet, unit

from slap_core import learned
from slap_core.baselines import Slerp
from slap_core.force_field import ForceField
from slap_core.latent_ode import LatentODE
from slap_core.rivals import DirectRegressor
from slap_core.types import Latents, Result

KINDS = list(SMALL)
QUERIES = unit(3, DIM, seed=5)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def close(kind, found, expected):
    """Equal; an adaptive integrator only to within its tolerance, for its steps are those of the whole batch."""
    torch.testing.assert_close(found, expected, atol=1e-4 if kind in (LatentODE, ForceField) else 1e-9, rtol=0)


@pytest.mark.parametrize("kind", [one for one in KINDS if one is not ForceField], ids=lambda kind: kind.__name__)
def test_before_training_it_is_slerp(kind):
    solution = quiet(kind)(SEEN, TIMES, QUERIES[0])
    torch.testing.assert_close(solution.points, Slerp()(SEEN, TIMES).points)


def test_nodes_are_anchors_and_recovered_frames_and_unit(kind):
    solution = loud(kind)(SEEN, TIMES, QUERIES[0])
    assert solution.path.times.tolist() == [0.5, 1.0, 1.2, 1.9, 2.0, 2.5, 3.1, 3.7, 4.0, 4.5, 6.0]
    assert solution.times.tolist() == TIMES
    assert solution.method == kind.method
    assert solution.result is (Result.CONVERGED if kind is ForceField else Result.CLOSED_FORM)
    assert solution.certificate is solution.energies is solution.history is None
    assert torch.equal(solution.path.nodes[[1, 4, 8]], SEEN.points)
    assert torch.equal(solution.points[3], SEEN.points[1])
    torch.testing.assert_close(solution.points.norm(dim=-1), torch.ones(len(TIMES), dtype=torch.float64))
    away = (solution.points - Slerp()(SEEN, TIMES).points).norm(dim=-1)
    assert (away[[0, 1, 2, 4, 5, 6, 7, 8]] > 1e-3).all()


def test_the_same_call_has_the_same_answer(kind):
    network = loud(kind)
    assert torch.equal(network(SEEN, TIMES, QUERIES).points, network(SEEN, TIMES, QUERIES).points)


def test_several_queries_are_their_single_answers_in_any_order(kind):
    network = loud(kind)
    together = network(SEEN, TIMES, QUERIES).points
    assert together.shape == (3, len(TIMES), DIM)
    close(kind, network(SEEN, TIMES, QUERIES.flip(0)).points.flip(0), together)
    close(kind, torch.stack([network(SEEN, TIMES, query).points for query in QUERIES]), together)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_no_query_is_the_zero_vector(kind):
    network = loud(kind)
    none, zero = network(SEEN, TIMES), network(SEEN, TIMES, torch.zeros(DIM, dtype=torch.float64))
    assert torch.equal(none.points, zero.points)


def test_gaps_do_not_feel_each_other(kind):
    network = loud(kind)
    seen = Latents(unit(4, DIM), torch.tensor([0.0, 1.0, 1.5, 2.5], dtype=torch.float64))
    left, right = [0.2, 0.5], [1.6, 1.7, 2.4]
    both = network(seen, left + right, QUERIES[0]).points
    close(kind, both, torch.cat([network(seen, some, QUERIES[0]).points for some in (left, right)]))


def test_batches_of_rows_change_nothing(kind, monkeypatch):
    network = loud(kind)
    expected = network(SEEN, TIMES, QUERIES).points
    monkeypatch.setattr(learned, "_ROWS", 5)
    close(kind, network(SEEN, TIMES, QUERIES).points, expected)


def test_neither_the_unit_nor_the_origin_of_time_matters(kind):
    network = loud(kind)
    moved = Latents(SEEN.points, 7 * SEEN.times - 3)
    times = [7 * time - 3 for time in TIMES]
    close(kind, network(moved, times, QUERIES[0]).points, network(SEEN, TIMES, QUERIES[0]).points)


def test_time_runs_away_from_the_anchor_on_either_side(kind):
    network = loud(kind)
    one = Latents(SEEN.points[:1], SEEN.times[:1])
    after, before = network(one, [1.5, 2.0, 4.0], QUERIES[0]), network(one, [-2.0, 0.0, 0.5], QUERIES[0])
    torch.testing.assert_close(before.points.flip(0), after.points)
    assert (after.points - SEEN.points[0]).norm(dim=-1).min() > 1e-3


def test_paths_arrive_at_the_anchors(kind):
    near = loud(kind)(SEEN, [1 + 1e-7, 1.5, 2 - 1e-7], QUERIES[0]).points
    torch.testing.assert_close(near[[0, 2]], SEEN.points[:2], atol=1e-5, rtol=0)


def test_nothing_to_recover(kind):
    solution = loud(kind)(SEEN, SEEN.times, QUERIES)
    assert solution.result is Result.NOTHING_TO_RECOVER
    torch.testing.assert_close(solution.points, SEEN.points.expand(3, -1, -1))


def test_lower_precision_comes_back_as_it_was_or_float32(kind):
    network = loud(kind).float()
    for dtype, expected in ((torch.float16, torch.float32), (torch.float32, torch.float32)):
        solution = network(Latents(SEEN.points.to(dtype), SEEN.times), TIMES, QUERIES.to(dtype))
        assert solution.points.dtype is expected
    double = network(SEEN, TIMES, QUERIES).points
    torch.testing.assert_close(solution.points.double(), double, atol=1e-4, rtol=0)


def test_a_caller_in_inference_mode_is_served_and_no_graph_is_kept(kind):
    network = loud(kind)
    expected = network(SEEN, TIMES, QUERIES[0]).points
    assert not expected.requires_grad
    with torch.inference_mode():
        assert torch.equal(network(SEEN, TIMES, QUERIES[0]).points, expected)


def test_what_is_saved_is_loaded(kind, tmp_path):
    network = loud(kind).float()
    network.save_pretrained(tmp_path)
    again = kind.from_pretrained(tmp_path)
    assert torch.equal(again(SEEN, TIMES, QUERIES).points, network(SEEN, TIMES, QUERIES).points)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f(Latents(2 * SEEN.points, SEEN.times), TIMES), "works on the unit sphere"),
        (lambda f: f(Latents(unit(3, 4), SEEN.times), TIMES), "needs latents of 6 dimensions, got 4; use the encoder"),
        (lambda f: f(SEEN, TIMES, torch.ones(4)), r"A query must have the latents' 6 dimensions.*got \(4,\)"),
        (lambda f: f(SEEN, TIMES, torch.ones(0, DIM)), "A query must have the latents' 6 dimensions"),
        (lambda f: f(SEEN, TIMES, torch.full((DIM,), torch.nan)), "A query must be finite"),
        (lambda f: f(SEEN, [2.0, 1.0]), "strictly increasing"),
        (lambda f: f(Latents(SEEN.points[:0], torch.zeros(0)), [0.5]), "At least one anchor"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_input_that_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(loud(DirectRegressor))
