"""Concepts and what recovered latents are near to, against sums and sortings written out."""

import types

import fakes
import numpy as np
import pytest
import torch
from tiny import write_encoder

from slap_core import sphere
from slap_core.analysis import analyse_stages
from slap_core.chosen_potential import chosen_potential
from slap_core.comparison import LEVEL, band_frames, drawn_phrases
from slap_core.concepts import nearest, runs
from slap_core.encoders import from_folder
from slap_core.least_action import LeastAction
from slap_core.stages import Settings, finished
from slap_core.tunnel_world import vocabulary, words
from slap_core.words import MAX_CHARACTERS, MAX_CONCEPTS, concept_list

QUERY = "a red car"
CONCEPTS = "the ball, A red car,  on the   left "
SETTINGS = {"potential": "static", "couplings": (0.0, 0.3), "coupling": 0.3}


def analyse(*arguments, **settings):
    """The stages up to the comparison, by name."""
    found = types.SimpleNamespace()
    for stage in analyse_stages(*arguments, **settings):
        setattr(found, type(stage).__name__.lower(), stage)
        if hasattr(found, "compared"):
            return found
    raise AssertionError("the comparison never came")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return from_folder(write_encoder(tmp_path_factory.mktemp("encoder")), name="tiny")


@pytest.fixture(scope="module")
def analysis(encoder):
    return analyse(fakes.clip(22), QUERY, encoder=encoder, keep_every=5, concepts=CONCEPTS, **SETTINGS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ()),
        (" , ,", ()),
        ("a red car", ("a red car",)),
        ("a red  car,\n a tunnel , A RED CAR", ("a red car", "a tunnel")),
        (["one, with a comma", "two"], ("one, with a comma", "two")),
    ],
)
def test_concepts_are_read_from_words_with_commas(given, expected):
    assert concept_list(given) == expected
    assert Settings(concepts=given).concepts == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ", ".join(f"thing {k}" for k in range(MAX_CONCEPTS + 1)),
            "7 concepts were given, at most 6 are tracked; leave",
        ),
        ("x" * (MAX_CHARACTERS + 1), "61 characters long, at most 60 are read; name the thing in a few words"),
        (3, "Concepts must be words, separated by commas, or a list of words, got 3"),
        (["a car", None], "Concepts must be words"),
    ],
)
def test_concepts_that_cannot_be_used_are_refused_with_the_remedy(given, message, unhooked):
    with pytest.raises(ValueError, match=message):
        Settings(concepts=given)


def test_nearest_is_a_brute_force_sorting():
    generator = torch.Generator().manual_seed(0)
    points, known = (torch.randn(n, 5, generator=generator, dtype=torch.float64) for n in (9, 7))
    known = sphere.normalize(known)
    found = nearest(3 * points, known)
    for row, point in enumerate(points.numpy()):
        cosines = [point @ other / np.linalg.norm(point) for other in known.numpy()]
        assert found.index[row].tolist() == np.argsort(cosines)[::-1][:3].tolist()
        np.testing.assert_allclose(found.cosine[row], np.sort(cosines)[::-1][:3])
    assert nearest(points, known[:2]).index.shape == (9, 2)
    assert nearest(points, known[:0]).index.shape == (9, 0)


def test_the_query_comes_first_and_no_word_twice(analysis):
    assert analysis.compared.words == (QUERY, "the ball", "on the left")
    assert concept_list(CONCEPTS) == ("the ball", "A red car", "on the left")


def test_scores_are_dot_products_of_normalised_latents(analysis, encoder):
    compared, encoded = analysis.compared, analysis.encoded
    latents = {"truth": encoded.truth.points}
    latents |= {name: analysis.solved.solutions[name].path(encoded.truth.times) for name in ("SLAP", "SLERP")}
    for row, text in enumerate(compared.words):
        concept = encoder.text([text])[0].double()
        concept = concept / concept.norm()
        for name, points in latents.items():
            expected = [float(z @ concept / z.norm()) for z in points]
            torch.testing.assert_close(compared.scores[name][row].tolist(), expected, atol=1e-6, rtol=0)
        scan = [[float(z @ concept / z.norm()) for z in path] for path in analysis.scanned.points]
        torch.testing.assert_close(compared.scan[:, row].tolist(), scan, atol=1e-6, rtol=0)
    # The query is encoded as for the pull, and its scores are the run's alignment.
    torch.testing.assert_close(compared.concepts[0], encoded.query, atol=1e-6, rtol=0)
    for name, scores in compared.scores.items():
        torch.testing.assert_close(scores[0], analysis.solved.alignment[name], atol=1e-6, rtol=0)


