import pytest
import torch

from slap_core import events


def attending(*pattern, cells=3, slots=4):
    """Each cell attends to the slot that the pattern names for the frame."""
    return torch.eye(slots)[torch.tensor(pattern)].expand(cells, -1, -1)


def test_changes_are_the_share_of_attention_that_goes_elsewhere():
    fast = attending(0, 0, 1, 1, cells=2).clone()
    fast[1] = attending(0, 0, 0, 2)[0]
    assert events.changes(fast).tolist() == [0.0, 0.5, 0.5]


def test_stretches_are_intervals_in_order_of_time():
    """The first and the last frames are alike, and not one stretch, for something happens in between."""
    fast = attending(0, 0, 0, 1, 1, 0, 0, 0)
    assert events.stretches(fast).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]


def test_nothing_happens_in_one_stretch():
    assert events.stretches(attending(2, 2, 2)).tolist() == [0, 0, 0]
    assert events.stretches(attending(1)).tolist() == [0]


def test_as_few_stretches_as_tell_most():
    """A change of one cell in ten hardly counts beside one of all."""
    fast = attending(0, 0, 0, 0, 1, 1, 1, 1, cells=10).clone()
    fast[0, 6:] = torch.eye(4)[3]
    assert events.stretches(fast).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_cut_has_as_many_stretches_as_are_asked_for():
    points = torch.tensor([0.0, 0.1, 5.0, 5.1, 9.0])[:, None]
    assert events.cut(points, 3).tolist() == [0, 0, 1, 1, 2]
    assert events.cut(points, 1).tolist() == [0] * 5
    assert events.cut(points, 5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("count", [0, 4])
def test_a_cut_into_more_stretches_than_frames_is_refused(count):
    with pytest.raises(ValueError, match="3 frames can be cut into 1 to 3"):
        events.cut(torch.zeros(3, 1), count)
