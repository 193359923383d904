"""Questions about a whole clip, with answers that are known; and what there is to know, as a text.

A question names a thing and often a moment: one of five, the middles of the fifths of the clip. It belongs to a type
and to a split, by the thing that it is about at that moment: `visible`, `hidden` behind the occluder, or `absent` from
the picture. What happens while a thing hides (whether it turns back, which of two hides first) is asked in the split
`hidden`. `account` tells all that the answers follow from: what a language model learns to read (see
`training.language_model`).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from slap_core.tunnel_world.description import Row, Thing, describe
from slap_core.tunnel_world.language import COARSE_PLACES, Choices, coarse_place, prompt
from slap_core.tunnel_world.names import COLOURS, KINDS, OCCLUDERS, OUTCOMES, RELATIONS
from slap_core.tunnel_world.rendering import Rendered
from slap_core.tunnel_world.scenes import Scenes

__all__ = [
    "CLIP_TYPES",
    "COUNTS",
    "FRACTIONS",
    "MOMENTS",
    "ClipQuestion",
    "Story",
    "account",
    "clause",
    "interview",
    "nearest",
    "stories",
]

MOMENTS: Final = ("at first", "early", "halfway", "late", "at last")
FRACTIONS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of the clip: when the moments are."""
CLIP_TYPES: Final = ("presence", "what", "colour", "place", "relation", "count", "still", "change", "order", "turn")
COUNTS: Final = ("none", "one", "two", "three", "four")
_GAP: Final = 0.08
"""Of the clip: what hides earlier than something else by less is not asked about."""


def nearest(fraction: float) -> int:
    """The moment that is nearest to a time, as a fraction of the clip."""
    return min(range(len(FRACTIONS)), key=lambda k: abs(FRACTIONS[k] - fraction))


class ClipQuestion(NamedTuple):
    """A question with its answer, both in words of the vocabulary."""

    text: str
    answer: str
    type: str
    """One of `CLIP_TYPES`."""
    split: str
    """visible, hidden or absent."""
    about: str
    """What to look for to answer it: the query of a path."""
    moment: int | None
    """Index into `MOMENTS`; None where it is about the whole clip."""


class Story(NamedTuple):
    """One scene, as plain integers: what its questions are made from."""

    seen: tuple[Row, ...]
    """What is to be seen in each frame; describe it with threshold=0.01."""
    cut_away: tuple[Row, ...]
    """What there is, hidden or not."""
    actors: tuple[tuple[int, int], ...]
    """Kind and colour of those that go behind the occluder."""
    outcome: int
    """Index into `OUTCOMES`."""

    def frame(self, moment: int) -> int:
        """The frame of a moment."""
        return round(FRACTIONS[moment] * (len(self.seen) - 1))

    def split(self, pair: tuple[int, int], frame: int) -> str:
        """Whether a thing is visible, hidden or absent there."""
        if pair in _pairs(self.seen[frame]):
            return "visible"
        return "hidden" if pair in _pairs(self.cut_away[frame]) else "absent"


def _pairs(row: Row) -> set[tuple[int, int]]:
    return {(thing.kind, thing.colour) for thing in row.things}


def _noun(pair: tuple[int, int]) -> str:
    return f"{COLOURS[pair[1]]} {KINDS[pair[0]]}"


def interview(story: Story, *, variant: int = 0) -> list[ClipQuestion]:
    """Questions about a scene: some of very many, drawn by `variant`."""
    choices = Choices(variant)
    found: list[ClipQuestion] = []
    for moment in _drawn(choices, range(len(MOMENTS)), 3):
        found += _about_moment(story, moment, choices)
    ever = sorted(set().union(*map(_pairs, story.cut_away)))
    for pair in _drawn(choices, ever, 2):
        found += _about_thing(story, pair, choices)
    return found + _order(story, choices)


def _drawn(choices: Choices, options: Sequence, count: int) -> list:
    left = list(options)
    return [left.pop(choices.below(len(left))) for _ in range(min(count, len(left)))]


