"""Tunnel World: the same seed gives the same scene; what it says about a picture is what the pixels show."""

import ast
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from slap_core import tunnel_world as world
from slap_core.tunnel_world import __main__ as command
from slap_core.tunnel_world import names, random
from slap_core.tunnel_world.filming import film, truth
from slap_core.tunnel_world.language import caption, prompt, vocabulary, words
from slap_core.tunnel_world.objects import COLOUR_RGB
from slap_core.tunnel_world.occluders import paint_occluder

TEST = world.SPLITS["test"][0]
PINNED = {"kinds": ("bus", "person"), "means": [[152.768, 116.551, 119.376], [155.460, 164.498, 157.709]]}


def test_hash_is_lowbias32_and_a_bijection():
    def reference(x: int) -> int:
        x ^= x >> 16
        x = x * 0x7FEB352D % 2**32
        x ^= x >> 15
        x = x * 0x846CA68B % 2**32
        return x ^ (x >> 16)

    numbers = [0, 1, 2, 12345, 2**31 - 1, 2**31, 2**32 - 1]
    assert random.mix(torch.tensor(numbers)).tolist() == [reference(x) for x in numbers]
    assert len(random.mix(torch.arange(100_000)).unique()) == 100_000


def test_uniform_numbers_are_uniform_and_independent_between_seeds_and_channels():
    u = random.uniform(torch.arange(20_000), 3, 2)
    histogram = torch.histc(u[:, 0], 20, 0, 1)
    # chi-square of 19 degrees of freedom: above 43.8 once in a thousand
    assert float(((histogram - 1000).square() / 1000).sum()) < 43.8
    other = random.uniform(torch.arange(20_000), 4)[:, 0]
    for pair in ((u[:, 0], u[:, 1]), (u[:, 0], other), (u[1:, 0], u[:-1, 0])):
        assert abs(float(torch.corrcoef(torch.stack(pair))[0, 1])) < 0.03


def test_noise_is_centred_triangular_and_differs_between_keys():
    noise = random.noise(torch.tensor([1, 2]), 4096)
    assert float(noise.abs().max()) <= 1
    assert abs(float(noise.mean())) < 0.02
    assert float(noise.var()) == pytest.approx(1 / 6, abs=0.01)
    assert abs(float(torch.corrcoef(noise)[0, 1])) < 0.06


def test_a_scene_depends_on_its_seed_alone():
    together = world.sample(world.seeds("test", 12))
    alone = world.sample(torch.tensor([TEST + 7]))
    for name in ("kind", "colour", "background", "key_positions", "key_times", "light", "height"):
        assert torch.equal(getattr(together, name)[7:8], getattr(alone, name))
    frames = torch.tensor([[3, 30]])
    first = world.render(together, frames.expand(12, -1), size=48, pixels_at_once=48 * 48 * 5).observed[7:8]
    second = world.render(alone, frames, size=48).observed
    assert int((first.int() - second.int()).abs().max()) <= 1


