"""The concept timeline and what the path sees, against the numbers that they show."""

import base64
import dataclasses
import json

import fakes
import numpy as np
import pytest
import torch

from slap_core.concepts import Compared, Nearest
from slap_core.stages import Settings
from slap_core.views import figures
from slap_core.views.figures import concepts, sees

CONCEPTS = "a tunnel, the <b>sea</b>"


def wholes(text):
    return np.frombuffer(base64.b64decode(text), dtype="<i2")


@pytest.fixture(scope="module")
def stages():
    return fakes.stages(24, query="a red ball", settings=Settings(concepts=CONCEPTS))


@pytest.fixture(scope="module")
def compared(stages):
    return next(stage for stage in stages if isinstance(stage, Compared))


@pytest.fixture(scope="module")
def views(stages):
    return figures.build(stages)


def test_every_score_arrives_to_five_digits(compared, views):
    data = views["concepts"].data
    assert data["words"] == ["a red ball", "a tunnel", "the <b>sea</b>"]
    expected = torch.stack([compared.scores[name] for name in ("truth", "SLAP", "SLERP")])
    np.testing.assert_allclose(wholes(data["scores"]).reshape(3, 3, 24) * data["step"], expected, atol=2e-5)
    np.testing.assert_allclose(wholes(data["radius"]).reshape(3, 24) * data["step"], compared.radius, atol=2e-5)
    couplings = len(data["couplings"])
    np.testing.assert_allclose(wholes(data["scan"]).reshape(couplings, 3, -1) * data["step"], compared.scan, atol=2e-5)
    assert data["range"] == [float(expected.min()), float(expected.max())]
    assert data["colours"][0][2] > data["colours"][0][0]
    assert data["colours"][-1][0] > data["colours"][-1][2]


def test_the_largest_timeline_stays_small():
    settings = Settings(concepts=[f"thing {k}" for k in range(6)])
    views = figures.build(fakes.stages(512, query="a red ball", settings=settings))
    assert len(views["concepts"].to_json()) < 260_000
    assert len(views["sees"].to_json()) < 100_000


def gap(stages, compared, **means):
    """The comparison with the scores of the first word replaced inside the first gap; elsewhere all are 0.5 and 0."""
    frames = slice(1, 4)
    scores = {name: torch.zeros_like(values) for name, values in compared.scores.items()}
    for name, value in means.items():
        scores[name][0] = 0.0
        scores[name][0, frames] = value
    scores["truth"][0, 12] = 0.5  # how much it varies
    for name in ("SLAP", "SLERP"):
        scores[name][0, 12] = 0.5
    return dataclasses.replace(compared, scores=scores)


@pytest.mark.parametrize(
    ("truth", "slap", "slerp", "told"),
    [
        (0.33, 0.31, 0.12, "SLAP keeps “a red ball” (0.31) where SLERP loses it (0.12); the true frames score 0.33."),
        (0.10, 0.12, 0.31, "SLAP lets go of “a red ball” (0.12) where SLERP holds on to it (0.31); the true frames"),
        (0.33, 0.31, 0.23, "SLAP is nearer to the truth about “a red ball”, 0.33: it scores 0.31, SLERP 0.23."),
        (0.10, 0.31, 0.12, "SLAP sees more of “a red ball” (0.31) than the true frames show (0.10); SLERP is nearer"),
        (0.33, 0.12, 0.31, "SLAP sees less of “a red ball” (0.12) than the true frames show (0.33); SLERP is nearer"),
        (0.20, 0.30, 0.10, "the truth about “a red ball”, 0.20, lies between what SLERP (0.10) and SLAP (0.30)"),
    ],
)  # fmt: skip
def test_the_headline_says_who_is_right(stages, compared, truth, slap, slerp, told):
    decoded, scanned = stages[0], stages[4]
    changed = gap(stages, compared, truth=truth, SLAP=slap, SLERP=slerp)
    headline = concepts.concept_timeline(changed, scanned, decoded, coupling=0.05, pulled=True).headline
    times = decoded.clip.times
    assert headline.startswith(f"Through the gap at {times[1]:.2f}–{times[3]:.2f} s ")
    assert told in headline