def _about_moment(story: Story, moment: int, choices: Choices) -> list[ClipQuestion]:
    frame, when = story.frame(moment), MOMENTS[moment]
    row = story.cut_away[frame]
    hidden = [thing for thing in row.things if story.split((thing.kind, thing.colour), frame) == "hidden"]
    asked = []
    if row.things:
        # Hidden things are a minority: they are preferred, that both kinds of questions are about as many.
        thing = choices.one(tuple(hidden if hidden and choices.below(3) else row.things))
        asked += _about_present(story, row, thing, moment, choices)
    asked.append(_absent(story, row, moment, choices))
    if choices.below(2):
        split = "hidden" if hidden else "visible" if row.things else "absent"
        text = f"how many objects are there {when}?"
        asked.append(ClipQuestion(text, COUNTS[len(row.things)], "count", split, "an object", moment))
    return asked


def _about_present(story: Story, row: Row, thing: Thing, moment: int, choices: Choices) -> list[ClipQuestion]:
    pair, when = (thing.kind, thing.colour), MOMENTS[moment]
    split, noun = story.split(pair, story.frame(moment)), _noun(pair)
    about, occluder = prompt(kind=thing.kind, colour=thing.colour), OCCLUDERS[row.occluder]
    behind = "yes" if RELATIONS[thing.relation] == "behind" else "no"
    place = COARSE_PLACES[coarse_place(thing.place)]
    asked = [
        ClipQuestion(f"is there {about} {when}?", "yes", "presence", split, about, moment),
        ClipQuestion(f"where is the {noun} {when}?", place, "place", split, about, moment),
    ]
    if choices.below(2):
        text = f"is the {noun} behind the {occluder} {when}?"
        asked.append(ClipQuestion(text, behind, "relation", split, about, moment))
    ever = set().union(*map(_pairs, story.cut_away))
    if choices.below(2) and sum(kind == thing.kind for kind, _ in ever) == 1:
        text = f"what colour is the {KINDS[thing.kind]} {when}?"
        asked.append(ClipQuestion(text, COLOURS[thing.colour], "colour", split, prompt(kind=thing.kind), moment))
    elif sum(colour == thing.colour for _, colour in ever) == 1:
        text = f"what is {COLOURS[thing.colour]} {when}?"
        asked.append(ClipQuestion(text, KINDS[thing.kind], "what", split, prompt(colour=thing.colour), moment))
    return asked


def _absent(story: Story, row: Row, moment: int, choices: Choices) -> ClipQuestion:
    """About a thing that is not in the picture then: one that has left or is to come, where there is one."""
    there = _pairs(row)
    elsewhere = sorted(set().union(*map(_pairs, story.cut_away)) - there)
    pairs = elsewhere or [(k, c) for k in range(len(KINDS)) for c in range(len(COLOURS)) if (k, c) not in there]
    kind, colour = choices.one(tuple(pairs))
    about = prompt(kind=kind, colour=colour)
    if choices.below(3):
        return ClipQuestion(f"is there {about} {MOMENTS[moment]}?", "no", "presence", "absent", about, moment)
    text = f"where is the {_noun((kind, colour))} {MOMENTS[moment]}?"
    return ClipQuestion(text, "nowhere", "place", "absent", about, moment)


