"""Slots as clusters of a clip's own tokens, for encoders that no slots are trained for."""

import pytest
import torch

from slap_core import ClusteredSlots
from slap_core.object_paths import sighted
from slap_core.types import Tokens


def moving(*, time=12, size=8, dim=16, seed=0, dtype=torch.float32):
    """A still and dull background with a little noise, and two things of two tokens' side that cross it."""
    generator = torch.Generator().manual_seed(seed)
    still, first, second = (torch.randn(*shape, dim, generator=generator) for shape in ((size, size), (), ()))
    values = 0.3 * still + 0.05 * torch.randn(time, size, size, dim, generator=generator)
    truth = torch.zeros(time, size, size, dtype=torch.long)
    for k in range(time):
        at = k * (size - 2) // (time - 1)
        for slot, row, column in ((1, 1, at), (2, 5, size - 2 - at)):
            values[k, row : row + 2, column : column + 2] = (first, second)[slot - 1]
            truth[k, row : row + 2, column : column + 2] = slot
    return Tokens(values.to(dtype), torch.arange(time, dtype=torch.float64)), truth


def test_what_moves_differently_is_told_apart_and_means_one_thing_throughout():
    tokens, truth = moving()
    masks = ClusteredSlots(3).attention(tokens)
    assert masks.shape == (12, 3, 8, 8)
    torch.testing.assert_close(masks.sum(1), torch.ones(12, 8, 8))
    label = masks.argmax(1)
    assert float((label[truth == 0] == 0).float().mean()) > 0.95  # what is usual comes first
    first, second = (int(label[truth == k].mode().values) for k in (1, 2))
    assert {first, second} == {1, 2}
    for slot, found in ((1, first), (2, second)):
        assert float((label[truth == slot] == found).float().mean()) > 0.95


def test_objects_are_sighted_by_clusters():
    tokens, truth = moving()
    found = sighted(ClusteredSlots(3), tokens)
    assert len(found) == 2
    for one in found:
        assert bool(one.seen.all())
        inside = torch.stack([(one.masks > 0) == (truth == slot) for slot in (1, 2)]).float().mean((1, 2, 3))
        assert float(inside.max()) > 0.97


def test_moments_before_and_after_a_change_are_different_events():
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(8, 8, 16, generator=generator) + 0.05 * torch.randn(20, 8, 8, 16, generator=generator)
    values[9:13, :2, :2] += torch.randn(16, generator=generator)
    masks = ClusteredSlots(fast_slots=3).fast_attention(Tokens(values, torch.arange(20, dtype=torch.float64)))
    assert masks.shape == (16, 20, 3)
    torch.testing.assert_close(masks.sum(-1), torch.ones(16, 20))
    label = masks[0].argmax(-1)
    inside = label[9:13]
    assert len(inside.unique()) == 1
    assert int(inside[0]) not in label[:9].tolist() + label[13:].tolist()
    # In the order of their times.
    middle = (masks * torch.arange(20.0)[:, None]).sum(1) / masks.sum(1)
    assert bool((middle.diff(dim=-1) >= 0).all())


@pytest.mark.parametrize("seed", [0, 3])
def test_one_seed_gives_one_result(seed):
    tokens, _ = moving()
    first, again = (ClusteredSlots().slotted(tokens, seed=seed) for _ in range(2))
    assert torch.equal(first.slow, again.slow)
    assert torch.equal(first.fast, again.fast)
    assert first.frames.tolist() == [0, 2, 3, 5, 6, 8, 9, 11]
    assert first.slow.shape == (8, 5, 8, 8)
    assert f"seed {seed}" in first.origin


@pytest.mark.parametrize(("time", "dtype"), [(1, torch.float32), (2, torch.bfloat16), (3, torch.float64)])
def test_short_and_even_clips_have_slots_too(time, dtype):
    """Fewer tokens that differ than clusters: what is left over attends to nothing."""
    slots = ClusteredSlots()
    for values in (torch.zeros(time, 3, 3, 4), torch.randn(time, 1, 1, 4, generator=torch.Generator().manual_seed(0))):
        found = slots.slotted(Tokens(values.to(dtype), torch.arange(time, dtype=torch.float64)))
        assert found.slow.shape == (time, 5, *values.shape[1:3])
        assert found.fast.shape == (16, time, 8)
        torch.testing.assert_close(found.slow.sum(1), torch.ones(time, *values.shape[1:3]))
        torch.testing.assert_close(found.fast.sum(-1), torch.ones(16, time))


def test_bad_numbers_and_no_tokens_are_named():
    with pytest.raises(ValueError, match="at least 1 slow slot"):
        ClusteredSlots(0)
    empty = Tokens(torch.zeros(0, 3, 3, 8), torch.zeros(0, dtype=torch.float64))
    for call in (ClusteredSlots().attention, ClusteredSlots().fast_attention):
        with pytest.raises(ValueError, match="at least one frame"):
            call(empty)
