"""The benchmark of slots: scores that are known of masks that are known, and a short run of the command."""

import copy
import dataclasses
import json

import pytest
import torch
import torch.nn.functional as F

from slap_core.benchmarks import hidden_objects, slot_variants
from slap_core.benchmarks import slots as benchmark
from slap_core.metrics import mean_best_overlap
from slap_core.pretrained import load_encoder, load_potential, load_slots
from slap_core.stages import ObjectPath
from slap_core.types import Tokens


def clip(*, count=2):
    objects = torch.zeros(4, 8, 8, dtype=torch.int64)
    for k in range(count):
        objects[:, 2 * k : 2 * k + 2, :2] = k + 1
    tokens = Tokens(torch.randn(4, 4, 4, 3, generator=torch.Generator().manual_seed(0)), torch.arange(4.0).double())
    return benchmark.Marked(tokens, objects, count, torch.tensor([0, 1, 1, 2]))


def saying(masks, moments=None):
    return slot_variants.Found(torch.arange(4), masks, moments)


def test_masks_that_are_the_objects_are_perfect():
    one = clip(count=3)
    # At the tokens' resolution, so that enlarging them leaves each object in one slot.
    own = F.one_hot(one.objects[:, ::2, ::2], 4).movedim(-1, 1).float()
    scores = benchmark.measure(saying(own, torch.tensor([5, 7, 7, 9])), one)
    assert scores["video_fg_ari"] == pytest.approx(1)
    assert scores["image_fg_ari"] == pytest.approx(1)
    assert scores["event_nmi"] == pytest.approx(1)
    assert scores["dead_slots"] == 0
    assert scores["entropy"] == 0


def test_an_object_that_changes_its_slot_is_lost_to_the_video_and_not_to_the_frame():
    one = clip()
    own = F.one_hot(one.objects[:, ::2, ::2], 3).movedim(-1, 1).float()
    own[2:] = own[2:][:, [0, 2, 1]]
    scores = benchmark.measure(saying(own), one)
    assert scores["image_fg_ari"] == pytest.approx(1)
    assert scores["video_fg_ari"] < 0.2
    assert torch.tensor(scores["event_nmi"]).isnan()
    assert torch.tensor(scores["dead_slots"]).isnan()  # counted on scenes of three objects


def test_slots_that_win_nothing_are_dead():
    one = clip(count=3)
    masks = torch.zeros(4, 5, 4, 4)
    masks[:, 0] = 1
    assert benchmark.measure(saying(masks), one)["dead_slots"] == 4


def test_mean_best_overlap_is_the_mean_over_objects():
    true = torch.tensor([0, 0, 1, 1, 1, 1, 2, 2])
    predicted = torch.tensor([5, 5, 6, 6, 6, 7, 7, 7])
    assert mean_best_overlap(predicted, true) == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert torch.tensor(mean_best_overlap(predicted, torch.zeros(8, dtype=torch.int64))).isnan()


@pytest.mark.usefixtures("unhooked")
def test_mean_best_overlap_needs_labels_of_one_shape():
    with pytest.raises(ValueError, match="resample"):
        mean_best_overlap(torch.zeros(2, 3, dtype=torch.long), torch.zeros(3, 2, dtype=torch.long))


def test_the_mean_leaves_out_what_there_is_nothing_to_say_of():
    nothing = dict.fromkeys(benchmark.COLUMNS, float("nan"))
    found = benchmark.summarise([nothing | {"mbo": 0.2}, nothing | {"mbo": 0.4}, nothing])
    assert found["mbo"][0] == pytest.approx(0.3)
    assert found["mbo"][1:] == pytest.approx((0.2, 0.4))
    assert found["event_nmi"] is None


def test_three_parts_of_time_are_equal():
    tokens = Tokens(torch.zeros(6, 2, 2, 3), torch.arange(6.0).double())
    assert slot_variants.chunks(tokens).moments.tolist() == [0, 0, 1, 1, 2, 2]


def test_truth_is_what_is_drawn():
    chosen = torch.arange(3221225472, 3221225472 + 6)
    clips = benchmark.mark(load_encoder(), chosen)
    assert clips
    for one in clips:
        assert 2 <= one.count <= 4
        assert one.objects.shape == (48, 48, 48)
        assert len(one.objects[one.objects > 0].unique()) == one.count
        if one.events is not None:
            assert bool((one.events.diff() >= 0).all())
            assert int(one.events.max()) >= 1
    found = slot_variants.variants(load_slots(), steps=1)["clusters"](clips[0].tokens)
    torch.testing.assert_close(found.masks.sum(1), torch.ones(8, 12, 12))


