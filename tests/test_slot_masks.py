import math

import torch

from slap_core.training.slot_masks import events, owned, told


def loss(attention, cover):
    return told(attention, owned(cover)).loss


def test_masks_cost_nothing_where_each_object_has_its_slot():
    cover = torch.zeros(1, 2, 6)
    cover[0, 0, :2], cover[0, 1, 4] = 1, 1
    attention = torch.zeros(1, 3, 6)
    attention[0, 2, :2], attention[0, 0, 4] = 1, 1
    attention[0, 1, [2, 3, 5]] = 1
    torch.testing.assert_close(loss(attention, cover), torch.tensor(0.0))
    # The slot of an object must not take what shows none.
    attention[0, :, 3] = torch.tensor([1.0, 0.0, 0.0])
    assert float(loss(attention, cover)) > 0.5


def test_the_loss_is_a_mean_over_objects_and_one_over_what_shows_none():
    """Slot 1 has most of the large object, slot 2 of the small one, which counts as much."""
    cover = torch.tensor([[[1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]]])
    attention = torch.tensor([[[0.1, 0.2, 0.1, 0.8, 0.6], [0.7, 0.6, 0.0, 0.1, 0.4], [0.2, 0.2, 0.9, 0.1, 0.0]]])
    objects = ((math.log(0.7) + math.log(0.6)) / 2 + math.log(0.9)) / 2
    empty = (math.log(0.8) + math.log(0.6)) / 2
    torch.testing.assert_close(loss(attention, cover), torch.tensor(-objects / 4 - 3 * empty / 4))


def test_objects_that_share_a_slot_are_told_so():
    own = torch.zeros(1, 3, 4)
    own[0, 0, :2], own[0, 1, 2] = 1, 1  # the third shows nowhere
    attention = torch.zeros(1, 3, 4)
    attention[0, 0, :2], attention[0, 1, 2:] = 1, 1
    torch.testing.assert_close(told(attention, own).shared, torch.tensor(0.0))
    attention[0, :, 2] = torch.tensor([0.5, 0.5, 0.0])
    torch.testing.assert_close(told(attention, own).shared, torch.tensor(math.log(2)))
    attention[0, :, 2] = torch.tensor([1.0, 0.0, 0.0])
    assert float(told(attention, own).shared) > 10


def test_masks_cost_where_two_objects_share_a_slot():
    cover = torch.zeros(1, 2, 4)
    cover[0, 0, 0], cover[0, 1, 1] = 1, 1
    attention = torch.full((1, 3, 4), 1e-3)
    attention[0, 0, :2], attention[0, 1, 2:] = 1, 1
    shared = float(loss(attention, cover))
    attention[0, 0, 1], attention[0, 2, 1] = 1e-3, 1
    assert float(loss(attention, cover)) < 0.1 * shared


def test_objects_beyond_the_slots_are_left_out():
    own = torch.eye(3)[None]
    attention = torch.tensor([[[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]])
    torch.testing.assert_close(told(attention, own).loss, torch.tensor(0.0))


def test_a_token_belongs_to_the_objects_that_cover_a_fifth_of_it():
    cover = torch.tensor([[0.1, 0.2, 0.4, 0.0], [0.0, 0.0, 0.4, 0.0]])
    torch.testing.assert_close(owned(cover), torch.tensor([[0.5, 1.0, 0.5, 0.0], [0.0, 0.0, 0.5, 0.0]]))


def test_clips_without_objects_want_nothing_but_spare_slots():
    attention = torch.rand(2, 3, 5).softmax(1)
    torch.testing.assert_close(loss(attention, torch.zeros(2, 4, 5)), torch.tensor(0.0), atol=1e-5, rtol=0)


def test_spare_slots_are_uneven_where_one_has_all_or_all_share_every_token():
    own = torch.zeros(1, 1, 6)
    own[0, 0, 0] = 1
    object_slot = torch.tensor([1.0, 0, 0, 0, 0, 0])

    def uneven(*spare):
        return float(told(torch.stack([object_slot, *torch.tensor(spare)])[None], own).uneven)

    halves = uneven([0.0, 1, 1, 0, 0, 0.5], [0.0, 0, 0, 1, 1, 0.5])
    assert uneven([0.0, 1, 1, 1, 1, 1], [0.0] * 6) > 0.999
    assert uneven([0.0, 0.5, 0.5, 0.5, 0.5, 0.5], [0.0, 0.5, 0.5, 0.5, 0.5, 0.5]) > 0.999
    # One token of five is undecided: mutual information is 4/5 bit.
    assert abs(halves - 0.2) < 1e-4


def test_the_gradient_is_finite_at_hard_attention():
    own = torch.zeros(1, 1, 4)
    own[0, 0, 0] = 1
    attention = torch.tensor([[[1.0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]], requires_grad=True)
    found = told(attention, own)
    (found.loss + found.shared + found.uneven).backward()
    assert attention.grad.isfinite().all()


def test_an_event_lasts_as_long_as_the_same_objects_show_in_the_cell():
    cover = torch.zeros(1, 5, 2, 4, 4)
    cover[0, 1:3, 0, 0, 0] = 1  # in the first cell in frames 1 and 2
    cover[0, 2:, 1, 3, 3] = 0.5  # in the last cell from frame 2 on
    cover[0, 4, 0, 1, 3] = 0.01  # too little of the second cell
    found = events(cover, 2)
    assert found.shape == (4, 3, 5)
    number = found.argmax(1)
    assert number.tolist() == [[0, 1, 1, 2, 2], [0] * 5, [0] * 5, [0, 0, 1, 1, 1]]
    assert bool((found.sum(1) == 1).all())