def test_pictures_do_not_drift_between_versions():
    """A change of these means are means that bundled weights were trained on another world."""
    scenes = world.sample(torch.tensor([7, 8]), outcome="through")
    assert [names.KINDS[k] for k in scenes.kind[:, 0].tolist()] == list(PINNED["kinds"])
    mean = world.render(scenes, torch.tensor([[24], [24]]), size=64).observed.double().mean((1, 2, 3))
    torch.testing.assert_close(mean, torch.tensor(PINNED["means"], dtype=torch.float64), atol=0.3, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cpu_and_gpu_show_the_same():
    seeds, frames = world.seeds("test", 64), torch.arange(64)[:, None] % 48
    here = world.sample(seeds)
    there = world.sample(seeds.cuda())
    assert torch.equal(here.kind, there.kind.cpu())
    layers = world.LAYERS
    a, b = world.render(here, frames, layers=layers), world.render(there, frames.cuda(), layers=layers)
    for layer in layers:
        difference = (getattr(a, layer).int() - getattr(b, layer).cpu().int()).abs()
        assert float((difference <= 1).double().mean()) > 0.9999
    torch.testing.assert_close(a.visible_fraction, b.visible_fraction.cpu(), atol=1e-3, rtol=0)


def test_splits_share_no_seed_and_training_never_shows_what_is_held_out():
    spans = [range(*span) for span in world.SPLITS.values()]
    for a, b in itertools.combinations(spans, 2):
        assert a.stop <= b.start or b.stop <= a.start
    for split, (first, end) in world.SPLITS.items():
        assert world.split_of(first) == world.split_of(end - 1) == split
    scenes = world.sample(world.seeds("train", 4000))
    held = torch.tensor(names.HELD_OUT_COLOUR)[scenes.kind]
    assert not bool((scenes.colour == held).any())
    assert set(scenes.occluder.tolist()) == set(range(len(names.OCCLUDERS))) - {names.HELD_OUT_OCCLUDER}
    assert set(scenes.background.tolist()) == set(range(len(names.BACKGROUNDS))) - {names.HELD_OUT_BACKGROUND}
    shown = set(zip(scenes.kind[:, 0].tolist(), scenes.colour[:, 0].tolist(), strict=True))
    assert len(shown) == len(names.KINDS) * (len(names.COLOURS) - 1)


@pytest.mark.parametrize("fixed", [{}, {"kind": "bus"}, {"colour": "black"}])
def test_held_out_pairs_are_shown_when_asked_for(fixed):
    scenes = world.sample(world.seeds("test", 50), held_out="pairs", **fixed)
    held = torch.tensor(names.HELD_OUT_COLOUR)[scenes.kind[:, 0]]
    assert torch.equal(scenes.colour[:, 0], held)


def test_held_out_things_are_shown_when_asked_for():
    scenes = world.sample(world.seeds("validation", 5), held_out="occluder")
    assert set(scenes.occluder.tolist()) == {names.HELD_OUT_OCCLUDER}
    scenes = world.sample(world.seeds("validation", 5), held_out="background")
    assert set(scenes.background.tolist()) == {names.HELD_OUT_BACKGROUND}


def test_objects_of_a_scene_differ_in_colour_and_fixed_choices_hold():
    scenes = world.sample(world.seeds("test", 500))
    for row, present in zip(scenes.colour.tolist(), scenes.present.tolist(), strict=True):
        shown = [c for c, there in zip(row, present, strict=True) if there]
        assert len(set(shown)) == len(shown)
    fixed = world.sample(
        world.seeds("test", 9), kind="boat", colour="green", background=2, occluder="wall", extras=0, outcome="stays"
    )
    assert set(fixed.kind[:, 0].tolist()) == {names.KINDS.index("boat")}
    assert set(fixed.colour[:, 0].tolist()) == {names.COLOURS.index("green")}
    assert set(fixed.background.tolist()) == {2}
    assert set(fixed.occluder.tolist()) == {names.OCCLUDERS.index("wall")}
    assert fixed.present.sum(1).tolist() == [1] * 9


def _visibility(outcome: str, count: int = 40) -> tuple[torch.Tensor, world.Scenes]:
    scenes = world.sample(world.seeds("test", count), outcome=outcome, extras=0)
    return world.render(scenes, size=32, layers=()).visible_fraction, scenes


def _hidden_runs(visible: torch.Tensor) -> int:
    """How many times something goes from to be seen to not to be seen to be seen again."""
    pattern = "".join("1" if v > 0.01 else "0" for v in visible.tolist()).strip("0")
    return len([run for run in pattern.split("1") if run])


def test_through_is_seen_before_and_after_and_hidden_between():
    visible, _ = _visibility("through")
    runs = [_hidden_runs(v) for v in visible[:, :, 0]]
    assert sum(r == 1 for r in runs) >= 38


def test_stays_ends_hidden_and_emerges_begins_hidden():
    stays, _ = _visibility("stays")
    assert bool((stays[:, -1, 0] <= 0.01).all())
    assert bool((stays[:, :, 0].amax(1) > 0.3).all())
    emerges, _ = _visibility("emerges")
    assert bool((emerges[:, 0, 0] <= 0.01).all())
    assert bool((emerges[:, -1, 0] > 0.2).float().mean() > 0.9)


def test_empty_shows_nothing_and_its_three_layers_agree():
    scenes = world.sample(world.seeds("test", 6), outcome="empty", extras=0)
    shown = world.render(scenes, torch.full((6, 1), 20), size=48, layers=world.LAYERS)
    assert torch.equal(shown.observed, shown.empty)
    assert torch.equal(shown.observed, shown.cut_away)
    assert not bool(shown.visible_fraction.any())


def test_switch_hides_one_and_shows_another():
    visible, scenes = _visibility("switch")
    assert bool((visible[:, 0, 1] <= 0.01).all())
    assert bool((visible[:, -1, 0] <= 0.01).all())
    assert bool((visible[:, :, :2].amax(1) > 0.2).float().mean() > 0.9)
    assert bool((scenes.colour[:, 0] != scenes.colour[:, 1]).all())


def test_crossing_goes_both_ways_and_turns_back_comes_back():
    scenes = world.sample(world.seeds("test", 30), outcome="crossing", extras=0)
    ends = torch.tensor([[0, 47]]).expand(30, -1)
    now = world.state(scenes, ends)
    side = now.x - now.occluder_x[:, :, None]
    assert bool((side[:, 0, 0] * side[:, 1, 0] < 0).all())
    assert bool((side[:, 0, 0] * side[:, 0, 1] < 0).all())
    scenes = world.sample(world.seeds("test", 30), outcome="turns_back", extras=0)
    now = world.state(scenes, ends)
    side = now.x - now.occluder_x[:, :, None]
    assert bool((side[:, 0, 0] * side[:, 1, 0] > 0).all())
    visible, _ = _visibility("turns_back")
    assert sum(_hidden_runs(v) == 1 for v in visible[:, :, 0]) >= 36


def test_inside_is_mostly_hidden_and_parade_has_several_gaps():
    visible, _ = _visibility("inside")
    assert float((visible[:, :, 0] <= 0.01).float().mean()) > 0.5
    visible, scenes = _visibility("parade")
    assert scenes.actor.sum(1).tolist() == [3] * 40
    assert float((visible[:, :, :3].amax(1) > 0.2).float().mean()) > 0.95


@pytest.mark.parametrize("occluder", range(len(names.OCCLUDERS)))
def test_occluders_are_opaque_where_they_say_that_they_hide(occluder):
    half, top = torch.full((1, 1, 1), 0.25), torch.full((1, 1, 1), 0.28)
    x = torch.linspace(-0.245, 0.245, 99)[None, None]
    y = torch.linspace(0.005, 0.275, 77)[None, :, None]
    stamp = paint_occluder(occluder, x, y, torch.full((1, 1, 1), 0.005), half, top)
    assert float(stamp.cover.min()) == 1.0


def test_masks_fractions_and_layers_agree_with_each_other():
    scenes = world.sample(world.seeds("test", 30), outcome="through")
    frames = torch.arange(30)[:, None]
    shown = world.render(scenes, frames, size=64, layers=world.LAYERS, masks=True)
    assert bool((shown.visible_masks <= shown.amodal_masks + 1e-6).all())
    assert bool((shown.visible_fraction <= shown.cut_away_fraction + 1e-5).all())
    # What is painted and what is counted: pixels of an object differ from the empty frame, the others do not.
    actors = (shown.visible_masks * scenes.actor[:, None, :, None, None]).sum(2)
    change = (shown.observed.int() - shown.empty.int()).abs().amax(-1)
    assert float(change[actors > 0.9].float().gt(6).float().mean()) > 0.97
    far = torch.nn.functional.max_pool2d((shown.amodal_masks.amax(2) > 0).float(), 15, 1, 7) == 0
    assert int(change[far].max()) <= 1 or float((change[far] > 1).float().mean()) < 0.01
    area = shown.visible_masks.sum((-2, -1))
    ratio = area / shown.amodal_masks.sum((-2, -1)).clamp_min(1)
    inside = (shown.state.x > 0.3) & (shown.state.x < 0.7) & scenes.present[:, None]
    assert float((ratio - shown.visible_fraction)[inside].abs().max()) < 0.12


def test_silhouettes_keep_their_area_at_any_resolution():
    scenes = world.sample(world.seeds("test", 9), outcome="emerges", extras=0)
    last = torch.full((9, 1), 47)
    small, large = (world.render(scenes, last, size=s, layers=()).cut_away_fraction[:, 0, 0] for s in (64, 256))
    torch.testing.assert_close(small, large, atol=0.06, rtol=0)


def test_cut_away_shows_what_is_hidden():
    scenes = world.sample(world.seeds("test", 20), outcome="stays", extras=0)
    last = torch.full((20, 1), 47)
    shown = world.render(scenes, last, size=64, layers=("observed", "cut_away", "empty"), masks=True)
    assert bool((shown.visible_fraction[:, 0, 0] <= 0.01).all())
    # A truck may drive out of the picture with what it hides.
    assert float((shown.cut_away_fraction[:, 0, 0] > 0.5).float().mean()) > 0.9
    own = shown.amodal_masks[:, 0, 0] > 0.9
    change = (shown.cut_away[:, 0].int() - shown.observed[:, 0].int()).abs().amax(-1)
    assert float((change[own] > 6).float().mean()) > 0.9
    hidden_from_the_camera = (shown.observed[:, 0].int() - shown.empty[:, 0].int()).abs()
    assert float((hidden_from_the_camera.amax(-1) > 2).float().mean()) < 0.01


def test_colours_in_the_picture_are_the_colours_in_the_truth():
    """The median colour of a car's pixels by day is nearest to its own entry of the palette."""
    palette = torch.tensor(COLOUR_RGB)
    held = names.HELD_OUT_COLOUR[names.KINDS.index("car")]
    for colour in set(range(len(names.COLOURS))) - {held}:
        scenes = world.sample(
            world.seeds("test", 8), outcome="emerges", kind="car", colour=colour, background="field", extras=0
        )
        shown = world.render(scenes, torch.full((8, 1), 47), size=96, masks=True, dtype=torch.float32)
        for picture, mask in zip(shown.observed[:, 0], shown.visible_masks[:, 0, 0], strict=True):
            pixels = picture[mask > 0.9]
            if len(pixels) > 60:
                distances = (pixels.median(0).values - palette).norm(dim=1)
                assert int(distances.argmin()) == colour


def test_describe_names_what_is_visible_where_and_in_which_relation():
    scenes = world.sample(world.seeds("test", 200))
    frames = torch.arange(200)[:, None] % 48
    shown = world.render(scenes, frames, size=32, layers=())
    seen, cut, empty = (world.describe(scenes, shown, layer=layer) for layer in world.LAYERS)
    assert torch.equal(seen.visible, (shown.visible_fraction > 0.2))
    assert bool((seen.visible <= cut.visible).all())
    assert not bool((empty.visible & scenes.actor[:, None]).any())
    assert torch.equal(seen.place[..., 0], (shown.state.x[..., 0] * 6).floor().clamp(0, 5).long())
    gap = (shown.state.x - shown.state.occluder_x[:, :, None]).abs() < scenes.occluder_half[:, None, None]
    behind = cut.relation == names.RELATIONS.index("behind")
    assert torch.equal(behind, gap & scenes.actor[:, None])
    rows = cut.rows()
    assert len(rows) == 200
    assert [len(row.things) for row in rows] == cut.visible.sum((1, 2)).tolist()
    assert world.place_of(torch.tensor([-0.4, 0.0, 0.5, 1.3]), 2.0).tolist() == [0, 1, 3, 5]


def _rows(count: int = 400) -> list[world.Row]:
    scenes = world.sample(world.seeds("test", count))
    shown = world.render(scenes, torch.arange(count)[:, None] % 48, size=32, layers=())
    return world.describe(scenes, shown, layer="cut_away").rows()


def test_captions_use_the_vocabulary_only_and_nothing_is_said_of_nothing_else():
    known = set(vocabulary())
    assert 120 <= len(known) <= 500
    rows = _rows()
    texts = [caption(row, variant=v) for row in rows for v in range(30)]
    assert {word for text in texts for word in words(text)} <= known
    assert texts == [caption(row, variant=v) for row in rows for v in range(30)]
    assert len(set(texts)) > 3000
    nothing = {"empty", "nothing", "no", "only"}
    for row in rows:
        said = [set(words(caption(row, variant=v))) for v in range(30)]
        assert all(bool(s & nothing) == (not row.things) for s in said)


def test_captions_tell_the_truth_about_colours():
    """Of every row, the canonical colours that are named are colours in the row."""
    plain = set(names.COLOURS)
    for row in _rows(200):
        colours = {names.COLOURS[thing.colour] for thing in row.things}
        for variant in range(20):
            named = set(words(caption(row, variant=variant))) & plain
            assert named - {"white", "black"} <= colours


def test_prompts_are_short_and_canonical():
    assert prompt(kind="car", colour="red", place="left") == "a red car on the left"
    assert prompt(kind="car", colour="orange") == "an orange car"
    assert prompt(kind=0) == "a car"
    assert prompt(colour="red", place="middle") == "something red in the middle"
    assert prompt(occluder="tunnel") == "an empty tunnel, nothing to see"
    assert prompt() == "nothing to see"
    assert prompt(kind="ball", relation="behind", occluder="wall") == "a ball behind the wall"
    known = set(vocabulary())
    for k, c, p in itertools.product(range(9), range(8), range(6)):
        assert set(words(prompt(kind=k, colour=c, place=p, occluder=p, background=p))) <= known


def test_questions_have_the_answers_that_the_scene_gives():
    scenes = world.sample(world.seeds("test", 120), outcome="stays")
    shown = world.render(scenes, torch.full((120, 1), 46), size=48, layers=())
    seen = world.describe(scenes, shown, threshold=0.01).rows()
    cut = world.describe(scenes, shown, layer="cut_away").rows()
    known = set(vocabulary())
    splits = set()
    for i, (s, c) in enumerate(zip(seen, cut, strict=True)):
        asked = world.questions(s, c, variant=i)
        pairs = {f"{names.COLOURS[t.colour]} {names.KINDS[t.kind]}" for t in c.things}
        visible = {f"{names.COLOURS[t.colour]} {names.KINDS[t.kind]}" for t in s.things}
        for q in asked:
            splits.add(q.split)
            assert set(words(q.text)) | set(words(q.answer)) <= known
            if q.type == "presence":
                name = q.text.removesuffix("?").split(" ", 3)[3]
                assert (q.answer == "yes") == (name in pairs)
                assert q.split == ("absent" if name not in pairs else "visible" if name in visible else "hidden")
            if q.type == "count":
                assert q.answer == ("none", "one", "two", "three", "four")[len(c.things)]
    assert splits == {"visible", "hidden", "absent"}


def test_command_line_writes_clip_cut_away_and_truth(tmp_path):
    import av

    out = tmp_path / "clip.mp4"
    command.main(["--outcome", "stays", "--seed", "7", "--out", str(out), "--frames", "8", "--size", "96x64"])
    for path in (out, tmp_path / "clip.cut_away.mp4"):
        with av.open(str(path)) as video:
            frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
            assert video.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert len(frames) == 8
        assert frames[0].shape == (64, 96, 3)
    facts = json.loads((tmp_path / "clip.json").read_text(encoding="utf-8"))
    assert (facts["outcome"], facts["seed"], facts["split"]) == ("stays", 7, "train")
    assert facts["objects"][0]["visible_fraction"][-1] <= 0.01
    assert len(facts["questions"]) == len(facts["captions_cut_away"]) == 8
    # faststart: the index lies before the data, so that a browser can begin at once
    head = out.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")


@pytest.mark.parametrize("sheet", ["outcomes", "places"])
def test_command_line_draws_contact_sheets(tmp_path, sheet):
    out = tmp_path / "sheet.png"
    command.main(["--sheet", sheet, "--seed", str(2**31), "--out", str(out)])
    picture = Image.open(out)
    columns, rows = {"outcomes": (8, 9), "places": (8, 7)}[sheet]
    assert picture.width >= columns * 144
    assert picture.height >= rows * 144
    assert np.asarray(picture).std() > 30  # there is something on it


def test_a_sheet_that_cannot_be_drawn_is_refused(tmp_path, capsys):
    for line in (
        ["--sheet", "places", "--seed", "3"],
        ["--sheet", "outcomes", "--seed", "3", "--out", "sheet.nothing"],
    ):
        with pytest.raises(SystemExit):
            command.main(["--out", str(tmp_path / "sheet.png"), *line])
    message = capsys.readouterr().err
    assert "held out" in message
    assert "unknown file extension" in message


def test_a_film_keeps_pictures_and_times():
    scenes = world.sample(torch.tensor([5]), frames=4)
    frames = world.render(scenes, size=64).observed[0]
    clip = film(frames, 10.0, name="five")
    assert torch.equal(clip.frames, frames)
    assert clip.times.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert clip.name == "five"
    with pytest.raises(ValueError, match="fps must be above 0"):
        film(frames, 0.0)


def test_command_line_reports_bad_choices(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--out", str(tmp_path / "a.mp4"), "--seed", "7", "--occluder", "rock"])
    assert "held out" in capsys.readouterr().err
    for size in ("384xabc", "1x2x3", "", "-5"):
        with pytest.raises(SystemExit):
            command.main(["--out", str(tmp_path / "a.mp4"), f"--size={size}"])
        assert "--size is WIDTHxHEIGHT" in capsys.readouterr().err


def test_bundled_clips_are_described_and_small():
    folder = Path(__file__).parents[1] / "assets" / "clips"
    clips = json.loads((folder / "clips.json").read_text(encoding="utf-8"))
    assert 4 <= len(clips) <= 6
    assert {clip["file"] for clip in clips} == {path.name for path in folder.glob("*.mp4")}
    for clip in clips:
        assert (folder / clip["file"]).stat().st_size < 400_000
        assert world.split_of(clip["seed"]) == "test"
        assert f"--seed {clip['seed']}" in clip["command"]
        assert set(words(clip["query"])) <= set(vocabulary())


def test_the_world_needs_no_video_library_to_import():
    """Av is imported where a file is written, nowhere at the top of a module."""
    for path in Path(world.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Import):
                assert "av" not in [alias.name for alias in node.names]


BAD_SCENES = [
    ({"kind": "plane"}, "unknown kind 'plane': choose one of car, bus"),
    ({"colour": 8}, "unknown colour 8: choose one of red"),
    ({"background": "moon"}, "unknown background 'moon'"),
    ({"occluder": "curtain"}, "unknown occluder 'curtain'"),
    ({"outcome": "explodes"}, "unknown outcome 'explodes': choose one of through, stays"),
    ({"held_out": "all"}, "unknown held_out 'all'"),
    ({"frames": 1}, "at least 2 frames"),
    ({"size": 0.0}, "size is a factor"),
    ({"extras": 3}, "2 lanes for extras"),
    ({"extras": 2, "outcome": "parade"}, "leaves room for 1 in front, got extras=2"),
    ({"held_out": "pairs"}, "held out"),
    ({"background": "desert"}, "held out"),
    ({"kind": "car", "colour": "blue"}, "held out"),
]


@pytest.mark.parametrize(("choice", "message"), BAD_SCENES)
def test_impossible_scenes_are_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        world.sample(torch.tensor([1]), **choice)


def test_impossible_seeds_are_refused():
    with pytest.raises(ValueError, match="seeds lie in"):
        world.sample(torch.tensor([-1]))
    with pytest.raises(ValueError, match="seeds lie in"):
        world.split_of(2**32)
    with pytest.raises(ValueError, match="unknown split"):
        world.seeds("exam", 3)
    with pytest.raises(ValueError, match="split holds"):
        world.seeds("validation", 3, start=2**30 - 2)


def test_impossible_pictures_are_refused():
    scenes = world.sample(torch.tensor([1]))
    with pytest.raises(ValueError, match="16 to 2048"):
        world.render(scenes, size=0)
    with pytest.raises(ValueError, match="unknown layer"):
        world.render(scenes, layers=("xray",))
    with pytest.raises(ValueError, match=r"uint8 or torch\.float32"):
        world.render(scenes, dtype=torch.float64)
    with pytest.raises(ValueError, match="frame numbers lie in"):
        world.render(scenes, torch.tensor([[48]]))
    shown = world.render(scenes, torch.tensor([[0]]), size=16)
    with pytest.raises(ValueError, match="unknown layer"):
        world.describe(scenes, shown, layer="xray")
    with pytest.raises(ValueError, match="threshold"):
        world.describe(scenes, shown, threshold=1.0)
    with pytest.raises(ValueError, match="unknown place"):
        prompt(kind="car", place="above")
    two = world.sample(torch.tensor([1, 2]), frames=2)
    with pytest.raises(ValueError, match="one scene"):
        truth(two, world.render(two, size=16), fps=10.0)
