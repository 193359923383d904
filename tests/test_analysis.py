"""The main job on a small clip with a tiny random encoder: stages, their order, and what each must hold."""

import threading
import time

import pytest
import torch
from fakes import clip
from tiny import write_encoder

import slap_core
from slap_core import metrics
from slap_core.analysis import analyse, analyse_stages, analyse_steps
from slap_core.encoders import from_folder
from slap_core.stages import Progress, Settings, Solved
from slap_core.types import Clip
from slap_core.video import write_clip

COUPLINGS = (0.0, 0.2, 1.0)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return from_folder(write_encoder(tmp_path_factory.mktemp("encoder")), name="tiny")


@pytest.fixture(scope="module")
def analysis(encoder):
    return analyse(clip(21), "a red car", encoder=encoder, keep_every=4, couplings=COUPLINGS)


def test_stages_come_in_order(encoder):
    steps = list(analyse_steps(clip(9), "a red car", encoder=encoder, couplings=COUPLINGS))
    names = [type(step).__name__ for step in steps if not isinstance(step, Progress)]
    first = ["Decoded", "Encoded", "Solved", "Projected", "Scanned", "Compared", "Slotted", "Tracked"]
    assert names == [*first, "Projected"]
    told = [step.stage for step in steps if isinstance(step, Progress)]
    assert list(dict.fromkeys(told)) == ["decode", "encode", "solve", "project", "scan", "words", "slots", "objects"]
    assert all(0 <= step.fraction <= 1 for step in steps if isinstance(step, Progress))


def test_methods_see_the_kept_frames_only(analysis):
    encoded, solved = analysis.encoded, analysis.solved
    assert encoded.seen.times.tolist() == encoded.truth.times[::4].tolist()
    for name, solution in solved.solutions.items():
        torch.testing.assert_close(solution.path(encoded.seen.times), encoded.seen.points, msg=name)
        assert solution.times.tolist() == encoded.dropped.times.tolist()


def test_drift_and_alignment_are_what_they_are_called(analysis):
    encoded, solved = analysis.encoded, analysis.solved
    points = solved.solutions["SLAP"].points
    cosine = torch.nn.functional.cosine_similarity(points, encoded.dropped.points)
    torch.testing.assert_close(solved.drift["SLAP"], 1 - cosine, atol=1e-5, rtol=0)
    torch.testing.assert_close(solved.alignment["truth"], encoded.truth.points @ encoded.query)


def test_the_curves_of_the_scan_are_those_of_its_paths(analysis):
    """At lambda = 0 the path is SLERP, whose energies the run computes too."""
    scanned, slerp = analysis.scanned, analysis.solved.energies["SLERP"]
    assert scanned.times.tolist() == slerp.times.tolist()
    torch.testing.assert_close(scanned.kinetic_curve[0], slerp.kinetic, atol=1e-4, rtol=1e-3)
    pull = analysis.settings.coupling * scanned.potential_curve[0]
    torch.testing.assert_close(pull, slerp.potential, atol=1e-5, rtol=1e-4)
    # On the frames, as for every method; what was minimised is the integral, which is the same where nothing pulls.
    torch.testing.assert_close(scanned.gap_action[0].sum(), scanned.action[0], atol=1e-4, rtol=1e-3)
    assert (scanned.gap_action.sum(1).diff() < 0).all()


def test_the_scan_holds_slerp_and_the_solution(encoder, analysis):
    scanned = analysis.scanned
    slerp = analysis.solved.solutions["SLERP"].points
    torch.testing.assert_close(scanned.points[0], slerp, atol=1e-5, rtol=0)
    single = analyse(clip(21), "a red car", encoder=encoder, coupling=1.0, couplings=COUPLINGS).solved.solutions["SLAP"]
    torch.testing.assert_close(scanned.points[2], single.points, atol=2e-4, rtol=0)
    drift = metrics.drift(scanned.points, analysis.encoded.dropped.points.expand_as(scanned.points)).mean(-1)
    assert scanned.best == int(drift.argmin())
    # Stronger pull, closer to the query; and the minimum of T - lambda P is concave and falls where P > 0 grows.
    assert bool((scanned.alignment.diff() > 0).all())
    assert bool((scanned.potential.diff() > 0).all())
    assert bool((scanned.kinetic.diff() >= -1e-9).all())


def test_slots_and_maps(analysis):
    slotted = analysis.slotted
    torch.testing.assert_close(slotted.slow.sum(1), torch.ones_like(slotted.slow[:, 0]))
    torch.testing.assert_close(slotted.fast.sum(-1), torch.ones_like(slotted.fast[..., 0]))
    assert slotted.fast.shape[:2] == (16, 21)
    assert set(analysis.maps) == {"PCA", "UMAP"}
    assert analysis.maps["PCA"].truth.shape == (21, 2)
    assert "no slots are trained for this encoder" in slotted.origin
    assert analysis.solved.potential.startswith("static")
    assert all(seconds >= 0 for seconds in analysis.seconds.values())


def test_without_a_query_slap_is_slerp(encoder):
    solved = analyse(clip(13), "  ", encoder=encoder, couplings=COUPLINGS).solved
    torch.testing.assert_close(solved.solutions["SLAP"].points, solved.solutions["SLERP"].points)
    assert solved.alignment == {}
    assert solved.potential.startswith("off")


def test_potential_off_is_slerp(encoder):
    solved = analyse(clip(13), "a red car", encoder=encoder, potential="off", couplings=COUPLINGS).solved
    torch.testing.assert_close(solved.solutions["SLAP"].points, solved.solutions["SLERP"].points)
    assert "SLAP" in solved.alignment


