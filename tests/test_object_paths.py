"""Object paths: what is seen, what it looks like alone, where it is carried, and what is never looked at."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from slap_core import object_paths as paths
from slap_core import sphere
from slap_core.encoders import OpenClipEncoder
from slap_core.least_action import LeastAction
from slap_core.slots import SlowFastSlots
from slap_core.types import Clip, Latents, Tokens

TIMES = torch.arange(9, dtype=torch.float64)
KEPT = torch.arange(0, 9, 2)
SIZE = 8
PATCH = 4


class Slow(nn.Module):
    def __init__(self, even):
        super().__init__()
        self.even = even

    def deviation(self, values):
        return torch.ones_like(values[..., 0]) if self.even else values[..., 0]


class Slots(SlowFastSlots):
    """Slot 1 holds what is red, slot 0 what is not."""

    def __init__(self, *, even=False):
        nn.Module.__init__(self)
        self.slow = Slow(even)

    def attention(self, tokens, *, seed):
        red = (tokens.values[..., 0] > 0.5).float()
        return torch.stack([1 - red, red], 1)


class Encoder(OpenClipEncoder):
    """A picture's latent: how much red, green and blue there is, and a constant."""

    device = torch.device("cpu")

    def __init__(self):
        self.batch = 16

    def images(self, frames):
        mean = frames.float().mean((1, 2)) / 255
        return sphere.normalize(F.pad(mean, (0, 1), value=0.2)), None