def test_the_headline_says_where_nothing_differs_and_where_there_is_no_far_anchor(stages, compared):
    decoded, scanned = stages[0], stages[4]
    same = gap(stages, compared, truth=0.3, SLAP=0.201, SLERP=0.2)
    headline = concepts.concept_timeline(same, scanned, decoded, coupling=0.05, pulled=True).headline
    assert headline.startswith("SLAP and SLERP hardly differ about any word: in no gap are their mean scores more than")
    assert "0.001" in headline
    scores = gap(stages, compared, truth=0.0, SLAP=0.0, SLERP=0.0).scores
    scores["SLAP"][1, 21:] = 0.4  # after frame 20, the last that is kept
    open_end = dataclasses.replace(compared, scores=scores)
    headline = concepts.concept_timeline(open_end, scanned, decoded, coupling=0.05, pulled=True).headline
    assert headline.startswith("After the last kept frame, at 2.1")
    assert "“a tunnel” (0.40)" in headline


def test_only_a_query_that_pulls_is_said_to_raise_its_score(stages, compared):
    decoded, scanned = stages[0], stages[4]
    captions = {
        pulled: concepts.concept_timeline(compared, scanned, decoded, coupling=0.05, pulled=pulled).caption
        for pulled in (False, True)
    }
    assert "raised on purpose" in captions[True]
    assert "raised on purpose" not in captions[False]


def test_the_band_tells_how_much_of_the_truth_it_holds(compared, views):
    about = views["concepts"].data["about_band"]
    assert "90 % probability" in about
    for words, held in zip(compared.words, compared.held.tolist(), strict=True):
        assert f"{100 * held:.0f} % for “{words}”" in about


def test_without_words_or_gaps_a_sentence_says_so():
    bare = figures.build(fakes.stages(12, query=""))
    assert bare["concepts"].headline == "There is no word to track."
    assert "up to 6" in bare["concepts"].message
    whole = figures.build(fakes.stages(12, query="a red ball", settings=Settings(keep_every=1)))
    assert whole["concepts"].headline.startswith("Nothing was dropped")
    assert whole["sees"].headline.startswith("Nothing was dropped")
    assert not whole["sees"].data
    for view in (*bare.values(), *whole.values()):
        json.loads(view.to_json())


def test_words_that_were_never_taught_are_named(stages, compared):
    strange = dataclasses.replace(compared, unknown_words=("zeppelin",))
    shown = concepts.concept_timeline(strange, stages[4], stages[0], coupling=0.05, pulled=True)
    assert shown.notes == ("The encoder was never taught “zeppelin”: read these concepts with care.",)


def test_what_is_nearest_arrives_for_every_frame(compared, views):
    data = views["sees"].data
    assert data["readers"] == ["truth", "SLAP", "SLERP"]
    for field, near in (("frames", compared.nearest_frames), ("words", compared.nearest_phrases)):
        index = wholes(data[field]["index"]).reshape(3, 24, data[field]["count"])
        cosine = wholes(data[field]["cosine"]).reshape(3, 24, data[field]["count"]) * data["step"]
        for row, name in enumerate(data["readers"]):
            np.testing.assert_array_equal(index[row], near[name].index)
            np.testing.assert_allclose(cosine[row], near[name].cosine, atol=2e-5)
    own = wholes(data["own"]).reshape(2, 24) * data["step"]
    np.testing.assert_allclose(own, torch.stack([compared.own[name] for name in ("SLAP", "SLERP")]), atol=2e-5)


def test_it_begins_with_the_missing_frame_about_which_the_methods_differ_most(stages, compared, views):
    apart = (compared.own["SLAP"] - compared.own["SLERP"]).abs()
    start = views["sees"].data["start"]
    assert start in stages[0].dropped.tolist()
    assert float(apart[start]) == float(apart.max())
    assert f"{stages[0].clip.times[start]:.2f} s" in views["sees"].description


def test_the_counts_of_the_headline_are_those_of_the_comparison(stages, compared):
    decoded = stages[0]
    missing = len(decoded.dropped)
    ours, theirs = (compared.beats_known(name, decoded.dropped) for name in ("SLAP", "SLERP"))
    same, other = (compared.agrees(name, decoded.dropped) for name in ("SLAP", "SLERP"))
    headline = sees.sights(compared, decoded, coupling=0.05).headline
    assert f"In {ours} of {missing} missing frames SLAP" in headline
    assert f"(SLERP: {theirs})" in headline
    assert headline.endswith(f"in {same} (SLERP: {other}).")
    # With one phrase there is nothing to tell apart.
    single = {
        name: Nearest(near.index[:, :1] * 0, near.cosine[:, :1]) for name, near in compared.nearest_phrases.items()
    }
    lonely = dataclasses.replace(compared, phrases=("a red ball",), nearest_phrases=single)
    assert "words" not in sees.sights(lonely, decoded, coupling=0.05).headline