@pytest.mark.parametrize(("frames", "keep_every"), [(1, 4), (2, 4), (3, 2), (5, 1), (5, 100)])
def test_small_and_extreme_clips_give_small_results(encoder, frames, keep_every):
    analysis = analyse(clip(frames), "a ball", encoder=encoder, keep_every=keep_every, couplings=COUPLINGS)
    dropped = len(analysis.decoded.dropped)
    assert dropped == sum(i % keep_every != 0 for i in range(frames))
    assert bool(analysis.solved.solutions["SLAP"].points.isfinite().all())
    assert (analysis.scanned.best is None) == (dropped == 0)
    assert analysis.solved.solutions["SLAP"].certificate.sentence


def test_a_single_pixel(encoder):
    dot = Clip(torch.zeros(6, 1, 1, 3, dtype=torch.uint8), torch.arange(6.0))
    assert analyse(dot, "a car", encoder=encoder, couplings=COUPLINGS).slotted.slow.shape[0] <= 6


def test_a_long_clip_is_thinned(encoder):
    analysis = analyse(clip(50), encoder=encoder, max_frames=10, couplings=COUPLINGS)
    assert len(analysis.decoded.clip) == 10
    assert float(analysis.decoded.clip.times[-1]) == float(clip(50).times[-1])


def test_closing_the_generator_ends_it(encoder):
    steps = analyse_steps(clip(9), "a car", encoder=encoder, couplings=COUPLINGS)
    next(steps)
    steps.close()
    assert list(steps) == []


def test_a_file_gives_what_its_clip_gives(encoder, tmp_path):
    write_clip(tmp_path / "movie.mp4", clip(12, height=64, width=96), fps=10)
    decoded, *_ = analyse_stages(tmp_path / "movie.mp4", "a car", encoder=encoder, couplings=COUPLINGS)
    assert len(decoded.clip) == 12
    assert decoded.clip.name == "movie.mp4"


def test_the_first_seconds_of_a_file_or_a_clip(encoder, tmp_path):
    whole = clip(12, height=64, width=96)
    write_clip(tmp_path / "movie.mp4", whole, fps=10)
    for given in (tmp_path / "movie.mp4", whole):
        decoded, *_ = analyse_stages(given, encoder=encoder, couplings=COUPLINGS, until_seconds=0.45)
        assert len(decoded.clip) == 5


@pytest.mark.parametrize("frames", [3, 24])
def test_a_potential_is_fitted_to_the_clip_with_progress(encoder, frames):
    steps = list(analyse_steps(clip(frames), "a car", encoder=encoder, potential="fitted", couplings=COUPLINGS))
    told = [step.fraction for step in steps if isinstance(step, Progress) and step.stage == "potential"]
    (solved,) = (step for step in steps if isinstance(step, Solved))
    assert ("too few kept frames" in solved.potential) == (frames == 3)
    assert bool(told) == (frames == 24)
    assert solved.solutions["SLAP"].result.ok


def test_public_names():
    assert slap_core.analyse is analyse
    assert "LeastAction" in dir(slap_core)
    for name in slap_core.__all__:
        assert getattr(slap_core, name) is not None
    with pytest.raises(AttributeError, match="slap_core has no 'nothing'"):
        slap_core.nothing  # noqa: B018


def test_bad_queries_and_settings(encoder, unhooked):
    with pytest.raises(ValueError, match="10,000 characters long, at most 200"):
        analyse(clip(5), "x" * 10_000, encoder=encoder)
    with pytest.raises(ValueError, match="must be words, got list"):
        analyse(clip(5), ["a car"], encoder=encoder)
    with pytest.raises(ValueError, match="There is no setting lambda; the settings are: keep_every"):
        analyse(clip(5), "a car", encoder=encoder, **{"lambda": 1})
    for kind in ("learned", "hidden"):
        with pytest.raises(ValueError, match="No learned potential is shipped for the encoder tiny; choose fitted"):
            analyse(clip(5), "a car", encoder=encoder, potential=kind, couplings=COUPLINGS)
    with pytest.raises(ValueError, match="The clip has no frames"):
        analyse(clip(5).select([]), "a car", encoder=encoder)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"keep_every": 0}, "keep_every must be a whole number, 1 or more, got 0"),
        ({"keep_every": 2.5}, "keep_every must be a whole number"),
        ({"max_frames": 0}, "max_frames must be between 1 and 512"),
        ({"coupling": -1.0}, "coupling must be between 0 and 100"),
        ({"coupling": float("nan")}, "coupling must be between 0 and 100"),
        ({"mass": 0.0}, r"mass must be between 0\.001 and 1000"),
        ({"potential": "x"}, "potential must be auto, learned, hidden, fitted, static or off"),
        ({"geometry": "torus"}, "geometry must be sphere or euclidean"),
        ({"couplings": (1.0, 0.5)}, "couplings must be 2 to 129 increasing numbers"),
    ],
)
def test_settings_out_of_range(setting, message, unhooked):
    with pytest.raises(ValueError, match=message):
        Settings(**setting)


def test_closing_the_generator_ends_a_decoder(encoder, monkeypatch):
    ended = threading.Event()

    def endless(path, *, cancelled, **_):
        while not cancelled():
            time.sleep(0.01)
        ended.set()
        raise ValueError("given up")

    monkeypatch.setattr("slap_core.analysis.read_clip", endless)
    steps = analyse_steps("movie.mp4", "a car", encoder=encoder)
    assert [next(steps).stage for _ in range(3)] == ["decode"] * 3
    steps.close()
    assert ended.is_set()
