"""Which frames stay."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from slap_core.sampling import MOST_FRAMES, frame_list, frame_text, kept_index
from slap_core.stages import Settings


@given(some.sets(some.integers(0, MOST_FRAMES - 1)))
def test_what_is_written_is_read(frames):
    wanted = tuple(sorted(frames))
    assert frame_list(frame_text(wanted)) == wanted
    assert frame_list(list(frames)) == wanted


@pytest.mark.parametrize("words", ["x", "5-3", "-1", "512", "0-600", "1,,2;3", "1e2", "٣", "1" * 5000])
def test_what_names_no_frames_is_told(words):
    with pytest.raises(ValueError, match="names no frames: write numbers from 0 to 511"):
        frame_list(words)
    with pytest.raises(ValueError, match="names no frames"):
        Settings(kept=words)


@given(count=some.integers(1, 80), keep_every=some.integers(1, 40), seed=some.integers(0, 99))
def test_random_keeps_as_many_as_even_with_both_ends(count, keep_every, seed):
    even, gone = kept_index(count, keep_every)
    assert even.tolist() == list(range(0, count, keep_every))
    kept, dropped = kept_index(count, keep_every, sampling="random", seed=seed)
    assert sorted(kept.tolist() + dropped.tolist()) == list(range(count))
    assert len(kept) == (len(even) if count == 1 else max(2, len(even)))
    assert {0, count - 1} <= set(kept.tolist())
    again, _ = kept_index(count, keep_every, sampling="random", seed=seed)
    assert torch.equal(kept, again)
    assert len(gone) == count - len(even)


def test_other_seeds_keep_other_frames():
    kept = {tuple(kept_index(60, 4, sampling="random", seed=seed)[0].tolist()) for seed in range(20)}
    assert len(kept) == 20


def test_named_frames_go_before_everything():
    kept, dropped = kept_index(8, 2, sampling="random", named=(1, 6))
    assert kept.tolist() == [1, 6]
    assert dropped.tolist() == [0, 2, 3, 4, 5, 7]
    with pytest.raises(ValueError, match="Frame 8 is to stay, but the clip has 8 frames, 0 to 7"):
        kept_index(8, 2, named=(3, 8))


@pytest.mark.parametrize("keep_every", [0, -1, 1.5])
def test_one_frame_in_less_than_one_is_refused(keep_every, unhooked):
    with pytest.raises(ValueError, match="keep_every must be a whole number of at least 1"):
        kept_index(8, keep_every)


def test_sampling_has_two_names(unhooked):
    with pytest.raises(ValueError, match="sampling must be even or random, got 'often'"):
        Settings(sampling="often")
