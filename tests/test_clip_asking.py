"""Questions about clips: every answer follows from the story."""

import pytest
import torch

from slap_core.training.language_model import words
from slap_core.tunnel_world import CLIP_TYPES, COLOURS, KINDS, MOMENTS, OUTCOMES, interview, render, sample, seeds
from slap_core.tunnel_world.clip_asking import Story, account, stories
from slap_core.tunnel_world.description import Row, Thing

RED, BLUE = COLOURS.index("red"), COLOURS.index("blue")
CAR, BALL = KINDS.index("car"), KINDS.index("ball")
CAR_LEFT, CAR_BEHIND, CAR_RIGHT = (Thing(CAR, RED, place, relation) for place, relation in ((0, 2), (2, 0), (5, 3)))
BALL_RIGHT = Thing(BALL, BLUE, 5, 1)


def row(*things):
    return Row(0, 0, 2, things)


def story(outcome="through"):
    """A red car goes behind the tunnel and comes out; a blue ball stands in front, and leaves at last."""
    seen = (
        [row(CAR_LEFT, BALL_RIGHT)] * 4
        + [row(BALL_RIGHT)] * 3
        + [row(CAR_RIGHT, BALL_RIGHT)] * 2
        + [row(CAR_RIGHT)] * 2
    )
    cut = [*seen[:4], *[row(CAR_BEHIND, BALL_RIGHT)] * 3, *seen[7:]]
    return Story(tuple(seen), tuple(cut), ((CAR, RED),), OUTCOMES.index(outcome))


def asked(told, count=200):
    return {(q.text, q.answer, q.split) for variant in range(count) for q in interview(told, variant=variant)}


@pytest.mark.parametrize(
    "expected",
    [
        ("is there a red car halfway?", "yes", "hidden"),
        ("where is the red car at first?", "left", "visible"),
        ("where is the red car halfway?", "middle", "hidden"),
        ("where is the red car late?", "right", "visible"),
        ("is the red car behind the tunnel halfway?", "yes", "hidden"),
        ("is the red car behind the tunnel at first?", "no", "visible"),
        ("what colour is the car halfway?", "red", "hidden"),
        ("what is red halfway?", "car", "hidden"),
        ("how many objects are there halfway?", "two", "hidden"),
        ("how many objects are there at last?", "one", "visible"),
        ("is there a blue ball at last?", "no", "absent"),
        ("where is the blue ball at last?", "nowhere", "absent"),
        ("is the red car still there halfway?", "yes", "hidden"),
        ("is the blue ball still there at last?", "no", "absent"),
        ("does the blue ball leave?", "yes", "visible"),
        ("does the red car turn back?", "no", "hidden"),
    ],
)
def test_what_follows_from_a_story_is_asked_and_answered(expected):
    assert expected in asked(story())


def test_no_question_has_two_answers():
    found = asked(story())
    assert len({text for text, *_ in found}) == len(found)


def test_turning_back_is_told_by_the_outcome():
    assert ("does the red car turn back?", "yes", "hidden") in asked(story("turns_back"))


def test_who_hides_first():
    late = [row(CAR_LEFT)] * 6 + [row()] * 5
    cut = [row(CAR_LEFT, BALL_RIGHT)] * 6 + [row(CAR_BEHIND, BALL_RIGHT)] * 5
    told = Story(tuple(late), tuple(cut), ((CAR, RED), (BALL, BLUE)), OUTCOMES.index("switch"))
    found = {q.text: q.answer for variant in range(60) for q in interview(told, variant=variant) if q.type == "order"}
    assert found == {
        "does the red car hide before or after the blue ball?": "after",
        "does the blue ball hide before or after the red car?": "before",
    }


def test_accounts_tell_every_moment():
    clauses = account(story(), variant=1)
    assert len(clauses) == 9
    assert ["halfway", "red", "car", "middle", "behind", "tunnel"] in clauses
    assert ["at", "last", "red", "car", "right", "before"] in clauses


def test_drawn_scenes_are_asked_in_every_way_and_in_known_words():
    scenes = sample(seeds("train", 96), frames=51)
    told = stories(scenes, render(scenes, torch.arange(0, 51, 5).expand(96, -1), size=24, layers=()))
    found = [q for k, one in enumerate(told) for q in interview(one, variant=k)]
    known = set(words())
    assert {q.type for q in found} == set(CLIP_TYPES)
    assert {q.split for q in found} == {"visible", "hidden", "absent"}
    assert {q.moment for q in found} == {None, *range(len(MOMENTS))}
    assert all(word in known for q in found for word in f"{q.text.rstrip('?')} {q.answer}".split())
    assert all(word in known for k, one in enumerate(told) for clause in account(one, variant=k) for word in clause)
    assert interview(told[3], variant=5) == interview(told[3], variant=5)