def _about_thing(story: Story, pair: tuple[int, int], choices: Choices) -> list[ClipQuestion]:
    """About one thing through the clip: is it still there, does it come or leave, does it turn back."""
    noun, about = _noun(pair), prompt(kind=pair[0], colour=pair[1])
    there = [pair in _pairs(row) for row in story.cut_away]
    first_seen = next((f for f, row in enumerate(story.seen) if pair in _pairs(row)), None)
    asked = []
    moment = 2 + choices.below(3)
    frame = story.frame(moment)
    # What is rare is always asked, what is common one time in a few: the words alone shall not tell the answer.
    if first_seen is not None and first_seen < frame and (not there[frame] or not choices.below(3)):
        answer, split = "yes" if there[frame] else "no", story.split(pair, frame)
        text = f"is the {noun} still there {MOMENTS[moment]}?"
        asked.append(ClipQuestion(text, answer, "still", split, about, moment))
    changes = {"leave": not there[-1], "come": not there[0]}
    verb = next((verb for verb, true in changes.items() if true), choices.one(tuple(changes)))
    if changes[verb] or not choices.below(4):
        split = story.split(pair, len(there) - 1 if verb == "leave" else 0)
        split = split if split == "hidden" else "visible"
        answer = "yes" if changes[verb] else "no"
        asked.append(ClipQuestion(f"does the {noun} {verb}?", answer, "change", split, about, None))
    turns = OUTCOMES[story.outcome] == "turns_back" and pair in story.actors
    passes = OUTCOMES[story.outcome] in ("through", "inside", "crossing") and pair in story.actors
    if turns or (passes and not choices.below(3)):  # three outcomes pass, one turns back
        answer = "yes" if turns else "no"
        asked.append(ClipQuestion(f"does the {noun} turn back?", answer, "turn", "hidden", about, None))
    return asked


def _order(story: Story, choices: Choices) -> list[ClipQuestion]:
    """Which of two actors hides first."""
    begins = {}
    for pair in story.actors:
        begins[pair] = next((f for f in range(len(story.seen)) if story.split(pair, f) == "hidden"), None)
    hiding = [pair for pair, frame in begins.items() if frame is not None]
    if len(hiding) < 2:
        return []
    one, other = _drawn(choices, hiding, 2)
    if abs(begins[one] - begins[other]) < _GAP * len(story.seen):
        return []
    text = f"does the {_noun(one)} hide before or after the {_noun(other)}?"
    answer = "before" if begins[one] < begins[other] else "after"
    return [ClipQuestion(text, answer, "order", "hidden", prompt(kind=one[0], colour=one[1]), None)]


def clause(moment: int, thing: Thing, occluder: int) -> list[str]:
    """What there is to say of a thing at a moment, in words."""
    place = COARSE_PLACES[coarse_place(thing.place)]
    relation = ["behind", OCCLUDERS[occluder]] if RELATIONS[thing.relation] == "behind" else ["before"]
    return [*MOMENTS[moment].split(), COLOURS[thing.colour], KINDS[thing.kind], place, *relation]


def account(story: Story, *, variant: int = 0) -> list[list[str]]:
    """What there is at each moment, in clauses: a thing each, or "nothing"; in an order drawn by `variant`."""
    choices = Choices(variant)
    clauses = []
    for moment, when in enumerate(MOMENTS):
        row = story.cut_away[story.frame(moment)]
        things = _drawn(choices, row.things, len(row.things))
        clauses += [clause(moment, thing, row.occluder) for thing in things]
        if not things:
            clauses.append([*when.split(), "nothing"])
    return clauses


def stories(scenes: Scenes, rendered: Rendered) -> list[Story]:
    """What there is to ask about each scene.

    Args:
        scenes: of which at least the moments' frames were rendered: 11 evenly over the clip, or any finer multiple.
        rendered: what `render` returned for them; no layer is needed.
    """
    seen = describe(scenes, rendered, layer="observed", threshold=0.01).rows()
    cut_away = describe(scenes, rendered, layer="cut_away").rows()
    frames = rendered.visible_fraction.shape[1]
    actors = [
        tuple(pair for pair, acts in zip(zip(*row, strict=True), flags, strict=True) if acts)
        for *row, flags in zip(scenes.kind.tolist(), scenes.colour.tolist(), scenes.actor.tolist(), strict=True)
    ]
    return [
        Story(
            tuple(seen[k * frames : (k + 1) * frames]),
            tuple(cut_away[k * frames : (k + 1) * frames]),
            actors[k],
            int(scenes.outcome[k]),
        )
        for k in range(len(scenes))
    ]