def clip_of(columns, *, row=3):
    """A red square of two tokens a side on grey, at the column of each frame; None: hidden."""
    frames = torch.full((len(columns), SIZE * PATCH, SIZE * PATCH, 3), 100, dtype=torch.uint8)
    for frame, column in enumerate(columns):
        if column is not None:
            x, y = column * PATCH, row * PATCH
            frames[frame, y : y + 2 * PATCH, x : x + 2 * PATCH] = torch.tensor([250, 0, 0], dtype=torch.uint8)
    clip = Clip(frames, torch.arange(len(columns), dtype=torch.float64))
    red = (frames[:, PATCH // 2 :: PATCH, PATCH // 2 :: PATCH, 0] > 200).float()
    return clip, Tokens(red[..., None], clip.times)


def found(columns, kept=KEPT, **options):
    clip, tokens = clip_of(columns, **options)
    return list(paths.follow_objects(Slots(), Encoder(), clip, tokens, kept, LeastAction(None)))


def test_an_object_is_seen_in_the_kept_frames_that_show_it():
    (one,) = found([1, 1, 2, None, None, None, None, 4, 5])
    assert one.slot == 1
    assert one.seen.nonzero().flatten().tolist() == [0, 2, 8]
    assert bool(one.there.all())
    torch.testing.assert_close(one.place[0], torch.tensor([4 / 8, 2 / 8]))
    torch.testing.assert_close(one.place[8], torch.tensor([4 / 8, 6 / 8]))


def test_dropped_frames_are_not_looked_at():
    columns = [1, 1, 2, None, None, None, None, 4, 5]
    (before,) = found(columns)
    columns[1], columns[3], columns[7] = 5, 5, 1
    (after,) = found(columns)
    torch.testing.assert_close(before.place, after.place)
    torch.testing.assert_close(before.masks, after.masks)
    torch.testing.assert_close(before.solutions["SLAP"].points, after.solutions["SLAP"].points)


def test_between_sightings_the_place_moves_evenly_and_takes_the_mask_along():
    (one,) = found([1, None, 3, None, 5, None, 5, None, 5])
    torch.testing.assert_close(one.place[:5, 1], torch.tensor([2.0, 3, 4, 5, 6]) / 8)
    assert one.masks[1].sum(0).nonzero().flatten().tolist() == [2, 3]
    torch.testing.assert_close(one.masks[1].sum(), one.masks[0].sum())


def test_what_hides_is_not_where_it_has_been_seen():
    """Kept frames 4 and 6 do not show it; without them it would lie half way between its sightings, or where it was."""
    columns = [1, 1, 2, None, None, None, None, None, None]
    (hidden,) = found(columns)
    assert (hidden.place[3:, 1].diff() > 0).all()
    assert 0.05 < float(hidden.place[8, 1] - hidden.place[2, 1]) < 0.6
    torch.testing.assert_close(hidden.place[:, 0], torch.full((9,), 0.5), atol=1e-3, rtol=0)
    (unlooked,) = found(columns, kept=torch.tensor([0, 2]))
    torch.testing.assert_close(unlooked.place[2:, 1], torch.full((7,), 3 / 8))


def test_an_object_that_was_last_seen_at_the_border_has_left():
    (one,) = found([2, 3, 4, 5, 6, None, None, None, None])
    assert one.there.tolist() == [True] * 5 + [False] * 4
    assert float(one.masks[5:].sum()) == 0
    (one,) = found([None, None, 0, 1, 2, 3, 4, 4, 4])
    assert one.there.tolist() == [False] * 2 + [True] * 7


def test_latents_are_those_of_the_object_alone():
    clip, tokens = clip_of([1, 1, 3, 3, 5])
    clip.frames[:, -3:] = torch.tensor([0, 0, 200], dtype=torch.uint8)  # something else, always there
    clip.frames[2, :3] = torch.tensor([0, 255, 0], dtype=torch.uint8)  # something else, passing
    (one,) = paths.sighted(Slots(), tokens)
    alone = paths.showing(clip.frames, one.masks, paths.background(clip.frames), tokens.box)
    assert int(alone[2, :3, ..., 1].max()) == 100
    assert int(alone[2, -3:, ..., 2].min()) == 200
    assert alone[2, 4 * PATCH, 4 * PATCH].tolist() == [250, 0, 0]
    latents = paths.object_latents(Encoder(), clip.frames, one.masks, paths.background(clip.frames), tokens.box)
    assert latents.dtype == torch.float64
    torch.testing.assert_close(latents, Encoder().images(alone)[0].double(), atol=1e-6, rtol=0)


def test_the_latents_path_is_the_solvers_between_the_sightings():
    (one,) = found([1, None, 2, None, None, None, None, None, 5])
    slerp, slap = one.solutions["SLERP"], one.solutions["SLAP"]
    assert slap.times.tolist() == [1, 3, 4, 5, 6, 7]
    torch.testing.assert_close(slap.points, slerp.points, atol=1e-6, rtol=0)  # nothing pulls
    assert slap.certificate.converged


def test_sightings_between_sightings_bound_no_gap():
    """Of frames that are all seen only the ends of what is not seen are encoded."""
    encoder, sizes = Encoder(), []
    images = encoder.images
    encoder.images = lambda frames: sizes.append(len(frames)) or images(frames)
    clip, tokens = clip_of([1, 1, 2, 2, 3, 3, None, None, 5])
    (one,) = paths.follow_objects(Slots(), encoder, clip, tokens, torch.arange(9), LeastAction(None))
    assert sizes == [2]
    assert one.solutions["SLAP"].times.tolist() == [6, 7]


def test_masks_cover_the_box_alone():
    frames = torch.full((1, 10, 20, 3), 200, dtype=torch.uint8)
    shown = paths.showing(
        frames, torch.ones(1, 2, 2), torch.zeros(10, 20, 3, dtype=torch.uint8), (0.25, 0.0, 0.75, 1.0)
    )
    assert shown[0, :, 5:15].min() == 200
    assert shown[0, :, :5].max() == 0
    assert shown[0, :, 15:].max() == 0


def test_what_is_in_two_pieces_is_no_object():
    _, tokens = clip_of([1, 2, 3, 4, 5])
    assert len(paths.sighted(Slots(), tokens)) == 1
    tokens.values[:, 0, 0] = tokens.values[:, 7, 7] = 1.0
    assert not paths.sighted(Slots(), tokens)


def test_what_a_slot_is_not_sure_of_is_no_object():
    class Unsure(Slots):
        def attention(self, tokens, *, seed):
            return 0.5 + 0.04 * (super().attention(tokens, seed=seed) - 0.5)

    assert not paths.sighted(Unsure(), clip_of([1, 2, 3, 4, 5])[1])


def test_scatter_is_one_for_a_disc_and_more_for_two():
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(40), indexing="ij")
    disc = (rows - 10) ** 2 + (columns - 10) ** 2 < 64
    both = disc | ((rows - 30) ** 2 + (columns - 30) ** 2 < 64)
    one, two = paths._scatter(torch.stack([disc, both])).tolist()
    assert one == pytest.approx(1, abs=0.02)
    assert two > 1.5


@pytest.mark.parametrize("columns", [[None] * 9, [3] * 9])
def test_what_is_not_there_or_all_there_is_no_object(columns):
    """In the second clip the deviation from what is usual is everywhere the same."""
    assert not paths.sighted(Slots(even=True), clip_of(columns)[1])


def test_a_single_sighting_is_held():
    place, masks = paths.carried(torch.eye(4)[None], TIMES[3:4], TIMES, unseen=TIMES[8:])
    torch.testing.assert_close(place, torch.full((9, 2), 0.5), atol=1e-6, rtol=0)
    torch.testing.assert_close(masks, torch.eye(4).expand(9, 4, 4), atol=1e-5, rtol=0)


def test_masks_of_both_sides_fade_into_each_other():
    masks = torch.zeros(2, 4, 4)
    masks[0, 1:3, 1:3], masks[1, 1:3, 1:3] = 1.0, 0.5
    _, found = paths.carried(masks, TIMES[[0, 8]], TIMES, unseen=TIMES[:0])
    torch.testing.assert_close(found[:, 1, 1], torch.linspace(1, 0.5, 9), atol=1e-5, rtol=0)


def test_the_path_of_places_is_a_stationary_point():
    """No small change that vanishes at the ends has less action."""
    sightings = Latents(torch.tensor([[0.5, 0.2], [0.5, 0.3], [0.6, 0.8]], dtype=torch.float64), TIMES[[0, 2, 8]])
    times = torch.linspace(2, 8, 61, dtype=torch.float64)
    radius = 0.1
    path = paths._places(sightings, times, TIMES[4:6], radius)
    width = paths.REACH * radius

    def sights(z):
        return torch.exp(-(z[:, None] - sightings.points).square().sum(-1) / (2 * width**2)).sum(-1)

    def action(z):
        step = 1 / 60
        kinetic = (z.diff(dim=0) / step).square().sum() * step / 2
        repelled = (sights(z) / sights(sightings.points).max())[1:-1].sum() * step
        return float(kinetic + 4 * width**2 * repelled)

    bump = torch.sin(torch.linspace(0, torch.pi, 61, dtype=torch.float64))[:, None]
    straight = torch.lerp(path[:1], path[-1:], torch.linspace(0, 1, 61, dtype=torch.float64)[:, None])
    assert action(path) < action(straight) - 1e-4
    for direction in ([1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]):
        assert action(path + 0.03 * bump * torch.tensor(direction, dtype=torch.float64)) > action(path)
