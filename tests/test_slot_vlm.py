"""Slots and paths as tokens of a language model."""

import pytest
import torch

from slap_core import sphere
from slap_core.baselines import Slerp
from slap_core.evidence import STEPS, Evidence, gather, moment_frames, path_evidence, slot_evidence, together
from slap_core.pretrained import load_slots
from slap_core.question_paths import QuestionPath
from slap_core.slot_vlm import Projector, ProjectorConfig
from slap_core.types import Latents, Tokens
from slap_core.visibility import showing

QUERY = torch.eye(256)[0]


def latents(count, dim=8, seed=0):
    points = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    return Latents(sphere.normalize(points), torch.linspace(0, 10, count, dtype=torch.float64))


def tokens(count):
    values = torch.randn(count, 12, 12, 192, generator=torch.Generator().manual_seed(1))
    return Tokens(values, torch.linspace(2, 8, count, dtype=torch.float64))


def looked_at(count):
    slots, seen = load_slots(), tokens(count)
    span = (0.0, 10.0)
    return slot_evidence(slots(seen, frames=moment_frames(seen.times, span)), slots, seen, span)


def test_the_path_is_looked_at_in_tenths_and_what_no_anchor_holds_is_marked():
    seen = latents(3)  # at 0, 5 and 10 s
    path = Slerp()(seen, torch.linspace(0, 10, 11, dtype=torch.float64)[[1, 2, 3, 4, 6, 7, 8, 9]]).path
    found = path_evidence(path, seen.times, (0.0, 10.0), torch.ones(8))
    points, query = found.vectors["path"].split(8, -1)
    assert len(points) == STEPS
    torch.testing.assert_close(points[[0, 5, 10]], seen.points)
    torch.testing.assert_close(query, torch.ones(STEPS, 8))
    time, recovered = found.places["path"].unbind(-1)
    torch.testing.assert_close(time, torch.linspace(0, 1, 11))
    assert (recovered == 0).nonzero().flatten().tolist() == [0, 5, 10]


def test_slots_say_where_they_look_and_when():
    found = looked_at(5)
    assert found.vectors["slow"].shape == (5 * 8, 128 + 192)
    assert found.vectors["fast"].shape == (16 * 8, 128 + 192)
    row, column, share, time = found.places["slow"].unbind(-1)
    assert ((row > 0) & (row < 1) & (column > 0) & (column < 1)).all()
    torch.testing.assert_close(share.view(5, 8).sum(1), torch.ones(5))  # slots share each frame
    torch.testing.assert_close(time.view(5, 8)[:, 0], torch.tensor([0.2, 0.35, 0.5, 0.65, 0.8]))
    cell_row, cell_column = found.places["fast"][::8, :2].unbind(-1)
    torch.testing.assert_close(cell_row.view(4, 4)[:, 0], torch.tensor([0.125, 0.375, 0.625, 0.875]))
    torch.testing.assert_close(cell_column[:4], torch.tensor([0.125, 0.375, 0.625, 0.875]))


def test_beside_a_slot_stands_the_mean_of_the_tokens_that_it_attends_to():
    slots, seen = load_slots(), tokens(5)
    found, standard = slots(seen), slots.slow.standardise(seen.values)
    evidence = slot_evidence(found, slots, seen, (0.0, 10.0))
    attention = found.slow_attention[2, 3]
    mean = (attention[..., None] * standard[found.frames[2]]).sum((0, 1)) / attention.sum()
    torch.testing.assert_close(evidence.vectors["slow"][2 * 8 + 3, 128:], mean)
    when, cell = found.fast_attention[6, :, 1], standard[:, 3:6, 6:9].mean((1, 2))  # row 1, column 2 of 4 x 4
    torch.testing.assert_close(evidence.vectors["fast"][6 * 8 + 1, 128:], when @ cell / when.sum())


def test_batches_are_put_together_and_filled_up():
    batches = [gather([looked_at(3), looked_at(4)]), gather([looked_at(8)])]
    found = together(batches)
    assert len(found) == 3
    assert found.held["slow"].sum(1).tolist() == [24, 32, 40]
    torch.testing.assert_close(found.vectors["slow"][:2, :32], batches[0].vectors["slow"])
    torch.testing.assert_close(found.vectors["slow"][2:], batches[1].vectors["slow"])


def test_clips_of_fewer_frames_are_filled_up_and_what_fills_does_not_count():
    two = [looked_at(count) for count in (3, 8)]
    batch = gather(two)
    assert batch.vectors["slow"].shape == (2, 40, 320)
    assert batch.held["slow"].sum(1).tolist() == [24, 40]
    projector = Projector(ProjectorConfig(32)).eval()
    together, held = projector(batch)
    alone, _ = projector(two[0])
    torch.testing.assert_close(together[0][held[0]], alone)


def test_every_branch_has_its_tokens():
    path = path_evidence(Slerp()(latents(4, 256), []).path, latents(4).times, (0.0, 10.0), QUERY)
    evidence = gather([looked_at(8), path])
    assert evidence.branches == ("slow", "fast", "path")
    found, held = Projector(ProjectorConfig(32))(evidence)
    assert found.shape == (40 + 128 + 4 * STEPS, 32)
    assert bool(held.all())
    assert Projector(ProjectorConfig(32))(evidence.only(["fast"]))[0].shape == (128, 32)