def one_object(seen=(0, 4), at=0.25):
    """A path on which an object is seen at `at` of the picture's width in some of eight frames."""
    flags = torch.zeros(8, dtype=torch.bool)
    flags[list(seen)] = True
    masks = torch.zeros(8, 4, 4)
    masks[:, 1:3, round(4 * at) - 1 : round(4 * at) + 1] = 1
    everywhere = torch.ones(8, dtype=torch.bool)
    return ObjectPath(0, flags, everywhere, torch.tensor([[0.5, at]]).expand(8, 2), masks, {})


def test_the_object_that_overlaps_an_actor_most_stands_for_it():
    kept = torch.tensor([0, 4])
    shown = torch.zeros(2, 8, 8)
    shown[:, 2:6, 4:8] = 1
    left, right = one_object(at=0.25), one_object(at=0.75)
    assert hidden_objects._standing_for(shown, [left, right], kept) is right
    assert hidden_objects._standing_for(shown, [left], kept) is None
    assert hidden_objects._standing_for(shown, [], kept) is None
    # Where it is believed to be does not count.
    unseen = dataclasses.replace(right, seen=torch.zeros(8, dtype=torch.bool))
    assert hidden_objects._standing_for(shown, [unseen], kept) is None


def test_hidden_objects_of_drawn_scenes_are_carried_better_than_held():
    chosen = torch.arange(3221225472, 3221225472 + 8)
    potential = copy.deepcopy(load_potential(recipe="solver")).double()
    found = hidden_objects.hidden_objects(load_encoder(), load_slots(), potential, 6.0, chosen)
    assert found
    judged = [one for one in found if one.drift is not None]
    assert len(judged) > len(found) / 2
    table = benchmark.carried(found)
    for name, (best, rival) in {"object_path_drift": ("slap", "slerp"), "object_place_error": ("slap", "hold")}.items():
        assert 0 < table[name][best][0] < table[name][rival][0] < 1
        assert table[name][best][1] <= table[name][best][0] <= table[name][best][2]


def test_where_no_object_is_found_nothing_is_said_of_its_path():
    table = benchmark.carried([hidden_objects.Hidden(None, None)])
    assert table == {
        "object_path_drift": {"slap": None, "slerp": None},
        "object_place_error": {"slap": None, "hold": None},
    }


def test_the_command_writes_every_variant(tmp_path, capsys):
    benchmark.main(["--out", str(tmp_path), "--seeds", "2147483645-2147483650", "--steps", "2"])
    record = json.loads((tmp_path / "slots.json").read_text())
    for column in ("video_fg_ari", "image_fg_ari", "mbo", "event_nmi", "dead_slots"):
        assert set(record[column]) == {"trained", "fitted", "untrained", "clusters", "qformer", "chunks"}
    assert record["video_fg_ari"]["chunks"] is None
    mean, low, high = record["event_nmi_ahead_of_chunks"]
    assert mean == pytest.approx(record["event_nmi"]["trained"] - record["event_nmi"]["chunks"], abs=1e-3)
    assert low <= mean <= high
    assert set(record["object_path_drift"]) == {"slap", "slerp"}
    assert set(record["object_place_error"]) == {"slap", "hold"}
    assert 0 <= record["hidden_objects_found"] <= record["hidden_objects"]
    assert record["event_nmi"]["chunks"] is not None
    assert -1 <= record["video_fg_ari"]["trained"] <= 1
    assert record["training_scenes"] == 3  # the training split ends at 2^31
    told = capsys.readouterr()
    assert "| qformer |" in told.out
    assert "3 of these scenes are of the training split" in told.err


@pytest.mark.parametrize(("seeds", "message"), [("9-5", "must be A-B"), ("x", "must be A-B")])
def test_scenes_that_cannot_be_used_are_refused(tmp_path, capsys, seeds, message):
    with pytest.raises(SystemExit):
        benchmark.main(["--out", str(tmp_path), "--seeds", seeds])
    assert message in capsys.readouterr().err
