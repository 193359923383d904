"""The trainers of potentials: material from scenes and from videos, what is refused, and short runs, end to end."""

import json

import pytest
import torch
from tiny import write_encoder

from slap_core import sphere
from slap_core.cards import load_card
from slap_core.curvature import global_bounds
from slap_core.gaps import find_gaps
from slap_core.potential import Potential
from slap_core.pretrained import load_encoder
from slap_core.shaping import Exercises
from slap_core.training import lessons as material
from slap_core.training import potential as trainer
from slap_core.training import through_solver
from slap_core.training.gap_scenes import GapScenes
from slap_core.training.potential_settings import PaperSettings, SolverSettings
from slap_core.training.queries import QUERIES
from slap_core.training.video_folder import read_captions, read_folder, stretches_of_clips
from slap_core.types import Clip
from slap_core.video import write_clip

DIM = 12
SMALL = "--steps 4 --batch 6 --width 8 --depth 1 --log-every 2 --device cpu --margin-stretches 2"


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("encoders") / "tiny")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three films of noise that changes slowly, a text file, and a film that is none."""
    folder = tmp_path_factory.mktemp("videos")
    for k in range(3):
        ends = torch.rand(2, 32, 32, 3, generator=torch.Generator().manual_seed(k))
        frames = torch.stack([torch.lerp(ends[0], ends[1], s) for s in torch.linspace(0, 1, 10)])
        write_clip(folder / f"{k}.mp4", Clip((255 * frames).byte(), torch.arange(10) / 10))
    (folder / "notes.txt").write_text("no video")
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    return folder


def unit(*shape, seed=0):
    return sphere.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)))


def lessons_of_noise(count=6, nodes=3):
    gaps = find_gaps([0.0, 1.0], torch.linspace(0, 1, nodes + 2)[1:-1].double())
    many = gaps.select(torch.zeros(count, dtype=torch.long))
    stretches = Exercises(
        anchors=unit(2, DIM),
        gaps=many,
        target=unit(count, nodes, DIM, seed=1),
        weight=torch.full((count, nodes), 1 / nodes),
        queries=unit(count, 2, DIM, seed=2),
        subject=torch.tensor([0, 0, 1, 2, -1, -1])[:count],
    )
    return material.Lessons(stretches, stretches, ("one", "two"))


def test_weights_of_scenes_count_what_is_hidden_most():
    gaps = find_gaps([0.0, 1.0], [0.2, 0.4, 0.6, 0.8]).select(torch.tensor([0, 0]))
    hidden = torch.tensor([[False, True, True, False], [False] * 4])
    blank = torch.zeros(2, 4, DIM)
    scenes = GapScenes(
        anchors=unit(2, DIM),
        gaps=gaps,
        target=blank,
        observed=blank,
        empty=blank,
        hidden=hidden,
        queries=unit(2, 4, DIM),
        outcome=torch.zeros(2, dtype=torch.long),
        kind=torch.tensor([[2], [-1]]),
        colour=torch.tensor([[3], [-1]]),
        place=torch.zeros(2, 4, 1, dtype=torch.long),
        seed=torch.arange(2),
    )
    learned = material.stretches_of_scenes(scenes)
    torch.testing.assert_close(learned.weight[0], torch.tensor([0.075, 0.425, 0.425, 0.075]))
    torch.testing.assert_close(learned.weight[1], torch.full((4,), 0.25))
    judged = material.stretches_of_scenes(scenes, elsewhere=0.0)
    torch.testing.assert_close(judged.weight, torch.tensor([[0, 0.5, 0.5, 0], [0.0, 0, 0, 0]]))
    assert learned.subject.tolist() == [19, -1]


def test_slerp_is_assessed_without_a_potential():
    lessons = lessons_of_noise()
    far, converged = through_solver.assess(None, lessons.validation, 0.0)
    fraction = torch.tensor([0.25, 0.5, 0.75])
    anchors = lessons.validation.anchors
    path = sphere.slerp(anchors[:1].expand(3, -1), anchors[1:].expand(3, -1), fraction)
    expected = 1 - (path * lessons.validation.target).sum(-1).mean(-1)
    torch.testing.assert_close(far, expected[:, None].expand(-1, 2).double().to(far))
    assert converged == 1


def test_contrast_is_the_logarithm_of_the_number_for_a_constant():
    """Six answers; those about the same subject are no negatives, those about nothing do not ask."""
    potential = Potential(DIM, width=4, depth=1, spectral_norm=False)
    potential.scale.zero_()
    lessons = lessons_of_noise().train
    index = torch.arange(6)
    loss = through_solver.contrast(potential, lessons, index, torch.Generator().manual_seed(0), tau=1.0)
    expected = torch.tensor([5.0, 5.0, 6.0, 6.0]).log().mean()
    torch.testing.assert_close(loss.detach(), expected)
    nothing = through_solver.contrast(potential, lessons, index[4:], torch.Generator(), tau=1.0)
    assert float(nothing.detach()) == 0


def test_batches_are_functions_of_seed_and_step():
    settings = SolverSettings(batch=50, steps=3, coupling_low=0.2, coupling_high=0.8)
    lessons = lessons_of_noise().train
    whole, later = (
        list(through_solver.batches(lessons, settings, 0)),
        list(through_solver.batches(lessons, settings, 2)),
    )
    assert len(whole) == 3
    assert torch.equal(whole[2].coupling, later[0].coupling)
    assert bool(((whole[0].coupling >= 0.2) & (whole[0].coupling <= 0.8)).all())
    assert set(whole[0].query.tolist()) == {0, 1}
    assert [batch.elsewhere for batch in whole] == [True, False, False]


def test_stations_are_taught_first_and_to_attractors_only():
    lessons = lessons_of_noise().train

    def solved(**options):
        return [batch.solved for batch in through_solver.batches(lessons, SolverSettings(steps=4, **options), 0)]

    assert solved(stations=0.5) == [False, False, True, True]
    assert solved(stations=0.0) == solved(stations=0.5, form="perceptron") == [True] * 4


def test_an_excerpt_is_the_exercises_alone_and_noise_moves_both_sides_of_a_free_end_alike():
    gaps = find_gaps([1.0, 3.0], [0.2, 0.6, 1.5, 2.0, 3.5])  # a free end on either side
    lessons = Exercises(
        anchors=unit(2, DIM),
        gaps=gaps,
        target=unit(3, gaps.elapsed.shape[1], DIM, seed=1),
        weight=torch.ones(3, gaps.elapsed.shape[1]),
        queries=unit(3, 2, DIM, seed=2),
        subject=torch.tensor([5, 6, 7]),
    )
    index = torch.tensor([2, 0, 1, 2])
    for noise in (0.0, 0.3):
        found = through_solver.excerpt(lessons, index, noise=noise, generator=torch.Generator().manual_seed(0))
        assert found.subject.tolist() == [7, 5, 6, 7]
        assert torch.equal(found.target, lessons.target[index])
        assert torch.equal(found.gaps.elapsed, gaps.elapsed[index])
        assert torch.equal(found.gaps.start == found.gaps.stop, gaps.free[index])
        ends = [found.anchors[end] for end in (found.gaps.start, found.gaps.stop)]
        before = [lessons.anchors[end[index]] for end in (gaps.start, gaps.stop)]
        for new, old in zip(ends, before, strict=True):
            far = sphere.distance(new, old)
            assert bool((far < 1e-3).all() if not noise else ((far > 0.1) & (far < 0.6)).all())
    assert float(sphere.distance(found.queries, lessons.queries[index]).min()) > 0.1


def test_stations_learn_the_right_paths():
    lessons = lessons_of_noise().train
    settings = SolverSettings(steps=200, batch=6, stations=1.0, width=32)
    potential = settings.network(DIM)
    optimizer = torch.optim.Adam(potential.parameters(), lr=0.01)
    drifts = []
    for batch in through_solver.batches(lessons, settings, 0):
        lesson = through_solver.excerpt(lessons, batch.index, noise=0.0, generator=torch.Generator())
        loss = through_solver.station_drift(potential, lesson, batch.query)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        drifts.append(float(loss.detach()))
    assert sum(drifts[-20:]) < 0.1 * sum(drifts[:20])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coupling_low": 0.0}, "coupling_low must be above 0 and at most coupling_high"),
        ({"coupling_low": 0.9}, "coupling_low must be above 0 and at most coupling_high"),
        ({"stations": 1.5}, "stations, a share of the steps, must lie in 0 to 1"),
        ({"margin_every": 0}, "margin_every must be at least 1, got 0"),
        ({"margin_stretches": 99}, "margin_stretches must lie in 0 to 64"),
        ({"captions": "captions.csv"}, "captions need --videos"),
    ],
)
def test_impossible_settings_are_refused(options, message, unhooked):
    with pytest.raises(ValueError, match=message):
        SolverSettings(**options)


def test_the_papers_recipe_has_no_anchors():
    with pytest.raises(ValueError, match="context needs --objective solver"):
        PaperSettings(context=True)


def test_captions_are_read_whatever_the_order_of_the_columns(tmp_path):
    file = tmp_path / "c.csv"
    file.write_text('\ufeffCaption,video\n"a red car, parked",0.mp4\n', encoding="utf-8")
    assert read_captions(file) == {"0.mp4": "a red car, parked"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file,text\n0.mp4,a car\n", "needs the columns video and caption, got file, text"),
        (b"", "needs the columns video and caption, got no header"),
        (b"video,caption\n0.mp4,\n", r"Line 2 .* needs a video and a caption, got '0.mp4' and ''"),
        (b"video,caption\n0.mp4\n", r"Line 2 .* got '0.mp4' and ''"),
        (b"video,caption\n0.mp4,\xff\xfe\n", "could not be read as a CSV in UTF-8"),
    ],
)
def test_bad_captions_are_refused(tmp_path, content, message):
    (tmp_path / "c.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_captions(tmp_path / "c.csv")


def test_a_missing_captions_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"captions file none\.csv could not be read"):
        read_captions(tmp_path / "none.csv")


def test_a_folder_is_read_without_what_is_broken(videos, encoder_folder):
    encoder = load_encoder(f"local-dir:{encoder_folder}")
    with pytest.warns(UserWarning, match="broken.mp4 is skipped"):
        folder = read_folder(videos, encoder, captions={"1.mp4": "a red car", "2.mp4": "the ball"}, frames=8)
    assert folder.names == ("0.mp4", "1.mp4", "2.mp4")
    assert folder.skipped == ("broken.mp4",)
    assert [len(latents) for latents in folder.latents] == [8, 8, 8]
    torch.testing.assert_close(folder.captions[1], encoder.text(["a red car"])[0])
    assert folder.captions[0] is None
    stretches = stretches_of_clips(folder, [0, 1], drawn=5, seed=0)
    assert stretches.subject.tolist() == [0] * 5 + [1] * 5
    means = [sphere.normalize(latents.points.mean(0)) for latents in folder.latents]
    torch.testing.assert_close(stretches.queries[0, 0], means[0])
    torch.testing.assert_close(stretches.queries[5, 0], folder.captions[1])
    torch.testing.assert_close(stretches.queries[5, 2], means[2])
    assert float((folder.latents[1].points @ stretches.queries[5, 1]).max()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.filterwarnings("ignore:.*is skipped")
def test_folders_and_captions_that_cannot_be_used_are_refused(videos, encoder_folder, tmp_path):
    encoder = load_encoder(f"local-dir:{encoder_folder}")
    with pytest.raises(ValueError, match="folder of videos 'nowhere' does not exist"):
        read_folder(tmp_path / "nowhere", encoder)
    with pytest.raises(ValueError, match=r"has no readable video of at least 3 frames \(0 were skipped\)"):
        read_folder(tmp_path, encoder)
    with pytest.raises(ValueError, match=r"captions name no video of .*'x.mp4', for example, is not there"):
        read_folder(videos, encoder, captions={"x.mp4": "a car"})
    with pytest.warns(UserWarning, match=r"1 captions name no video of the folder, 'x.mp4' first"):
        read_folder(videos, encoder, captions={"x.mp4": "a car", "0.mp4": "a car"}, frames=4)


@pytest.mark.filterwarnings("ignore:.*is skipped")
def test_a_short_training_on_videos(videos, encoder_folder, tmp_path, unhooked):
    (tmp_path / "captions.csv").write_text("video,caption\n1.mp4,a red car\n")
    line = f"--videos {videos} --captions {tmp_path / 'captions.csv'} --stretches-per-video 8 {SMALL}"
    trainer.main(f"{line} --encoder local-dir:{encoder_folder} --out {tmp_path / 'out'}".split())
    card = load_card(tmp_path / "out")
    potential = Potential.from_pretrained(tmp_path / "out")
    assert potential.context
    scores = card["scores"]
    assert {f"validation drift {name}" for name in ("about", "frame", "stranger")} <= scores.keys()
    bounds = global_bounds(potential)
    assert scores["bound everywhere: lipschitz"] == pytest.approx(bounds.lipschitz, rel=1e-4)
    assert scores["bound everywhere: curvature"] == pytest.approx(bounds.curvature, rel=1e-4)
    assert scores["bound within 0.05 of 8 paths: curvature"] <= bounds.curvature
    assert scores["gradient norm at mid-gap, quantile 0.05"] <= scores["gradient norm at mid-gap, quantile 0.95"]
    assert "the videos of a folder" in card["trained_on"]
    assert card["command"].startswith("python -m slap_core.training.potential --videos")


def test_a_card_of_the_papers_recipe_tells_what_was_left_out():
    whole, bare = PaperSettings(), PaperSettings(gamma=0.0, spectral_norm=False)
    told = [trainer._description(settings, trainer.WHAT["paper"]) for settings in (whole, bare)]
    assert told[0]["title"].endswith("by the paper's recipe")
    assert "recipe: InfoNCE, Sobolev penalty, spectral norm (exact at export), then" in told[0]["what"]
    assert told[1]["title"].endswith("without Sobolev penalty and spectral norm")
    assert "recipe without Sobolev penalty and spectral norm: InfoNCE, then" in told[1]["what"]


def test_of_one_video_the_end_is_judged(videos, encoder_folder, tmp_path):
    encoder, folder = load_encoder(f"local-dir:{encoder_folder}"), tmp_path / "one"
    folder.mkdir()
    (folder / "0.mp4").write_bytes((videos / "0.mp4").read_bytes())
    lessons = material.lessons_of_folder(encoder, SolverSettings(videos=folder, stretches_per_video=4))
    learned = lessons.train.target[lessons.train.weight > 0]
    judged = lessons.validation.target[lessons.validation.weight > 0]
    assert float(torch.cdist(learned, judged).min()) > 0
    write_clip(folder / "0.mp4", Clip(torch.zeros(5, 32, 32, 3, dtype=torch.uint8), torch.arange(5) / 10))
    with pytest.raises(ValueError, match="One video of 5 frames is too short to learn from"):
        material.lessons_of_folder(encoder, SolverSettings(videos=folder))


@pytest.mark.slow
@pytest.mark.parametrize(("form", "key"), [("perceptron", "context"), ("attractors", "count")])
def test_a_short_training_on_tunnel_world_is_a_function_of_its_settings(form, key, encoder_folder, tmp_path, unhooked):
    line = (
        f"--encoder local-dir:{encoder_folder} --scenes 12 --validation-scenes 8 --image-size 32 --spectral-norm "
        f"--form {form} --data {tmp_path / 'scenes.safetensors'} {SMALL}"
    )
    trainer.main(f"{line} --out {tmp_path / 'whole'}".split())
    card = load_card(tmp_path / "whole")
    assert {f"validation drift {name}, SLERP" for name in QUERIES} <= card["scores"].keys()
    assert json.loads((tmp_path / "whole" / "config.json").read_text())[key]
    trainer.main(f"{line} --compare {tmp_path / 'whole'} --out {tmp_path / 'again'}".split())
    again = load_card(tmp_path / "again")["scores"]
    assert (
        again["validation drift true (whole)"]
        == again["validation drift true"]
        == card["scores"]["validation drift true"]
    )
