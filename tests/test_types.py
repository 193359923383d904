"""What flows through the program: validation, paths between nodes, certificates as sentences."""

import dataclasses
import math

import pytest
import torch

from slap_core import sphere
from slap_core.types import Certificate, Clip, Latents, Path, Result, Tokens


def clip(count: int = 7) -> Clip:
    frames = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 2, 3, 3)
    return Clip(frames, torch.arange(count) / 10)


def test_split_gives_every_frame_to_exactly_one_side():
    kept, dropped = clip().split(keep_every=3)
    assert kept.frames[:, 0, 0, 0].tolist() == [0, 3, 6]
    assert dropped.frames[:, 0, 0, 0].tolist() == [1, 2, 4, 5]
    torch.testing.assert_close(torch.cat([kept.times, dropped.times]).sort().values, clip().times)


def test_split_of_everything_and_of_nothing():
    assert [len(side) for side in clip().split(1)] == [7, 0]
    assert [len(side) for side in clip().split(100)] == [1, 6]


def test_times_are_kept_in_float64():
    assert Latents(torch.eye(2), torch.tensor([0.0, 1.0])).times.dtype == torch.float64


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: clip().split(0), "keep_every must be a whole number of at least 1, got 0"),
        (lambda: clip().split(1.5), "keep_every must be a whole number"),
        (lambda: Clip(torch.zeros(2, 4, 4, 3), [0, 1]), "uint8 frames"),
        (lambda: Clip(torch.zeros(2, 4, 4, dtype=torch.uint8), [0, 1]), r"got torch.uint8 \(2, 4, 4\)"),
        (lambda: Clip(torch.zeros(2, 0, 4, 3, dtype=torch.uint8), [0, 1]), "at least one pixel"),
        (lambda: Latents(torch.zeros(2, 3, dtype=torch.long), [0, 1]), "floating point `points`"),
        (lambda: Latents(torch.zeros(2), [0, 1]), r"shape \(time, dim\)"),
        (lambda: Latents(torch.full((2, 3), math.nan), [0, 1]), "finite points"),
        (lambda: Latents(torch.zeros(2, 3), [0]), "one time in seconds for each of its 2 rows"),
        (lambda: Latents(torch.zeros(2, 3), [0, math.inf]), "finite times"),
        (lambda: Latents(torch.zeros(2, 3), [0, 0]), "strictly increasing"),
        (lambda: Tokens(torch.zeros(2, 3), [0, 1]), "Tokens need a floating"),
        (lambda: Path(torch.eye(2), [0, 1], "cubic"), "geodesic, linear or hold, got 'cubic'"),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_geodesic_path_turns_at_constant_speed_and_rests_outside():
    path = Path(torch.eye(2, dtype=torch.float64), torch.tensor([1.0, 3.0]))
    points = path([0.0, 1.0, 1.5, 2.0, 3.0, 9.0])
    turned = torch.atan2(points[:, 1], points[:, 0])
    torch.testing.assert_close(turned, torch.tensor([0, 0, 0.25, 0.5, 1, 1], dtype=torch.float64) * math.pi / 2)
    torch.testing.assert_close(
        path.velocity([1.0, 2.0]).norm(dim=-1), torch.full((2,), math.pi / 4, dtype=torch.float64)
    )
    assert not path.velocity([0.5, 3.0]).any()


@pytest.mark.parametrize("interpolation", ["geodesic", "linear"])
def test_velocity_is_the_derivative_of_the_path(interpolation):
    generator = torch.Generator().manual_seed(0)
    nodes = sphere.normalize(torch.randn(2, 4, 3, dtype=torch.float64, generator=generator))
    path = Path(nodes, torch.tensor([0.0, 1.0, 1.5, 4.0]), interpolation)
    at = torch.tensor([0.3, 1.2, 2.0], dtype=torch.float64)
    torch.testing.assert_close(path.velocity(at), (path(at + 1e-6) - path(at - 1e-6)) / 2e-6, atol=1e-8, rtol=1e-8)


def test_a_held_path_jumps_at_its_nodes_and_does_not_move_between():
    path = Path(torch.eye(3), torch.tensor([0.0, 1.0, 2.0]), "hold")
    assert path([0.0, 0.999, 1.0, 1.999, 2.0, 5.0]).argmax(-1).tolist() == [0, 0, 1, 1, 2, 2]
    assert not path.velocity([0.5]).any()


def test_a_path_passes_through_its_nodes():
    generator = torch.Generator().manual_seed(0)
    nodes = sphere.normalize(torch.randn(5, 8, generator=generator))
    times = torch.tensor([0.0, 0.1, 0.7, 1.0, 1.1])
    torch.testing.assert_close(Path(nodes, times)(times), nodes)


def test_a_path_of_one_node_rests():
    path = Path(torch.eye(2)[:1], torch.tensor([1.0]))
    assert path([0.0, 1.0, 2.0]).tolist() == [[1, 0]] * 3
    assert not path.velocity([1.0]).any()


def test_repr_prints_shapes():
    assert repr(Latents(torch.eye(2), torch.arange(2.0))) == "Latents(points=float32[2, 2], times=float64[2])"


def certificate(**changes: object) -> Certificate:
    values = {
        "converged": True, "residual": 3e-6, "tolerance": 1e-5, "coupling": 0.5, "mass": 1.0, "time_unit_seconds": 1.0,
        "gaps": 4, "free_ends": 1, "unconverged_gaps": 0, "iterations": 9,
    }  # fmt: skip
    return Certificate(**(values | changes))


def test_the_sentence_says_what_is_known_and_no_more():
    assert certificate(gaps=0).sentence.startswith("Converged on 1 open end: ")
    assert certificate().sentence.startswith("Converged on 4 gaps and 1 open end: the largest preconditioned step left")
    assert "3.0e-06 rad (tolerance 1e-05)" in certificate().sentence
    assert "whether it is the lowest is not known" in certificate().sentence
    failed = certificate(converged=False, unconverged_gaps=2, residual=0.1)
    assert failed.sentence.startswith("Not converged in 2 of 5 stretches (4 gaps and 1 open end): nodes still move by")
    assert "in 2 of 4 gaps: " in dataclasses.replace(failed, free_ends=0).sentence
    assert "nothing to recover" in certificate(gaps=0, free_ends=0).sentence
    assert not any("certified" in c.sentence for c in (certificate(), failed))


def test_which_results_are_solutions():
    assert {result for result in Result if not result.ok} == {Result.NOT_CONVERGED, Result.STALLED}