def test_a_q_former_stands_in_for_slots():
    config = ProjectorConfig(32, dim_slot=192, queries=6)
    held = torch.tensor([[True] * 20, [True] * 12 + [False] * 8])
    evidence = Evidence({"dense": torch.randn(2, 20, 192)}, {"dense": torch.rand(2, 20, 4)}, {"dense": held})
    projector = Projector(config).eval()
    found, there = projector(evidence)
    assert found.shape == (2, 6, 32)
    assert bool(there.all())
    changed = evidence.vectors["dense"].clone()
    changed[1, 12:] += 5.0  # not there
    again, _ = projector(Evidence({"dense": changed}, evidence.places, evidence.held))
    torch.testing.assert_close(again, found)


def test_projectors_are_saved_and_loaded(tmp_path):
    projector = Projector(ProjectorConfig(32, path_tokens=2)).eval()
    projector.save_pretrained(tmp_path)
    again = Projector.from_pretrained(tmp_path)
    assert again.config == projector.config
    evidence = path_evidence(Slerp()(latents(4, 256), []).path, latents(4).times, (0.0, 10.0), QUERY)
    torch.testing.assert_close(again(evidence)[0], projector(evidence)[0])


def test_a_path_is_read_with_what_is_asked_for():
    """Of two things that a latent shows, the query says which one the tokens are about."""
    projector = Projector(ProjectorConfig(32, dim_latent=8, phrases=4, words=2)).eval()
    with torch.no_grad():
        projector.compare_with(torch.eye(8)[:4], torch.tensor([[1.0, 0], [0, 1], [0, 1], [0, 0]]))
    both = sphere.normalize(torch.tensor([[1.0, 1.0, 0, 0, 0, 0, 0, 0]]))
    path = Slerp()(Latents(both, torch.zeros(1, dtype=torch.float64)), []).path
    found = [projector(path_evidence(path, torch.zeros(1), (0.0, 1.0), torch.eye(8)[k]))[0] for k in (0, 1)]
    assert not torch.allclose(*found)
    worded = projector.branch["path"].read[0](torch.cat([both, torch.eye(8)[:1]], -1))[0]
    near, asked, together, insisted = worded[:8].view(4, 2) / 3
    torch.testing.assert_close(near, torch.tensor([0.5, 0.5]))
    for share in (asked, together, insisted):
        assert float(share[0]) > 0.99
    torch.testing.assert_close(worded[8:] / 10, torch.tensor([0.5**0.5, 0.5**0.5, 0.0]))


@pytest.fixture
def hidden():
    """Six anchors, two of which show what hides the thing."""
    thing, other = torch.eye(8)[:2]
    points = torch.stack([thing, thing, other, other, thing, thing]) + 0.01
    return Latents(sphere.normalize(points), torch.arange(6, dtype=torch.float64)), thing


def test_anchors_that_do_not_show_the_thing_do_not_hold_its_path(hidden):
    seen, thing = hidden
    assert showing(seen, thing).tolist() == [True, True, False, False, True, True]
    solution, holds = QuestionPath(Slerp())(seen, torch.tensor([2.0, 3.0], dtype=torch.float64), thing)
    assert holds.tolist() == [True, True, False, False, True, True]
    assert float((solution.points @ thing).min()) > 0.99
    solution, holds = QuestionPath(Slerp(), shown=False)(seen, torch.tensor([2.5], dtype=torch.float64), thing)
    assert bool(holds.all())
    assert float(solution.points @ thing) < 0.1


def test_a_thing_that_no_anchor_shows_leaves_all_anchors_in_place(hidden):
    seen, _ = hidden
    assert bool(showing(seen, torch.eye(8)[5]).all())


def test_showing_needs_a_query_of_the_same_space(hidden, unhooked):
    with pytest.raises(ValueError, match="needs one query of 8 dimensions, got shape"):
        showing(hidden[0], torch.ones(3))


def test_slow_slots_look_at_the_moments_and_both_ends():
    times = torch.arange(0.0, 51.0)
    assert moment_frames(times, (0.0, 50.0)).tolist() == [0, 5, 15, 25, 35, 45, 50]
    assert moment_frames(times[[0, 12, 25, 38, 50]], (0.0, 50.0)).tolist() == [0, 1, 2, 3, 4]
    assert moment_frames(times[:1], (0.0, 50.0)).tolist() == [0]


def test_a_path_is_read_as_a_whole():
    config = ProjectorConfig(16, dim_slot=8, dim_token=0, dim_latent=6, dim_hidden=32, path_layers=1)
    torch.manual_seed(0)
    projector = Projector(config).eval()
    path = Evidence({"path": torch.randn(11, 12)}, {"path": torch.rand(11, 2)}, {"path": torch.ones(11).bool()})
    changed = Evidence({"path": path.vectors["path"].clone()}, path.places, path.held)
    changed.vectors["path"][3, 0] += 1
    before, after = (projector(one)[0].unflatten(0, (11, -1)) for one in (path, changed))
    assert bool(((before - after).abs().amax((1, 2)) > 1e-6).all())