def test_nearest_frames_are_kept_ones_and_a_kept_frame_is_its_own(analysis):
    compared, kept = analysis.compared, analysis.decoded.kept.tolist()
    points = analysis.encoded.truth.points
    for frame in analysis.decoded.dropped.tolist():
        order = sorted(kept, key=lambda k, frame=frame: -float(points[frame] @ points[k]))
        assert compared.nearest_frames["truth"].index[frame].tolist() == order[:3]
    for found in compared.nearest_frames.values():
        assert set(found.index.flatten().tolist()) <= set(kept)
        assert found.index[kept, 0].tolist() == kept
    for own in compared.own.values():
        torch.testing.assert_close(own[kept], torch.ones(len(kept), dtype=own.dtype))
    drift = analysis.solved.drift["SLAP"]
    torch.testing.assert_close(1 - compared.own["SLAP"][analysis.decoded.dropped], drift, atol=1e-6, rtol=0)


def test_counts_are_those_of_a_loop(analysis):
    compared, dropped = analysis.compared, analysis.decoded.dropped
    points, seen = analysis.encoded.truth.points, analysis.encoded.seen.points
    for name in ("SLAP", "SLERP"):
        path = analysis.solved.solutions[name].path(analysis.encoded.truth.times)
        beats = sum(float(path[i] @ points[i]) > float((seen @ points[i]).max()) for i in dropped.tolist())
        same = sum(
            int((compared.concepts @ path[i]).argmax()) == int((compared.concepts @ points[i]).argmax())
            for i in dropped.tolist()
        )
        assert compared.beats_known(name, dropped) == beats
        assert compared.agrees(name, dropped) == same


def test_the_band_is_that_of_the_posterior_and_its_coverage_is_counted(analysis, encoder):
    compared, encoded, dropped = analysis.compared, analysis.encoded, analysis.decoded.dropped
    potential, _ = finished(chosen_potential(Settings(**SETTINGS), encoder, encoded))
    solver = LeastAction(potential, coupling=SETTINGS["coupling"])
    posterior = solver(encoded.seen, encoded.dropped.times, encoded.query, bands=True).posterior
    assert posterior.times.tolist() == encoded.dropped.times.tolist()
    torch.testing.assert_close(compared.radius[:, dropped], posterior.score_radius(compared.concepts, LEVEL))
    assert not compared.radius[:, analysis.decoded.kept].any()
    for row in range(len(compared.words)):
        off = (compared.scores["SLAP"] - compared.scores["truth"])[row, dropped].abs()
        inside = sum(float(a) <= float(b) for a, b in zip(off, compared.radius[row, dropped], strict=True))
        assert float(compared.held[row]) == pytest.approx(inside / len(dropped))


def test_a_long_gap_has_a_band_between_the_frames_that_were_asked(encoder):
    """Its width, computed at eight frames of the gap, is that of all of them, nearly."""
    found = analyse(fakes.clip(41), "", encoder=encoder, keep_every=40, concepts=QUERY, potential="off")
    encoded, dropped = found.encoded, found.decoded.dropped
    assert len(band_frames(dropped)) == 8
    posterior = LeastAction(None)(encoded.seen, encoded.dropped.times, None, bands=True).posterior
    expected = posterior.score_radius(found.compared.concepts, LEVEL)
    torch.testing.assert_close(found.compared.radius[:, dropped], expected, atol=float(expected.max()) * 0.03, rtol=0)


def test_band_frames_hold_the_ends_of_every_run():
    dropped = torch.tensor([1, 2, 3, *range(5, 40), 41])
    chosen = band_frames(dropped).tolist()
    assert {1, 2, 3, 5, 39, 41} <= set(chosen) <= set(dropped.tolist())
    assert chosen == sorted(set(chosen))
    assert len([frame for frame in chosen if 5 <= frame < 40]) == 8
    assert [run.tolist() for run in runs(torch.tensor([0, 1, 4]))] == [[0, 1], [4]]
    assert runs(torch.tensor([], dtype=torch.long)) == ()


@pytest.mark.parametrize("keep_every", [1, 4])
def test_without_a_word_frames_are_compared_alone(encoder, keep_every):
    compared = analyse(fakes.clip(9), "", encoder=encoder, keep_every=keep_every, couplings=(0.0, 0.3)).compared
    assert compared.words == compared.phrases == ()
    assert compared.held is None
    assert compared.scores["SLAP"].shape == (0, 9)
    assert compared.nearest_frames["SLAP"].index.shape == (9, min(3, len(range(0, 9, keep_every))))


def test_words_that_were_never_taught_are_named(encoder):
    found = analyse(fakes.clip(9), QUERY, encoder=encoder, concepts="a zeppelin, the ball", **SETTINGS)
    assert found.compared.unknown_words == ("zeppelin",)


def test_phrases_of_the_drawn_world_are_in_its_vocabulary():
    phrases = drawn_phrases()
    assert len(phrases) == len(set(phrases)) == 9 * 8 + 1 + 7
    assert set(words(" ".join(phrases))) <= set(vocabulary())
    assert not [phrase for phrase in phrases if "rock" in phrase]
